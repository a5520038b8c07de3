// The page: looks at the server once a second, and at once when it tells of a change; says so when it is lost.
import { Alerts } from './alerts.js';
import * as api from './api.js';
import { addOutput, confirm, failed } from './dialogs.js';
import { attribute, byId, clock, el, hide, put } from './dom.js';
import { Events } from './events.js';
import { hasShow, isOff, isProblem, isSending } from './states.js';
import { Streams } from './streams.js';

const SECOND = 1000;
/** How often a page that nobody sees looks. */
const HIDDEN = 5000;
/** After an event: a little later, as they come in crowds. */
const SOON = 150;

const FILTERS = [
  ['all', 'All', () => true],
  ['sending', 'Sending', isSending],
  ['problems', 'Problems', isProblem],
  ['off', 'Stopped', isOff],
];

let state = { streams: [], outputs: [] };
let filter = 'all';
let running = false;
let timer = null;
let looking = false;
let again = false;
let hurried = false;
let lastAnswer = null;
let lostSince = null;
let lastSample = 0;

const alerts = new Alerts();
const streams = new Streams(() => soon());
const listens = (name) => state.outputs.some((output) => output.id === name && output.players !== null);
const events = new Events(() => soon(), listens);

/** Looks soon, however many ask for it. */
function soon() {
  if (!running || hurried) return;
  hurried = true;
  clearTimeout(timer);
  timer = setTimeout(look, SOON);
}

async function look() {
  clearTimeout(timer);
  hurried = false;
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  again = false;
  try {
    const [found, outputs, raised] = await Promise.all([api.streams(), api.outputs(), api.alerts()]);
    if (!running) return;
    state = { streams: found, outputs };
    alerts.update(raised);
    lost(false);
    lastAnswer = new Date();
    const now = performance.now();
    const sample = now - lastSample > SECOND * 0.8;
    if (sample) lastSample = now;
    show(sample);
  } catch (error) {
    if (error.status === 401) {
      begin();
      return;
    }
    if (running) lost(true, error);
  } finally {
    looking = false;
    if (running) {
      clearTimeout(timer);
      timer = setTimeout(look, again ? SOON : document.hidden ? HIDDEN : SECOND);
    }
  }
}

function lost(is, error) {
  if (!is) lostSince = null;
  // What is shown is from the last answer, which may be long ago.
  else lostSince ??= lastAnswer ?? new Date();
  const banner = byId('lost');
  hide(banner, !is);
  document.body.classList.toggle('lost', is);
  if (is) {
    const said = error instanceof api.Refused ? error.message : 'it does not answer';
    put(banner, `No connection to the server since ${clock(lostSince)}: ${said}. What is shown is from then; outputs may be sending all the same.`);
    document.title = 'Outflow: no connection';
  }
}

const shown = (output) => {
  const [, , fits] = FILTERS.find(([name]) => name === filter);
  const words = byId('search').value.trim().toLowerCase();
  const text = `${output.id} ${output.url} ${output.stream} ${output.groups.join(' ')}`.toLowerCase();
  return fits(output) && text.includes(words);
};

function show(sample) {
  const filtered = filter !== 'all' || byId('search').value.trim() !== '';
  streams.update(state.streams, state.outputs, shown, filtered, sample);
  for (const [name, label, fits] of FILTERS) {
    const count = state.outputs.filter(fits).length;
    const button = byId(`filter-${name}`);
    put(button.querySelector('b'), String(count));
    attribute(button, 'aria-pressed', String(filter === name));
    attribute(button, 'data-some', String(count > 0));
    attribute(button, 'title', `${label}: ${count}`);
  }
  const problems = state.outputs.filter(isProblem).length;
  document.title = `${problems > 0 ? `(${problems}!) ` : ''}Outflow: ${state.outputs.filter(isSending).length} sending`;
  showGroups();
}

/** Groups are drawn anew only when there are others, so that a button keeps the focus. */
function showGroups() {
  const groups = new Map();
  for (const output of state.outputs) {
    for (const name of output.groups) groups.set(name, [...(groups.get(name) || []), output]);
  }
  const box = byId('groups');
  hide(box, groups.size === 0);
  const names = [...groups.keys()].sort();
  const drawn = JSON.stringify(names);
  if (box.dataset.drawn !== drawn) {
    box.dataset.drawn = drawn;
    box.replaceChildren(...names.map(group));
  }
  names.forEach((name, at) => {
    const all = groups.get(name);
    put(box.children[at].querySelector('.of'), `${all.filter(isSending).length} of ${all.length} sending`);
  });
}

function group(name) {
  const run = async (what) => {
    try {
      await api.groupCommand(name, what);
    } catch (error) {
      failed(`group ${name}: ${what}`, error);
    }
    look();
  };
  const stop = async () => {
    const show = state.outputs.filter((output) => output.groups.includes(name) && hasShow(output));
    const text = `${show.map((output) => output.id).join(', ')}: ${show.length === 1 ? 'its broadcast ends' : 'their broadcasts end'}.`;
    if (show.length === 0 || (await confirm(`Stop the group ${name}?`, text, 'Stop'))) await run('stop');
  };
  const button = (text, action) => el('button', { type: 'button', 'aria-label': `${text} group ${name}`, onclick: action }, text);
  return el('div', { class: 'group' }, el('span', { class: 'named' }, el('strong', { title: name }, name), el('span', { class: 'of' })),
    button('Start', () => run('start')), button('Stop', stop), button('Retry', () => run('retry')));
}

/** Asks whether a token is needed, then either shows the page or asks for it. */
async function begin() {
  running = false;
  clearTimeout(timer);
  events.close();
  let session;
  try {
    session = await api.session();
  } catch (error) {
    lost(true, error);
    timer = setTimeout(begin, SECOND);
    return;
  }
  lost(false);
  document.body.classList.toggle('read-only', session.read_only === true);
  hide(byId('logout'), !session.required || !session.valid);
  hide(byId('login'), session.valid);
  for (const id of ['main', 'filters', 'search', 'add']) hide(byId(id), !session.valid);
  if (!session.valid) {
    byId('token').focus();
    return;
  }
  running = true;
  // Its outputs are known before what became of them is told.
  await look();
  if (running) events.open();
}

byId('filters').append(...FILTERS.map(([name, label]) =>
  el('button', { type: 'button', id: `filter-${name}`, 'aria-pressed': 'false', onclick: () => { filter = name; show(false); } }, `${label} `, el('b', {}, '0'))));
byId('search').addEventListener('input', () => show(false));
byId('add').addEventListener('click', async () => {
  const known = [...new Set([...state.streams.map((stream) => stream.id), ...state.outputs.map((output) => output.stream)])].sort();
  if (await addOutput(known)) look();
});
byId('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const field = byId('token');
  try {
    await api.login(field.value);
    field.value = '';
    put(byId('login-error'), '');
    await begin();
  } catch (error) {
    put(byId('login-error'), `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`);
    field.select();
  }
});
byId('logout').addEventListener('click', async () => {
  try {
    await api.logout();
  } catch (error) {
    failed('Log out', error);
  }
  begin();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) soon(); });
setInterval(() => { if (running && !document.hidden) streams.tick(); }, SECOND);
begin();
