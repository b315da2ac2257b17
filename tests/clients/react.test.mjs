// The official React hooks, @onehop/react, in a test renderer.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { startServer } from './harness.mjs';

// The hooks subscribe only in a browser, which they recognise by this, when they are loaded.
globalThis.window = {};
globalThis.IS_REACT_ACT_ENVIRONMENT = true;
const { useCallback, useState, createElement } = await import('react');
const { default: renderer, act } = await import('react-test-renderer');
const { useChannelMessage, useDirectMessage, useReadChannelState } = createRequire(import.meta.url)('@onehop/react');
const { complaints, connectClient } = await import('./hop-client.mjs');
const { poll } = await import('./inbox.mjs');

let server;
let token;
let it;

before(async () => {
  server = await startServer();
  await server.channel('scores', 'public', { state: { home: 0, away: 0 } });
  await server.channel('given', 'private', { state: { from: 'INIT' } });
  await server.channel('hidden', 'private');
  token = await server.leapToken();
  await server.ok('PUT', `/v1/channels/given/subscribers/${token}`);
  it = await connectClient(server, token);
});
after(async () => {
  it?.stop();
  await server?.remove();
});

/** What the component below last rendered. */
let shown;

function Channel({ id }) {
  const { state, subscription, error } = useReadChannelState(id);
  const [messages, setMessages] = useState([]);
  const [direct, setDirect] = useState([]);
  useChannelMessage(id, 'GOAL', useCallback((data) => setMessages((old) => [...old, data]), []));
  useDirectMessage('WHISPER', useCallback((data) => setDirect((old) => [...old, data]), []));
  shown = { state, subscription, error: error?.error_code, messages, direct };
  return createElement('output', null, JSON.stringify(state));
}

/** Mounts the component for a channel; `sees` waits until it shows what is asked for. */
async function mount(id) {
  let root;
  await act(async () => {
    root = renderer.create(createElement(Channel, { id }));
  });
  return {
    text: () => root.toJSON().children[0],
    sees: (matches) => act(() => poll(async () => matches(shown), `${matches} (shown: ${JSON.stringify(shown)})`)),
    unmount: () => act(async () => root.unmount()),
  };
}

test('both hooks on one channel: the state appears and stays live', async () => {
  const view = await mount('scores');
  await view.sees(({ subscription }) => subscription === 'available');
  assert.deepEqual(JSON.parse(view.text()), { home: 0, away: 0 });
  await server.ok('PATCH', '/v1/channels/scores/state', { home: 1 });
  await view.sees(({ state }) => state.home === 1);
  assert.deepEqual(JSON.parse(view.text()), { home: 1, away: 0 });
  await server.ok('PUT', '/v1/channels/scores/state', { over: true });
  await view.sees(({ state }) => state.over === true);
  assert.deepEqual(JSON.parse(view.text()), { over: true });
  await view.unmount();
});

test('each message is rendered once, although the hooks subscribe twice', async () => {
  const view = await mount('scores');
  await view.sees(({ subscription }) => subscription === 'available');
  for (const minute of [7, 31]) await server.publish('scores', 'GOAL', { minute });
  await server.publish('scores', 'CORNER', {});
  await it.message('CORNER');
  await view.sees(({ messages }) => messages.length >= 2);
  assert.deepEqual(shown.messages, [{ minute: 7 }, { minute: 31 }]);
  assert.equal((await server.ok('GET', '/v1/channels/scores/stats')).stats.online_count, 1);
  await view.unmount();
});

test('direct messages are rendered', async () => {
  const view = await mount('scores');
  await server.ok('POST', `/v1/channels/tokens/${token}/messages`, { e: 'WHISPER', d: { text: 'psst' } });
  await view.sees(({ direct }) => direct.length > 0);
  assert.deepEqual(shown.direct, [{ text: 'psst' }]);
  await view.unmount();
});

test('a channel that came with INIT renders at once', async () => {
  const view = await mount('given');
  assert.deepEqual(JSON.parse(view.text()), { from: 'INIT' });
  await view.unmount();
});

test('a refused channel renders its error', async () => {
  const view = await mount('hidden');
  await view.sees(({ subscription }) => subscription === 'unavailable');
  assert.equal(shown.error, 'NOT_GRANTED');
  await view.unmount();
});

test('after a crash of the server the component is live again', async () => {
  const view = await mount('scores');
  await view.sees(({ subscription }) => subscription === 'available');
  await act(async () => {
    await server.kill();
    await it.disconnected();
    await server.start();
    await it.available('scores');
  });
  await server.ok('PUT', '/v1/channels/scores/state', { half: 2 });
  await view.sees(({ state }) => state.half === 2);
  await server.publish('scores', 'GOAL', { minute: 60 });
  await view.sees(({ messages }) => messages.some(({ minute }) => minute === 60));
  await view.unmount();
});

test('the client never had to complain', () => {
  assert.deepEqual(complaints(it.console), []);
});
