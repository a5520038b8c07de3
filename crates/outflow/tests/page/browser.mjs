// Drives the page in Chromium, as a person does: by what is written on it. One mode per run; the test in main.rs says which.
//
//   node browser.mjs MODE BASE FOLDER [more]
//
// It prints `step NAME` where the test has something to do, and goes on once FOLDER/NAME is there.
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [mode, base, folder, ...more] = process.argv.slice(2);
const { chromium } = createRequire(join(process.env.PAGE_MODULES, 'x.js'))('playwright-core');
const DEADLINE = 30_000;
const outside = [];
const mistakes = [];

const browser = await chromium.launch({
  executablePath: process.env.PAGE_CHROMIUM,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--enable-precise-memory-info'],
});

async function open(width, height, options = {}) {
  const context = await browser.newContext({ viewport: { width, height }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'blob:' && url.origin !== base) outside.push(request.url());
  });
  page.on('console', (message) => {
    // The lost connection is in the log of the browser too; what the policy forbids, or a script that fails, is a mistake.
    const harmless = /Failed to load resource|net::ERR_|EventSource/.test(message.text());
    if (message.type() === 'error' && !harmless) mistakes.push(message.text());
  });
  page.on('pageerror', (error) => mistakes.push(String(error)));
  await page.goto(base);
  return page;
}

async function step(name) {
  console.log(`step ${name}`);
  const until = Date.now() + DEADLINE;
  while (!existsSync(join(folder, name))) {
    if (Date.now() > until) throw new Error(`the test did not ${name}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const row = (page, name) => page.locator('.row', { has: page.getByText(name, { exact: true }) });
const say = (page, name, words) => row(page, name).getByText(words).first().waitFor();

/** Logs in with a wrong token, then with the right one, by keyboard. */
async function login(page, token) {
  await page.getByLabel('token').fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByText('The token is wrong.').waitFor();
  await page.getByLabel('token').fill(token);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Add output' }).waitFor();
  const kept = await page.evaluate(() => document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.href);
  if (kept.includes(token) || kept.includes('outflow-')) throw new Error(`a script can read the session: ${kept}`);
}

/** The way of a show: an output added, seen sending, its destination killed, the reason read, tried again, removed. */
async function show([token, url, key]) {
  const page = await open(1280, 800);
  await login(page, token);
  await page.getByText('Receiving').waitFor();

  // Mistakes are told at their field; then it is added, by keyboard alone.
  await page.getByRole('button', { name: 'Add output' }).focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('Where to').fill('http://nowhere.example');
  await page.keyboard.press('Enter');
  await page.locator('#new-url-mistake').getByText('rtmp://').waitFor();
  await page.getByLabel('Where to').fill(url);
  await page.getByLabel('Stream key').fill(key);
  await page.getByLabel('Name').fill('venue');
  await page.getByLabel('Groups').fill('main');
  await page.keyboard.press('Enter');
  await say(page, 'venue', 'Sending');
  await row(page, 'venue').getByText('b/s').waitFor();
  if ((await page.content()).includes(key)) throw new Error('the key is on the page');
  await page.locator('.group', { hasText: 'main' }).getByText('1 of 1 sending').waitFor();

  // A show is not stopped by a slip of the hand.
  await page.getByRole('button', { name: 'Stop venue' }).click();
  await page.getByText('Stop venue?').waitFor();
  await page.keyboard.press('Escape');
  await say(page, 'venue', 'Sending');

  await step('kill');
  await say(page, 'venue', 'Retrying');
  await row(page, 'venue').locator('.why').getByText(/refused|closed|reset/).waitFor();
  await row(page, 'venue').locator('.why').getByText(/Tries again/).waitFor();
  await page.locator('#events').getByText(/Retrying/).first().waitFor();
  const alert = page.getByRole('region', { name: 'Alerts' }).getByRole('listitem').filter({ hasText: 'venue' });
  await alert.getByText('Critical', { exact: true }).waitFor();
  await alert.getByText(/not sending for/).waitFor();
  await page.getByRole('status').getByText(/^Critical: venue: not sending/).waitFor({ state: 'attached' });
  await step('revive');
  await page.getByRole('button', { name: 'Retry venue' }).click();
  await say(page, 'venue', 'Sending');

  await alert.waitFor({ state: 'detached' });
  await page.locator('#events').getByText(/no longer: not sending/).waitFor();
  // Who opens the page late reads what happened before.
  await page.reload();
  await page.locator('#events').getByText(/Retrying/).first().waitFor();

  await change(page);
  await publisher(page);

  // The preview really plays: its time goes on, and there is a picture.
  await page.getByRole('button', { name: 'Preview live/show' }).click();
  await page.waitForFunction(() => {
    const video = document.querySelector('video');
    return video && video.videoWidth > 0 && video.currentTime > 0.5;
  });
  await page.getByRole('button', { name: '1 player of live/show' }).click();
  const player = page.getByRole('list', { name: 'Players of live/show' }).getByRole('listitem');
  await player.getByText(/b\/s .* behind/).waitFor();
  await player.getByRole('button', { name: /^Disconnect the player from/ }).click();
  await page.keyboard.press('Escape');
  await player.getByText(/b\/s .* behind/).waitFor();
  await fits(page);
  await player.getByRole('button', { name: /^Disconnect the player from/ }).click();
  await page.locator('dialog').getByRole('button', { name: 'Disconnect', exact: true }).click();
  await page.getByText('The stream has ended.').waitFor();
  await page.getByRole('button', { name: 'Preview live/show' }).click();
  await page.getByText('1 player').waitFor({ state: 'detached' });

  // Removed with a question while it sends; with an undo when it does not.
  await page.getByRole('button', { name: 'Stop venue' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Stop', exact: true }).click();
  await say(page, 'venue', 'Stopped');
  await page.getByRole('button', { name: 'Remove venue' }).click();
  await row(page, 'venue').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Undo' }).click();
  await say(page, 'venue', 'Stopped');
  await page.getByRole('button', { name: 'Start venue' }).click();
  await say(page, 'venue', 'Sending');
  await page.getByRole('button', { name: 'Remove venue' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await row(page, 'venue').waitFor({ state: 'detached' });

  // The server is lost, and found again: it asks for the token anew.
  await step('lose');
  await page.getByRole('alert').getByText('No connection to the server since').waitFor();
  await step('find');
  await page.getByLabel('token').waitFor();
  await page.getByRole('alert').getByText('No connection').waitFor({ state: 'hidden' });
  await page.getByLabel('token').fill(token);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('token').waitFor();
}

/** Nothing sticks out on a phone. */
async function fits(page) {
  const before = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) throw new Error(`${wide} pixels too wide for a phone`);
  await page.setViewportSize(before);
}

/** An output is changed by keyboard: what does not end its broadcast at once, what does after a question. */
async function change(page) {
  const button = page.getByRole('button', { name: 'Change venue' });
  await button.focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('Where to').fill('http://nowhere.example');
  await page.keyboard.press('Enter');
  await page.getByText('Change venue?').waitFor();
  await fits(page);
  await page.locator('dialog').last().getByRole('button', { name: 'Change', exact: true }).click();
  await page.locator('#new-url-mistake').getByText('rtmp://').waitFor();
  await fits(page);
  await page.getByLabel('Where to').fill('');
  await page.getByLabel('Groups').fill('main, evening');
  await page.keyboard.press('Enter');
  await page.locator('.group', { hasText: 'evening' }).getByText('1 of 1 sending').waitFor();
  await button.click();
  await page.getByLabel('Held back by').fill('1s');
  await page.keyboard.press('Enter');
  await page.getByText('Change venue?').waitFor();
  await page.locator('dialog').last().getByRole('button', { name: 'Change', exact: true }).click();
  await page.locator('dialog').first().waitFor({ state: 'detached' });
  await say(page, 'venue', 'Sending');
}

/** A publisher is let go after a question, and comes back by itself. */
async function publisher(page) {
  const button = page.getByRole('button', { name: 'Disconnect the publisher of live/show' });
  await button.click();
  await page.getByText('Disconnect the publisher of live/show?').waitFor();
  await page.keyboard.press('Escape');
  await page.getByText('Receiving').waitFor();
  await button.click();
  await page.locator('dialog').getByRole('button', { name: 'Disconnect', exact: true }).click();
  await page.locator('#events').getByText(/its source ended/).first().waitFor();
  await page.getByText('Receiving').waitFor();
  await say(page, 'venue', 'Sending');
}

/** A graph: the same page, to look at. */
async function graph() {
  const page = await open(1280, 800);
  await say(page, 'pushed', 'Sending');
  await say(page, 'served', /Waiting for players|Serving/);
  await row(page, 'pushed').getByText('b/s').waitFor();
  await page.locator('#events').getByText('pushed Sending').waitFor();
  await page.locator('#events').getByText('served Ready for players').waitFor();
  const buttons = await page.getByRole('button').allInnerTexts();
  const changes = buttons.filter((text) => /Add|Start|Stop$|Retry|Remove|Change|Preview|Disconnect/.test(text));
  if (changes.length > 0) throw new Error(`what can't be done is offered: ${changes}`);
  await fits(page);
  await step('end');
  await page.getByRole('alert').getByText('No connection').waitFor();
}

/** Pictures of both widths, light and dark. */
async function shots([name, wait]) {
  for (const [width, height, colorScheme] of [[390, 844, 'dark'], [1920, 1080, 'light'], [1920, 1080, 'dark']]) {
    const page = await open(width, height, { colorScheme });
    await page.locator('.row').first().waitFor();
    await new Promise((resolve) => setTimeout(resolve, Number(wait)));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) throw new Error(`${wide} pixels too wide at ${width}`);
    const picture = (what) => page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}${what}.png`) });
    await picture('');
    if (name === '1') {
      await page.getByRole('button', { name: 'Preview live/show' }).click();
      await page.waitForFunction(() => document.querySelector('video')?.currentTime > 1);
      await picture('-preview');
      await page.getByRole('button', { name: 'Add output' }).click();
      await page.getByLabel('Where to').fill('http://nowhere.example');
      await page.keyboard.press('Enter');
      await page.locator('#new-url-mistake').getByText('rtmp://').waitFor();
      await picture('-add');
    }
    if (name === '1') await states(page, picture);
    await page.context().close();
  }
}

/** Every state at once, made up: what no test can bring about in one moment. */
async function states(page, picture) {
  const all = ['live', 'live', 'stalled', 'backoff', 'failed', 'waiting_input', 'connecting', 'publishing', 'draining', 'stopped', 'idle'];
  const reasons = {
    stalled: ['stalled', 'no byte could be sent for 10 s'],
    backoff: ['connect', "can't connect to live.example:443: connection refused"],
    failed: ['refused', 'the server refused to publish: NetStream.Publish.BadName: the stream key is in use or unknown; check the key'],
  };
  await page.unroute('**/v1/outputs').catch(() => {});
  await page.route('**/v1/outputs', (route) => {
    const now = Date.now();
    const outputs = all.map((state, at) => ({
      id: at === 0 ? 'a-name-that-is-longer-than-any-column-of-this-page-has-room-for' : `${state}-${at}`,
      name: state, stream: 'live/show', url: 'rtmps://a.rtmps.youtube.example/live2/****', protocol: 'rtmps', state,
      reason: reasons[state] ? { code: reasons[state][0], text: reasons[state][1], origin: 'peer' } : null,
      since: new Date(now - 90_000 * (at + 1)).toISOString(), attempt: at % 4, next_retry_at: state === 'backoff' ? new Date(now + 8000).toISOString() : null,
      bytes: 1e6, bitrate_bps: 6e6 + 4e5 * Math.sin(now / 3000 + at), fps: 30, lag_ms: state === 'stalled' ? 9300 : Math.round(40 + 30 * Math.sin(now / 900)),
      skips: at, origin: at % 2 ? 'api' : 'file', groups: at % 3 ? [] : ['evening', 'main'], auto_start: at % 2 === 0, auto_stop: true,
      delay_ms: { p50: 85, p95: 120, p99: 160, window_closed: at === 1 }, window_closed: at === 1, stability: { minute: at % 3 ? 0.9996 : null, hour: 0.87, watched_s: 1800 },
    }));
    route.fulfill({ json: outputs });
  });
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Close preview' }).or(page.getByRole('button', { name: 'Preview live/show' })).first().click();
  await page.locator('.row[data-state=failed]').waitFor();
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  await page.screenshot({ path: join(folder, `states-${page.viewportSize().width}.png`), fullPage: true });
}

/** Tells each change of what the rows say, until the test has seen enough. */
async function watch() {
  const page = await open(1280, 800);
  await page.locator('.row').first().waitFor();
  await page.exposeFunction('told', (name, word) => console.log(`says ${name}: ${word}`));
  await page.evaluate(() => {
    const known = new Map();
    const look = () => {
      for (const row of document.querySelectorAll('.row')) {
        const [name, word] = ['.name', '.word'].map((part) => row.querySelector(part).textContent);
        if (known.get(name) === word) continue;
        known.set(name, word);
        window.told(name, word);
      }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
  });
  await step('enough');
}

/** The browser's memory after each minute, its garbage collected. */
async function memory([minutes]) {
  const page = await open(1920, 1080);
  await page.locator('.row').first().waitFor();
  const client = await page.context().newCDPSession(page);
  const lines = [];
  for (let minute = 0; minute <= Number(minutes); minute += 1) {
    await client.send('HeapProfiler.collectGarbage');
    const { usedSize } = await client.send('Runtime.getHeapUsage');
    const { nodes, jsEventListeners } = await client.send('Memory.getDOMCounters');
    lines.push(`${minute} ${Math.round(usedSize / 1024)} KiB ${nodes} nodes ${jsEventListeners} listeners`);
    console.log(`memory ${lines.at(-1)}`);
    if (minute < Number(minutes)) await new Promise((resolve) => setTimeout(resolve, 60_000));
  }
  writeFileSync(join(folder, 'memory.txt'), `${lines.join('\n')}\n`);
}

try {
  await { show, shots, memory, watch, graph }[mode](more);
  if (outside.length > 0) throw new Error(`requests to elsewhere: ${outside.join(' ')}`);
  if (mistakes.length > 0) throw new Error(`the browser complains: ${mistakes.join(' | ')}`);
  console.log('all well');
} catch (error) {
  console.error(String(error.stack || error));
  const page = browser.contexts().at(-1)?.pages()[0];
  if (page) console.error(await page.locator('body').innerText().catch(() => ''));
  process.exitCode = 1;
} finally {
  await browser.close();
}
