/** The connections of a project, which the API lists by channel and by token alone. */

import { channelPath, tokenPath } from './api.js';

/** So many requests are under way at once. */
const AT_ONCE = 6;
const PAGE = { page: 1, pageSize: 200 };
/** From so much waiting on, somebody is slow. */
export const SLOW_BYTES = 64 << 10;

/** The first things of a list that are wanted. */
async function some(api, path, name, most, isWanted) {
  const found = [];
  for await (const step of api.walk(path, name)) {
    found.push(...step.filter(isWanted));
    if (found.length > most) return { found: found.slice(0, most), isWhole: false };
  }
  return { found, isWhole: true };
}

/** Does something for each of a list, some at once. */
async function forAll(list, work) {
  const rest = [...list];
  const worker = async () => {
    for (let one = rest.shift(); one; one = rest.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/**
 * All connections that can be found: those of tokens that are online, and those that hear a channel; the longest queue first.
 * @param {import('./api.js').Api} api
 * @param {number} most so many channels, and so many tokens, are asked
 */
export async function findConnections(api, most) {
  const all = new Map();
  const [tokens, channels] = await Promise.all([
    some(api, 'channels/tokens', 'tokens', most, (token) => token.is_online),
    some(api, 'channels', 'channels', most, () => true),
  ]);
  // What has ended since it was listed is no error.
  const listed = (path) => api.get(path, { query: PAGE }).then(({ connections }) => connections, (error) => {
    if (error.status === 404) return [];
    throw error;
  });
  await forAll(channels.found, async ({ id }) => {
    for (const one of await listed(channelPath(id, '/connections'))) all.set(one.cid, one);
  });
  await forAll(tokens.found, async ({ id }) => {
    for (const one of await listed(tokenPath(id, '/connections'))) all.set(one.cid, { ...one, token: id });
  });
  const connections = [...all.values()].sort((a, b) => b.queue_bytes - a.queue_bytes || Date.parse(b.since) - Date.parse(a.since));
  return { connections, isWhole: tokens.isWhole && channels.isWhole };
}
