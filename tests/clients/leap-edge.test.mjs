// The official socket library below the clients, @onehop/leap-edge-js.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startServer } from './harness.mjs';
import { complaints, stopLeap } from './hop-client.mjs';
import { Inbox, captureConsole } from './inbox.mjs';

// Its ES module build does not load in Node; the CommonJS one does.
const { LeapEdgeClient } = createRequire(import.meta.url)('@onehop/leap-edge-js');

const HEARTBEAT_S = 2;
/** The library judges a heartbeat 5 s after sending it; this spans the judgement of three. */
const WATCH_MS = 3 * HEARTBEAT_S * 1000 + 6_000;

let server;
const lines = captureConsole();
const open = [];

before(async () => {
  server = await startServer({ WARREN_HEARTBEAT: String(HEARTBEAT_S), WARREN_HEARTBEAT_TIMEOUT: String(2.5 * HEARTBEAT_S) });
  await server.channel('room', 'unprotected', { state: { a: 1 } });
});
after(async () => {
  open.forEach(stopLeap);
  await server?.remove();
});

/** A connecting client with its states and events in inboxes. */
function connect(auth = {}) {
  const leap = new LeapEdgeClient({ projectId: server.project, ...auth }, { socketUrl: server.wsUrl });
  open.push(leap);
  const states = new Inbox();
  const events = new Inbox();
  leap.on('connectionStateUpdate', (state) => states.push(state));
  leap.on('serviceEvent', (event) => events.push(event));
  leap.connect();
  return {
    leap,
    states,
    events,
    state: (wanted) => states.next((state) => state === wanted, `state ${wanted}`),
    event: (type) => events.next(({ eventType }) => eventType === type, type),
  };
}

test('goes from connecting over authenticating to connected', async () => {
  const { states, state, event } = connect({ token: await server.leapToken({ who: 'me' }) });
  await state('connected');
  assert.deepEqual(states.all, ['connecting', 'authenticating', 'connected']);
  const { data } = await event('INIT');
  assert.equal(data.scope, 'token');
  assert.equal(data.connection_count, 1);
  assert.deepEqual(data.metadata, { who: 'me' });
});

test('subscribes and hears messages', async () => {
  const { leap, state, event } = connect();
  await state('connected');
  leap.sendServicePayload({ e: 'SUBSCRIBE', c: 'room', d: null });
  assert.deepEqual((await event('AVAILABLE')).data.channel.state, { a: 1 });
  await server.publish('room', 'HI', [1]);
  assert.deepEqual(await event('MESSAGE'), { channelId: 'room', eventType: 'MESSAGE', data: { e: 'HI', d: [1] } });
});

test('its heartbeats are answered so that it neither doubts nor reconnects', async () => {
  const { leap, states, state, event } = connect();
  await state('connected');
  await delay(WATCH_MS);
  assert.deepEqual(states.all, ['connecting', 'authenticating', 'connected']);
  assert.ok(Date.now() - leap.lastServerHeartbeatAck < 2 * HEARTBEAT_S * 1000, 'the last ack is fresh');
  assert.deepEqual(complaints(lines), []);
  leap.sendServicePayload({ e: 'SUBSCRIBE', c: 'room', d: null });
  await event('AVAILABLE');
});

test('stops for good at a bad token', async () => {
  const { state } = connect({ token: 'leap_token_nobody' });
  await state('errored');
  assert.match(lines.filter((line) => line.includes('disconnected')).at(-1), /Invalid auth.*"reconnect":false/);
});

test('comes back by itself after a crash of the server', async () => {
  const { states, state, event } = connect();
  await state('connected');
  await event('INIT');
  await server.kill();
  await state('errored');
  await server.start();
  await state('connected');
  await event('INIT');
  assert.equal(states.all.at(-1), 'connected');
});

test('PIPE_ROOM payloads, a product of its own, do not end the connection', async () => {
  const { leap, states, state, event } = connect();
  await state('connected');
  leap.sendServicePayload({ e: 'PIPE_ROOM_SUBSCRIBE', c: null, d: { join_token: 'jt' } });
  assert.deepEqual((await event('PIPE_ROOM_UNAVAILABLE')).data, { join_token: 'jt', graceful: false, error_code: 'UNKNOWN' });
  leap.sendServicePayload({ e: 'PIPE_ROOM_UNSUBSCRIBE', c: null, d: { id: 'x' } });
  leap.sendServicePayload({ e: 'SUBSCRIBE', c: 'room', d: null });
  await event('AVAILABLE');
  assert.equal(states.all.at(-1), 'connected');
});
