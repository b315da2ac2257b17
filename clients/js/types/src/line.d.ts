/**
 * - `message`: as it comes
 * - `gap`: messages may be missing, nobody knows how many; the next one says `missed: null`
 * @typedef {{message: Message, gap: {}}} LineEvents
 */
/**
 * What is heard in one order: a channel, or the direct messages of a token.
 * @template {LineEvents} [Events=LineEvents]
 * @extends {Emitter<Events>}
 */
export class Line<Events extends LineEvents = LineEvents> extends Emitter<Events> {
    /** @internal @param {() => void} onRead Called when a loop is done with a message. */
    constructor(onRead: () => void);
    /** How far it was heard: what to go on from. @type {string | undefined} */
    position: string | undefined;
    /** Whether it has begun. @internal */
    _isHeard: boolean;
    /**
     * The messages from now on, each once, as something to `for await` over.
     * @param {{limit?: number, overflow?: 'throw' | 'drop'}} [options] `limit`: how many may wait, 1000 by default. One
     *   more ends it, after those that wait, with an error of the code `overflow`; with `drop` the oldest goes instead,
     *   and the next message that is read says in `missed` how many went.
     * @returns {AsyncIterableIterator<Message>}
     */
    messages({ limit, overflow }?: {
        limit?: number;
        overflow?: "throw" | "drop";
    }): AsyncIterableIterator<Message>;
    /** How far the application has read, loops included that are still busy with a message. */
    get consumed(): string | undefined;
    /**
     * It begins, or goes on, on a new connection.
     * @internal
     * @param {string | undefined} s Where it stands.
     * @param {boolean | undefined} recovered What the server said of the position that it was given.
     * @param {boolean} isBroken Whether something may be missing though it said nothing.
     */
    _begin(s: string | undefined, recovered: boolean | undefined, isBroken: boolean): void;
    /** All that followed the beginning has come. @internal */
    _settle(): void;
    /** It is heard no more: what is said from here on is not for this client. @internal */
    _forget(): void;
    /** @internal @param {{e: string, d: unknown}} message @param {string | undefined} s @param {string} [mail] Its id, if it is one. */
    _hear({ e: event, d: data }: {
        e: string;
        d: unknown;
    }, s: string | undefined, mail?: string): void;
    /** @internal @param {string | undefined} s What is behind us now. */
    _pass(s: string | undefined): void;
    /** Ends all loops over messages. @internal @param {Error} [error] */
    _end(error?: Error): void;
    [Symbol.asyncIterator](): AsyncIterableIterator<Message>;
    #private;
}
export type Message = {
    /**
     * The name that it was published under.
     */
    event: string;
    data: any;
    /**
     * Where it stands on its line, if the server says so.
     */
    position?: string | undefined;
    /**
     * How many messages right before it are missing: 0, a number, or null where nobody knows.
     */
    missed: number | null;
};
/**
 * - `message`: as it comes
 * - `gap`: messages may be missing, nobody knows how many; the next one says `missed: null`
 */
export type LineEvents = {
    message: Message;
    gap: {};
};
export type Entry = {
    message: Message;
    before: string | undefined;
    count: number;
};
import { Emitter } from './emitter.js';
