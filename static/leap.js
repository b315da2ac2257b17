/**
 * A small client for Leap, the WebSocket protocol of Warren.
 *
 * It runs in browsers as it is, and in Node when given a WebSocket class.
 * Rendering and the HTTP API do not belong here.
 */

const Op = Object.freeze({ DISPATCH: 0, HELLO: 1, IDENTIFY: 2, HEARTBEAT: 3, HEARTBEAT_ACK: 4 });
const INVALID_AUTH = 4001;
const BAD_ROUTE = 4006;

/** From opening the socket to INIT; past it the attempt counts as failed. */
const HANDSHAKE_MS = 10_000;
/** A pause that the server asks for is honoured up to here, so a bad value cannot park a client. */
const PAUSE_MAX_MS = 60_000;

/**
 * @typedef {object} LeapOptions
 * @property {string | URL} url WebSocket address, such as `wss://example.com/ws`.
 * @property {string} project Project id.
 * @property {string | null} [token] Leap token; without one the connection is anonymous.
 * @property {string[]} [ext] Protocol extensions to ask for.
 * @property {typeof globalThis.WebSocket} [WebSocket] Class to use where there is no global one.
 * @property {number} [retryMinMs] First reconnect delay, 500 by default; it doubles per failure.
 * @property {number} [retryMaxMs] Longest reconnect delay, 30000 by default.
 */

/**
 * `waiting` means that a reconnect is due; `refused` (close code 4001) and `closed` are final.
 * @typedef {'idle' | 'connecting' | 'identifying' | 'connected' | 'waiting' | 'refused' | 'closed'} LeapStatus
 */

/**
 * What is known about one channel. The state stays readable while a reconnect is under way.
 * @typedef {object} LeapChannel
 * @property {'pending' | 'available' | 'unavailable'} status
 * @property {Record<string, unknown> | null} state
 * @property {number} [version] State version, when the server granted the extension `version`.
 * @property {string | null} error `NOT_GRANTED`, `UNKNOWN`, or null.
 */

/**
 * One connection to Warren that repairs itself.
 *
 * Events are `CustomEvent`s; their `detail` is:
 * - `status`: `{status, code?, reason?, retryInMs?}`
 * - `init`: the payload of INIT
 * - `channel`: `{channel, graceful?, ...LeapChannel}`, whenever a channel's entry changed
 * - `message`: `{channel, event, data}`; `channel` is null for a direct message
 * - `latency`: `{ms}`, the round trip of a heartbeat
 */
export class Leap extends EventTarget {
  /** @type {LeapStatus} */
  status = 'idle';
  /** @type {Map<string, LeapChannel>} */
  channels = new Map();

  #options;
  #url;
  /** @type {WebSocket | null} */
  #socket = null;
  #failures = 0;
  #timers = { retry: 0, handshake: 0, heartbeat: 0 };
  /** When the heartbeat that awaits its ack was sent. @type {number | null} */
  #unacked = null;
  #connectedAt = Infinity;
  /** Channels asked for, with their SUBSCRIBE payload. @type {Map<string, object | null>} */
  #wanted = new Map();
  /** Channels given up while offline: a token's server-side subscription still has to go. */
  #dropped = new Set();

  /** @param {LeapOptions} options */
  constructor(options) {
    super();
    this.#options = { WebSocket: globalThis.WebSocket, retryMinMs: 500, retryMaxMs: 30_000, ...options };
    this.#url = new URL(options.url);
  }

  /** Opens the connection; while a reconnect is pending, tries at once. */
  connect() {
    if (this.#socket) return;
    clearTimeout(this.#timers.retry);
    const socket = new this.#options.WebSocket(this.#url.href);
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket) this.#onText(data);
    });
    socket.addEventListener('close', ({ code, reason }) => {
      if (socket === this.#socket) this.#onClose(code, reason);
    });
    socket.addEventListener('error', () => {}); // Says nothing that the close event does not.
    this.#timers.handshake = setTimeout(() => this.#abandon('no INIT in time'), HANDSHAKE_MS);
    this.#setStatus('connecting');
  }

  /** Ends the connection for good; `connect` starts it anew. */
  close() {
    const socket = this.#socket;
    this.#detach();
    socket?.close(1000);
    this.#setStatus('closed');
  }

  /**
   * Subscribes now, or as soon as the connection is up. A `channel` event tells the outcome.
   * A token's subscription outlives the connection unless it is ephemeral.
   * @param {string} channel
   * @param {{ephemeral?: boolean}} [options]
   */
  subscribe(channel, options) {
    const payload = options ?? null;
    this.#wanted.set(channel, payload);
    this.#dropped.delete(channel);
    this.#setChannel(channel, { status: 'pending', error: null });
    if (this.status === 'connected') this.#dispatch('SUBSCRIBE', channel, payload);
  }

  /** @param {string} channel */
  unsubscribe(channel) {
    this.#wanted.delete(channel);
    this.channels.delete(channel);
    if (this.status === 'connected') this.#dispatch('UNSUBSCRIBE', channel, null);
    else this.#dropped.add(channel);
  }

  /**
   * Sends a message to a channel that allows it (capability CLIENT_PUBLISH).
   * @param {string} channel
   * @param {string} event
   * @param {unknown} data
   * @throws {Error} while not connected: messages are not queued.
   */
  publish(channel, event, data = null) {
    this.#mustBeConnected();
    this.#dispatch('MESSAGE', channel, { e: event, d: data });
  }

  /**
   * Replaces the state of a channel that allows it (capability CLIENT_STATE).
   * @param {string} channel
   * @param {Record<string, unknown>} state
   * @throws {Error} while not connected.
   */
  setState(channel, state) {
    this.#mustBeConnected();
    this.#dispatch('SET_CHANNEL_STATE', channel, state);
  }

  #mustBeConnected() {
    if (this.status !== 'connected') throw new Error(`not connected (${this.status})`);
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #setStatus(status, detail = {}) {
    this.status = status;
    this.#emit('status', { status, ...detail });
  }

  #setChannel(channel, change, detail = {}) {
    const entry = { state: null, error: null, ...this.channels.get(channel), ...change };
    this.channels.set(channel, entry);
    this.#emit('channel', { channel, ...entry, ...detail });
  }

  #send(op, d) {
    this.#socket?.send(JSON.stringify({ op, d }));
  }

  #dispatch(e, c, d) {
    this.#send(Op.DISPATCH, { e, c, d });
  }

  #onText(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return this.#abandon('unreadable frame');
    }
    const { op, d } = frame;
    if (op === Op.HELLO) this.#onHello(d);
    else if (op === Op.HEARTBEAT) this.#send(Op.HEARTBEAT, { tag: d?.tag });
    else if (op === Op.HEARTBEAT_ACK) this.#onAck();
    else if (op === Op.DISPATCH) this.#onDispatch(d);
  }

  #onHello({ heartbeat_interval: interval }) {
    const { project, token, ext } = this.#options;
    this.#setStatus('identifying');
    this.#send(Op.IDENTIFY, { project_id: project, token: token || undefined, ext });
    this.#beat();
    this.#timers.heartbeat = setInterval(() => this.#beat(), interval);
  }

  #beat() {
    if (this.#unacked !== null) return this.#abandon('heartbeat not acknowledged');
    this.#unacked = performance.now();
    this.#send(Op.HEARTBEAT);
  }

  #onAck() {
    if (this.#unacked === null) return;
    const sent = this.#unacked;
    this.#unacked = null;
    // The heartbeat of the handshake is left out: its ack waits for the work of connecting.
    if (sent > this.#connectedAt) this.#emit('latency', { ms: performance.now() - sent });
  }

  #onDispatch({ e, c: channel, d }) {
    if (e === 'INIT') this.#onInit(d);
    else if (e === 'AVAILABLE') this.#onAvailable(d.channel);
    else if (e === 'UNAVAILABLE') this.#onUnavailable(channel, d);
    else if (e === 'STATE_UPDATE') this.#setChannel(channel, { state: d.state, version: d.version });
    else if (e === 'MESSAGE' || e === 'DIRECT_MESSAGE') this.#emit('message', { channel, event: d.e, data: d.d });
  }

  #onInit(init) {
    clearTimeout(this.#timers.handshake);
    this.#failures = 0;
    this.#connectedAt = performance.now();
    this.#setStatus('connected');
    this.#emit('init', init);
    const held = new Set(init.channels.map(({ id }) => id));
    for (const channel of init.channels) {
      if (this.#dropped.has(channel.id)) this.#dispatch('UNSUBSCRIBE', channel.id, null);
      else this.#onAvailable(channel);
    }
    this.#dropped.clear();
    for (const [channel, { status }] of this.channels) {
      if (!held.has(channel)) this.#restore(channel, status, init.scope);
    }
  }

  /** Decides about a channel that the server did not list in INIT. */
  #restore(channel, status, scope) {
    const payload = this.#wanted.get(channel);
    // The server keeps a token's permanent subscriptions: one that is gone was ended on purpose.
    const isEnded = scope === 'token' && status === 'available' && !payload?.ephemeral;
    if (isEnded || payload === undefined) return this.#onUnavailable(channel, { graceful: true });
    this.#setChannel(channel, { status: 'pending' });
    this.#dispatch('SUBSCRIBE', channel, payload);
  }

  #onAvailable({ id, state, version }) {
    this.#setChannel(id, { status: 'available', state, version, error: null });
  }

  #onUnavailable(channel, { graceful, error_code: error = null }) {
    if (graceful) this.#wanted.delete(channel);
    this.#setChannel(channel, { status: 'unavailable', state: null, error }, { graceful });
  }

  /** Forgets the socket at once: on a dead network its close event can take minutes. */
  #abandon(reason) {
    const socket = this.#socket;
    this.#onClose(1006, reason);
    socket?.close(4000, reason);
  }

  #detach() {
    this.#socket = null;
    this.#unacked = null;
    this.#connectedAt = Infinity;
    clearTimeout(this.#timers.retry);
    clearTimeout(this.#timers.handshake);
    clearInterval(this.#timers.heartbeat);
  }

  #onClose(code, reason) {
    this.#detach();
    if (code === INVALID_AUTH) return this.#setStatus('refused', { code, reason });
    if (code === BAD_ROUTE) this.#follow(reason);
    const retryInMs = pauseIn(code, reason) ?? this.#backoff();
    this.#timers.retry = setTimeout(() => this.connect(), retryInMs);
    this.#setStatus('waiting', { code, reason, retryInMs });
  }

  /** Takes a new address from the server, but only on the same host and never a less safe one. */
  #follow(reason) {
    if (!URL.canParse(reason)) return;
    const next = new URL(reason);
    if (next.hostname === this.#url.hostname && next.protocol === this.#url.protocol) this.#url = next;
  }

  #backoff() {
    const { retryMinMs, retryMaxMs } = this.#options;
    const ceiling = Math.min(retryMaxMs, retryMinMs * 2 ** this.#failures);
    this.#failures += 1;
    // Half fixed, half random: clients of a restarted server spread out, none comes back at once.
    return ceiling / 2 + (Math.random() * ceiling) / 2;
  }
}

/** Reads the pause in a close reason of 4008 or 4010, as in `reconnect in 1500 ms`. */
function pauseIn(code, reason) {
  if (code !== 4008 && code !== 4010) return null;
  const found = /(\d+(?:\.\d+)?)\s*(ms|s)\b/.exec(reason);
  if (!found) return null;
  const asked = Math.min(PAUSE_MAX_MS, Number(found[1]) * (found[2] === 's' ? 1000 : 1));
  // Everybody was told the same: a quarter of spread keeps them from coming back as one.
  return asked * (1 + Math.random() / 4);
}
