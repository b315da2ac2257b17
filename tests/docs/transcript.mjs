// A conversation as pages show it, held once more with a real server. Lines of a block:
//
//   $ PUT /v1/channels/room {"type":"public"}    the back end asks over HTTP
//   = 200                                        and is answered so; with a body, that is compared too
//   > {"op":2,…}                                 the client sends this on its connection, which the first such line opens
//   < {"op":1,…}                                 the server's next frame there
//   close 4001 invalid token                     the server ends it
//   hang up                                      the client's line breaks
//   # …                                          a remark
//
// A digit in front of `>`, `<`, `close` and `hang up` tells several connections apart. What the server makes up is `…`; in what
// the client sends, `"…"` is the last position that any connection heard, and `leap_token_…` the last token that was made.

import assert from 'node:assert/strict';
import { PROJECT, startServer } from '../clients/harness.mjs';
import { LeapSocket } from '../clients/leap-socket.mjs';
import { WebSocket } from './ws.mjs';

/** Members whose values differ from run to run. */
const MADE_UP = /"(cid|session_id|session|s|since|epoch|next|oldest|latency|created_at|at)":("[^"]*"|\d+)/g;

/** What is the same each time. @param {string} text */
export function normal(text) {
  return text
    .replace(/(leap_token|member|ptk|ptkid)_[\w-]+/g, '$1_…')
    .replaceAll(PROJECT, 'project_…')
    .replace(MADE_UP, '"$1":"…"');
}

class Conversation {
  #server;
  #sockets = new Map();
  #token = 'leap_token_none';
  #position = '';
  #answer;

  /** @param {string} text @returns {Promise<string>} the same with what the server really said */
  async hold(text) {
    this.#server = await startServer();
    try {
      const lines = [];
      for (const line of text.trimEnd().split('\n')) {
        if (!line.startsWith('= ')) lines.push(await this.#line(line));
        else lines.push(this.#answered(line));
      }
      for (const [name, socket] of this.#sockets) {
        const rest = await this.#rest(socket);
        assert.deepEqual(rest, [], `connection ${name || 1} heard more than the page shows`);
      }
      return `${lines.join('\n')}\n`;
    } finally {
      for (const socket of this.#sockets.values()) socket.cut();
      await this.#server.remove();
    }
  }

  /** What a connection heard that nobody asked about: everything before the answer to a last heartbeat. */
  async #rest(socket) {
    if (socket.isOver) return [];
    socket.send(3, { tag: 'the end of the page' });
    const before = await socket.inbox.before(({ op, d }) => op === 4 && d?.tag === 'the end of the page');
    return before.map(({ raw }) => normal(raw));
  }

  async #line(line) {
    const [, name, sign, rest] = /^(\d?)(>|<|\$|close|hang up|#)? ?(.*)$/.exec(line);
    switch (sign) {
      case '>':
        this.#socket(name).send(this.#meant(rest));
        return line;
      case '<': {
        const frame = await this.#socket(name).inbox.next(() => true, line);
        this.#position = frame.d?.s ?? frame.d?.d?.channel?.s ?? this.#position;
        return `${name}< ${normal(frame.raw)}`;
      }
      case 'close': {
        const socket = this.#socket(name);
        const { code, reason } = await socket.closing();
        socket.isOver = true;
        return `${name}close ${code} ${reason}`.trimEnd();
      }
      case 'hang up': {
        const socket = this.#socket(name);
        socket.cut();
        await socket.closed;
        socket.isOver = true;
        this.#sockets.set(`${name}, which is over`, socket);
        this.#sockets.delete(name);
        return line;
      }
      case '$': {
        const [, method, path, body] = /^(\S+) (\S+) ?(.*)$/.exec(rest);
        this.#answer = await this.#server.api(method, this.#meant(path), this.#meant(body) || undefined);
        this.#token = this.#answer.data?.token?.id ?? this.#token;
        return line;
      }
      default:
        return line;
    }
  }

  /** The answer of the call before, with its body where the page shows one. */
  #answered(line) {
    const { status, text } = this.#answer;
    return line.includes('{') ? `= ${status} ${normal(text)}` : `= ${status}`;
  }

  #meant(text) {
    return text.replaceAll('leap_token_…', this.#token).replaceAll('project_…', PROJECT).replaceAll('"…"', JSON.stringify(this.#position));
  }

  #socket(name) {
    if (!this.#sockets.has(name)) this.#sockets.set(name, new LeapSocket(new WebSocket(this.#server.wsUrl)));
    return this.#sockets.get(name);
  }
}

/**
 * Holds the conversation of a block and compares it with what the block shows.
 * @param {string} text
 */
export async function conversation(text) {
  const real = await held(text);
  assert.equal(real, `${text.trimEnd()}\n`);
}

/** The conversation as it really goes. @param {string} text */
export function held(text) {
  return new Conversation().hold(text);
}
