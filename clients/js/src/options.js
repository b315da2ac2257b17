/** What a client is told, and what it takes where it is not told. */

/**
 * @typedef {object} Options
 * @property {string | URL} url `wss://example.com/ws`; of an address without a path, `/ws` is meant, and `http` is `ws`.
 * @property {string} project
 * @property {string | null | (() => string | null | Promise<string | null>)} [token] A leap token, or what gives one,
 *   asked for each connection. Without one the client is anonymous.
 * @property {any} [WebSocket] The class to use where there is no global one, as in Node before 22.
 * @property {import('./positions.js').Storage} [storage] Where positions outlive the process; in memory without one.
 * @property {string} [storageKey] `warren:` and the project's id by default. No two clients may share one.
 * @property {number} [saveMs] Positions are saved at most so often; 1000 by default.
 * @property {number} [retryMinMs] The first pause between attempts, 500 by default; it doubles.
 * @property {number} [retryMaxMs] The longest one, 30000 by default.
 * @property {number} [handshakeMs] From opening the socket to INIT, 15000 by default.
 * @property {number} [heartbeatMs] A heartbeat so often, 15000 by default, and not later than the server wants.
 * @property {number} [ackMs] A connection on which nothing comes for so long after a heartbeat is given up; 10000 by
 *   default, and half of `heartbeatMs` at most.
 * @property {number} [queueLimit] So many frames may wait to be sent or answered; 1000 by default.
 * @property {number} [queueBytes] So long they may be together, in UTF-16 units; 4194304 by default.
 * @property {number} [queueMs] So long one may wait; 240000 by default, and at most the 5 minutes for which the server
 *   knows ids.
 */

/** @param {Options} options */
export function withDefaults(options) {
  const all = {
    WebSocket: globalThis.WebSocket,
    storageKey: `warren:${options.project}`,
    saveMs: 1_000,
    retryMinMs: 500,
    retryMaxMs: 30_000,
    handshakeMs: 15_000,
    heartbeatMs: 15_000,
    ackMs: 10_000,
    queueLimit: 1_000,
    queueBytes: 4_194_304,
    queueMs: 240_000,
    ...options,
  };
  if (!all.WebSocket) throw new TypeError('no global WebSocket');
  return all;
}

/** Where the socket is. @param {string | URL} address */
export function socketUrl(address) {
  const url = new URL(address);
  url.protocol = url.protocol.replace('http', 'ws');
  if (url.pathname === '/') url.pathname = '/ws';
  return url;
}

/** Where to go on, as the server said it: only on the same host, and never less safe. @param {URL} url @param {string} next */
export function moved(url, next) {
  const to = URL.canParse(next) ? new URL(next) : url;
  return to.hostname === url.hostname && to.protocol === url.protocol ? to : url;
}
