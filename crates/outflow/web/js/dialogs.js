// Questions, the form for a new output, and short words at the bottom of the page.
import * as api from './api.js';
import { byId, el, put } from './dom.js';

/** Shows a dialog until it is closed; the answer is what it was closed with, empty for Escape. */
function open(dialog) {
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    dialog.showModal();
  });
}

/** A question before something that can't be undone. The safe answer has the focus. */
export async function confirm(title, text, yes) {
  const dialog = el('dialog', { 'aria-labelledby': 'asked' });
  dialog.append(el('h2', { id: 'asked' }, title), el('p', {}, text), el('div', { class: 'buttons' },
    el('button', { type: 'button', autofocus: true, onclick: () => dialog.close('') }, 'Cancel'),
    el('button', { type: 'button', class: 'danger', onclick: () => dialog.close('yes') }, yes)));
  return (await open(dialog)) === 'yes';
}

/** Words for some seconds; true if the action was taken. */
export function toast(text, { action = null, seconds = 6, tone = 'off' } = {}) {
  return new Promise((resolve) => {
    const done = (taken) => {
      clearTimeout(timer);
      node.remove();
      resolve(taken);
    };
    const node = el('div', { class: 'toast', 'data-tone': tone }, el('span', {}, text),
      el('button', { type: 'button', onclick: () => done(action !== null) }, action || 'OK'));
    const timer = setTimeout(() => done(false), seconds * 1000);
    byId('toasts').append(node);
    // What was in the hand is gone with its button; the way back is the next thing.
    if (action) node.querySelector('button').focus();
    while (byId('toasts').children.length > 4) byId('toasts').firstElementChild.querySelector('button').click();
  });
}

export function failed(what, error) {
  const mends = (error.mistakes || []).map((mistake) => mistake.hint).filter(Boolean);
  toast([`${what}: ${error.message}`, ...mends].join(' – '), { tone: 'bad', seconds: 12 });
}

/** The form for a new output; tells whether one was added. */
export function addOutput(streams) {
  return outputForm({
    title: 'Add an output',
    verb: 'Add',
    fields: [
      ['stream', 'Stream', { required: true, value: streams[0] || '', placeholder: 'live/show' }],
      ['url', 'Where to', { required: true, placeholder: 'rtmps://live.example/app', inputMode: 'url' }],
      ['key', 'Stream key', SECRET, 'Is kept by the server and shown to nobody.'],
      ['name', 'Name', { placeholder: 'made from the host' }],
      ['groups', 'Groups', { placeholder: 'evening, main' }, 'Separated by commas.'],
    ],
    streams,
    starts: true,
    send: async ({ stream, url, key, name, groups }, starts) => {
      const output = { stream, url, auto_start: starts };
      if (key) output.key = key;
      if (name) output.name = name;
      if (listed(groups).length > 0) output.groups = listed(groups);
      await api.addOutput(output);
    },
  });
}

/** The form for an output that is there; only what is changed is sent. `asked` is called before a broadcast would end. */
export function changeOutput(output, asked) {
  const before = { stream: output.stream, groups: output.groups.join(', '), url: '', key: '', delay: '', max_lag: '' };
  const same = 'as it is';
  return outputForm({
    title: `Change ${output.id}`,
    verb: 'Change',
    fields: [
      ['stream', 'Stream', { required: true, value: before.stream }, 'Another stream goes on in the same broadcast.'],
      ['url', 'Where to', { placeholder: output.url, inputMode: 'url' }, 'With another destination, key, delay or lag a new broadcast begins.'],
      ['key', 'Stream key', { ...SECRET, placeholder: same }],
      ['groups', 'Groups', { value: before.groups }, 'Separated by commas.'],
      ['delay', 'Held back by', { placeholder: `${same}; 0, 30s, 2min` }],
      ['max_lag', 'Skips when further behind than', { placeholder: `${same}; 4s` }],
    ],
    streams: [],
    starts: output.auto_start,
    send: async (now, starts) => {
      const change = {};
      for (const name of ['url', 'key']) if (now[name]) change[name] = now[name];
      const options = ['delay', 'max_lag'].filter((name) => now[name]).map((name) => [name, now[name]]);
      if (options.length > 0) change.options = Object.fromEntries(options);
      if (Object.keys(change).length > 0 && !(await asked())) return false;
      if (now.stream !== before.stream) change.stream = now.stream;
      if (now.groups !== before.groups) change.groups = listed(now.groups);
      if (starts !== output.auto_start) change.auto_start = starts;
      if (Object.keys(change).length > 0) await api.changeOutput(output.id, change);
      return true;
    },
  });
}

const SECRET = { type: 'password', autocomplete: 'new-password' };
const listed = (text) => text.split(',').map((part) => part.trim()).filter(Boolean);

/** A form whose mistakes are told at their fields; tells whether it was sent. */
function outputForm({ title, verb, fields, streams, starts, send }) {
  const error = el('p', { class: 'mistake', role: 'alert' });
  const mistakes = new Map();
  const field = (name, label, properties, hint) => {
    const input = el('input', { id: `new-${name}`, name, autocomplete: 'off', spellcheck: false, ...properties });
    const mistake = el('span', { class: 'mistake', id: `new-${name}-mistake` });
    mistakes.set(name, [input, mistake]);
    input.setAttribute('aria-describedby', mistake.id);
    return el('label', {}, label, input, hint ? el('small', {}, hint) : null, mistake);
  };
  const dialog = el('dialog', { class: 'add', 'aria-labelledby': 'form-title' });
  const auto = el('input', { type: 'checkbox', checked: starts });
  const form = el('form', { method: 'dialog' },
    el('h2', { id: 'form-title' }, title),
    el('datalist', { id: 'known-streams' }, ...streams.map((id) => el('option', { value: id }))),
    ...fields.map((one) => field(...one)),
    el('label', { class: 'check' }, auto, 'Starts by itself with its stream'),
    error,
    el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: () => dialog.close('') }, 'Cancel'),
      el('button', { type: 'submit', class: 'main' }, verb)));
  form.elements.stream.setAttribute('list', 'known-streams');
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    put(error, '');
    mistakes.forEach(([input, mistake]) => { put(mistake, ''); input.removeAttribute('aria-invalid'); });
    const values = Object.fromEntries([...mistakes].map(([name, [input]]) => [name, name === 'key' ? input.value : input.value.trim()]));
    try {
      if ((await send(values, auto.checked)) !== false) dialog.close('sent');
    } catch (wrong) {
      const told = (wrong.mistakes || []).filter((mistake) => mistakes.has(base(mistake.field)));
      for (const { field: at, problem, hint } of told) {
        const [input, mistake] = mistakes.get(base(at));
        put(mistake, hint ? `${problem}: ${hint}` : problem);
        input.setAttribute('aria-invalid', 'true');
      }
      if (told.length === 0) put(error, wrong.message);
      else mistakes.get(base(told[0].field))[0].focus();
    }
  });
  dialog.append(form);
  return open(dialog).then((answer) => answer === 'sent');
}

/** `groups[1]` is the field `groups`, `options.delay` the field `delay`. */
const base = (field) => (field || '').replace(/^options\./, '').split('[')[0];
