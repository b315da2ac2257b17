/** Hearing channels on the socket, through the same client that everybody uses. */

import { address } from './api.js';
import { connect } from '../warren.js';

/** One connection for the whole console, opened when it is first needed. */
let client = null;
let owner = null;

/** @param {import('./api.js').Api} api @param {string} project */
function clientOf(api, project) {
  if (client && owner === api) return client;
  client?.close();
  owner = api;
  const url = address('ws');
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  // An admin token is no key to the socket: with one, the console is a visitor there.
  client = connect({ url, project, token: api.isAdmin ? undefined : api.token });
  return client;
}

/**
 * Hears a channel's messages until the function that it returns is called.
 * @param {import('./api.js').Api} api
 * @param {string} project
 * @param {string} id
 * @param {(message: {event: string, data: any, missed: number | null}) => void} onMessage
 * @param {(status: string, error: Error | null) => void} onStatus
 */
export function listen(api, project, id, onMessage, onStatus) {
  const warren = clientOf(api, project);
  if (warren.status === 'closed') warren.connect();
  const channel = warren.subscribe(id, { ephemeral: true });
  const tell = () => onStatus(warren.status === 'connected' ? channel.status : warren.status, warren.error ?? channel.error);
  const ends = [channel.on('message', onMessage), channel.on('status', tell), warren.on('status', tell)];
  tell();
  return () => {
    for (const end of ends) end();
    channel.unsubscribe();
  };
}

/** Ends the connection: nobody is signed in any more. */
export function hangUp() {
  client?.close();
  client = owner = null;
}
