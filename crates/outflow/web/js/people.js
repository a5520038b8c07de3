// Who publishes and who plays a stream, and letting them go.
import * as api from './api.js';
import { confirm, failed } from './dialogs.js';
import { attribute, bits, el, hide, milliseconds, put, span } from './dom.js';

const SECOND = 1000;

async function drop(what, ask) {
  try {
    await ask();
  } catch (error) {
    // Who has left by now is where he should be.
    if (error.status !== 404) failed(what, error);
  }
}

/** The publisher: a button that ends what it sends. */
export class Publisher {
  constructor(refresh) {
    this.button = el('button', { type: 'button', class: 'quiet change', hidden: true, onclick: () => this.ask(refresh) }, 'Disconnect');
  }

  update(stream) {
    this.stream = stream;
    hide(this.button, !stream || !stream.publisher);
    if (stream) attribute(this.button, 'aria-label', `Disconnect the publisher of ${stream.id}`);
  }

  async ask(refresh) {
    const { id, publisher, outputs } = this.stream;
    const sends = outputs.length > 0 ? ` ${outputs.join(', ')}: nothing comes for them until a publisher is back.` : '';
    const text = `It publishes ${id} from ${publisher.peer}.${sends} It may come back by itself at once.`;
    if (!(await confirm(`Disconnect the publisher of ${id}?`, text, 'Disconnect'))) return;
    await drop(`${id}: disconnect`, () => api.dropPublisher(publisher.id));
    refresh();
  }
}

/** The players: how many, and on demand each of them. They are asked for only while they are shown. */
export class Players {
  constructor(id) {
    this.id = id;
    this.rows = new Map();
    this.earlier = new Map();
    this.button = el('button', { type: 'button', class: 'quiet', hidden: true, 'aria-expanded': 'false', onclick: () => this.toggle() });
    this.list = el('ul', { class: 'people', hidden: true, 'aria-label': `Players of ${id}` });
  }

  update(stream) {
    const count = stream ? stream.players : 0;
    put(this.button, count === 1 ? '1 player' : `${count} players`);
    attribute(this.button, 'aria-label', `${this.button.textContent} of ${this.id}`);
    // A graph counts them, and knows no more.
    hide(this.button, count === 0 && this.list.hidden);
    this.button.disabled = document.body.classList.contains('read-only');
  }

  toggle() {
    if (this.list.hidden) this.open();
    else this.close();
  }

  open() {
    this.list.hidden = false;
    attribute(this.button, 'aria-expanded', 'true');
    this.look();
  }

  close() {
    clearTimeout(this.timer);
    this.list.hidden = true;
    attribute(this.button, 'aria-expanded', 'false');
  }

  async look() {
    clearTimeout(this.timer);
    try {
      this.show((await api.players()).filter((player) => player.stream === this.id));
    } catch { /* the page says when the server is lost */ }
    if (!this.list.hidden && this.list.isConnected) this.timer = setTimeout(() => this.look(), SECOND);
  }

  show(players) {
    const now = performance.now();
    const seen = new Map(players.map((player) => [player.id, player]));
    for (const [id, row] of this.rows) {
      if (seen.has(id)) continue;
      row.node.remove();
      this.rows.delete(id);
    }
    for (const player of players) {
      let row = this.rows.get(player.id);
      if (!row) {
        row = this.row(player);
        this.rows.set(player.id, row);
        this.list.append(row.node);
      }
      const rate = row.at === null ? null : ((player.bytes - row.bytes) * 8000) / (now - row.at);
      Object.assign(row, { at: now, bytes: player.bytes });
      const facts = [`for ${span((api.serverNow() - Date.parse(player.since)) / 1000)}`];
      if (rate !== null) facts.push(bits(rate));
      facts.push(`${milliseconds(player.lag_ms)} behind`, `${player.skips} skips`);
      if (player.window_closed) facts.push('its program does not read');
      put(row.facts, facts.join(' · '));
      attribute(row.node, 'data-tone', player.window_closed ? 'warn' : 'off');
    }
    if (players.length === 0) this.close();
  }

  row(player) {
    const facts = el('span', { class: 'facts' });
    const ask = async () => {
      const text = `It plays ${this.id}. It may come back by itself.`;
      if (!(await confirm(`Disconnect the player from ${player.peer}?`, text, 'Disconnect'))) return;
      await drop(`${player.peer}: disconnect`, () => api.dropPlayer(player.id));
      this.look();
    };
    const button = el('button', { type: 'button', class: 'quiet', 'aria-label': `Disconnect the player from ${player.peer}`, onclick: ask }, 'Disconnect');
    return { node: el('li', {}, el('b', {}, player.peer), facts, button), facts, at: null, bytes: 0 };
  }
}
