/** One connection, from opening the socket to its end: the handshake, heartbeats both ways, and nothing of channels. */

const DISPATCH = 0;
const HELLO = 1;
const IDENTIFY = 2;
const HEARTBEAT = 3;
const HEARTBEAT_ACK = 4;

/** A check that finds nothing read waits so much longer: after a freeze, what lies unread is read before it counts. */
const SECOND_LOOK_MS = 100;

/**
 * What a connection tells. `end` comes once, and nothing after it.
 * @typedef {object} WireEvents
 * @property {() => object} identify What IDENTIFY shall say.
 * @property {(dispatch: {e: string, c: string | null, u: boolean, d: any, s?: string, id?: string}) => void} dispatch
 * @property {(ms: number) => void} latency The round trip of a heartbeat.
 * @property {(code: number, reason: string) => void} end
 */

export class Wire {
  #socket;
  #on;
  #options;
  #isOver = false;
  /** @type {any} */
  #timer;
  #beatMs = 0;
  /** Whether anything came since the last look. */
  #isHeard = false;
  /** What to do when the ack of a tag comes: all that was written before it has come by then. @type {Map<string, () => void>} */
  #awaited = new Map();
  #tags = 0;

  /**
   * @param {string} url
   * @param {{WebSocket: any, handshakeMs: number, heartbeatMs: number, ackMs: number}} options
   * @param {WireEvents} on
   */
  constructor(url, options, on) {
    this.#options = options;
    this.#on = on;
    const socket = new options.WebSocket(url);
    this.#socket = socket;
    socket.onmessage = (/** @type {{data: string}} */ { data }) => this.#isOver || this.#onText(data);
    socket.onclose = (/** @type {{code: number, reason: string}} */ { code, reason }) => this.#end(code, reason);
    socket.onerror = () => {}; // Says nothing that the close event does not.
    this.#timer = setTimeout(() => this.#end(1006, 'no INIT in time'), options.handshakeMs);
  }

  /** @param {object} frame */
  send(frame) {
    this.sendText(JSON.stringify(frame));
  }

  /** @param {string} text A frame. */
  sendText(text) {
    this.#socket.send(text);
  }

  /**
   * Calls back once all has come that the server wrote before it read this.
   * @param {() => void} call
   */
  sync(call) {
    const tag = String((this.#tags += 1));
    this.#awaited.set(tag, call);
    this.send({ op: HEARTBEAT, d: { tag } });
  }

  /** Starts the heartbeats, now that INIT has come. */
  begin() {
    clearTimeout(this.#timer);
    this.#beat();
  }

  /** Ends it from this side; `end` is not told. */
  close() {
    this.#over();
    this.#socket.close(1000);
  }

  #over() {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  /** @param {number} code @param {string} reason */
  #end(code, reason) {
    if (this.#isOver) return;
    this.#over();
    // Forgotten at once: on a dead network its own close event can take minutes.
    this.#socket.close();
    this.#on.end(code, reason);
  }

  /** @param {string} text */
  #onText(text) {
    this.#isHeard = true;
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return this.#end(1006, 'unreadable frame');
    }
    const { op, d } = frame;
    if (op === DISPATCH) this.#on.dispatch(d);
    else if (op === HEARTBEAT) this.send({ op: HEARTBEAT, d: { tag: d?.tag } });
    else if (op === HEARTBEAT_ACK) {
      this.#awaited.get(d?.tag)?.();
      this.#awaited.delete(d?.tag);
    } else if (op === HELLO) {
      this.#beatMs = Math.min(this.#options.heartbeatMs, d.heartbeat_interval);
      this.send({ op: IDENTIFY, d: this.#on.identify() });
    }
  }

  #beat() {
    const sent = performance.now();
    const ackMs = Math.min(this.#options.ackMs, this.#beatMs / 2);
    let isAcked = false;
    const look = (/** @type {boolean} */ isSecond) => {
      if (isAcked) this.#timer = setTimeout(() => this.#beat(), this.#beatMs - ackMs);
      else if (this.#isHeard) again(ackMs, false); // It is alive, and sends something long before the ack.
      else if (!isSecond) again(SECOND_LOOK_MS, true);
      else this.#end(1006, 'heartbeat not acknowledged');
    };
    const again = (/** @type {number} */ ms, /** @type {boolean} */ isSecond) => {
      this.#isHeard = false;
      this.#timer = setTimeout(look, ms, isSecond);
    };
    this.sync(() => {
      isAcked = true;
      this.#on.latency(performance.now() - sent);
    });
    again(ackMs, false);
  }
}
