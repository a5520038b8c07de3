// Asks the server. An answer that does not come is `Lost`, a no is a `Refused` with the server's own words.

const PATIENCE = 5000;

/** How much the server's clock is ahead of ours, in milliseconds. Its answers tell whole seconds. */
let ahead = 0;
export const serverNow = () => Date.now() + ahead;

export class Lost extends Error {}

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.code = problem.code;
    this.mistakes = problem.errors || [];
  }
}

export async function ask(method, path, body) {
  let answer;
  try {
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE),
      credentials: 'same-origin',
    });
    const date = Date.parse(answer.headers.get('Date') || '');
    const off = date + 500 - Date.now();
    if (!Number.isNaN(off)) ahead = Math.abs(off) > 1500 ? off : 0;
    if (answer.status === 204) return null;
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text);
    let problem = {};
    try { problem = JSON.parse(text); } catch { /* a proxy's words */ }
    throw new Refused(answer.status, problem);
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Lost('the server does not answer');
  }
}

const part = encodeURIComponent;
export const session = () => ask('GET', '/v1/session');
export const login = (token) => ask('POST', '/v1/session', { token });
export const logout = () => ask('DELETE', '/v1/session');
export const streams = () => ask('GET', '/v1/streams');
export const alerts = () => ask('GET', '/v1/alerts');
export const outputs = () => ask('GET', '/v1/outputs');
export const players = () => ask('GET', '/v1/players');
export const dropPlayer = (id) => ask('DELETE', `/v1/players/${part(id)}`);
export const dropPublisher = (id) => ask('DELETE', `/v1/publishers/${part(id)}`);
export const changeOutput = (id, change) => ask('PATCH', `/v1/outputs/${part(id)}`, change);
export const addOutput = (output) => ask('POST', '/v1/outputs', output);
export const removeOutput = (id) => ask('DELETE', `/v1/outputs/${part(id)}`);
export const command = (id, what) => ask('POST', `/v1/outputs/${part(id)}/${what}`);
export const groupCommand = (name, what) => ask('POST', `/v1/groups/${part(name)}/${what}`);
