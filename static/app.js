/**
 * The quick-start page: watches one channel and shows what arrives.
 * Everything that came over the network reaches the page as text nodes, never as markup.
 */

import { connect } from './warren.js';

const MESSAGES_KEPT = 200;
/** Longer JSON is cut for display: laying out megabytes would freeze the tab. */
const CHARS_SHOWN = 20_000;

const STATUS_TEXT = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  subscribing: 'Connecting…',
  connected: 'Connected',
  unavailable: 'Not subscribed',
  waiting: 'Connection lost, reconnecting…',
  refused: 'Refused by the server',
  closed: 'Not connected',
};

const EMPTY_TEXT = 'Nothing yet. Publish a message and it appears here at once.';

/** @param {string} id */
const byId = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/** @typedef {{project: string, channel: string, token: string}} Target */

/** @type {import('./warren.js').Client | null} */
let client = null;
/** @type {import('./warren.js').Channel | null} */
let watched = null;
/** @type {Target} */
let target;
let received = 0;
/** What arrived since the last frame was drawn; one drawing per frame keeps up with any rate. */
let pending = { messages: [], state: null };

/** Reads the target from the fragment, else from the query (then moves it: queries get logged). */
function readTarget() {
  const read = (text) => {
    const params = new URLSearchParams(text);
    return Object.fromEntries(['project', 'channel', 'token'].map((name) => [name, params.get(name) ?? '']));
  };
  const found = read(location.hash.slice(1));
  if (found.project || found.channel || !location.search) return found;
  const asked = read(location.search);
  history.replaceState(null, '', location.pathname + fragment(asked));
  return asked;
}

/** @param {Target} target */
function fragment({ project, channel, token }) {
  const params = new URLSearchParams({ project, channel });
  if (token) params.set('token', token);
  return `#${params}`;
}

/** Shows the form or the channel, whichever the address asks for. */
function route() {
  const previous = target;
  client?.close();
  client = watched = null;
  target = readTarget();
  const isComplete = Boolean(target.project && target.channel);
  byId('chooser').hidden = isComplete;
  byId('viewer').hidden = !isComplete;
  if (isComplete) return watch();
  document.title = 'Warren';
  showStatus();
  for (const name of ['project', 'channel', 'token']) byId(`field-${name}`).value = target[name] || previous?.[name] || '';
  byId('field-project').focus();
}

/** Connects and subscribes to the current target. */
function watch() {
  const { project, channel, token } = target;
  document.title = `${channel} · Warren`;
  byId('channel-name').textContent = channel;
  byId('project-name').textContent = project;
  byId('identity').textContent = token ? 'with a token' : 'anonymous';
  hideTrouble();
  showCommands(channel);
  clearMessages();
  byId('state').textContent = '…';
  byId('state-note').textContent = 'waiting';
  byId('latency').textContent = '';

  const url = new URL('ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = url.hash = '';
  client = connect({ url, project, token });
  client.on('status', onStatus);
  client.on('latency', ({ ms }) => { byId('latency').textContent = `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`; });
  client.direct.on('message', (message) => onMessage({ ...message, isDirect: true }));
  // Looking at a channel should leave nothing behind, so not even a token subscribes for good.
  watched = client.subscribe(channel, { ephemeral: true });
  watched.on('status', onChannel);
  watched.on('state', onState);
  watched.on('message', onMessage);
  showStatus();
}

function onStatus({ error }) {
  showStatus();
  if (error?.isFatal) showTrouble(`The server refused this connection: ${error.message}.`);
}

/** What is shown of the connection. It counts as connected when the channel is heard: nothing arrives before. */
function statusShown() {
  const { status, error } = client ?? { status: 'idle' };
  if (error?.isFatal) return 'refused';
  if (status !== 'connected') return status;
  return { available: 'connected', unavailable: 'unavailable' }[watched?.status] ?? 'subscribing';
}

function showStatus() {
  const status = statusShown();
  byId('status').dataset.status = status;
  byId('latency').hidden = status !== 'connected';
  // Unchanged text is not written again, so that a screen reader does not repeat it.
  if (byId('status-text').textContent !== STATUS_TEXT[status]) byId('status-text').textContent = STATUS_TEXT[status];
}

/** Says why nothing arrives, and stops looking as if something could. */
function showTrouble(text, { isMissing = false } = {}) {
  byId('trouble-text').textContent = text;
  byId('trouble').hidden = false;
  byId('maker').hidden = !isMissing;
  byId('viewer').classList.toggle('off', true);
  pending.state = null;
  byId('state').textContent = '';
  byId('state-note').textContent = 'not subscribed';
  byId('empty').textContent = 'Nothing arrives while this channel is not subscribed.';
}

function hideTrouble() {
  byId('trouble').hidden = true;
  byId('maker').hidden = true;
  byId('viewer').classList.toggle('off', false);
  byId('empty').textContent = EMPTY_TEXT;
}

/** Makes the channel that is not there, with a project token that is used once and kept nowhere. */
async function makeChannel(event) {
  event.preventDefault();
  const note = byId('maker-note');
  const field = byId('field-project-token');
  note.textContent = 'Creating…';
  try {
    const answer = await fetch(new URL(`v1/channels/${encodeURIComponent(target.channel)}`, location.origin + location.pathname), {
      method: 'PUT',
      headers: { authorization: field.value.trim(), 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'unprotected', state: {} }),
    });
    const { error } = answer.ok ? {} : await answer.json();
    note.textContent = error ? `Not created: ${error.message}` : '';
    if (error) return;
  } catch (failure) {
    note.textContent = `Not created: ${failure.message}`;
    return;
  }
  field.value = '';
  tryAgain();
}

function tryAgain() {
  hideTrouble();
  client.connect();
  client.subscribe(target.channel, { ephemeral: true });
}

function onChannel({ status, error }) {
  showStatus();
  if (status === 'available') return hideTrouble();
  if (status === 'pending' || error.isFatal || error.code === 'closed') return;
  if (error.code === 'unsubscribed') showTrouble('The channel was deleted, or this token was unsubscribed from it.');
  else if (error.code === 'unknown_channel') showTrouble(`This project has no channel “${target.channel}”.`, { isMissing: true });
  else if (error.code === 'not_granted') showTrouble(`This channel is not open to ${target.token ? 'this token' : 'visitors without a token'}.`);
  else showTrouble(`The subscription failed: ${error.message}.`);
}

function onState({ state, version }) {
  pending.state = { state, version, at: new Date() };
  scheduleDraw();
}

function onMessage(message) {
  received += 1;
  pending.messages.push({ ...message, at: new Date() });
  if (pending.messages.length > MESSAGES_KEPT) pending.messages.shift();
  scheduleDraw();
}

let isDrawScheduled = false;

function scheduleDraw() {
  if (isDrawScheduled) return;
  isDrawScheduled = true;
  requestAnimationFrame(draw);
}

/** Brings the page up to date with everything pending. */
function draw() {
  isDrawScheduled = false;
  const { messages, state } = pending;
  pending = { messages: [], state: null };
  if (state) {
    showJson(byId('state'), state.state);
    const version = state.version === undefined ? '' : `version ${state.version} · `;
    byId('state-note').textContent = version + clock.format(state.at);
  }
  if (messages.length === 0) return;
  const list = byId('messages');
  list.prepend(...messages.reverse().map(messageItem));
  while (list.childElementCount > MESSAGES_KEPT) list.lastElementChild.remove();
  showCount();
}

function clearMessages() {
  received = 0;
  pending = { messages: [], state: null };
  byId('messages').replaceChildren();
  showCount();
}

function showCount() {
  byId('count').textContent = String(received);
  byId('empty').hidden = received > 0;
  byId('clear').hidden = received === 0;
}

/** @returns {HTMLElement} `tag.className` holding the given text */
function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function messageItem({ isDirect, event, data, missed, at }) {
  const item = element('li', 'message fresh');
  const head = element('div', 'message-head');
  const time = element('time', '', clock.format(at));
  time.dateTime = at.toISOString();
  head.append(element('span', 'event', event), time);
  if (isDirect) time.before(element('span', 'muted', 'direct message'));
  if (missed !== 0) time.before(element('span', 'muted', 'messages before this one may be missing'));
  const body = element('pre', 'json');
  showJson(body, data);
  item.append(head, body);
  return item;
}

/** Pretty-prints JSON into an element, one coloured span per token. */
function showJson(into, value) {
  const text = JSON.stringify(value, null, 2);
  const shown = text.slice(0, CHARS_SHOWN);
  const tokens = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|\b(true|false|null)\b/g;
  const parts = [];
  let end = 0;
  for (const { 0: whole, 1: string, 2: colon, 3: number, index } of shown.matchAll(tokens)) {
    parts.push(shown.slice(end, index));
    const kind = string ? (colon ? 'key' : 'string') : number ? 'number' : 'word';
    parts.push(element('span', kind, string ?? whole), colon ?? '');
    end = index + whole.length;
  }
  parts.push(shown.slice(end));
  if (text.length > shown.length) {
    parts.push(element('span', 'note', `\n… and ${(text.length - shown.length).toLocaleString()} more characters`));
  }
  into.replaceChildren(...parts);
}

/** Fills in the two commands for this channel. */
function showCommands(channel) {
  const base = new URL(`v1/channels/${encodeURIComponent(channel)}/`, location.origin + location.pathname);
  const command = (method, path, body) => [
    `curl -X ${method} \\`,
    `  '${quoted(new URL(path, base).href)}' \\`,
    "  -H 'Authorization: ptk_…' \\",
    "  -H 'Content-Type: application/json' \\",
    `  -d '${JSON.stringify(body)}'`,
  ].join('\n');
  byId('curl-message').textContent = command('POST', 'messages', { e: 'greeting', d: { text: 'Hello, Warren' } });
  byId('curl-state').textContent = command('PATCH', 'state', { mood: 'curious' });
}

/** Makes text safe between single quotes in a shell. */
const quoted = (text) => text.replaceAll("'", "'\\''");

/** Copies a command; where the clipboard is out of reach (plain http), selects it instead. */
async function copy(button) {
  const source = byId(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(source);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
}

byId('chooser-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  location.hash = fragment({ project: fields.project.trim(), channel: fields.channel, token: fields.token.trim() });
});
byId('clear').addEventListener('click', clearMessages);
byId('try-again').addEventListener('click', tryAgain);
byId('maker').addEventListener('submit', makeChannel);
for (const button of document.querySelectorAll('[data-copy]')) button.addEventListener('click', () => copy(button));
addEventListener('hashchange', route);
route();
