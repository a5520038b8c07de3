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
  const error = el('p', { class: 'mistake', role: 'alert' });
  const mistakes = new Map();
  const field = (name, label, properties, hint) => {
    const input = el('input', { id: `new-${name}`, name, autocomplete: 'off', spellcheck: false, ...properties });
    const mistake = el('span', { class: 'mistake', id: `new-${name}-mistake` });
    mistakes.set(name, [input, mistake]);
    input.setAttribute('aria-describedby', mistake.id);
    return el('label', {}, label, input, hint ? el('small', {}, hint) : null, mistake);
  };
  const dialog = el('dialog', { class: 'add', 'aria-labelledby': 'add-title' });
  const auto = el('input', { type: 'checkbox', checked: true });
  const form = el('form', { method: 'dialog' },
    el('h2', { id: 'add-title' }, 'Add an output'),
    el('datalist', { id: 'known-streams' }, ...streams.map((id) => el('option', { value: id }))),
    field('stream', 'Stream', { required: true, value: streams[0] || '', placeholder: 'live/show' }),
    field('url', 'Where to', { required: true, placeholder: 'rtmps://live.example/app', inputMode: 'url' }),
    field('key', 'Stream key', { type: 'password', autocomplete: 'new-password' }, 'Is kept by the server and shown to nobody.'),
    field('name', 'Name', { placeholder: 'made from the host' }),
    field('groups', 'Groups', { placeholder: 'evening, main' }, 'Separated by commas.'),
    el('label', { class: 'check' }, auto, 'Starts by itself with its stream'),
    error,
    el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: () => dialog.close('') }, 'Cancel'),
      el('button', { type: 'submit', class: 'main' }, 'Add')));
  form.elements.stream.setAttribute('list', 'known-streams');
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    put(error, '');
    mistakes.forEach(([input, mistake]) => { put(mistake, ''); input.removeAttribute('aria-invalid'); });
    const { stream, url, key, name, groups } = form.elements;
    const output = { stream: stream.value.trim(), url: url.value.trim(), auto_start: auto.checked };
    if (key.value) output.key = key.value;
    if (name.value.trim()) output.name = name.value.trim();
    const named = groups.value.split(',').map((group) => group.trim()).filter(Boolean);
    if (named.length > 0) output.groups = named;
    try {
      await api.addOutput(output);
      dialog.close('added');
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
  return open(dialog).then((answer) => answer === 'added');
}

const base = (field) => (field || '').split('[')[0];
