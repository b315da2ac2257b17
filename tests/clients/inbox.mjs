// A place where things arrive, and where a test waits for the one it wants.

import { setTimeout as delay } from 'node:timers/promises';

/** Long enough for a loaded machine; only a failing test waits this long. */
export const TIMEOUT_MS = 30_000;

/**
 * Arrivals in order. `next` takes out the first match and leaves the others for later
 * questions, so a test need not know in which order unrelated things come.
 */
export class Inbox {
  /** Everything that ever arrived. */
  all = [];
  #unread = [];
  #waiting = new Set();

  push(item) {
    this.all.push(item);
    this.#unread.push(item);
    for (const check of [...this.#waiting]) check();
  }

  /** The first unread item that matches, now or later. */
  async next(matches, what = String(matches), timeout = TIMEOUT_MS) {
    const at = await this.#find(matches, what, timeout);
    return this.#unread.splice(at, 1)[0];
  }

  /**
   * Everything unread that came before the first match, which is taken out as well.
   * With a marker sent last, this proves what did not arrive.
   */
  async before(matches, what = String(matches), timeout = TIMEOUT_MS) {
    const at = await this.#find(matches, what, timeout);
    return this.#unread.splice(0, at + 1).slice(0, at);
  }

  #find(matches, what, timeout) {
    return new Promise((resolve, reject) => {
      const check = () => {
        const at = this.#unread.findIndex(matches);
        if (at < 0) return;
        done();
        resolve(at);
      };
      const timer = setTimeout(() => {
        done();
        const last = this.all.slice(-5).map((item) => JSON.stringify(item)?.slice(0, 300));
        reject(new Error(`waited ${timeout} ms for ${what}; the last arrivals were:\n${last.join('\n') || '(none)'}`));
      }, timeout);
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(check);
      };
      this.#waiting.add(check);
      check();
    });
  }
}

/** Waits until `read()` is truthy, asking again whenever `subscribe` reports a change. */
export function until(read, subscribe, what, timeout = TIMEOUT_MS) {
  return new Promise((resolve, reject) => {
    let stop = () => {};
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`waited ${timeout} ms for ${what}`));
    }, timeout);
    const check = () => {
      const value = read();
      if (!value) return;
      clearTimeout(timer);
      stop();
      resolve(value);
    };
    stop = subscribe(check) ?? stop;
    check();
  });
}

/** Asks again and again for what no event announces, until the answer is truthy. */
export async function poll(read, what, timeout = TIMEOUT_MS) {
  const end = performance.now() + timeout;
  for (;;) {
    const value = await read();
    if (value) return value;
    if (performance.now() > end) throw new Error(`waited ${timeout} ms for ${what}`);
    await delay(20);
  }
}

/** Collects what is written to the console, where the clients report their troubles. */
export function captureConsole() {
  const lines = [];
  for (const level of ['log', 'warn', 'error']) {
    console[level] = (...parts) => {
      lines.push(parts.map((part) => (typeof part === 'string' ? part : JSON.stringify(part) ?? String(part))).join(' '));
    };
  }
  return lines;
}
