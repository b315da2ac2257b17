/** How many are connected to a project, sampled while somebody looks at its first page. */

import { findConnections } from './find_connections.js';

/** A sample every so often, a quarter of an hour of them. */
export const PULSE_MS = 5000;
const SAMPLES = 180;
/** So many channels, and so many tokens that are online, are asked for their connections. */
const MAX_ASKED = 50;

/** @typedef {{at: number, connections: number, sessions: number, queue: number}} Beat */

/** @type {WeakMap<import('./api.js').Api, Beat[]>} */
const rings = new WeakMap();

/**
 * Takes a sample; what the token may not see is said by an error.
 * @param {import('./api.js').Api} api
 * @returns {Promise<{found: any[], isWhole: boolean, beats: Beat[]}>} the connections, and what was counted until now
 */
export async function pulse(api) {
  const { connections: found, isWhole } = await findConnections(api, MAX_ASKED);
  const ring = rings.get(api) ?? [];
  rings.set(api, ring);
  ring.push({
    at: Date.now(),
    connections: found.length,
    // A token has one session, whoever comes without one has one each.
    sessions: new Set(found.map(({ token, cid }) => token ?? cid)).size,
    queue: found.reduce((sum, { queue_bytes: bytes }) => sum + bytes, 0),
  });
  if (ring.length > SAMPLES) ring.shift();
  return { found, isWhole, beats: [...ring] };
}
