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
export function withDefaults(options: Options): {
    /**
     * `wss://example.com/ws`; of an address without a path, `/ws` is meant, and `http` is `ws`.
     */
    url: string | URL;
    project: string;
    /**
     * A leap token, or what gives one,
     * asked for each connection. Without one the client is anonymous.
     */
    token?: string | (() => string | null | Promise<string | null>) | null | undefined;
    /**
     * The class to use where there is no global one, as in Node before 22.
     */
    WebSocket: any;
    /**
     * Where positions outlive the process; in memory without one.
     */
    storage?: import("./positions.js").Storage | undefined;
    /**
     * `warren:` and the project's id by default. No two clients may share one.
     */
    storageKey: string;
    /**
     * Positions are saved at most so often; 1000 by default.
     */
    saveMs: number;
    /**
     * The first pause between attempts, 500 by default; it doubles.
     */
    retryMinMs: number;
    /**
     * The longest one, 30000 by default.
     */
    retryMaxMs: number;
    /**
     * From opening the socket to INIT, 15000 by default.
     */
    handshakeMs: number;
    /**
     * A heartbeat so often, 15000 by default, and not later than the server wants.
     */
    heartbeatMs: number;
    /**
     * A connection on which nothing comes for so long after a heartbeat is given up; 10000 by
     * default, and half of `heartbeatMs` at most.
     */
    ackMs: number;
    /**
     * So many frames may wait to be sent or answered; 1000 by default.
     */
    queueLimit: number;
    /**
     * So long they may be together, in UTF-16 units; 4194304 by default.
     */
    queueBytes: number;
    /**
     * So long one may wait; 240000 by default, and at most the 5 minutes for which the server
     * knows ids.
     */
    queueMs: number;
};
/** Where the socket is. @param {string | URL} address */
export function socketUrl(address: string | URL): URL;
/** Where to go on, as the server said it: only on the same host, and never less safe. @param {URL} url @param {string} next */
export function moved(url: URL, next: string): URL;
export type Options = {
    /**
     * `wss://example.com/ws`; of an address without a path, `/ws` is meant, and `http` is `ws`.
     */
    url: string | URL;
    project: string;
    /**
     * A leap token, or what gives one,
     * asked for each connection. Without one the client is anonymous.
     */
    token?: string | (() => string | null | Promise<string | null>) | null | undefined;
    /**
     * The class to use where there is no global one, as in Node before 22.
     */
    WebSocket?: any;
    /**
     * Where positions outlive the process; in memory without one.
     */
    storage?: import("./positions.js").Storage | undefined;
    /**
     * `warren:` and the project's id by default. No two clients may share one.
     */
    storageKey?: string | undefined;
    /**
     * Positions are saved at most so often; 1000 by default.
     */
    saveMs?: number | undefined;
    /**
     * The first pause between attempts, 500 by default; it doubles.
     */
    retryMinMs?: number | undefined;
    /**
     * The longest one, 30000 by default.
     */
    retryMaxMs?: number | undefined;
    /**
     * From opening the socket to INIT, 15000 by default.
     */
    handshakeMs?: number | undefined;
    /**
     * A heartbeat so often, 15000 by default, and not later than the server wants.
     */
    heartbeatMs?: number | undefined;
    /**
     * A connection on which nothing comes for so long after a heartbeat is given up; 10000 by
     * default, and half of `heartbeatMs` at most.
     */
    ackMs?: number | undefined;
    /**
     * So many frames may wait to be sent or answered; 1000 by default.
     */
    queueLimit?: number | undefined;
    /**
     * So long they may be together, in UTF-16 units; 4194304 by default.
     */
    queueBytes?: number | undefined;
    /**
     * So long one may wait; 240000 by default, and at most the 5 minutes for which the server
     * knows ids.
     */
    queueMs?: number | undefined;
};
