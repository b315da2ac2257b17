// The React hooks of Warren's own client, in a test renderer, against the real server.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startServer } from './harness.mjs';
import { poll } from './inbox.mjs';
import { connect, FAST, react } from './warren-client.mjs';

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
const { createElement: h, StrictMode, useState } = await import('react');
const { default: renderer, act } = await import('react-test-renderer');
const { WarrenProvider, useChannel, useChannelState, useMessages, usePresence, useStatus } = await react();

let server;
let token;
let client;
let root;
/** What the component below last rendered. */
let shown;

before(async () => {
  server = await startServer({ WARREN_SESSION_GRACE: '1' });
  await server.channel('desk', 'public', { capabilities: ['CLIENT_PUBLISH', 'CLIENT_STATE', 'PRESENCE'], state: { n: 1 } });
  await server.channel('kept', 'public', { state: { given: true } });
});
afterEach(async () => {
  await act(async () => root?.unmount());
  client?.close();
});
after(() => server?.remove());

async function start(channels = []) {
  token = await server.leapToken({ public: { name: 'Ann' } }, { channels });
  client = connect({ url: server.base, project: server.project, token, ...FAST });
}

function Room({ id, limit, onMessage }) {
  const { status, error } = useChannel(id);
  const [state, setState] = useChannelState(id);
  const messages = useMessages(id, { limit, onMessage });
  const members = usePresence(id);
  shown = { id, connection: useStatus(), status, error, state, setState, messages, members };
  return h('output', null, JSON.stringify(state));
}

/** Renders, below the provider. */
const render = (element) => act(async () => {
  const tree = h(WarrenProvider, { client }, element);
  if (root) root.update(tree);
  else root = renderer.create(tree);
});
const fresh = () => { root = undefined; };
/** Lets things happen and React show them, until it shows what is asked for. */
const sees = (matches) => poll(async () => {
  await act(() => delay(10));
  return matches(shown);
}, String(matches));
const subscriptions = async () => (await server.ok('GET', `/v1/channels/tokens/${token}/subscriptions`)).subscriptions
  .map(({ channel, ephemeral }) => [channel, ephemeral]);

test('state, messages and who is in appear and stay live', async () => {
  fresh();
  await start();
  const called = [];
  await render(h(Room, { id: 'desk', onMessage: ({ event }) => called.push(event) }));
  await sees(({ connection, status, state }) => connection === 'connected' && status === 'available' && state?.n === 1);
  assert.equal(root.toJSON().children[0], '{"n":1}');
  await sees(({ members }) => members.length === 1 && members[0].data.name === 'Ann');
  await server.publish('desk', 'HI', [1]);
  await sees(({ messages }) => messages.length === 1 && messages[0].event === 'HI' && messages[0].data[0] === 1);
  assert.deepEqual(called, ['HI']);
  await act(() => shown.setState((state) => ({ n: state.n + 1 })));
  await sees(({ state }) => state.n === 2);
  await server.restart();
  await server.ok('PATCH', '/v1/channels/desk/state', { n: 5 });
  await sees(({ connection, state }) => connection === 'connected' && state.n === 5);
});

test('only the newest messages are kept, and another channel begins anew', async () => {
  fresh();
  await start();
  await render(h(Room, { id: 'desk', limit: 3 }));
  await sees(({ status }) => status === 'available');
  for (let n = 0; n < 5; n += 1) await server.publish('desk', 'n', n);
  await sees(({ messages }) => messages.at(-1)?.data === 4);
  assert.deepEqual(shown.messages.map(({ data }) => data), [2, 3, 4]);
  await render(h(Room, { id: 'kept' }));
  await sees(({ id, state, messages }) => id === 'kept' && state?.given && messages.length === 0);
  await poll(async () => (await subscriptions()).every(([channel]) => channel !== 'desk'), 'the old channel to be given up');
});

test('several components share a channel, which goes with the last of them; strict mode changes nothing', async () => {
  fresh();
  await start();
  let setCount;
  function Rooms() {
    const [count, set] = useState(2);
    setCount = set;
    return Array.from({ length: count }, (_, key) => h(Room, { key, id: 'desk' }));
  }
  await render(h(StrictMode, null, h(Rooms)));
  await sees(({ status }) => status === 'available');
  const channel = client.channels.get('desk');
  assert.deepEqual(await subscriptions(), [['desk', true]]);
  await act(async () => setCount(1));
  assert.equal(client.channels.get('desk'), channel);
  await act(async () => setCount(0));
  assert.equal(client.channels.has('desk'), false);
  await poll(async () => (await subscriptions()).length === 0, 'the subscription to end');
});

test('what the token held, or the application asked for, is not given up with the last component', async () => {
  fresh();
  await start(['kept']);
  client.subscribe('desk');
  await render([h(Room, { key: 1, id: 'desk' }), h(Room, { key: 2, id: 'kept' })]);
  await act(() => Promise.all(['desk', 'kept'].map((id) => client.channels.get(id).ready)));
  await render(null);
  assert.deepEqual([...client.channels.values()].map(({ id, status }) => [id, status]).sort(), [['desk', 'available'], ['kept', 'available']]);
  assert.deepEqual((await subscriptions()).sort(), [['desk', false], ['kept', false]]);
});

test('what the back end takes and gives again is followed', async () => {
  fresh();
  await start(['kept']);
  await client.ready;
  await render(h(Room, { id: 'kept' }));
  await sees(({ status }) => status === 'available');
  await server.ok('DELETE', `/v1/channels/kept/subscribers/${token}`);
  await sees(({ status, error }) => status === 'unavailable' && error.code === 'unsubscribed');
  assert.equal(client.channels.size, 0);
  await server.ok('PUT', `/v1/channels/kept/subscribers/${token}`);
  await sees(({ status, state }) => status === 'available' && state.given);
});

test('a channel that is refused says so', async () => {
  fresh();
  await start();
  await render(h(Room, { id: 'nowhere' }));
  await sees(({ status, error }) => status === 'unavailable' && error.code === 'unknown_channel');
});

test('without a provider the hooks say what is missing', async () => {
  fresh();
  const { error } = console;
  console.error = () => {};
  try {
    const made = async () => { await act(async () => { renderer.create(h(Room, { id: 'desk' })); }); };
    await assert.rejects(made(), /no WarrenProvider/);
  } finally {
    console.error = error;
  }
});
