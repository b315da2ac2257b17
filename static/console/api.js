/** The HTTP API, as a project token or an admin token may call it. */

import { parse } from './json.js';

/** What the server refused, or that it was not reached. */
export class ApiError extends Error {
  /** @param {number} status 0: it was not reached @param {any} error what the envelope says */
  constructor(status, error) {
    super(error?.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = error?.code ?? 'no_answer';
    this.detail = error ?? {};
  }
}

/** An address of this server, wherever it is mounted. @param {string} path */
export const address = (path) => new URL(path, location.origin + location.pathname);

/**
 * @typedef {object} Call
 * @property {any} [body] is sent as JSON
 * @property {string} [text] is sent as it is, instead
 * @property {Record<string, string>} [headers]
 * @property {Record<string, any>} [query] what is undefined is left out
 * @property {boolean} [isExact] the data is read without loss, objects as `Map`s
 * @property {AbortSignal} [signal] gives the call up
 */

export class Api {
  /** Called when the token is refused. @type {() => void} */
  onRefused = () => {};

  /** @param {string} token @param {string} [project] needed with an admin token */
  constructor(token, project) {
    this.token = token;
    this.project = project;
    this.isAdmin = token.startsWith('pat_');
  }

  /** The part of a path that names the project. */
  get here() {
    return `projects/${this.project ? encodeURIComponent(this.project) : '@this'}`;
  }

  /** @param {string} path @param {Call} [call] */
  get(path, call) {
    return this.call('GET', path, call);
  }

  /**
   * One call; the data of its answer.
   * @param {string} method
   * @param {string} path below `/v1/`
   * @param {Call} [call]
   * @returns {Promise<any>}
   */
  async call(method, path, call = {}) {
    return (await this.ask(method, path, call)).data;
  }

  /** One call, with the whole answer. @param {string} method @param {string} path @param {Call} [call] */
  async ask(method, path, { body, text, headers = {}, query = {}, isExact = false, signal } = {}) {
    const url = address(`v1/${path}`);
    if (this.isAdmin && this.project) url.searchParams.set('project', this.project);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    const payload = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const answer = await fetch(url, {
      method,
      signal,
      body: payload,
      cache: 'no-store',
      credentials: 'omit',
      headers: { authorization: this.token, ...(payload === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    }).catch(() => {
      throw new ApiError(0, { message: 'The server was not reached.' });
    });
    const said = await answer.text();
    if (answer.ok || answer.status === 304) {
      const data = said === '' ? undefined : isExact ? parse(said).get('data') : JSON.parse(said).data;
      return { data, status: answer.status, headers: answer.headers };
    }
    if (answer.status === 401) this.onRefused();
    throw new ApiError(answer.status, errorOf(said));
  }

  /** Walks through a list, step by step. @param {string} path @param {string} name @param {number} [pageSize] */
  async *walk(path, name, pageSize = 200) {
    let cursor = '';
    do {
      const step = await this.get(path, { query: { cursor, pageSize } });
      yield step[name];
      cursor = step.next;
    } while (cursor);
  }
}

/** @param {string} said */
function errorOf(said) {
  try {
    return JSON.parse(said).error;
  } catch {
    return undefined;
  }
}

/** The path of a channel. @param {string} id @param {string} [rest] */
export const channelPath = (id, rest = '') => `channels/${encodeURIComponent(id)}${rest}`;

/** The path of a leap token. @param {string} id @param {string} [rest] */
export const tokenPath = (id, rest = '') => `channels/tokens/${encodeURIComponent(id)}${rest}`;
