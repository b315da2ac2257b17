/** For clients that identify with a JSON Web Token: to go on with a newer one, without a new connection. */
/**
 * Goes on with a newer token of the same subject. Without this a client comes back with what its option `token` gives when
 * the old one expires, and misses nothing either. The new one counts for this connection: let that option give it too.
 * @param {import('../src/client.js').Client} client
 * @param {string} token
 * @returns {Promise<import('../src/outbox.js').Done>} Rejects with `invalid_token` where the server refuses it: then the
 *   connection has the time of the token before.
 */
export function refresh(client: import("../src/client.js").Client, token: string): Promise<import("../src/outbox.js").Done>;
