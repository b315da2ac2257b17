/**
 * What a connection tells. `end` comes once, and nothing after it.
 * @typedef {object} WireEvents
 * @property {() => object} identify What IDENTIFY shall say.
 * @property {(dispatch: {e: string, c: string | null, u: boolean, d: any, s?: string, id?: string}) => void} dispatch
 * @property {(ms: number) => void} latency The round trip of a heartbeat.
 * @property {(code: number, reason: string) => void} end
 */
export class Wire {
    /**
     * @param {string} url
     * @param {{WebSocket: any, handshakeMs: number, heartbeatMs: number, ackMs: number}} options
     * @param {WireEvents} on
     */
    constructor(url: string, options: {
        WebSocket: any;
        handshakeMs: number;
        heartbeatMs: number;
        ackMs: number;
    }, on: WireEvents);
    /** @param {object} frame */
    send(frame: object): void;
    /** @param {string} text A frame. */
    sendText(text: string): void;
    /**
     * Calls back once all has come that the server wrote before it read this.
     * @param {() => void} call
     */
    sync(call: () => void): void;
    /** Starts the heartbeats, now that INIT has come. */
    begin(): void;
    /** Ends it from this side; `end` is not told. */
    close(): void;
    #private;
}
/**
 * What a connection tells. `end` comes once, and nothing after it.
 */
export type WireEvents = {
    /**
     * What IDENTIFY shall say.
     */
    identify: () => object;
    dispatch: (dispatch: {
        e: string;
        c: string | null;
        u: boolean;
        d: any;
        s?: string;
        id?: string;
    }) => void;
    /**
     * The round trip of a heartbeat.
     */
    latency: (ms: number) => void;
    end: (code: number, reason: string) => void;
};
