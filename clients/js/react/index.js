/** React hooks over a client of `warren-client`. They need React 18 or newer. */

import { createContext, createElement, useCallback, useContext, useEffect, useRef, useState, useSyncExternalStore } from 'react';

/** @typedef {import('../src/client.js').Client} Client */
/** @typedef {import('../src/channel.js').Channel} Channel */
/** @typedef {import('../src/channel.js').State} State */
/** @typedef {import('../src/channel.js').Member} Member */
/** @typedef {import('../src/line.js').Message} Message */

const Context = createContext(/** @type {Client | null} */ (null));

/** How many hooks use a channel that only they have asked for. @type {WeakMap<Channel, number>} */
const users = new WeakMap();

/**
 * Gives the client to all hooks below.
 * @param {{client: Client, children?: import('react').ReactNode}} props
 */
export function WarrenProvider({ client, children }) {
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the provider above. @returns {Client} */
export function useWarren() {
  const client = useContext(Context);
  if (!client) throw new Error('there is no WarrenProvider above');
  return client;
}

/** Where the connection stands. @returns {import('../src/client.js').Status} */
export function useStatus() {
  const client = useWarren();
  return useSyncExternalStore(
    useCallback((changed) => client.on('status', changed), [client]),
    () => client.status,
    () => 'idle',
  );
}

/**
 * A channel, heard while any component shows it. Only what hooks have asked for is given up when the last of them goes:
 * not what the application or the back end subscribed. The subscription is ephemeral.
 * @param {string} id
 * @returns {{channel: Channel | null, status: import('../src/channel.js').ChannelStatus, error: Error | null}} `channel`
 *   is null until the component is mounted.
 */
export function useChannel(id) {
  const client = useWarren();
  const [channel, setChannel] = useState(/** @type {Channel | null} */ (null));
  useEffect(() => {
    const known = client.channels.get(id);
    const subscribed = known && !users.has(known) ? known : client.subscribe(id, { ephemeral: true });
    if (!known) users.set(subscribed, 0);
    const count = users.get(subscribed);
    if (count !== undefined) users.set(subscribed, count + 1);
    setChannel(subscribed);
    // What the back end took and gives again is another one.
    const stop = client.on('channel', ({ channel }) => channel.id === id && setChannel(channel));
    return () => {
      stop();
      leave(subscribed);
    };
  }, [client, id]);
  const shown = channel?.id === id ? channel : null;
  const status = useChannelValue(shown, 'status', (channel) => channel.status) ?? 'pending';
  return { channel: shown, status, error: shown?.error ?? null };
}

/** One component fewer shows it. What takes its place at once, as a render in strict mode does, keeps it. @param {Channel} channel */
function leave(channel) {
  const count = users.get(channel);
  if (count === undefined) return;
  users.set(channel, count - 1);
  queueMicrotask(() => {
    if (users.get(channel) !== 0) return;
    users.delete(channel);
    // What was there without having been asked for is the token's own.
    if (channel._isOwn || channel._asked) channel.unsubscribe();
    else channel._wanted = undefined;
  });
}

/**
 * A value of a channel, followed by one of its events.
 * @template T
 * @param {Channel | null} channel
 * @param {keyof import('../src/channel.js').ChannelEvents} event
 * @param {(channel: Channel) => T} read
 * @returns {T | undefined}
 */
function useChannelValue(channel, event, read) {
  const get = () => (channel ? read(channel) : undefined);
  const follow = useCallback((/** @type {() => void} */ changed) => channel?.on(event, changed) ?? (() => {}), [channel, event]);
  return useSyncExternalStore(follow, get, () => undefined);
}

/**
 * A channel's state, and what changes it: `setState` of the channel.
 * @param {string} id
 * @returns {[State | null, Channel['setState']]} Null until it is known.
 */
export function useChannelState(id) {
  const { channel } = useChannel(id);
  const state = useChannelValue(channel, 'state', (channel) => channel.state) ?? null;
  const latest = useLatest(channel);
  const setState = useCallback(async (/** @type {Parameters<Channel['setState']>[0]} */ next) => {
    if (!latest.current) throw new Error('the component is not mounted');
    return latest.current.setState(next);
  }, [latest]);
  return [state, setState];
}

/**
 * Who is in, in channels with the capability `PRESENCE`.
 * @param {string} id
 * @returns {Member[]}
 */
export function usePresence(id) {
  const { channel } = useChannel(id);
  const members = useChannelValue(channel, 'presence', (channel) => channel.members);
  const [list, setList] = useState(/** @type {Member[]} */ ([]));
  useEffect(() => setList([...(members?.values() ?? [])]), [members]);
  return list;
}

/**
 * The newest messages since the component is there, oldest first.
 * @param {string} id
 * @param {{limit?: number, onMessage?: (message: Message) => void}} [options] `limit`: how many are kept, 100 by default;
 *   0 for who only wants `onMessage`, which is called for each and may change from render to render.
 * @returns {Message[]}
 */
export function useMessages(id, { limit = 100, onMessage } = {}) {
  const { channel } = useChannel(id);
  const [messages, setMessages] = useState(/** @type {Message[]} */ ([]));
  const latest = useLatest(onMessage);
  useEffect(() => {
    setMessages([]);
    return channel?.on('message', (message) => {
      if (limit > 0) setMessages((known) => [...known, message].slice(-limit));
      latest.current?.(message);
    });
  }, [channel, limit, latest]);
  return messages;
}

/**
 * The newest value, for what is called later.
 * @template T
 * @param {T} value
 */
function useLatest(value) {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}
