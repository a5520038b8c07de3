// The states of outputs: in words, as a shape, and as a colour. None of the three stands alone.
import { serverNow } from './api.js';
import { span } from './dom.js';

const CIRCLE = '<circle cx="8" cy="8" r="6"/>';
const RING = '<circle cx="8" cy="8" r="5.2" class="line"/>';
const HALF = '<circle cx="8" cy="8" r="5.2" class="line"/><path d="M8 2.8a5.2 5.2 0 0 1 0 10.4z"/>';
const SQUARE = '<rect x="3" y="3" width="10" height="10" rx="1"/>';
const FRAME = '<rect x="3.6" y="3.6" width="8.8" height="8.8" rx="1" class="line"/>';
export const TRIANGLE = '<path d="M8 1.5 15 14H1z"/><path d="M8 6v4M8 11.4v1.2" class="cut"/>';
const DIAMOND = '<path d="M8 1 15 8 8 15 1 8z"/>';
export const CROSS = '<path d="M3.4 3.4l9.2 9.2M12.6 3.4l-9.2 9.2" class="line thick"/>';
const DOTS = '<circle cx="8" cy="8" r="5.2" class="line dashed"/>';

/** Word, shape, tone. Only the platform knows who is on air: what we know is that it is sent. */
const STATES = {
  idle: ['Not started', RING, 'off'],
  waiting_input: ['Waiting for the stream', DOTS, 'off'],
  resolving: ['Looking up the name', HALF, 'work'],
  connecting: ['Connecting', HALF, 'work'],
  handshaking: ['Greeting the server', HALF, 'work'],
  publishing: ['Asking to publish', HALF, 'work'],
  live: ['Sending', CIRCLE, 'good'],
  stalled: ['Stalled', TRIANGLE, 'warn'],
  yielding: ['Yielding', TRIANGLE, 'warn'],
  backoff: ['Retrying', DIAMOND, 'warn'],
  draining: ['Stopping', FRAME, 'work'],
  stopped: ['Stopped', SQUARE, 'off'],
  failed: ['Failed', CROSS, 'bad'],
};
export const RECEIVING = ['Receiving', CIRCLE, 'good'];
export const SILENT = ['No source', DOTS, 'off'];

export const look = (state) => STATES[state] || [state, RING, 'off'];
export const word = (state) => look(state)[0];
/** The same of one output: one that listens is not sending until a player is there. */
export function lookOf({ state, players }) {
  if (state !== 'live' || players === null || players === undefined) return look(state);
  return players === 0 ? ['Waiting for players', DOTS, 'off'] : [`Serving ${players === 1 ? '1 player' : `${players} players`}`, CIRCLE, 'good'];
}
/** A broadcast is under way there, and would end. */
export const hasShow = (output) => ['live', 'stalled', 'yielding', 'draining'].includes(output.state);
export const isProblem = (output) => ['stalled', 'yielding', 'backoff', 'failed'].includes(output.state) || isClosed(output);
/** To somebody: an output that waits for players is none of these. */
export const isSending = (output) => output.state === 'live' && output.players !== 0;
export const isOff = (output) => ['idle', 'stopped', 'waiting_input'].includes(output.state);
/** Its host has no room left, since its program does not read. */
export const isClosed = (output) => Boolean(output.window_closed && hasShow(output));

const parser = new DOMParser();
/** Draws a shape; `shape` is one of the texts above, never of the server. */
export function draw(shape) {
  const text = `<svg xmlns="http://www.w3.org/2000/svg" class="shape" viewBox="0 0 16 16" aria-hidden="true">${shape}</svg>`;
  return document.importNode(parser.parseFromString(text, 'image/svg+xml').documentElement, true);
}

/** Why it is as it is, in one line. */
export function why(output) {
  const parts = [];
  if (isClosed(output)) parts.push('The destination\'s machine takes nothing more: its program does not read.');
  if (output.reason) parts.push(sentence(output.reason.text));
  if (output.next_retry_at) {
    const left = (Date.parse(output.next_retry_at) - serverNow()) / 1000;
    parts.push(left > 0.5 ? `Tries again in ${span(left)}.` : 'Tries again now.');
  }
  if (parts.length === 0 && output.state === 'waiting_input') parts.push(`Starts with the first key frame of ${output.stream}.`);
  if (parts.length === 0 && output.state === 'stopped' && !output.auto_start) parts.push('Starts when you start it.');
  return parts.join(' ');
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
