// What happens, as it happens: server-sent events, newest first, so many and no more.
import { byId, clock, el, milliseconds, span } from './dom.js';
import { look, word } from './states.js';

const MOST = 200;
const AGAIN = 2000;
const LINGER = 60_000;
const STEPS = ['resolving', 'connecting', 'handshaking', 'publishing'];

/** What an event says, and its tone; `null` for what is not shown. */
function tell(event, listens) {
  const reason = event.reason && typeof event.reason === 'object' ? `: ${event.reason.text}` : '';
  switch (event.event) {
    case 'output': {
      // The steps on the way are seen at the output; here they would be most of what is said.
      if (STEPS.includes(event.state)) return null;
      const again = event.retry_in ? ` in ${span(event.retry_in)}` : '';
      const said = event.state === 'live' && listens(event.output) ? 'Ready for players' : word(event.state);
      return [event.output, `${said}${again}${reason}`, look(event.state)[2]];
    }
    case 'player_joined': return [event.output, `a player came from ${event.peer}`, 'off'];
    case 'player_left': return [event.output, `the player from ${event.peer} left: ${event.reason}`, 'off'];
    case 'skipped': return [event.output, `skipped ${milliseconds(event.millis)}${event.peer ? ` for the player from ${event.peer}` : ''}: it was too far behind`, 'warn'];
    case 'input_started': return [event.input, `a source came: ${event.what}`, 'good'];
    case 'input_ended': return [event.input, `its source ended${reason}`, 'warn'];
    case 'listening': return ['server', `listens on ${event.address}`, 'off'];
    case 'alert': return event.raised
      ? [event.output || event.stream, `alert: ${event.text}`, event.severity === 'critical' ? 'bad' : 'warn']
      : [event.output || event.stream, `no longer: ${event.rule.replaceAll('_', ' ')}, after ${span(event.lasted_s)}`, 'good'];
    case 'failure': return [event.who, `failed${reason}`, 'bad'];
    case 'warning': return [event.who, event.text, 'warn'];
    case 'note': return [event.who, event.text, 'off'];
    case 'lost': return ['page', `${event.count} events came too fast to be shown`, 'warn'];
    default: return [event.who || event.output || event.input || 'server', event.text || event.event, 'off'];
  }
}

export class Events {
  /** `changed` is called where the outputs may look different now; `listens` knows which outputs wait for players. */
  constructor(changed, listens) {
    this.changed = changed;
    this.listens = listens;
    this.list = byId('events');
    this.last = null;
    this.reading = null;
    document.addEventListener('visibilitychange', () => this.seen(!document.hidden));
  }

  /** Browsers allow six connections to one server, over all tabs: a tab that nobody sees gives its own back after a while, and
   *  is told what it missed when it is seen again. */
  seen(visible) {
    clearTimeout(this.leaving);
    if (!this.wanted) return;
    if (visible) this.read();
    else this.leaving = setTimeout(() => this.stop(), LINGER);
  }

  open() {
    this.wanted = true;
    this.read();
  }

  close() {
    this.wanted = false;
    this.stop();
  }

  stop() {
    clearTimeout(this.later);
    if (this.reading) this.reading.abort();
    this.reading = null;
  }

  /** Reads until the connection ends, then again a little later, from where it was: what EventSource does, but for a tab that has let go. */
  async read() {
    if (this.reading) return;
    const reading = new AbortController();
    this.reading = reading;
    try {
      const headers = this.last === null ? {} : { 'Last-Event-ID': this.last };
      const answer = await fetch(`/v1/events?recent=${MOST}`, { headers, signal: reading.signal });
      if (answer.ok) await this.follow(answer.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch { /* the page says when the server is lost */ }
    if (this.reading !== reading) return;
    this.reading = null;
    if (this.wanted) this.later = setTimeout(() => this.read(), AGAIN);
  }

  async follow(reader) {
    for (let rest = ''; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop();
      blocks.forEach((block) => this.take(block));
    }
  }

  take(block) {
    const fields = new Map(block.split('\n').map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 1).trim()]));
    if (fields.has('id')) this.last = fields.get('id');
    let event;
    try { event = JSON.parse(fields.get('data') || ''); } catch { return; }
    this.changed();
    const told = tell(event, this.listens);
    if (told === null) return;
    const [who, text, tone] = told;
    const time = event.time ? new Date(event.time * 1000) : new Date();
    this.list.prepend(el('li', { 'data-tone': tone }, el('time', {}, clock(time)), el('span', {}, el('b', {}, who), ` ${text}`)));
    while (this.list.children.length > MOST) this.list.lastElementChild.remove();
  }
}
