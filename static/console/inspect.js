/** What the server has recorded of a project: asked for, read, said to people. */

import { ApiError } from './api.js';
import { write } from './json.js';
import { masked, plural } from './words.js';

/** So long an answer is held back while nothing happens, seconds. */
const WAIT = 20;
/** So long is waited after a failure, milliseconds. */
const RETRY_MS = 2000;

/** The kinds of entries, in groups that are shown together. */
export const GROUPS = [
  ['Messages', ['message']],
  ['States', ['state']],
  ['Presence', ['join', 'leave']],
  ['Subscriptions', ['subscribe', 'unsubscribe']],
  ['Direct', ['direct']],
  ['Connections', ['connect', 'disconnect']],
  ['Frames', ['frame_in', 'frame_out']],
  ['Requests', ['request']],
].map(([name, kinds]) => ({ name, kinds }));

const WORDS = {
  message: 'Message', state: 'State', join: 'Joined', leave: 'Left', subscribe: 'Subscribed', unsubscribe: 'Unsubscribed', direct: 'Direct',
  connect: 'Connected', disconnect: 'Ended', frame_in: 'Frame in', frame_out: 'Frame out', request: 'Request',
};

/** @typedef {{key: string, at: Date, kind: string, title: string, isBad: boolean, about: string, text: string, note?: string, raw: Map<string, any>}} Entry */

const plain = (value) => (value && typeof value === 'object' && 'text' in value ? Number(value.text) : value);

/** One entry as it is shown. @param {Map<string, any>} raw @returns {Entry} */
function entryOf(raw) {
  const get = (name) => plain(raw.get(name));
  const kind = get('kind');
  const reason = get('reason');
  const token = get('token') && masked(get('token'));
  const said = raw.has('data') ? write(raw.get('data')) : get('text') ?? (raw.has('bytes') ? `${plural(get('bytes'), 'byte')}, not kept` : '');
  const texts = {
    message: () => `${get('event') || '(no name)'} ${said}`,
    direct: () => `${get('event') || '(no name)'} ${said}`,
    state: () => `version ${get('version')} ${said}`,
    connect: () => `from ${get('address') ?? 'somewhere'}${get('is_back_end') ? ', with a project token' : token ? '' : ', without a token'}`,
    disconnect: () => `${get('code')} by the ${get('initiator')}${reason ? `: ${reason}` : ''}`,
    request: () => `${get('method')} ${get('route')} ${get('status')} in ${get('took_ms').toFixed(1)} ms`,
  };
  const isRefused = kind === 'subscribe' && Boolean(reason);
  return {
    key: String(get('number')),
    at: new Date(get('at')),
    kind,
    title: isRefused ? 'Refused' : WORDS[kind] ?? kind,
    isBad: isRefused || get('status') >= 400 || (kind === 'disconnect' && get('code') >= 4000),
    about: get('channel') ?? token ?? get('connection') ?? '',
    text: texts[kind]?.() ?? [token, reason, said].filter(Boolean).join(' '),
    raw,
  };
}

/** One page. @param {import('./api.js').Api} api @param {Record<string, any>} query @param {AbortSignal} [signal] */
export async function look(api, query, signal) {
  const data = await api.get(`${api.here}/inspect`, { query, isExact: true, signal });
  const lost = plain(data.get('lost'));
  const entries = data.get('entries').map(entryOf);
  return { entries, lost, next: data.get('next'), older: data.get('older'), isRecording: data.get('is_recording'), minutes: plain(data.get('minutes')) };
}

/** @param {number | null} lost */
const gap = (lost) => (lost === null ? 'Entries before this one may be missing.' : `${plural(lost, 'entry', 'entries')} before this one had no room.`);

/**
 * Follows a project until it is told to end: what is there, then what comes.
 * @param {import('./api.js').Api} api
 * @param {Record<string, any>} query
 * @param {AbortSignal} signal
 * @param {(page: {entries: Entry[], older?: string, isRecording?: boolean, minutes?: number}) => void} onPage
 * @param {(status: 'live' | 'lost' | 'refused', error?: Error) => void} onStatus
 */
export async function follow(api, query, signal, onPage, onStatus) {
  let after;
  while (!signal.aborted) {
    try {
      const page = await look(api, after === undefined ? query : { ...query, after, wait: WAIT }, signal);
      if (signal.aborted) return;
      if (after !== undefined && page.lost !== 0 && page.entries.length > 0) page.entries[0].note = gap(page.lost);
      after = page.next;
      onStatus('live');
      onPage(page);
    } catch (error) {
      if (signal.aborted) return;
      const isLasting = !(error instanceof ApiError) || (error.status >= 400 && error.status < 500 && error.status !== 429);
      onStatus(isLasting ? 'refused' : 'lost', error);
      if (isLasting) return;
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
}

/** Entries as lines of JSON; leap tokens, which are secrets, in part only. @param {Entry[]} entries */
export const exported = (entries) => entries.map(({ raw }) => {
  const safe = new Map(raw);
  if (safe.has('token')) safe.set('token', masked(safe.get('token')));
  return `${write(safe)}\n`;
});
