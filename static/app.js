/**
 * The quick-start page: watches one channel and shows what arrives.
 * Everything that came over the network reaches the page as text nodes, never as markup.
 */

import { showJson } from './json_text.js';
import { MessageList } from './messages.js';
import { connect } from './warren.js';

/** So many that have come wait for the next frame. */
const PENDING = 200;

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
    await call(field, 'PUT', '', '{"type":"unprotected","state":{}}');
  } catch (error) {
    note.textContent = `Not created: ${error.message}`;
    return;
  }
  note.textContent = field.value = '';
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
  pending.messages.push({ ...message, at: new Date() });
  // A hidden tab draws no frames, and hears everything all the same.
  if (pending.messages.length >= PENDING) draw();
  scheduleDraw();
}

const list = new MessageList({
  list: byId('messages'), count: byId('count'), empty: byId('empty'), tools: byId('tools'), filter: byId('filter'),
  pause: byId('pause'), clear: byId('clear'), save: byId('save'), none: byId('none'),
});

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
  if (messages.length > 0) list.add(messages);
}

function clearMessages() {
  pending = { messages: [], state: null };
  list.clear();
}

/** Calls the API about this channel, with the project token that stands in a field. @param {HTMLInputElement} field */
async function call(field, method, path, body, type = 'application/json') {
  const url = new URL(`v1/channels/${encodeURIComponent(target.channel)}${path}`, location.origin + location.pathname);
  const answer = await fetch(url, { method, headers: { authorization: field.value.trim(), 'content-type': type }, body });
  if (!answer.ok) throw new Error((await answer.json()).error.message);
}

/** What is done by a form, with the token above. */
const publish = ({ event, data }) => call(byId('field-key'), 'POST', '/messages', `{"e":${JSON.stringify(event)},"d":${data}}`);
const change = ({ data }) => call(byId('field-key'), 'PATCH', '/state', data, 'application/merge-patch+json');

/** Does it, and tells beside its button what came of it. @param {SubmitEvent} event @param {(fields: any) => Promise<void>} work @param {string} done */
async function carryOut(event, work, done) {
  event.preventDefault();
  const note = event.target.querySelector('[role=status]');
  const fields = Object.fromEntries(new FormData(event.target));
  note.textContent = '…';
  try {
    // What is no JSON is not sent: the browser says what is wrong with it.
    JSON.parse(fields.data);
    if (byId('field-key').value.trim() === '') throw new Error('a project token is needed, above');
    await work(fields);
    note.textContent = done;
  } catch (error) {
    note.textContent = `Not done: ${error.message}`;
  }
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
byId('publish').addEventListener('submit', (event) => carryOut(event, publish, 'Published.'));
byId('change').addEventListener('submit', (event) => carryOut(event, change, 'Changed.'));
byId('try-again').addEventListener('click', tryAgain);
byId('maker').addEventListener('submit', makeChannel);
for (const button of document.querySelectorAll('[data-copy]')) button.addEventListener('click', () => copy(button));
addEventListener('hashchange', route);
route();
