/** The order of what is heard: positions, messages, and queues for those who read at their own pace. */

import { Emitter } from './emitter.js';
import { WarrenError } from './errors.js';

/**
 * @typedef {object} Message
 * @property {string} event The name that it was published under.
 * @property {any} data
 * @property {string} [position] Where it stands on its line, if the server says so.
 * @property {number | null} missed How many messages right before it are missing: 0, a number, or null where nobody knows.
 */

/** So many mails are known again: more than a server says before the first of them is noted as delivered. */
const MAILS_MAX = 1000;

/** @param {string} position @returns {[string, number]} Its epoch, and its offset in it. */
function parts(position) {
  const at = position.lastIndexOf('-');
  return [position.slice(0, at), Number(position.slice(at + 1))];
}

/**
 * Whether something there comes behind a position. The only place that looks into positions; of a form that it does not
 * know, everything is behind, and the server's promise to say nothing twice on one connection has to do.
 * @param {string} next
 * @param {string | undefined} position
 */
function isBeyond(next, position) {
  if (position === undefined) return true;
  const [epoch, offset] = parts(next);
  const [known, reached] = parts(position);
  return epoch !== known || !(offset <= reached);
}

/**
 * - `message`: as it comes
 * - `gap`: messages may be missing, nobody knows how many; the next one says `missed: null`
 * @typedef {{message: Message, gap: {}}} LineEvents
 */

/**
 * What is heard in one order: a channel, or the direct messages of a token.
 * @template {LineEvents} [Events=LineEvents]
 * @extends {Emitter<Events>}
 */
export class Line extends Emitter {
  /** How far it was heard: what to go on from. @type {string | undefined} */
  position;
  /** Where it stood when it began here; counts once what follows the beginning has come. @type {string | undefined} */
  #start;
  /** @type {number | null} */
  #missed = 0;
  /** Whether it has begun. @internal */
  _isHeard = false;
  /**
   * The ids of the mails that came last: a server that was killed right after one may say it again, at another position.
   * @type {Set<string>}
   */
  #mails = new Set();
  /** @type {Set<Messages>} */
  #readers = new Set();
  #count = 0;
  #onRead;

  /** @internal @param {() => void} onRead Called when a loop is done with a message. */
  constructor(onRead) {
    super();
    this.#onRead = onRead;
  }

  /**
   * The messages from now on, each once, as something to `for await` over.
   * @param {{limit?: number, overflow?: 'throw' | 'drop'}} [options] `limit`: how many may wait, 1000 by default. One
   *   more ends it, after those that wait, with an error of the code `overflow`; with `drop` the oldest goes instead,
   *   and the next message that is read says in `missed` how many went.
   * @returns {AsyncIterableIterator<Message>}
   */
  messages({ limit = 1000, overflow = 'throw' } = {}) {
    const leave = () => this.#readers.delete(reader);
    const reader = new Messages({ limit, overflow, leave, onRead: this.#onRead });
    this.#readers.add(reader);
    return reader;
  }

  [Symbol.asyncIterator]() {
    return this.messages();
  }

  /** How far the application has read, loops included that are still busy with a message. */
  get consumed() {
    let oldest = { count: Infinity, before: this.position };
    for (const { first } of this.#readers) if (first && first.count < oldest.count) oldest = first;
    return oldest.before;
  }

  /**
   * It begins, or goes on, on a new connection.
   * @internal
   * @param {string | undefined} s Where it stands.
   * @param {boolean | undefined} recovered What the server said of the position that it was given.
   * @param {boolean} isBroken Whether something may be missing though it said nothing.
   */
  _begin(s, recovered, isBroken) {
    this._isHeard = true;
    // Nobody knows whether what followed the last beginning came, and the line has moved since.
    isBroken ||= this.#start !== undefined && this.#start !== s;
    this.#start = recovered ? undefined : s;
    // Nothing of what is missing comes, so there is nothing between here and there.
    if (recovered === false) this.position = s;
    if (recovered === false || (recovered === undefined && isBroken)) {
      this.#missed = null;
      this._emit('gap', {});
    }
  }

  /** All that followed the beginning has come. @internal */
  _settle() {
    if (this.#start !== undefined && isBeyond(this.#start, this.position)) this.position = this.#start;
    this.#start = undefined;
  }

  /** It is heard no more: what is said from here on is not for this client. @internal */
  _forget() {
    this.position = this.#start = undefined;
    this._isHeard = false;
    this.#missed = 0;
  }

  /** @internal @param {{e: string, d: unknown}} message @param {string | undefined} s @param {string} [mail] Its id, if it is one. */
  _hear({ e: event, d: data }, s, mail) {
    if (s !== undefined && !isBeyond(s, this.position)) return;
    if (mail) {
      const isKnown = this.#mails.delete(mail);
      this.#mails = new Set([...this.#mails, mail].slice(-MAILS_MAX));
      if (isKnown) return this._pass(s);
    }
    const before = this.position;
    const message = { event, data, position: s, missed: this.#missed };
    this.#missed = 0;
    const entry = { message, before, count: (this.#count += 1) };
    // Those who read have it before the position says so: a crash between the two repeats, and does not lose.
    for (const reader of this.#readers) reader.push(entry);
    this._emit('message', message);
    this._pass(s);
  }

  /** @internal @param {string | undefined} s What is behind us now. */
  _pass(s) {
    if (s !== undefined && isBeyond(s, this.position)) this.position = s;
  }

  /** Ends all loops over messages. @internal @param {Error} [error] */
  _end(error) {
    for (const reader of [...this.#readers]) reader.end(error);
  }
}

/** @typedef {{message: Message, before: string | undefined, count: number}} Entry */

/** A queue between a line and one loop. @implements {AsyncIterableIterator<Message>} */
class Messages {
  #options;
  /** @type {Entry[]} */
  #waiting = [];
  /** What the loop is busy with. @type {Entry | undefined} */
  #read;
  /** @type {((result: any) => void)[]} */
  #asking = [];
  #isOver = false;
  /** @type {Error | undefined} */
  #error;

  /** @param {{limit: number, overflow: string, leave: () => void, onRead: () => void}} options */
  constructor(options) {
    this.#options = options;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  get first() {
    return this.#read ?? this.#waiting[0];
  }

  /** @param {Entry} entry */
  push(entry) {
    if (this.#isOver) return;
    const { limit, overflow } = this.#options;
    this.#waiting.push(entry);
    if (this.#waiting.length > limit) {
      if (overflow !== 'drop') {
        this.#waiting.pop();
        return this.end(new WarrenError('overflow', `more than ${limit} messages waited`));
      }
      const [gone, next] = this.#waiting.splice(0, 2);
      const missed = sum(gone.message.missed, next.message.missed);
      this.#waiting.unshift({ ...next, message: { ...next.message, missed: sum(missed, 1) } });
    }
    this.#asking.shift()?.(this.next());
  }

  /** @returns {Promise<IteratorResult<Message>>} */
  async next() {
    if (this.#read) this.#options.onRead();
    this.#read = this.#waiting.shift();
    if (this.#read) return { done: false, value: this.#read.message };
    if (!this.#isOver) return new Promise((resolve) => this.#asking.push(resolve));
    this.#options.leave();
    const error = this.#error;
    this.#error = undefined;
    if (error) throw error;
    return { done: true, value: undefined };
  }

  /** @returns {Promise<IteratorResult<Message>>} */
  async return() {
    this.#waiting = [];
    this.end();
    this.#error = undefined;
    return this.next();
  }

  /** @param {Error} [error] */
  end(error) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    for (const ask of this.#asking.splice(0)) ask(this.next());
  }
}

/** @param {number | null} a @param {number | null} b */
const sum = (a, b) => (a === null || b === null ? null : a + b);
