/**
 * Connects, and stays connected until `close`.
 * @param {import('./options.js').Options} options
 * @returns {Client}
 */
export function connect(options: import("./options.js").Options): Client;
export { Client } from "./client.js";
export { Channel } from "./channel.js";
export { Line } from "./line.js";
import { Client } from './client.js';
export { CloseError, WarrenError } from "./errors.js";
