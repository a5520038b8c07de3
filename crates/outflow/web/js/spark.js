// A line of the last two minutes: one sample a second, as many as fit, drawn as SVG.

const SAMPLES = 120;
/** So many fill the width at first: a page that was just opened has something to show. */
const FIRST = 30;
const [WIDTH, HEIGHT] = [120, 26];
const NS = 'http://www.w3.org/2000/svg';

export class Spark {
  /** `least` is the smallest value that fills the height, so that noise does not look like a mountain. */
  constructor(name, least) {
    this.least = least;
    this.values = [];
    this.node = document.createElementNS(NS, 'svg');
    for (const [key, value] of Object.entries({ class: `spark ${name}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' })) {
      this.node.setAttribute(key, value);
    }
    this.area = this.node.appendChild(document.createElementNS(NS, 'path'));
    this.line = this.node.appendChild(document.createElementNS(NS, 'path'));
    this.area.setAttribute('class', 'area');
    this.line.setAttribute('class', 'line');
  }

  push(value) {
    this.values.push(value);
    if (this.values.length > SAMPLES) this.values.shift();
    const top = Math.max(this.least, ...this.values) * 1.08;
    const step = WIDTH / (Math.max(FIRST, this.values.length) - 1);
    const from = WIDTH - (this.values.length - 1) * step;
    const points = this.values.map((sample, at) =>
      `${(from + at * step).toFixed(1)} ${(HEIGHT - 1.5 - (sample / top) * (HEIGHT - 3)).toFixed(1)}`);
    const line = `M${points.join('L')}`;
    this.line.setAttribute('d', line);
    this.area.setAttribute('d', `${line}L${WIDTH} ${HEIGHT}L${from.toFixed(1)} ${HEIGHT}z`);
  }
}
