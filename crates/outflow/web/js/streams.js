// One stream: where it comes from, its preview, and its outputs.
import { Spark } from './spark.js';
import { attribute, bits, byId, el, hide, put } from './dom.js';
import { OutputRow } from './outputs.js';
import { Players, Publisher } from './people.js';
import { Preview } from './preview.js';
import { draw, RECEIVING, SILENT } from './states.js';

/** What comes, in the words of encoders. */
function media({ video, audio }) {
  const facts = [];
  if (video) facts.push(video.width ? `${video.codec} ${video.width}x${video.height}` : video.codec);
  if (video && video.keyframe_interval_ms) facts.push(`key frame each ${(video.keyframe_interval_ms / 1000).toFixed(1)} s`);
  if (audio) facts.push(audio.sample_rate ? `${audio.codec} ${audio.sample_rate / 1000} kHz` : audio.codec);
  if (video && !audio) facts.push('no sound');
  return facts;
}

export class StreamCard {
  constructor(id, refresh) {
    this.id = id;
    this.refresh = refresh;
    this.rows = new Map();
    this.shapeBox = el('span', { class: 'shape-box' });
    this.word = el('span', { class: 'word' });
    this.facts = el('span', { class: 'facts' });
    this.spark = new Spark('rate', 100_000);
    this.preview = new Preview(id);
    this.publisher = new Publisher(refresh);
    this.players = new Players(id);
    this.list = el('ul', { class: 'rows' });
    this.none = el('p', { class: 'none' }, 'Nothing sends this stream anywhere. Add an output, or play it from this server.');
    this.node = el('section', { class: 'card stream', 'aria-label': `Stream ${id}` },
      el('header', {}, el('h2', {}, id), el('span', { class: 'state' }, this.shapeBox, this.word), this.facts,
        this.spark.node, this.publisher.button, this.players.button, this.preview.button),
      this.preview.node, this.players.list, this.list, this.none);
  }

  update(stream, outputs, shown, sample) {
    const [text, shape, tone] = stream && stream.live ? RECEIVING : SILENT;
    if (this.shape !== shape) {
      this.shape = shape;
      this.shapeBox.replaceChildren(draw(shape));
    }
    attribute(this.node, 'data-tone', tone);
    put(this.word, text);
    const facts = [];
    if (stream && stream.live) {
      facts.push(bits(stream.bitrate_bps), `${stream.fps.toFixed(0)} fps`, ...media(stream));
      if (stream.publisher) facts.push(`from ${stream.publisher.peer}`);
    }
    put(this.facts, facts.join(' · '));
    this.publisher.update(stream);
    this.players.update(stream);
    if (sample) this.spark.push(stream ? stream.bitrate_bps : 0);
    this.preview.offer(Boolean(stream && stream.live));
    const seen = new Set();
    for (const output of outputs) {
      seen.add(output.id);
      let row = this.rows.get(output.id);
      if (row) row.update(output, sample);
      else {
        row = new OutputRow(output, this.refresh);
        this.rows.set(output.id, row);
      }
      hide(row.node, row.leaving || !shown(output));
    }
    for (const [id, row] of this.rows) {
      if (!seen.has(id)) {
        row.node.remove();
        this.rows.delete(id);
      }
    }
    this.place(outputs);
    hide(this.none, outputs.length > 0);
  }

  /** In the order of the server; a row that is in its place is not touched, so that it keeps the focus. */
  place(outputs) {
    outputs.forEach((output, at) => {
      const { node } = this.rows.get(output.id);
      if (this.list.children[at] !== node) this.list.insertBefore(node, this.list.children[at] || null);
    });
  }

  tick() {
    for (const row of this.rows.values()) row.tick();
  }

  close() {
    this.preview.close();
    this.players.close();
    this.node.remove();
  }
}

/** Every stream, by its name; those that only outputs know of too. */
export class Streams {
  constructor(refresh) {
    this.refresh = refresh;
    this.cards = new Map();
    this.box = byId('streams');
    this.empty = el('p', { class: 'card none' }, 'Nobody publishes yet, and there are no outputs. Point an encoder at this server: docs/relay.md of Outflow tells how.');
  }

  update(streams, outputs, shown, filtered, sample) {
    const known = new Map(streams.map((stream) => [stream.id, stream]));
    const of = new Map();
    for (const output of outputs) {
      if (!of.has(output.stream)) of.set(output.stream, []);
      of.get(output.stream).push(output);
    }
    const ids = [...new Set([...known.keys(), ...of.keys()])].sort();
    for (const [id, card] of this.cards) {
      if (!ids.includes(id)) {
        card.close();
        this.cards.delete(id);
      }
    }
    ids.forEach((id, at) => {
      let card = this.cards.get(id);
      if (!card) {
        card = new StreamCard(id, this.refresh);
        this.cards.set(id, card);
      }
      const mine = of.get(id) || [];
      card.update(known.get(id), mine, shown, sample);
      hide(card.node, filtered && !mine.some(shown));
      if (this.box.children[at] !== card.node) this.box.insertBefore(card.node, this.box.children[at] || null);
    });
    if (ids.length === 0) this.box.replaceChildren(this.empty);
    else this.empty.remove();
  }

  tick() {
    for (const card of this.cards.values()) card.tick();
  }
}
