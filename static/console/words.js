/** The protocol's names and numbers, and how values are said to people. */

/** Bits of a channel's capabilities, with what they do. */
export const CAPABILITIES = [
  ['EPHEMERAL', 'is deleted after its last subscriber has gone'],
  ['CLIENT_PUBLISH', 'subscribed clients may publish'],
  ['CLIENT_STATE', 'subscribed clients may change the state'],
  ['PRESENCE', 'who is in can be asked for and is told'],
  ['HISTORY', 'messages are kept'],
  ['STATE_HISTORY', 'versions of the state are kept'],
].map(([name, meaning], bit) => ({ name, meaning, bit: 1 << bit }));

/** @param {{capabilities: number}} channel @param {string} name */
export const has = ({ capabilities }, name) => CAPABILITIES.some((one) => one.name === name && (capabilities & one.bit) !== 0);

/** Who may subscribe. */
export const VISIBILITIES = [
  ['private', 'tokens that were granted it, or that the channel authorizer lets in'],
  ['public', 'every leap token of the project'],
  ['unprotected', 'everybody who knows project and channel'],
].map(([name, meaning]) => ({ name, meaning }));

/** What a project token may be allowed, in Hop's groups, with the number of its bit. */
export const PERMISSIONS = {
  Channels: {
    create_channel: 39, read_channels: 29, update_channel_state: 28, delete_channels: 27, publish_channel_messages: 30,
    manage_channel_subscribers: 31, create_leap_token: 35, read_leap_tokens: 36, update_leap_token: 37, message_token: 38,
  },
  Webhooks: { create_webhook: 47, read_webhooks: 50, update_webhook: 49, delete_webhook: 48 },
  'Project tokens and members': { create_project_token: 15, read_project_tokens: 17, delete_project_token: 16, get_project_members: 2 },
};

/** Whether a number has a bit; flags are wider than what `&` takes. @param {number} flags @param {number} bit */
export const isSet = (flags, bit) => Math.floor(flags / 2 ** bit) % 2 === 1;

/** What webhooks may ask for, in Hop's groups. */
export const EVENTS = {
  Channels: [
    'channel.created', 'channel.updated', 'channel.deleted', 'channel.state.updated', 'channel.client.connected',
    'channel.client.disconnected', 'channel.subscribed', 'channel.unsubscribed', 'channel.message',
  ],
  Tokens: ['token.created', 'token.deleted'],
  'Project tokens': ['project.tokens.created', 'project.tokens.deleted'],
};

const number = new Intl.NumberFormat('en');
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/** @param {number} value */
export const count = (value) => number.format(value);

/** @param {number} value @param {string} one @param {string} [many] */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** @param {number} value */
export function bytes(value) {
  if (value < 1024) return `${value} B`;
  const power = Math.min(4, Math.floor(Math.log2(value) / 10));
  return `${(value / 1024 ** power).toFixed(1)} ${'_KMGT'[power]}iB`;
}

/** @param {string | Date} at */
export const time = (at) => moment.format(new Date(at));

/** @param {string | Date} at */
export const timeOfDay = (at) => clock.format(new Date(at));

/** How long ago, or from now. @param {string} at @param {number} [now] */
export function distance(at, now = Date.now()) {
  const seconds = Math.round((now - Date.parse(at)) / 1000);
  const [size, unit] = [[31_536_000, 'y'], [86_400, 'd'], [3600, 'h'], [60, 'min']].find(([least]) => Math.abs(seconds) >= Number(least)) ?? [1, 's'];
  const value = `${Math.floor(Math.abs(seconds) / Number(size))} ${unit}`;
  if (Math.abs(seconds) < 2) return 'now';
  return seconds < 0 ? `in ${value}` : `${value} ago`;
}

/** A secret that must not stand on a screen as a whole. @param {string} secret */
export function masked(secret) {
  const prefix = /^[a-z_]+_/.exec(secret)?.[0] ?? '';
  const rest = secret.slice(prefix.length);
  return rest.length < 14 ? secret : `${prefix}${rest.slice(0, 4)}…${rest.slice(-6)}`;
}
