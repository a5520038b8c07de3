// The alerts that are raised: what is wrong, since when, and the mend; in words, as a shape and as a colour.
import { serverNow } from './api.js';
import { attribute, byId, el, hide, put, span } from './dom.js';
import { CROSS, TRIANGLE, draw } from './states.js';

/** Their sentence says for how long. */
const TIMES = ['no_audio', 'not_sending', 'session'];
const LOOKS = { critical: ['Critical', CROSS, 'bad'], warning: ['Warning', TRIANGLE, 'warn'] };
/** So many are told at once to who does not see them come. */
const MOST_SAID = 3;

const who = (alert) => alert.output || alert.stream;
const key = (alert) => JSON.stringify([alert.rule, alert.stream, alert.output]);
const name = (alert) => `${who(alert)}: ${alert.rule.replaceAll('_', ' ')}`;

export class Alerts {
  constructor() {
    this.box = byId('alerts');
    this.list = this.box.querySelector('ol');
    this.said = byId('alerts-said');
    this.rows = new Map();
  }

  /** Shows these, in their order; what is already there is not drawn anew. */
  update(alerts) {
    const news = [];
    const there = new Set(alerts.map(key));
    for (const [id, row] of this.rows) {
      if (there.has(id)) continue;
      news.push(`No longer: ${row.name}.`);
      row.node.remove();
      this.rows.delete(id);
    }
    alerts.forEach((alert, at) => {
      let row = this.rows.get(key(alert));
      if (!row) {
        row = new Row(alert);
        this.rows.set(key(alert), row);
        news.push(`${row.word}: ${who(alert)}: ${alert.text}.`);
      }
      row.show(alert);
      if (this.list.children[at] !== row.node) this.list.insertBefore(row.node, this.list.children[at] || null);
    });
    hide(this.box, alerts.length === 0);
    put(this.box.querySelector('h2'), alerts.length === 1 ? '1 alert' : `${alerts.length} alerts`);
    // Only what changes is read aloud, not each second's figures.
    if (news.length > 0) {
      const more = news.length > MOST_SAID ? ` And ${news.length - MOST_SAID} more.` : '';
      put(this.said, news.slice(0, MOST_SAID).join(' ') + more);
    }
  }
}

class Row {
  constructor(alert) {
    const [word, shape, tone] = LOOKS[alert.severity] || LOOKS.warning;
    this.word = word;
    this.name = name(alert);
    this.text = el('span');
    this.since = el('span', { class: 'since' });
    this.mend = el('span', { class: 'mend' });
    this.whose = el('strong', {}, who(alert));
    this.node = el('li', { 'data-tone': tone, 'data-rule': alert.rule },
      el('span', { class: 'state' }, draw(shape), el('span', { class: 'word' }, word)),
      el('span', { class: 'said' }, el('span', {}, this.whose, ' ', this.text, ' ', this.since), this.mend));
  }

  show(alert) {
    put(this.text, alert.text);
    attribute(this.whose, 'title', alert.output ? `An output of ${alert.stream}` : 'The stream');
    put(this.since, TIMES.includes(alert.rule) ? '' : `for ${span((serverNow() - Date.parse(alert.since)) / 1000)}`);
    put(this.mend, alert.mend);
  }
}
