/**
 * @typedef {Record<string, any>} State
 * @typedef {{id: string, data: any, connections: number, since: string}} Member
 * @typedef {'pending' | 'available' | 'unavailable'} ChannelStatus
 * @typedef {object} SubscribeOptions
 * @property {boolean} [ephemeral] A token's subscription that ends with its session, and not one that is kept.
 * @property {string} [since] The position to go on from, instead of the one that is known.
 * @property {number} [rewind] How many kept messages to begin with.
 */
/**
 * - `state`: it was shown or has changed
 * - `presence`: who is in has changed; the kind `state` brings everybody
 * - `status`: whether it is heard has changed
 * @typedef {import('./line.js').LineEvents & {
 *   state: {state: State, version?: number},
 *   presence: {kind: 'state' | 'join' | 'leave' | 'update', member?: Member, members: Map<string, Member>},
 *   status: {status: ChannelStatus, error: Error | null},
 * }} ChannelEvents
 */
/**
 * A channel. Its events come by `on(name, (detail) => …)` or `addEventListener`, as `CustomEvent`s.
 * @extends {Line<ChannelEvents>}
 */
export class Channel extends Line<ChannelEvents> {
    /** @internal @param {string} id @param {import('./client.js').Client} client @param {() => void} onRead */
    constructor(id: string, client: import("./client.js").Client, onRead: () => void);
    /** @type {ChannelStatus} */
    status: ChannelStatus;
    /** Why it is not available. @type {Error | null} */
    error: Error | null;
    /** Its state; stays readable while a reconnect is under way. @type {State | null} */
    state: State | null;
    /** That of the state, if the server says so. @type {number | undefined} */
    version: number | undefined;
    /** Who is in, by id, in channels with the capability `PRESENCE`. @type {Map<string, Member>} */
    members: Map<string, Member>;
    /** What was asked for by this client. @internal @type {SubscribeOptions | undefined} */
    _wanted: SubscribeOptions | undefined;
    /** What of it the SUBSCRIBE said that has no outcome yet. @internal @type {SubscribeOptions | undefined} */
    _asked: SubscribeOptions | undefined;
    /** Whether it is heard because this client asked. @internal */
    _isOwn: boolean;
    /** Whether the server said that it keeps the subscription of the token. @internal */
    _isKept: boolean;
    id: string;
    /** Resolves once the channel is heard; rejects when that was refused or the client ended. @returns {Promise<this>} */
    get ready(): Promise<this>;
    /**
     * Publishes to everybody who is subscribed (capability `CLIENT_PUBLISH`); waits while there is no connection.
     * @param {string} event
     * @param {unknown} [data]
     * @returns {Promise<import('./outbox.js').Done>} When the server has said that it is done.
     */
    publish(event: string, data?: unknown): Promise<import("./outbox.js").Done>;
    /**
     * Changes the state (capability `CLIENT_STATE`).
     * @param {State | ((state: State) => State | void | Promise<State | void>)} next The new state; or a function that is
     *   given a copy of the newest one and returns the new one, or changes the copy. If somebody else was faster it is
     *   called again with what they made of it.
     * @returns {Promise<import('./outbox.js').Done>}
     */
    setState(next: State | ((state: State) => State | void | Promise<State | void>)): Promise<import("./outbox.js").Done>;
    /**
     * Patches the state by JSON Merge Patch (capability `CLIENT_STATE`).
     * @param {State} patch
     * @param {number} [ifVersion] Only if the state is still this one; else `version_conflict`.
     * @returns {Promise<import('./outbox.js').Done>}
     */
    patchState(patch: State, ifVersion?: number): Promise<import("./outbox.js").Done>;
    /** Hears it no more; loops end once they have read what waits. A token's subscription ends for good. */
    unsubscribe(): void;
    /** @internal @param {ChannelStatus} status @param {Error | null} error */
    _become(status: ChannelStatus, error?: Error | null): void;
    /** It is heard, and this is its state. @internal @param {any} info */
    _show(info: any): void;
    /** It is not heard. @internal @param {Error} error */
    _hide(error: Error): void;
    /** @internal @param {any} update */
    _onState({ state, version, from, patch }: any): void;
    /** @internal @param {string} name @param {any} d */
    _onPresence(name: string, { member, members, from, count }: any): void;
    #private;
}
export type State = Record<string, any>;
export type Member = {
    id: string;
    data: any;
    connections: number;
    since: string;
};
export type ChannelStatus = "pending" | "available" | "unavailable";
export type SubscribeOptions = {
    /**
     * A token's subscription that ends with its session, and not one that is kept.
     */
    ephemeral?: boolean | undefined;
    /**
     * The position to go on from, instead of the one that is known.
     */
    since?: string | undefined;
    /**
     * How many kept messages to begin with.
     */
    rewind?: number | undefined;
};
/**
 * - `state`: it was shown or has changed
 * - `presence`: who is in has changed; the kind `state` brings everybody
 * - `status`: whether it is heard has changed
 */
export type ChannelEvents = import("./line.js").LineEvents & {
    state: {
        state: State;
        version?: number;
    };
    presence: {
        kind: "state" | "join" | "leave" | "update";
        member?: Member;
        members: Map<string, Member>;
    };
    status: {
        status: ChannelStatus;
        error: Error | null;
    };
};
import { Line } from './line.js';
