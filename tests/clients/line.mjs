// A TCP line to a server that a test can break: reset, close, freeze, or take down.

import { once } from 'node:events';
import net from 'node:net';

export class Line {
  #server;
  /** Both ends of each connection. @type {Set<[net.Socket, net.Socket]>} */
  #pairs = new Set();
  #isDown = false;

  /** A line to a port of this machine. */
  static async to(port) {
    const line = new Line();
    line.#server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => line.#join(near, port));
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get port() {
    return this.#server.address().port;
  }

  /** How many connections are on it. */
  get count() {
    return this.#pairs.size;
  }

  #join(near, port) {
    near.on('error', () => {});
    if (this.#isDown) return near.resetAndDestroy();
    const far = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    const pair = [near, far];
    this.#pairs.add(pair);
    near.on('close', () => this.#pairs.delete(pair));
    near.pipe(far);
    far.pipe(near);
  }

  /**
   * Breaks every connection: `reset` throws away what is under way, `fin` ends both sides in order, `freeze` lets
   * nothing through any more and tells nobody.
   */
  break(how) {
    for (const [near, far] of this.#pairs) {
      near.unpipe(far);
      far.unpipe(near);
      if (how === 'reset') {
        near.resetAndDestroy();
        far.resetAndDestroy();
      } else if (how === 'fin') {
        near.end();
        far.end();
      } else {
        near.pause();
        far.pause();
      }
    }
  }

  /** Refuses new connections from now on, or takes them again. */
  down(isDown = true) {
    this.#isDown = isDown;
  }

  close() {
    this.#server.close();
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }
}
