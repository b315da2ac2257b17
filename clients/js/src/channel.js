/** One channel: its messages, its state and who is in. */

import { WarrenError } from './errors.js';
import { Line } from './line.js';
import { diff, merge } from './merge.js';

/** So often a change is made anew when somebody else was faster. */
const TRIES = 50;

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
export class Channel extends Line {
  /** @type {ChannelStatus} */
  status = 'pending';
  /** Why it is not available. @type {Error | null} */
  error = null;
  /** Its state; stays readable while a reconnect is under way. @type {State | null} */
  state = null;
  /** That of the state, if the server says so. @type {number | undefined} */
  version;
  /** Who is in, by id, in channels with the capability `PRESENCE`. @type {Map<string, Member>} */
  members = new Map();
  /** What was asked for by this client. @internal @type {SubscribeOptions | undefined} */
  _wanted;
  /** What of it the SUBSCRIBE said that has no outcome yet. @internal @type {SubscribeOptions | undefined} */
  _asked;
  /** Whether it is heard because this client asked. @internal */
  _isOwn = false;
  /** Whether the server said that it keeps the subscription of the token. @internal */
  _isKept = false;
  #client;
  #isLookingForState = false;

  /** @internal @param {string} id @param {import('./client.js').Client} client @param {() => void} onRead */
  constructor(id, client, onRead) {
    super(onRead);
    this.id = id;
    this.#client = client;
  }

  /** Resolves once the channel is heard; rejects when that was refused or the client ended. @returns {Promise<this>} */
  get ready() {
    if (this.status === 'available') return Promise.resolve(this);
    if (this.error) return Promise.reject(this.error);
    return this._next('status').then(() => this.ready);
  }

  /**
   * Publishes to everybody who is subscribed (capability `CLIENT_PUBLISH`); waits while there is no connection.
   * @param {string} event
   * @param {unknown} [data]
   * @returns {Promise<import('./outbox.js').Done>} When the server has said that it is done.
   */
  publish(event, data = null) {
    return this.#client._ask('MESSAGE', this.id, { e: event, d: data });
  }

  /**
   * Changes the state (capability `CLIENT_STATE`).
   * @param {State | ((state: State) => State | void | Promise<State | void>)} next The new state; or a function that is
   *   given a copy of the newest one and returns the new one, or changes the copy. If somebody else was faster it is
   *   called again with what they made of it.
   * @returns {Promise<import('./outbox.js').Done>}
   */
  async setState(next) {
    if (typeof next !== 'function') return this.#client._ask('SET_CHANNEL_STATE', this.id, next);
    for (let tries = 1; ; tries += 1) {
      await this.ready;
      const { version } = this;
      const state = /** @type {State} */ (this.state);
      const copy = structuredClone(state);
      const patch = diff(state, (await next(copy)) ?? copy);
      if (!patch) throw new WarrenError('null_in_patch', 'a function cannot set null');
      try {
        return await this.patchState(patch, version);
      } catch (error) {
        if (/** @type {WarrenError} */ (error).code !== 'version_conflict' || tries === TRIES) throw error;
        // What the others made of it may still be on its way.
        if (this.version === version) await this._next('state', 'status');
      }
    }
  }

  /**
   * Patches the state by JSON Merge Patch (capability `CLIENT_STATE`).
   * @param {State} patch
   * @param {number} [ifVersion] Only if the state is still this one; else `version_conflict`.
   * @returns {Promise<import('./outbox.js').Done>}
   */
  patchState(patch, ifVersion) {
    return this.#client._ask('PATCH_CHANNEL_STATE', this.id, { patch, if_version: ifVersion });
  }

  /** Hears it no more; loops end once they have read what waits. A token's subscription ends for good. */
  unsubscribe() {
    this.#client.unsubscribe(this.id);
  }

  /** @internal @param {ChannelStatus} status @param {Error | null} error */
  _become(status, error = null) {
    this.status = status;
    this.error = error;
    this._emit('status', { status, error });
  }

  /** It is heard, and this is its state. @internal @param {any} info */
  _show(info) {
    this._onState(info);
    if (this.status !== 'available') this._become('available');
  }

  /** It is not heard. @internal @param {Error} error */
  _hide(error) {
    this._forget();
    this.members = new Map();
    this._become('unavailable', error);
  }

  /** @internal @param {any} update */
  _onState({ state, version, from, patch }) {
    if (patch === undefined) {
      this.state = state;
      this.#isLookingForState = false;
    } else if (from === this.version && this.state) {
      this.state = /** @type {State} */ (merge(this.state, patch));
    } else {
      // A change before this one did not come: the whole state is asked for, once. What is not newer is no news.
      if (version <= /** @type {number} */ (this.version) || this.#isLookingForState) return;
      this.#isLookingForState = true;
      this.#client._ask('GET_CHANNEL_STATE', this.id, {}).catch(() => { this.#isLookingForState = false; });
      return;
    }
    this.version = version;
    this._emit('state', { state: this.state, version });
  }

  /** @internal @param {string} name @param {any} d */
  _onPresence(name, { member, members, from, count }) {
    // A new map each time: who shows it sees that it is another.
    const all = new Map(from === 0 ? [] : this.members);
    for (const one of members ?? [member]) {
      if (name === 'PRESENCE_LEAVE') all.delete(one.id);
      else all.set(one.id, one);
    }
    this.members = all;
    if (members && from + members.length < count) return;
    this._emit('presence', { kind: name.slice(9).toLowerCase(), member, members: all });
  }
}
