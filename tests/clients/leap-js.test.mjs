// The page's own client, static/leap.js, against the real server.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { Leap } from '../../static/leap.js';
import { startServer } from './harness.mjs';
import { Inbox, poll } from './inbox.mjs';
import { Op } from './leap-socket.mjs';

let server;
const open = new Set();

before(async () => {
  server = await startServer({ WARREN_HEARTBEAT: '1', WARREN_HEARTBEAT_TIMEOUT: '2.5', WARREN_SESSION_GRACE: '1' });
  await server.channel('room', 'unprotected', { state: { a: 1 } });
  await server.channel('members', 'public', { state: { b: 1 } });
  await server.channel('desk', 'unprotected', { capabilities: ['CLIENT_PUBLISH', 'CLIENT_STATE'] });
});
afterEach(() => {
  for (const leap of open) leap.close();
  open.clear();
});
after(() => server?.remove());

/** A client that records its events and everything it sends. */
function client(options = {}) {
  const seen = new Inbox();
  const sent = [];
  class RecordingSocket extends WebSocket {
    send(text) {
      sent.push(JSON.parse(text));
      super.send(text);
    }
  }
  const leap = new Leap({ url: server.wsUrl, project: server.project, WebSocket: RecordingSocket, retryMinMs: 50, retryMaxMs: 400, ...options });
  open.add(leap);
  for (const name of ['status', 'init', 'channel', 'message', 'latency']) {
    leap.addEventListener(name, ({ detail }) => seen.push({ name, ...detail }));
  }
  return {
    leap,
    seen,
    sent,
    subscribes: () => sent.filter(({ op, d }) => op === Op.DISPATCH && d.e === 'SUBSCRIBE').map(({ d }) => d.c),
    status: (status) => seen.next((event) => event.name === 'status' && event.status === status, `status ${status}`),
    channel: (channel, status) => seen.next((event) => event.name === 'channel' && event.channel === channel && event.status === status, `${channel} ${status}`),
    message: (event) => seen.next((found) => found.name === 'message' && found.event === event, `message ${event}`),
  };
}

test('connects and keeps what it was asked before the connection was up', async () => {
  const it = client();
  it.leap.subscribe('room');
  assert.equal(it.leap.channels.get('room').status, 'pending');
  it.leap.connect();
  const { state, error } = await it.channel('room', 'available');
  assert.deepEqual([state, error], [{ a: 1 }, null]);
  const statuses = it.seen.all.filter(({ name }) => name === 'status').map(({ status }) => status);
  assert.deepEqual(statuses, ['connecting', 'identifying', 'connected']);
  assert.equal('token' in it.sent[0].d, false, 'anonymous');
});

test('reports messages and states', async () => {
  const it = client();
  it.leap.subscribe('room');
  it.leap.connect();
  await it.channel('room', 'available');
  await server.publish('room', 'HI', [1, null]);
  const { channel, data } = await it.message('HI');
  assert.deepEqual([channel, data], ['room', [1, null]]);
  await server.ok('PATCH', '/v1/channels/room/state', { c: 3 });
  await it.seen.next((event) => event.name === 'channel' && event.state?.c === 3, 'the new state');
  assert.deepEqual(it.leap.channels.get('room').state, { a: 1, c: 3 });
});

test('publishes and sets states where allowed, and refuses to while not connected', async () => {
  const it = client();
  assert.throws(() => it.leap.publish('desk', 'E', 1), /not connected/);
  assert.throws(() => it.leap.setState('desk', {}), /not connected/);
  it.leap.subscribe('desk');
  it.leap.connect();
  await it.channel('desk', 'available');
  it.leap.publish('desk', 'OWN', { mine: true });
  assert.deepEqual((await it.message('OWN')).data, { mine: true });
  it.leap.setState('desk', { tidy: true });
  await it.seen.next((event) => event.name === 'channel' && event.state?.tidy, 'the new state');
});

test('reports why a channel is refused', async () => {
  const it = client();
  it.leap.connect();
  it.leap.subscribe('members');
  it.leap.subscribe('missing');
  assert.equal((await it.channel('members', 'unavailable')).error, 'NOT_GRANTED');
  assert.equal((await it.channel('missing', 'unavailable')).error, 'UNKNOWN');
});

test('stops for good at a bad token', async () => {
  const it = client({ token: 'leap_token_nobody' });
  it.leap.connect();
  const { code, reason } = await it.status('refused');
  assert.equal(code, 4001);
  assert.notEqual(reason, '');
});

test('hears direct messages', async () => {
  const token = await server.leapToken();
  const it = client({ token });
  it.leap.connect();
  await it.status('connected');
  await server.ok('POST', `/v1/channels/tokens/${token}/messages`, { e: 'PSST', d: 1 });
  assert.equal((await it.message('PSST')).channel, null);
});

test('keeps the connection alive: heartbeats both ways', async () => {
  const it = client();
  it.leap.connect();
  for (let n = 0; n < 4; n += 1) {
    const { ms } = await it.seen.next(({ name }) => name === 'latency', 'a latency');
    assert.ok(ms >= 2, 'the floor of the server');
  }
  const echoes = it.sent.filter(({ op, d }) => op === Op.HEARTBEAT && d?.tag);
  assert.ok(echoes.length >= 1, 'an echo of the heartbeat of the server');
  assert.equal(it.leap.status, 'connected');
});

test('without a token it subscribes again after a crash of the server', async () => {
  const it = client();
  it.leap.subscribe('room');
  it.leap.connect();
  await it.channel('room', 'available');
  await server.kill();
  const { retryInMs } = await it.status('waiting');
  assert.ok(retryInMs >= 25 && retryInMs <= 50, String(retryInMs));
  assert.notEqual(it.leap.channels.get('room').state, null, 'the last state stays readable');
  await server.start();
  await it.channel('room', 'available');
  assert.deepEqual(it.subscribes(), ['room', 'room']);
  await server.publish('room', 'BACK', {});
  await it.message('BACK');
});

test('with a token it relies on INIT, except for what was ephemeral', async () => {
  const it = client({ token: await server.leapToken() });
  it.leap.subscribe('members');
  it.leap.subscribe('room', { ephemeral: true });
  it.leap.connect();
  await it.channel('members', 'available');
  await it.channel('room', 'available');
  await server.restart();
  await it.channel('members', 'available');
  await it.channel('room', 'available');
  assert.deepEqual(it.subscribes(), ['members', 'room', 'room']);
  await server.publish('members', 'BACK', {});
  await it.message('BACK');
});

test('with a token it learns of what ended while it was away, and ends what it gave up meanwhile', async () => {
  const token = await server.leapToken();
  const it = client({ token });
  for (const channel of ['members', 'room', 'desk']) it.leap.subscribe(channel);
  it.leap.connect();
  for (const channel of ['members', 'room', 'desk']) await it.channel(channel, 'available');
  await server.kill();
  await it.status('waiting');
  it.leap.unsubscribe('room');
  it.leap.close();
  await server.start();
  await server.ok('DELETE', `/v1/channels/members/subscribers/${token}`);
  it.leap.connect();
  assert.equal((await it.channel('members', 'unavailable')).graceful, true);
  await it.channel('desk', 'available');
  assert.equal(it.leap.channels.has('room'), false);
  const holders = async () => (await server.ok('GET', '/v1/channels/room/tokens')).tokens.map(({ id }) => id);
  await poll(async () => !(await holders()).includes(token), 'the subscription given up offline to end');
});

test('an ephemeral subscription is listed as one, and ends with the session', async () => {
  const token = await server.leapToken();
  const listed = async () => (await server.ok('GET', `/v1/channels/tokens/${token}/subscriptions`)).subscriptions
    .map(({ channel, ephemeral }) => [channel, ephemeral]).sort();
  const it = client({ token });
  it.leap.subscribe('members');
  it.leap.subscribe('room', { ephemeral: true });
  it.leap.connect();
  for (const channel of ['members', 'room']) await it.channel(channel, 'available');
  assert.deepEqual(await listed(), [['members', false], ['room', true]]);
  it.leap.close();
  await poll(async () => (await listed()).length === 1, 'the session to end');
  assert.deepEqual(await listed(), [['members', false]]);
});
