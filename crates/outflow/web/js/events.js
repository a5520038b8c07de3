// What happens, as it happens: server-sent events, newest first, so many and no more.
import { byId, clock, el, milliseconds, span } from './dom.js';
import { look, word } from './states.js';

const MOST = 200;
const AGAIN = 5000;

/** What an event says, and its tone; `null` for what is not shown. */
function tell(event) {
  const reason = event.reason && typeof event.reason === 'object' ? `: ${event.reason.text}` : '';
  switch (event.event) {
    case 'output': {
      const again = event.retry_in ? ` in ${span(event.retry_in)}` : '';
      return [event.output, `${word(event.state)}${again}${reason}`, look(event.state)[2]];
    }
    case 'player_joined': return [event.output, `a player came from ${event.peer}`, 'off'];
    case 'player_left': return [event.output, `the player from ${event.peer} left: ${event.reason}`, 'off'];
    case 'skipped': return [event.output, `skipped ${milliseconds(event.millis)}${event.peer ? ` for the player from ${event.peer}` : ''}: it was too far behind`, 'warn'];
    case 'input_started': return [event.input, `a source came: ${event.what}`, 'good'];
    case 'input_ended': return [event.input, `its source ended${reason}`, 'warn'];
    case 'listening': return ['server', `listens on ${event.address}`, 'off'];
    case 'failure': return [event.who, `failed${reason}`, 'bad'];
    case 'warning': return [event.who, event.text, 'warn'];
    case 'note': return [event.who, event.text, 'off'];
    case 'lost': return ['page', `${event.count} events came too fast to be shown`, 'warn'];
    default: return [event.who || event.output || event.input || 'server', event.text || event.event, 'off'];
  }
}

export class Events {
  /** `changed` is called where the outputs may look different now. */
  constructor(changed) {
    this.changed = changed;
    this.list = byId('events');
    this.source = null;
  }

  open() {
    this.close();
    const source = new EventSource('/v1/events');
    this.source = source;
    const names = ['output', 'player_joined', 'player_left', 'skipped', 'input_started', 'input_ended', 'listening', 'failure', 'warning', 'note', 'lost', 'alert'];
    names.forEach((name) => source.addEventListener(name, (message) => this.take(message)));
    source.addEventListener('error', () => {
      // It comes back by itself after a lost connection, but not after a no.
      if (source.readyState === EventSource.CLOSED && this.source === source) this.later = setTimeout(() => this.open(), AGAIN);
    });
  }

  close() {
    clearTimeout(this.later);
    if (this.source) this.source.close();
    this.source = null;
  }

  take(message) {
    let event;
    try { event = JSON.parse(message.data); } catch { return; }
    const [who, text, tone] = tell(event);
    const time = event.time ? new Date(event.time * 1000) : new Date();
    this.list.prepend(el('li', { 'data-tone': tone }, el('time', {}, clock(time)), el('span', {}, el('b', {}, who), ` ${text}`)));
    while (this.list.children.length > MOST) this.list.lastElementChild.remove();
    this.changed();
  }
}
