export class Outbox {
    /** @param {{queueLimit: number, queueBytes: number, queueMs: number}} options */
    constructor(options: {
        queueLimit: number;
        queueBytes: number;
        queueMs: number;
    });
    /**
     * @param {{e: string, c: string, d: unknown}} d The dispatch.
     * @returns {Promise<Done>}
     */
    add(d: {
        e: string;
        c: string;
        d: unknown;
    }): Promise<Done>;
    /** Takes frames again. */
    open(): void;
    /** Sends what was not sent yet. @param {(text: string) => void} send */
    flush(send: (text: string) => void): void;
    /** @param {string} ref @param {Done | Error} outcome */
    settle(ref: string, outcome: Done | Error): void;
    /**
     * The connection is gone.
     * @param {WarrenError} error
     * @param {boolean} isToken Whether a token is coming back, whose messages the server knows again by their ids.
     */
    onBroken(error: WarrenError, isToken: boolean): void;
    /**
     * There is another connection, and nothing was sent on it yet.
     * @param {boolean} isKnown Whether the server remembers what was sent before; if so, that is sent again.
     */
    onBegun(isKnown: boolean): void;
    /** Takes nothing any more, and ends what waits. @param {Error} error */
    close(error: Error): void;
    #private;
}
/**
 * What the server said of a frame that it carried out.
 */
export type Done = {
    /**
     * That of the changed state.
     */
    version?: number | undefined;
    /**
     * Where the message stands on its line, if the server says so.
     */
    position?: string | undefined;
};
export type Entry = {
    text: string;
    isSent: boolean;
    /**
     * Whether the server knows it again.
     */
    hasId: boolean;
    timer: any;
    resolve: (done: Done) => void;
    reject: (error: Error) => void;
};
import { WarrenError } from './errors.js';
