/** What waits to be sent, and what was sent and waits for its answer. */

import { WarrenError } from './errors.js';

/**
 * @typedef {object} Done What the server said of a frame that it carried out.
 * @property {number} [version] That of the changed state.
 * @property {string} [position] Where the message stands on its line, if the server says so.
 */

/**
 * @typedef {object} Entry
 * @property {string} text
 * @property {boolean} isSent
 * @property {boolean} hasId Whether the server knows it again.
 * @property {any} timer
 * @property {(done: Done) => void} resolve
 * @property {(error: Error) => void} reject
 */

const unknown = (/** @type {Error | undefined} */ cause = undefined) =>
  new WarrenError('unknown_outcome', 'no answer', cause);

export class Outbox {
  #options;
  #used = 0;
  #count = 0;
  /** Why nothing is taken any more. @type {Error | null} */
  #closed = null;
  /** Tells the ids of this client from those of all others of its token, of other pages and other days. */
  #prefix = Math.random().toString(36).slice(2) + Date.now().toString(36);
  /** In the order of asking, by ref. @type {Map<string, Entry>} */
  #entries = new Map();

  /** @param {{queueLimit: number, queueBytes: number, queueMs: number}} options */
  constructor(options) {
    this.#options = options;
  }

  /**
   * @param {{e: string, c: string, d: unknown}} d The dispatch.
   * @returns {Promise<Done>}
   */
  add(d) {
    const { queueLimit, queueBytes, queueMs } = this.#options;
    const ref = `${this.#prefix}-${(this.#count += 1)}`;
    const promise = new Promise((resolve, reject) => {
      const hasId = d.e === 'MESSAGE';
      const text = JSON.stringify({ op: 0, d, ref, id: hasId ? ref : undefined });
      const waiting = this.#entries.size;
      if (this.#closed) throw this.#closed;
      // One of any size is taken when nothing else waits.
      if (waiting >= queueLimit || (waiting && this.#used + text.length > queueBytes)) {
        throw new WarrenError('queue_full', `${waiting} frames wait`);
      }
      this.#used += text.length;
      const late = () => {
        const isSent = this.#entries.get(ref)?.isSent;
        this.settle(ref, isSent ? unknown() : new WarrenError('timeout', `not sent within ${queueMs} ms`));
      };
      const timer = setTimeout(late, queueMs);
      this.#entries.set(ref, { text, isSent: false, hasId, timer, resolve, reject });
    });
    // Whoever does not look at the outcome is not ended by it.
    promise.catch(() => {});
    return promise;
  }

  /** Takes frames again. */
  open() {
    this.#closed = null;
  }

  /** Sends what was not sent yet. @param {(text: string) => void} send */
  flush(send) {
    for (const entry of this.#entries.values()) {
      if (entry.isSent) continue;
      entry.isSent = true;
      send(entry.text);
    }
  }

  /** @param {string} ref @param {Done | Error} outcome */
  settle(ref, outcome) {
    const entry = this.#entries.get(ref);
    if (!entry) return;
    this.#entries.delete(ref);
    this.#used -= entry.text.length;
    clearTimeout(entry.timer);
    if (outcome instanceof Error) entry.reject(outcome);
    else entry.resolve(outcome);
  }

  /**
   * The connection is gone.
   * @param {WarrenError} error
   * @param {boolean} isToken Whether a token is coming back, whose messages the server knows again by their ids.
   */
  onBroken(error, isToken) {
    for (const [ref, entry] of this.#entries) {
      if (!entry.isSent) continue;
      // One of them was what the server cannot take: sent again, it would end the next connection too.
      if (/^(frame_too_large|invalid_frame)$/.test(error.code)) this.settle(ref, error);
      else if (!isToken || !entry.hasId) this.settle(ref, unknown(error));
    }
  }

  /**
   * There is another connection, and nothing was sent on it yet.
   * @param {boolean} isKnown Whether the server remembers what was sent before; if so, that is sent again.
   */
  onBegun(isKnown) {
    for (const [ref, entry] of this.#entries) {
      if (isKnown) entry.isSent = false;
      else if (entry.isSent) this.settle(ref, unknown());
    }
  }

  /** Takes nothing any more, and ends what waits. @param {Error} error */
  close(error) {
    this.#closed = error;
    for (const ref of this.#entries.keys()) this.settle(ref, error);
  }
}
