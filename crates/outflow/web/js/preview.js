// The stream in the browser, on demand: HTTP-FLV by mpegts.js, which is loaded when it is first needed.
import { el, hide, put } from './dom.js';

const PLAYER = '/vendor/mpegts-1.8.2.js';
let loading = null;

function load() {
  loading ??= new Promise((resolve, reject) => {
    const script = el('script', { src: PLAYER });
    script.addEventListener('load', () => {
      window.mpegts.LoggingControl.enableAll = false;
      resolve(window.mpegts);
    });
    script.addEventListener('error', () => {
      loading = null;
      reject(new Error('the player could not be loaded'));
    });
    document.head.append(script);
  });
  return loading;
}

/** One at a time: a browser allows six connections to a server, and the page needs its own. */
let playing = null;

export class Preview {
  constructor(id) {
    this.id = id;
    this.player = null;
    this.button = el('button', { type: 'button', class: 'play', 'aria-expanded': 'false', onclick: () => this.toggle() }, 'Preview');
    this.button.setAttribute('aria-label', `Preview ${id}`);
    this.said = el('p', { class: 'said', role: 'status' });
    this.node = el('div', { class: 'preview', hidden: true });
  }

  /** Whether there is something to play. */
  offer(live) {
    hide(this.button, !live && this.node.hidden);
  }

  toggle() {
    if (this.node.hidden) this.open();
    else this.close();
  }

  async open() {
    if (playing) playing.close();
    playing = this;
    put(this.button, 'Close preview');
    this.button.setAttribute('aria-expanded', 'true');
    this.video = el('video', { muted: true, controls: true, autoplay: true, playsInline: true });
    put(this.said, 'Waiting for a key frame ...');
    this.node.replaceChildren(this.video, this.said);
    this.node.hidden = false;
    try {
      const mpegts = await load();
      if (this.node.hidden) return;
      if (!mpegts.getFeatureList().mseLivePlayback) throw new Error('this browser can\'t play it: it has no Media Source Extensions');
      this.begin(mpegts);
    } catch (error) {
      put(this.said, `No preview: ${error.message}`);
    }
  }

  begin(mpegts) {
    const path = this.id.split('/').map(encodeURIComponent).join('/');
    const source = { type: 'flv', isLive: true, url: new URL(`/live/${path}.flv`, location.href).href };
    const settings = {
      // Shown by the right to use the API: no play token, and none in a URL.
      headers: { 'Outflow-Preview': '1' },
      enableStashBuffer: false,
      liveBufferLatencyChasing: true,
      liveBufferLatencyMaxLatency: 4,
      liveBufferLatencyMinRemain: 0.7,
      autoCleanupSourceBuffer: true,
      autoCleanupMaxBackwardDuration: 30,
      autoCleanupMinBackwardDuration: 10,
    };
    this.player = mpegts.createPlayer(source, settings);
    this.player.on(mpegts.Events.ERROR, (kind, detail, info) => {
      const why = info && info.code === 404 ? 'nobody publishes this stream now' : `${detail}`;
      put(this.said, `The preview ended: ${why}`);
      this.stop();
    });
    this.player.on(mpegts.Events.LOADING_COMPLETE, () => put(this.said, 'The stream has ended.'));
    this.video.addEventListener('playing', () => put(this.said, `${this.video.videoWidth} x ${this.video.videoHeight}, muted at first`));
    this.player.attachMediaElement(this.video);
    this.player.load();
    this.video.play().catch(() => { /* its controls are there */ });
    this.jumper = setInterval(() => this.jump(), 500);
  }

  /** Over a gap in time, as after a skip, the browser would wait forever. */
  jump() {
    const { buffered, currentTime, paused } = this.video;
    for (let at = 0; !paused && at < buffered.length; at += 1) {
      const begin = buffered.start(at);
      if (begin <= currentTime + 0.1 && currentTime + 0.1 < buffered.end(at)) return;
      if (begin > currentTime) {
        this.video.currentTime = begin + 0.05;
        return;
      }
    }
  }

  stop() {
    clearInterval(this.jumper);
    const { player } = this;
    this.player = null;
    // Not within its own event.
    if (player) setTimeout(() => player.destroy());
  }

  close() {
    if (playing === this) playing = null;
    this.stop();
    this.node.hidden = true;
    this.node.replaceChildren();
    put(this.button, 'Preview');
    this.button.setAttribute('aria-expanded', 'false');
  }
}
