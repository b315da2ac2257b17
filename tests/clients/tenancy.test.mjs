// What ends when the operator deletes a project or one of its tokens, and what does not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Hop, validateId } from '@onehop/js';
import { ADMIN_TOKEN, PROJECT, startServer } from './harness.mjs';
import { message, Op } from './leap-socket.mjs';

const admin = { authorization: ADMIN_TOKEN };

let server;

before(async () => {
  server = await startServer({ WARREN_WORKERS: '2' });
});
after(() => server?.remove());

/** A second project with a channel, a leap token that is subscribed to it, and its owner's token. */
async function newProject(name) {
  const { project, project_token: { token } } = await server.ok('POST', '/v1/projects', { name }, admin);
  const owner = { authorization: token };
  await server.ok('PUT', '/v1/channels/room', { type: 'unprotected', state: {} }, owner);
  const { token: { id } } = await server.ok('POST', '/v1/channels/tokens', { channels: ['room'] }, owner);
  return { id: project.id, owner, ptk: token, leap: id };
}

/** Connects, and fails the test unless that is refused with 4001. */
async function refused(identify) {
  const socket = await server.open();
  socket.send(Op.IDENTIFY, identify);
  assert.equal((await socket.closed).code, 4001);
}

test('deleting a project closes all its connections with 4001 and nobody else’s', async () => {
  const doomed = await newProject('Doomed');
  const identities = [{}, { token: doomed.leap }, { token: doomed.leap }, { token: doomed.ptk }].map((who) => ({ project_id: doomed.id, ...who }));
  const sockets = [];
  for (let n = 0; n < 3; n += 1) for (const who of identities) sockets.push(await server.connect(who));
  await sockets[0].subscribe('room');
  await server.channel('lobby');
  const neighbours = [await server.connect(), await server.connect({ token: server.token })];
  for (const neighbour of neighbours) await neighbour.subscribe('lobby');

  await server.ok('DELETE', `/v1/projects/${doomed.id}`, undefined, admin);

  for (const socket of sockets) {
    const { code, reason } = await socket.closed;
    assert.deepEqual({ code, reason }, { code: 4001, reason: 'the project was deleted' });
  }
  for (const who of identities) await refused(who);
  await server.publish('lobby', 'STILL_HERE', 1);
  for (const neighbour of neighbours) await neighbour.inbox.next(message('STILL_HERE'));
});

test('connections that are just identifying while their project is deleted do not outlive it', async () => {
  for (let round = 0; round < 10; round += 1) {
    const doomed = await newProject('Brief');
    const sockets = await Promise.all(Array.from({ length: 12 }, () => server.open()));
    const gone = server.ok('DELETE', `/v1/projects/${doomed.id}`, undefined, admin);
    sockets.forEach((socket, n) => socket.send(Op.IDENTIFY, { project_id: doomed.id, token: [undefined, doomed.leap, doomed.ptk][n % 3] }));
    await gone;
    for (const socket of sockets) assert.equal((await socket.closed).code, 4001);
  }
});

test('deleting a project token closes the sockets that came with it, and only those', async () => {
  await server.channel('desk');
  const { project_token: doomed } = await server.ok('POST', '/v1/projects/@this/tokens', { flags: 2 ** 29 });
  const socket = await server.connect({ token: doomed.token });
  assert.equal(socket.init.scope, 'project');
  const other = await server.connect({ token: server.token });
  await other.subscribe('desk');
  await server.ok('DELETE', `/v1/projects/@this/tokens/${doomed.id}`);
  assert.deepEqual(await socket.closed, { code: 4001, reason: 'the token was deleted' });
  await refused({ project_id: PROJECT, token: doomed.token });
  await server.publish('desk', 'STILL_HERE', 1);
  await other.inbox.next(message('STILL_HERE'));
});

test('a token’s ephemeral subscriptions are listed while its session lives', async () => {
  for (const id of ['fixed', 'passing', 'both']) await server.channel(id, 'public');
  const token = await server.leapToken();
  const list = async () => {
    const { subscriptions } = await server.ok('GET', `/v1/channels/tokens/${token}/subscriptions`);
    for (const { created_at } of subscriptions) assert.ok(Math.abs(Date.parse(created_at) - Date.now()) < 60_000, created_at);
    const made = subscriptions.map(({ created_at }) => Date.parse(created_at));
    assert.deepEqual(made, made.toSorted((a, b) => a - b), 'oldest first');
    // Two may be made in one millisecond.
    return subscriptions.map(({ channel, ephemeral }) => `${channel} ${ephemeral}`).sort();
  };
  assert.deepEqual(await list(), []);
  const socket = await server.connect({ token });
  await socket.subscribe('passing', { ephemeral: true });
  await socket.subscribe('both', { ephemeral: true });
  await socket.subscribe('fixed');
  assert.deepEqual(await list(), ['both true', 'fixed false', 'passing true']);
  await socket.subscribe('both');
  assert.deepEqual(await list(), ['both false', 'fixed false', 'passing true']);
  await server.ok('DELETE', `/v1/channels/passing/subscribers/${token}`);
  assert.deepEqual(await list(), ['both false', 'fixed false']);
});

test('the JS SDK creates, lists and deletes admin tokens', async () => {
  const hop = new Hop(ADMIN_TOKEN, server.base);
  const created = await hop.users.me.pats.create('From the SDK');
  assert.ok(validateId(created.id, 'pat') && validateId(created.pat, 'pat'));
  assert.equal(created.name, 'From the SDK');
  assert.ok(Date.parse(created.created_at) > 0);
  const fresh = new Hop(created.pat, server.base);
  const listed = (await fresh.users.me.pats.getAll()).find(({ id }) => id === created.id);
  assert.match(listed.pat, /^pat_.{4}\*+$/);
  await hop.users.me.pats.delete(created.id);
  await assert.rejects(fresh.users.me.pats.getAll(), ({ status }) => status === 401);
});
