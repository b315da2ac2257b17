// Warren's own client, clients/js as npm packs it, against the real server. What all clients of ours have to do alike
// stands in scenarios.test.mjs.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { startServer } from './harness.mjs';
import { poll, until } from './inbox.mjs';
import { Op } from './leap-socket.mjs';
import { connect, FAST, recorded, WarrenError } from './warren-client.mjs';

let server;
const open = new Set();

before(async () => {
  server = await startServer({ WARREN_HEARTBEAT: '1', WARREN_HEARTBEAT_TIMEOUT: '2.5', WARREN_SESSION_GRACE: '1' });
  await server.channel('room', 'unprotected', { state: { a: 1 } });
  await server.channel('members', 'public', { state: { b: 1 } });
  await server.channel('desk', 'unprotected', { capabilities: ['CLIENT_PUBLISH', 'CLIENT_STATE'] });
  await server.channel('hall', 'public', { capabilities: ['PRESENCE'] });
});
afterEach(() => {
  for (const client of open) client.close();
  open.clear();
});
after(() => server?.remove());

/** A client, and everything that it sends. */
function start(options = {}) {
  const sent = [];
  class RecordingSocket extends WebSocket {
    send(text) {
      sent.push(JSON.parse(text));
      super.send(text);
    }
  }
  const client = connect({ url: server.base, project: server.project, ...FAST, WebSocket: RecordingSocket, ...options });
  open.add(client);
  const subscribes = () => sent.filter(({ op, d }) => op === Op.DISPATCH && d.e === 'SUBSCRIBE').map(({ d }) => d.c);
  return { client, sent, subscribes };
}

const shows = (channel, matches) =>
  until(() => matches(channel.state), (check) => channel.on('state', check), `a state like ${matches}`);

test('connects, and keeps what it was asked before the connection was up', async () => {
  const { client, sent } = start();
  const statuses = recorded(client, 'status');
  const room = client.subscribe('room');
  assert.equal(room.status, 'pending');
  assert.equal(client.subscribe('room'), room, 'asked again, it is the same one');
  await room.ready;
  assert.deepEqual([room.state, room.version, room.error], [{ a: 1 }, 1, null]);
  assert.deepEqual(statuses.all.map(({ status }) => status), ['connected'], 'connecting was before anybody listened');
  assert.equal('token' in sent[0].d, false, 'anonymous');
});

test('reports messages and states', async () => {
  const { client } = start();
  const room = await client.subscribe('room').ready;
  const inbox = recorded(room, 'message');
  await server.publish('room', 'HI', [1, null]);
  const { event, data, missed, position } = await inbox.next(() => true);
  assert.deepEqual([event, data, missed], ['HI', [1, null], 0]);
  assert.equal(room.position, position);
  await server.ok('PATCH', '/v1/channels/room/state', { c: 3 });
  await shows(room, ({ c }) => c === 3);
  assert.deepEqual(room.state, { a: 1, c: 3 });
});

test('publishes and changes states, and promises say what became of it', async () => {
  const { client } = start();
  const desk = client.subscribe('desk');
  const inbox = recorded(desk, 'message');
  await desk.publish('OWN', { mine: true });
  assert.deepEqual((await inbox.next(() => true)).data, { mine: true });
  assert.equal((await desk.setState({ tidy: true })).version, 2);
  assert.equal((await desk.setState((state) => { state.pens = [1, null]; })).version, 3);
  assert.equal((await desk.patchState({ tidy: null }, 3)).version, 4);
  await shows(desk, ({ tidy }) => !tidy);
  assert.deepEqual(desk.state, { pens: [1, null] });
  await assert.rejects(desk.patchState({ tidy: 1 }, 3), { name: 'WarrenError', code: 'version_conflict' });
  await assert.rejects(desk.setState(() => ({ nothing: null })), { code: 'null_in_patch' });
  await assert.rejects(client.subscribe('room').publish('NO'), { code: 'missing_capability' });
});

test('reports why a channel is refused', async () => {
  const { client } = start();
  await assert.rejects(client.subscribe('members').ready, { code: 'not_granted' });
  const missing = client.subscribe('missing');
  await assert.rejects(missing.ready, (error) => error instanceof WarrenError && error.code === 'unknown_channel');
  await server.channel('missing');
  assert.equal(await client.subscribe('missing').ready, missing, 'asked once more, it is asked for');
});

test('stops for good at a bad token, and everything that waits is told', async () => {
  const { client } = start({ token: 'leap_token_nobody' });
  const room = client.subscribe('room');
  const outcomes = [client.ready, room.ready, room.publish('LOST'), (async () => { for await (const _ of room); })()];
  for (const outcome of await Promise.allSettled(outcomes)) {
    assert.equal(outcome.reason?.code, 'invalid_auth');
    assert.equal(outcome.reason.closeCode, 4001);
    assert.equal(outcome.reason.isFatal, true);
    assert.notEqual(outcome.reason.reason, '');
  }
  assert.equal(client.status, 'closed');
});

test('a token may be a function, asked for each connection', async () => {
  let token = await server.leapToken({ n: 1 });
  const { client } = start({ token: async () => token });
  await client.ready;
  assert.deepEqual(client.tokenState, { n: 1 });
  token = await server.leapToken({ n: 2 });
  await server.restart();
  await until(() => client.tokenState.n === 2, (check) => client.on('init', check), 'the second token');
});

test('hears direct messages and of its own state', async () => {
  const token = await server.leapToken({ n: 1 });
  const { client } = start({ token });
  await client.ready;
  const inbox = recorded(client.direct, 'message');
  const states = recorded(client, 'tokenstate');
  await server.ok('POST', `/v1/channels/tokens/${token}/messages`, { e: 'PSST', d: 1 });
  assert.equal((await inbox.next(() => true)).event, 'PSST');
  await server.ok('PATCH', `/v1/channels/tokens/${token}`, { state: { n: 2 } });
  assert.deepEqual((await states.next(() => true)).state, { n: 2 });
  assert.deepEqual(client.tokenState, { n: 2 });
});

test('knows who is in', async () => {
  const token = await server.leapToken({ public: { name: 'Ann' } });
  const { client } = start({ token });
  const hall = client.subscribe('hall');
  const inbox = recorded(hall, 'presence');
  const { members } = await inbox.next(({ kind }) => kind === 'state');
  assert.deepEqual([...members.values()].map(({ data }) => data), [{ name: 'Ann' }]);
  const guest = start({ token: await server.leapToken({ public: { name: 'Bob' } }) });
  await guest.client.subscribe('hall', { ephemeral: true }).ready;
  const { member } = await inbox.next(({ kind }) => kind === 'join');
  assert.deepEqual(member.data, { name: 'Bob' });
  assert.equal(hall.members.size, 2);
  await server.ok('PATCH', `/v1/channels/tokens/${token}`, { state: { public: { name: 'Anna' } } });
  await inbox.next(({ kind, member }) => kind === 'update' && member.data.name === 'Anna');
  guest.client.close();
  await inbox.next(({ kind, member }) => kind === 'leave' && member.data.name === 'Bob');
  assert.deepEqual([...hall.members.values()].map(({ data }) => data), [{ name: 'Anna' }]);
});

test('keeps the connection alive: heartbeats both ways', async () => {
  const { client, sent } = start();
  const latencies = recorded(client, 'latency');
  for (let n = 0; n < 6; n += 1) {
    const { ms } = await latencies.next(() => true, 'a latency');
    assert.ok(ms >= 2, 'the floor of the server');
  }
  const own = sent.filter(({ op, d }) => op === Op.HEARTBEAT && /^\d{1,3}$/.test(d.tag));
  const echoes = sent.filter(({ op }) => op === Op.HEARTBEAT).length - own.length;
  assert.ok(echoes >= 1, 'an echo of the heartbeat of the server');
  assert.equal(client.status, 'connected');
});

test('without a token it subscribes again after a crash of the server, and the last state stays readable', async () => {
  const { client, subscribes } = start();
  const room = await client.subscribe('room').ready;
  const statuses = recorded(client, 'status');
  await server.kill();
  const { delayMs, error } = await statuses.next(({ status }) => status === 'waiting', 'waiting');
  assert.ok(delayMs >= 10 && delayMs <= 20, String(delayMs));
  assert.deepEqual([error.code, error.isFatal], ['line_broken', false]);
  assert.equal(room.state.a, 1);
  await server.start();
  await statuses.next(({ status }) => status === 'connected', 'connected');
  await room.ready;
  assert.deepEqual(subscribes(), ['room', 'room']);
});

test('with a token it relies on INIT, except for what was ephemeral', async () => {
  const { client, subscribes } = start({ token: await server.leapToken() });
  const members = await client.subscribe('members').ready;
  const room = await client.subscribe('room', { ephemeral: true }).ready;
  const inits = recorded(client, 'init');
  await server.restart();
  await inits.next(() => true, 'INIT');
  await Promise.all([members.ready, room.ready]);
  assert.deepEqual(subscribes(), ['members', 'room', 'room']);
});

test('with a token it learns of what ended while it was away, and of what it was given', async () => {
  const token = await server.leapToken();
  const { client } = start({ token });
  const members = await client.subscribe('members').ready;
  const desk = await client.subscribe('desk').ready;
  const given = recorded(client, 'channel');
  await server.ok('PUT', `/v1/channels/hall/subscribers/${token}`);
  const { channel: hall } = await given.next(() => true, 'a channel');
  assert.equal(hall.id, 'hall');
  await hall.ready;
  client.close();
  await server.ok('DELETE', `/v1/channels/members/subscribers/${token}`);
  client.connect();
  await client.ready;
  await assert.rejects(members.ready, { code: 'unsubscribed' });
  await desk.ready;
});

test('an ephemeral subscription is listed as one, and ends with the session', async () => {
  const token = await server.leapToken();
  const listed = async () => (await server.ok('GET', `/v1/channels/tokens/${token}/subscriptions`)).subscriptions
    .map(({ channel, ephemeral }) => [channel, ephemeral]).sort();
  const { client } = start({ token });
  await client.subscribe('members').ready;
  await client.subscribe('room', { ephemeral: true }).ready;
  assert.deepEqual(await listed(), [['members', false], ['room', true]]);
  await client.subscribe('room').ready;
  await poll(async () => (await listed()).every(([, ephemeral]) => !ephemeral), 'room to be kept');
  client.unsubscribe('room');
  await client.subscribe('room', { ephemeral: true }).ready;
  assert.deepEqual(await listed(), [['members', false], ['room', true]]);
  client.close();
  await poll(async () => (await listed()).length === 1, 'the session to end');
  assert.deepEqual(await listed(), [['members', false]]);
});

test('a loop reads at its own pace, and ends when the channel is given up', async () => {
  const { client } = start();
  const room = await client.subscribe('room').ready;
  const read = [];
  const loop = (async () => {
    for await (const { data } of room) {
      read.push(data);
      // What comes meanwhile waits, and is read before the loop ends.
      if (data === 0) for (let n = 1; n < 4; n += 1) await server.publish('room', 'n', n);
      if (data === 3) room.unsubscribe();
    }
  })();
  await server.publish('room', 'n', 0);
  await loop;
  assert.deepEqual(read, [0, 1, 2, 3]);
});

test('positions live on in a storage: the next process goes on where this one stopped, loops included', async () => {
  const kept = new Map();
  const storage = { getItem: async (key) => kept.get(key), setItem: async (key, value) => { kept.set(key, value); } };
  const token = await server.leapToken({}, { channels: ['desk'] });
  const first = start({ token, storage, saveMs: 0 });
  const desk = await first.client.subscribe('desk').ready;
  await first.client.ready;
  const loop = desk.messages();
  for (let n = 0; n < 5; n += 1) await server.publish('desk', 'n', n);
  for (let n = 0; n < 3; n += 1) assert.equal((await loop.next()).value.data, n);
  await until(() => desk.position !== desk.consumed, (check) => desk.on('message', check), 'messages that wait');
  // The loop is busy with 2, and 3 and 4 wait for it: all three are said again to whoever goes on.
  await poll(async () => JSON.parse([...kept.values()][0] ?? '{}').desk === desk.consumed, 'the position to be saved');
  first.client.close();
  await server.publish('desk', 'n', 5);
  const second = start({ token, storage });
  const inbox = recorded(second.client.subscribe('desk'), 'message', 'gap');
  for (let n = 2; n <= 5; n += 1) {
    const { name, data, missed } = await inbox.next(() => true, String(n));
    assert.deepEqual([name, data, missed], ['message', n, 0]);
  }
});

test('a storage that cannot be read or written ends nothing, and is told', async () => {
  const broken = { getItem: () => { throw new Error('no'); }, setItem: () => Promise.reject(new Error('full')) };
  const { client } = start({ storage: broken, saveMs: 0 });
  const errors = recorded(client, 'error');
  await client.subscribe('room').ready;
  assert.equal((await errors.next(() => true)).error.code, 'storage');
  await server.publish('room', 'E', 1);
  await errors.next(({ error }) => error.cause.message === 'full', 'the other one');
});

test('close refuses what waits, and connect begins anew', async () => {
  const { client } = start({ url: 'http://127.0.0.1:9' });
  const room = client.subscribe('room');
  const waiting = room.publish('E', 1);
  client.close();
  await assert.rejects(waiting, { code: 'closed' });
  await assert.rejects(room.publish('E', 2), { code: 'closed' });
  await assert.rejects(client.ready, { code: 'closed' });
  const again = start();
  await again.client.ready;
  again.client.close();
  again.client.connect();
  await again.client.ready;
});
