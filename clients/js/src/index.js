/** The client of Warren, a self-hosted server for realtime channels. */

import { Client } from './client.js';

export { Client } from './client.js';
export { Channel } from './channel.js';
export { Line } from './line.js';
export { CloseError, WarrenError } from './errors.js';

/**
 * Connects, and stays connected until `close`.
 * @param {import('./options.js').Options} options
 * @returns {Client}
 */
export function connect(options) {
  const client = new Client(options);
  client.connect();
  return client;
}
