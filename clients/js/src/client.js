/** A client: one connection at a time, repaired whenever it breaks, and what is heard and said over it. */

import { pause } from './backoff.js';
import { Channel } from './channel.js';
import { Emitter } from './emitter.js';
import { CloseError, WarrenError } from './errors.js';
import { Line } from './line.js';
import { moved, socketUrl, withDefaults } from './options.js';
import { Outbox } from './outbox.js';
import { DIRECT, Positions } from './positions.js';
import { Wire } from './wire.js';

/** A connection that lasted so long was a good one: the next failure is the first. */
const STEADY_MS = 5_000;
const EXTENSIONS = 'version token_state delta presence patch refresh resume errors'.split(' ');

/**
 * `waiting` means that the next attempt is due; after `closed` only `connect` makes one.
 * @typedef {'idle' | 'connecting' | 'connected' | 'waiting' | 'closed'} Status
 */

/**
 * - `status`: where the connection stands has changed; `delayMs` is the pause before the next attempt
 * - `init`: what INIT said
 * - `channel`: one that was not known before, subscribed by this client or given by the back end
 * - `tokenstate`: the token's state has changed
 * - `latency`: the round trip of a heartbeat
 * - `error`: something went wrong that ended nothing, such as a storage that is full
 * @typedef {{
 *   status: {status: Status, error: Error | null, delayMs?: number},
 *   init: any,
 *   channel: {channel: Channel},
 *   tokenstate: {state: any},
 *   latency: {ms: number},
 *   error: {error: Error},
 * }} ClientEvents
 */

/**
 * A client. Its events come by `on(name, (detail) => …)` or `addEventListener`, as `CustomEvent`s.
 * @extends {Emitter<ClientEvents>}
 */
export class Client extends Emitter {
  /** @type {Status} */
  status = 'idle';
  /** Why the last connection ended, while there is none. @type {Error | null} */
  error = null;
  /** @type {Map<string, Channel>} */
  channels = new Map();
  /** Messages to the token itself, and to this connection alone. */
  direct;
  /** The token's state, as far as the server shows it. @type {any} */
  tokenState = null;

  #options;
  #url;
  /** @type {Wire | null} */
  #wire = null;
  /** The attempt or connection that counts. @type {object | null} */
  #attempt = null;
  /** @type {any} */
  #timer;
  #failures = 0;
  #connectedAt = Infinity;
  #scope = '';
  /** @type {string | undefined} */
  #session;
  #positions;
  #outbox;
  /** Channels given up while there was no connection: a token's subscription has yet to end. @type {Set<string>} */
  #left = new Set();
  /** Channels whose UNSUBSCRIBE is not answered, with its ref: what comes of them is from before. @type {Map<string, string>} */
  #leaving = new Map();
  #refs = 0;
  /** Ends listening to the page. */
  #page = new AbortController();

  /** @param {import('./options.js').Options} options */
  constructor(options) {
    super();
    this.#options = withDefaults(options);
    this.#url = socketUrl(options.url);
    this.#outbox = new Outbox(this.#options);
    this.#positions = new Positions(this.#options, () => this.#lines(), (error) => this._emit('error', { error }));
    this.direct = new Line(() => this.#positions.touch());
  }

  /** Resolves once it is connected; rejects when it is closed. @returns {Promise<this>} */
  get ready() {
    if (this.status === 'connected') return Promise.resolve(this);
    if (this.status === 'closed') return Promise.reject(this.error ?? closed());
    return this._next('status').then(() => this.ready);
  }

  /** Connects; while the next attempt is due, at once. */
  connect() {
    if (this.#attempt) return;
    clearTimeout(this.#timer);
    this.#listen();
    this.#outbox.open();
    const attempt = (this.#attempt = {});
    this.#become('connecting');
    this.#open(attempt).catch((cause) => attempt === this.#attempt && this.#onEnd(1006, String(cause)));
  }

  /** Ends it: loops end, what waits to be sent is refused (`closed`). `connect` begins anew. */
  close() {
    this.#stop(null);
  }

  /**
   * Hears a channel; `ready` of what is returned tells the outcome. Asked for again, it is the same one.
   * @param {string} id
   * @param {import('./channel.js').SubscribeOptions} [options]
   * @returns {Channel}
   */
  subscribe(id, options = {}) {
    const channel = this.#channel(id);
    const { _wanted: wanted } = channel;
    channel._wanted = { ...options, ephemeral: options.ephemeral && (!wanted || wanted.ephemeral) };
    this.#left.delete(id);
    const isHeard = channel.status === 'available';
    // What is heard, or asked for, needs to be asked for again only to be kept.
    const isKept = options.ephemeral || (wanted && !wanted.ephemeral);
    if ((isHeard || channel._asked) && isKept) return channel;
    if (!isHeard) {
      channel.position = options.since ?? channel.position;
      channel._become('pending');
    }
    if (this.status === 'connected') this.#subscribe(channel);
    return channel;
  }

  /** @param {string} id Hears it no more; a token's subscription ends for good. */
  unsubscribe(id) {
    const channel = this.channels.get(id);
    if (!channel) return;
    channel._wanted = undefined;
    this.channels.delete(id);
    if (this.status === 'connected') this.#unsubscribe(id);
    else this.#left.add(id);
    channel._end();
    channel._hide(unsubscribed());
    this.#positions.touch();
  }

  #listen() {
    const { addEventListener } = globalThis;
    this.#page.abort();
    this.#page = new AbortController();
    addEventListener?.('online', () => this.status === 'waiting' && this.connect(), this.#page);
    addEventListener?.('pagehide', () => this.#positions.save(), this.#page);
  }

  /** @param {object} attempt */
  async #open(attempt) {
    const { token, project } = this.#options;
    await this.#positions.load();
    const secret = typeof token === 'function' ? await token() : token;
    if (attempt !== this.#attempt) return;
    this.#wire = new Wire(this.#url.href, this.#options, {
      identify: () => ({ project_id: project, token: secret || undefined, ext: EXTENSIONS, resume: this.#positions.named() }),
      dispatch: (dispatch) => this.#onDispatch(dispatch),
      latency: (ms) => this._emit('latency', { ms }),
      end: (code, reason) => this.#onEnd(code, reason),
    });
  }

  /** @returns {import('./positions.js').Lines} */
  #lines() {
    return new Map([[DIRECT, this.direct], ...this.channels]);
  }

  /** @param {string} id */
  #channel(id) {
    const known = this.channels.get(id);
    if (known) return known;
    const channel = new Channel(id, this, () => this.#positions.touch());
    this.#positions.recall(id, channel);
    this.channels.set(id, channel);
    this._emit('channel', { channel });
    return channel;
  }

  /** @param {Channel} channel */
  #subscribe(channel) {
    const { ephemeral, rewind } = channel._wanted ?? {};
    const since = channel.status === 'available' ? undefined : channel.position;
    channel._asked = { since, rewind: since === undefined ? rewind : undefined };
    // Kept messages are for the beginning; from there on positions do.
    if (channel._wanted) channel._wanted.rewind = undefined;
    const d = { ephemeral: ephemeral || undefined, ...channel._asked };
    this.#wire?.send({ op: 0, d: { e: 'SUBSCRIBE', c: channel.id, d } });
  }

  /** @param {string} id */
  #unsubscribe(id) {
    const ref = `u${(this.#refs += 1)}`;
    this.#leaving.set(id, ref);
    this.#wire?.send({ op: 0, d: { e: 'UNSUBSCRIBE', c: id, d: null }, ref });
  }

  /**
   * Sends a frame now or later, and waits for its answer.
   * @internal
   * @param {string} e
   * @param {string} c
   * @param {unknown} d
   */
  _ask(e, c, d) {
    const asked = this.#outbox.add({ e, c, d });
    this.#flush();
    return asked;
  }

  #flush() {
    if (this.status === 'connected') this.#outbox.flush((text) => this.#wire?.sendText(text));
  }

  /** @param {{e: string, c: string | null, d: any, s?: string, id?: string}} dispatch */
  #onDispatch({ e, c, d, s, id }) {
    if (c !== null && this.#leaving.has(c)) return;
    const channel = c === null ? undefined : this.channels.get(c);
    if (e === 'INIT') this.#onInit(d);
    else if (e === 'AVAILABLE') this.#onAvailable(d, s);
    else if (e === 'ACK') this.#onAnswer(d.ref, { version: d.version, position: d.s ?? s });
    else if (e === 'ERROR') this.#onAnswer(d.ref, new WarrenError(d.code, d.message));
    else if (e === 'DIRECT_MESSAGE') this.direct._hear(d, s, id);
    else if (e === 'TOKEN_STATE_UPDATE') {
      this.tokenState = d.state;
      this.direct._pass(s);
      this._emit('tokenstate', d);
    } else if (!channel) return;
    else if (e === 'MESSAGE') channel._hear(d, s);
    else if (e === 'STATE_UPDATE') {
      channel._pass(s);
      channel._onState(d);
    } else if (e === 'UNAVAILABLE') this.#onUnavailable(channel, d);
    else if (e.startsWith('PRESENCE_')) channel._onPresence(e, d);
    this.#positions.touch();
  }

  /** @param {string} ref @param {import('./outbox.js').Done | Error} outcome */
  #onAnswer(ref, outcome) {
    for (const [id, asked] of this.#leaving) if (asked === ref) this.#leaving.delete(id);
    this.#outbox.settle(ref, outcome);
  }

  /** @param {any} init */
  #onInit(init) {
    const wire = /** @type {Wire} */ (this.#wire);
    const { scope, missed, direct, channels, metadata, ext, session_id: session } = init;
    this.#connectedAt = performance.now();
    this.#scope = scope;
    // Ids are forgotten when the server starts anew, and no session outlives that.
    this.#outbox.onBegun(session !== undefined && session === this.#session);
    this.#session = session;
    this.tokenState = metadata;
    /** @param {Line} line */
    const isBroken = (line) =>
      ![undefined, 0].includes(missed) || line.position !== undefined || (line._isHeard && !ext?.includes('resume'));
    // Only a token's own line outlives the connection.
    if (scope === 'token') this.direct._begin(direct?.s, direct?.recovered, isBroken(this.direct));
    const listed = new Set();
    for (const info of channels) {
      listed.add(info.id);
      if (this.#left.has(info.id)) {
        this.#unsubscribe(info.id);
        continue;
      }
      const channel = this.#channel(info.id);
      channel._begin(info.s, info.recovered, isBroken(channel));
      channel._show(info);
    }
    this.#left.clear();
    for (const channel of this.channels.values()) this.#restore(channel, listed.has(channel.id));
    // Whoever listens may have closed it meanwhile.
    if (wire !== this.#wire) return;
    wire.begin();
    wire.sync(() => {
      for (const line of this.#lines().values()) line._settle();
      this.#positions.touch();
    });
    this.#become('connected');
    this._emit('init', init);
    this.#flush();
  }

  /** Decides what a connection that has just begun does about a channel. @param {Channel} channel @param {boolean} isListed */
  #restore(channel, isListed) {
    const { _wanted: wanted, status } = channel;
    if (isListed) {
      // What the back end gave may be ephemeral; who wants it kept says so, once.
      if (wanted && !wanted.ephemeral && !channel._isKept) this.#subscribe(channel);
      return;
    }
    // The server keeps a token's permanent subscriptions: one that is gone was ended on purpose.
    const isEnded = this.#scope === 'token' && status === 'available' && !wanted?.ephemeral;
    if (isEnded || !wanted) return this.#onUnavailable(channel, { graceful: true });
    channel._become('pending');
    this.#subscribe(channel);
  }

  /** @param {any} d @param {string | undefined} s */
  #onAvailable({ channel: info, recovered }, s) {
    const channel = this.#channel(info.id);
    const { _asked: asked, _wanted: wanted } = channel;
    channel._asked = undefined;
    channel._isOwn ||= Boolean(asked);
    if (asked && wanted && !wanted.ephemeral) channel._isKept = true;
    if (channel.status !== 'available') {
      channel._begin(s, recovered, channel._isHeard || channel.position !== undefined);
      const settle = () => channel._settle();
      // What is rewound follows, and stands before this.
      if (asked?.rewind) this.#wire?.sync(settle);
      else settle();
    }
    channel._show(info);
  }

  /** @param {Channel} channel @param {{graceful: boolean, error_code?: string}} d */
  #onUnavailable(channel, { graceful, error_code: code }) {
    // What the back end gave and took is gone; what the application asked for stays at hand.
    if (graceful && !channel._wanted) this.channels.delete(channel.id);
    if (graceful) channel._wanted = undefined;
    channel._asked = undefined;
    const word = code === 'NOT_GRANTED' ? 'not_granted' : 'unknown_channel';
    channel._hide(graceful ? unsubscribed() : new WarrenError(word, `refused: ${code}`));
  }

  /** @param {number} code @param {string} reason */
  #onEnd(code, reason) {
    const error = new CloseError(code, reason);
    if (error.isFatal) return this.#stop(error);
    if (performance.now() - this.#connectedAt > STEADY_MS) this.#failures = 0;
    const { retryMinMs, retryMaxMs } = this.#options;
    const delayMs = pause(error, this.#failures, retryMinMs, retryMaxMs);
    this.#failures += 1;
    this.#detach(error);
    if (code === 4006) this.#url = moved(this.#url, reason);
    this.#timer = setTimeout(() => this.connect(), delayMs);
    this.#become('waiting', error, delayMs);
  }

  /** @param {WarrenError} error */
  #detach(error) {
    this.#wire = this.#attempt = null;
    this.#connectedAt = Infinity;
    this.#outbox.onBroken(error, this.#scope === 'token');
    // Nobody said that they ended.
    for (const id of this.#leaving.keys()) if (!this.channels.has(id)) this.#left.add(id);
    this.#leaving.clear();
    for (const channel of this.channels.values()) channel._asked = undefined;
  }

  /** Ends for good. @param {CloseError | null} error */
  #stop(error) {
    const why = error ?? closed();
    clearTimeout(this.#timer);
    this.#wire?.close();
    this.#detach(why);
    this.#page.abort();
    this.#become('closed', error);
    this.#outbox.close(why);
    this.#positions.save();
    for (const line of this.#lines().values()) line._end(error ?? undefined);
    for (const channel of this.channels.values()) {
      if (channel.status === 'pending') channel._become('unavailable', why);
    }
  }

  /** @param {Status} status @param {Error | null} error @param {number} [delayMs] */
  #become(status, error = null, delayMs) {
    this.status = status;
    this.error = error;
    this._emit('status', { status, error, delayMs });
  }
}

const closed = () => new WarrenError('closed', 'client closed');

const unsubscribed = () => new WarrenError('unsubscribed', 'unsubscribed');
