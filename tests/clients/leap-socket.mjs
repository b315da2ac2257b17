// A bare Leap connection for tests: sends exactly what it is told, keeps all that arrives.

import { WebSocket } from 'ws';
import { Inbox, TIMEOUT_MS } from './inbox.mjs';

export const Op = { DISPATCH: 0, HELLO: 1, IDENTIFY: 2, HEARTBEAT: 3, HEARTBEAT_ACK: 4 };

/** Matches dispatches by event name and, if given, channel. */
export const dispatch = (event, channel) => ({ op, d }) =>
  op === Op.DISPATCH && d.e === event && (channel === undefined || d.c === channel);

/** Matches a MESSAGE (or DIRECT_MESSAGE) by the name it was published under. */
export const message = (event) => ({ op, d }) =>
  op === Op.DISPATCH && /MESSAGE$/.test(d.e) && d.d.e === event;

export class LeapSocket {
  /** Frames as `{op, d, raw, isBinary, at}`. */
  inbox = new Inbox();
  /** Resolves to `{code, reason}`. */
  closed;
  hello = null;
  init = null;
  #socket;

  /** Connects and waits for HELLO, which has to be the first frame. */
  static async open(url, { headers, localAddress } = {}) {
    const socket = new LeapSocket(new WebSocket(url, { headers, localAddress }));
    const first = await socket.inbox.next(() => true, 'the first frame');
    if (first.op !== Op.HELLO) throw new Error(`the first frame was ${first.raw}`);
    socket.hello = first.d;
    return socket;
  }

  constructor(socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    socket.on('error', (error) => this.inbox.push({ op: 'error', message: error.message }));
    socket.on('message', (bytes, isBinary) => {
      const frame = { raw: isBinary ? bytes : bytes.toString(), isBinary, at: performance.now() };
      this.inbox.push(isBinary ? frame : { ...JSON.parse(frame.raw), ...frame });
    });
  }

  /** Sends `{op, d}`, or text as it is. */
  send(op, d) {
    this.#socket.send(typeof op === 'string' ? op : JSON.stringify({ op, d }));
  }

  /** Sends IDENTIFY and waits for INIT. */
  async identify(payload) {
    this.send(Op.IDENTIFY, payload);
    this.init = (await this.dispatched('INIT')).d;
    return this.init;
  }

  /** Sends a service payload. */
  dispatch(e, c, d = null) {
    this.send(Op.DISPATCH, { e, c, d });
  }

  /** Subscribes and waits for the one outcome; returns that dispatch's payload. */
  async subscribe(channel, options = null) {
    this.dispatch('SUBSCRIBE', channel, options);
    const outcome = ({ op, d }) => op === Op.DISPATCH && d.c === channel && /^(UN)?AVAILABLE$/.test(d.e);
    return (await this.inbox.next(outcome, `an answer to SUBSCRIBE ${channel}`)).d;
  }

  /** The next frame that matches. */
  next(matches, what, timeout) {
    return this.inbox.next(matches, what, timeout);
  }

  /** The payload `{c, u, e, d}` of the next dispatch with this event name (and channel). */
  async dispatched(event, channel) {
    return (await this.inbox.next(dispatch(event, channel), `${event} ${channel ?? ''}`)).d;
  }

  /** The payload `{e, d}` of the next message with this event name. */
  async message(event) {
    return (await this.inbox.next(message(event), `message ${event}`)).d.d;
  }

  /** Waits for the server to close the connection. */
  async closing(timeout = TIMEOUT_MS) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the server did not close within ${timeout} ms`)), timeout);
    });
    return Promise.race([this.closed, late]).finally(() => clearTimeout(timer));
  }

  /** Closes from our side and waits until that is done. */
  async close() {
    this.#socket.close(1000);
    return this.closed;
  }

  /** Cuts the connection without a goodbye. */
  cut() {
    this.#socket.terminate();
  }
}
