// The traps of docs/CLIENTS.md about subscriptions, state and the end of a connection: 8 to 11.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startServer } from './harness.mjs';
import { dispatch, message, Op } from './leap-socket.mjs';

let server;

before(async () => {
  server = await startServer();
  await server.channel('room', 'unprotected');
});
after(() => server?.remove());

/** Publishes a marker and returns all frames that came before it. */
async function upToNow(socket, channel = 'room') {
  const name = `MARKER_${Math.random()}`;
  await server.publish(channel, name);
  return socket.inbox.before(message(name), 'the marker');
}

test('trap 8: a subscription made over the socket survives the connection and a crash', async () => {
  await server.channel('kept', 'public', { state: { v: 1 } });
  const token = await server.leapToken();
  const first = await server.connect({ token });
  await first.subscribe('kept');
  await first.close();
  await server.ok('PATCH', '/v1/channels/kept/state', { v: 2 });
  await server.restart();
  const second = await server.connect({ token });
  const { channels } = second.init;
  assert.deepEqual(channels.map(({ id, state }) => ({ id, state })), [{ id: 'kept', state: { v: 2 } }]);
  await server.publish('kept', 'STILL', {});
  await second.message('STILL');
  await second.close();
});

test('trap 9: each SUBSCRIBE is answered, but messages and counts do not double', async () => {
  const socket = await server.connect();
  for (let n = 0; n < 3; n += 1) assert.equal((await socket.subscribe('room')).e, 'AVAILABLE');
  await server.publish('room', 'ONCE', { n: 1 });
  const frames = await upToNow(socket);
  assert.equal(frames.filter(message('ONCE')).length, 1);
  assert.equal(frames.filter(dispatch('AVAILABLE')).length, 0, 'no answer too many either');
  assert.equal((await server.ok('GET', '/v1/channels/room/stats')).stats.online_count, 1);
  await socket.close();
});

test('trap 9: also for a channel that INIT listed, on both connections of a token', async () => {
  const token = await server.leapToken();
  await server.ok('PUT', `/v1/channels/room/subscribers/${token}`);
  const sockets = [await server.connect({ token }), await server.connect({ token })];
  assert.equal((await sockets[0].subscribe('room')).e, 'AVAILABLE');
  await server.publish('room', 'ONCE', {});
  for (const socket of sockets) {
    assert.equal((await upToNow(socket)).filter(message('ONCE')).length, 1);
    await socket.close();
  }
});

test('trap 10: PATCH merges the top level only, and subscribers get the full state', async () => {
  await server.channel('merged', 'unprotected', { state: { players: { ada: 1, bob: 2 }, round: 1 } });
  const socket = await server.connect();
  await socket.subscribe('merged');
  const cases = [
    [{ players: { ada: 1 } }, { players: { ada: 1 }, round: 1 }],
    [{ round: null }, { players: { ada: 1 }, round: null }],
    [{ extra: [1] }, { players: { ada: 1 }, round: null, extra: [1] }],
  ];
  for (const [patch, whole] of cases) {
    const { state } = await server.ok('PATCH', '/v1/channels/merged/state', patch);
    assert.deepEqual(state, whole);
    assert.deepEqual((await socket.dispatched('STATE_UPDATE', 'merged')).d.state, whole);
  }
  await socket.close();
});

test('trap 11: what will never work is closed with 4001', async () => {
  const hopeless = [
    { token: 'leap_token_nobody' },
    { token: 'not even a token' },
    { token: 'ptk_wrong' },
    { project_id: 'project_nowhere' },
    { project_id: 'project_nowhere', token: await server.leapToken() },
  ];
  for (const identify of hopeless) {
    const socket = await server.open();
    socket.send(Op.IDENTIFY, { project_id: server.project, ...identify });
    const { code, reason } = await socket.closing();
    assert.equal(code, 4001, JSON.stringify(identify));
    assert.notEqual(reason, '');
  }
});

test('trap 11: a token that is deleted or expires while connected is closed with 4001, and stays so', async () => {
  const deleted = await server.leapToken();
  const expiring = await server.leapToken({}, { expires_at: new Date(Date.now() + 3000).toISOString().replace('Z', '123456+00:00') });
  const sockets = [await server.connect({ token: deleted }), await server.connect({ token: expiring })];
  await server.ok('DELETE', `/v1/channels/tokens/${deleted}`);
  for (const socket of sockets) assert.equal((await socket.closing()).code, 4001);
  for (const token of [deleted, expiring]) {
    const socket = await server.open();
    socket.send(Op.IDENTIFY, { project_id: server.project, token });
    assert.equal((await socket.closing()).code, 4001);
  }
});
