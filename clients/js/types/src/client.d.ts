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
export class Client extends Emitter<ClientEvents> {
    /** @param {import('./options.js').Options} options */
    constructor(options: import("./options.js").Options);
    /** @type {Status} */
    status: Status;
    /** Why the last connection ended, while there is none. @type {Error | null} */
    error: Error | null;
    /** @type {Map<string, Channel>} */
    channels: Map<string, Channel>;
    /** Messages to the token itself, and to this connection alone. */
    direct: Line<import("./line.js").LineEvents>;
    /** The token's state, as far as the server shows it. @type {any} */
    tokenState: any;
    /** Resolves once it is connected; rejects when it is closed. @returns {Promise<this>} */
    get ready(): Promise<this>;
    /** Connects; while the next attempt is due, at once. */
    connect(): void;
    /** Ends it: loops end, what waits to be sent is refused (`closed`). `connect` begins anew. */
    close(): void;
    /**
     * Hears a channel; `ready` of what is returned tells the outcome. Asked for again, it is the same one.
     * @param {string} id
     * @param {import('./channel.js').SubscribeOptions} [options]
     * @returns {Channel}
     */
    subscribe(id: string, options?: import("./channel.js").SubscribeOptions): Channel;
    /** @param {string} id Hears it no more; a token's subscription ends for good. */
    unsubscribe(id: string): void;
    /**
     * Sends a frame now or later, and waits for its answer.
     * @internal
     * @param {string} e
     * @param {string} c
     * @param {unknown} d
     */
    _ask(e: string, c: string, d: unknown): Promise<import("./outbox.js").Done>;
    #private;
}
/**
 * `waiting` means that the next attempt is due; after `closed` only `connect` makes one.
 */
export type Status = "idle" | "connecting" | "connected" | "waiting" | "closed";
/**
 * - `status`: where the connection stands has changed; `delayMs` is the pause before the next attempt
 * - `init`: what INIT said
 * - `channel`: one that was not known before, subscribed by this client or given by the back end
 * - `tokenstate`: the token's state has changed
 * - `latency`: the round trip of a heartbeat
 * - `error`: something went wrong that ended nothing, such as a storage that is full
 */
export type ClientEvents = {
    status: {
        status: Status;
        error: Error | null;
        delayMs?: number;
    };
    init: any;
    channel: {
        channel: Channel;
    };
    tokenstate: {
        state: any;
    };
    latency: {
        ms: number;
    };
    error: {
        error: Error;
    };
};
import { Emitter } from './emitter.js';
import { Channel } from './channel.js';
import { Line } from './line.js';
