// One output: its row, what it shows, and what can be done with it.
import * as api from './api.js';
import { changeOutput, confirm, failed, toast } from './dialogs.js';
import { attribute, bits, el, hide, milliseconds, put, span } from './dom.js';
import { Spark } from './spark.js';
import { draw, hasShow, isClosed, lookOf, why } from './states.js';

/** How long a removal can be undone, in seconds. */
const UNDO = 8;

export class OutputRow {
  constructor(output, refresh) {
    this.id = output.id;
    this.refresh = refresh;
    this.leaving = false;
    this.shape = null;
    this.word = el('span', { class: 'word' });
    this.since = el('span', { class: 'since' });
    this.shapeBox = el('span', { class: 'shape-box' });
    this.name = el('strong', { class: 'name' });
    this.url = el('span', { class: 'url' });
    this.tags = el('span', { class: 'tags' });
    this.reason = el('div', { class: 'why' });
    this.rate = new Figure('Bitrate', 'rate', 100_000);
    this.lag = new Figure('Lag', 'lag', 2000);
    this.delay = new Figure('Delay', 'delay', 500);
    this.skips = el('b');
    this.retries = el('b');
    this.steady = el('b');
    this.stability = el('span', {}, this.steady, ' steady');
    this.session = el('span');
    const button = (text, run, more = '') => el('button', { type: 'button', class: more, onclick: run }, text);
    this.start = button('Start', () => this.command('start'));
    this.stop = button('Stop', () => this.askStop());
    this.retry = button('Retry', () => this.command('retry'));
    this.change = button('Change', () => this.askChange(), 'quiet');
    this.remove = button('Remove', () => this.askRemove(), 'quiet');
    this.node = el('li', { class: 'row', id: `output-${output.id}` },
      el('div', { class: 'state' }, this.shapeBox, el('span', { class: 'words' }, this.word, this.since)),
      el('div', { class: 'who' }, el('span', { class: 'called' }, this.name, this.tags), this.url),
      this.reason,
      el('div', { class: 'figures' }, this.rate.node, this.lag.node, this.delay.node),
      el('div', { class: 'foot' },
        el('div', { class: 'counts' }, el('span', { title: 'Times it skipped forward to a key frame' }, this.skips, ' skips'),
          el('span', { title: 'Attempts beyond the first' }, this.retries, ' retries'), this.stability, this.session),
        el('div', { class: 'acts' }, this.start, this.stop, this.retry, this.change, this.remove)));
    this.update(output, false);
  }

  /** Shows it as it is; `sample` is true once a second. */
  update(output, sample = true) {
    this.output = output;
    const [text, shape, tone] = lookOf(output);
    attribute(this.node, 'data-state', output.state);
    attribute(this.node, 'data-tone', isClosed(output) ? 'warn' : tone);
    if (this.shape !== shape) {
      this.shape = shape;
      this.shapeBox.replaceChildren(draw(shape));
    }
    put(this.word, isClosed(output) ? `${text}, not read` : text);
    put(this.name, output.id);
    put(this.url, output.url);
    attribute(this.url, 'title', output.url);
    const origin = { file: 'file', hook: 'hook', api: '' }[output.origin];
    attribute(this.tags, 'title', { file: 'Of the configuration file: it is removed there', hook: 'A hook gave it' }[output.origin] || '');
    put(this.tags, [...output.groups, origin].filter(Boolean).join(' · '));
    attribute(this.name, 'title', output.id);
    this.tick();
    const flows = hasShow(output);
    this.rate.show(flows ? bits(output.bitrate_bps) : '', output.bitrate_bps, sample);
    this.lag.show(flows ? milliseconds(output.lag_ms) : '', output.lag_ms, sample);
    const delay = output.delay_ms;
    hide(this.delay.node, delay === undefined);
    const known = delay && delay.p95 !== null && delay.p95 !== undefined;
    this.delay.show(known && flows ? milliseconds(delay.p95) : '', known ? delay.p95 : 0, sample);
    const about = 'From the arrival here to the acknowledgement by the destination\'s host, over the last minute';
    attribute(this.delay.node, 'title', known ? `${about}: half within ${milliseconds(delay.p50)}, 95 % within ${milliseconds(delay.p95)}, 99 % within ${milliseconds(delay.p99)}` : about);
    put(this.skips, String(output.skips));
    this.showStability(output.stability);
    this.showSession(output.session);
    put(this.retries, String(Math.max(0, output.attempt - 1)));
    hide(this.start, !['idle', 'stopped'].includes(output.state));
    hide(this.stop, ['idle', 'stopped', 'failed', 'draining'].includes(output.state));
    hide(this.retry, !['backoff', 'failed'].includes(output.state));
    const ours = output.origin === 'api';
    hide(this.change, !ours);
    hide(this.remove, !ours);
    for (const button of [this.start, this.stop, this.retry, this.change, this.remove]) {
      attribute(button, 'aria-label', `${button.textContent} ${output.id}`);
    }
  }

  /** The share of the time in which it was sending without a skip. Rounded down: all but all is not all. */
  showStability(stability) {
    const share = (value) => `${Math.floor(value * 1000) / 10} %`;
    const known = stability && stability.minute !== null;
    hide(this.stability, !known);
    if (!known) return;
    put(this.steady, share(stability.minute));
    const hour = stability.hour === null ? '' : `; of the last hour ${share(stability.hour)}, of which it was watched ${span(stability.watched_s)}`;
    attribute(this.stability, 'title', `So much of the last minute it was sending, without a skip${hour}`);
  }

  /** How much of the longest session that its platform allows is over. */
  showSession(session) {
    const known = Boolean(session && session.limit_s);
    hide(this.session, !known);
    if (!known) return;
    const whole = (seconds) => (seconds % 3600 === 0 ? `${seconds / 3600} h` : span(seconds));
    put(this.session, `${span(session.lasted_s)} of ${whole(session.limit_s)}`);
    attribute(this.session, 'title', `It has been sending for so long without a break; ${session.platform} ends a session after ${whole(session.limit_s)}`);
  }

  /** What changes by itself as time goes by. */
  tick() {
    const output = this.output;
    put(this.since, `for ${span((api.serverNow() - Date.parse(output.since)) / 1000)}`);
    put(this.reason, why(output));
    attribute(this.reason, 'title', output.reason ? output.reason.text : '');
  }

  async command(what) {
    this.busy(true);
    try {
      await api.command(this.id, what);
    } catch (error) {
      failed(`${this.id}: ${what}`, error);
    }
    this.busy(false);
    this.refresh();
  }

  busy(on) {
    for (const button of [this.start, this.stop, this.retry, this.change, this.remove]) button.disabled = on;
  }

  async askStop() {
    const text = `It is sending to ${this.output.url}. Its broadcast there ends. It stays stopped until you start it.`;
    if (hasShow(this.output) && !(await confirm(`Stop ${this.id}?`, text, 'Stop'))) return;
    await this.command('stop');
  }

  async askChange() {
    const text = `It is sending to ${this.output.url}. Its broadcast there ends, and another begins.`;
    const asked = async () => !hasShow(this.output) || confirm(`Change ${this.id}?`, text, 'Change');
    if (await changeOutput(this.output, asked)) this.refresh();
  }

  async askRemove() {
    if (hasShow(this.output)) {
      const text = `It is sending to ${this.output.url}. Its broadcast there ends, and the output and its key are forgotten.`;
      if (await confirm(`Remove ${this.id}?`, text, 'Remove')) await this.drop();
      return;
    }
    this.leaving = true;
    this.refresh();
    const undone = await toast(`${this.id} is removed.`, { action: 'Undo', seconds: UNDO });
    if (!undone) await this.drop();
    this.leaving = false;
    this.refresh();
  }

  async drop() {
    try {
      await api.removeOutput(this.id);
    } catch (error) {
      if (error.status !== 404) failed(`${this.id}: remove`, error);
    }
    this.refresh();
  }
}

/** A number with its line. */
class Figure {
  constructor(name, kind, least) {
    this.text = el('b');
    this.spark = new Spark(kind, least);
    this.node = el('div', { class: `figure ${kind}` }, el('span', { class: 'label' }, `${name} `, this.text), this.spark.node);
  }

  show(text, value, sample) {
    put(this.text, text || '–');
    if (sample) this.spark.push(value);
  }
}
