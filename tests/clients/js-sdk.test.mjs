// The official server SDK, @onehop/js: channels and leap tokens.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Hop, HopAPIError, validateId } from '@onehop/js';
import { ADMIN_TOKEN, PROJECT, PROJECT_TOKEN, startServer } from './harness.mjs';

let server;
let hop;

before(async () => {
  server = await startServer();
  hop = new Hop(PROJECT_TOKEN, server.base);
});
after(() => server?.remove());

const refusedWith = (code, status) => (error) => {
  assert.ok(error instanceof HopAPIError, `a HopAPIError, not ${error}`);
  assert.equal(error.data.error.code, code);
  assert.equal(error.status, status);
  assert.equal(typeof error.message, 'string');
  return true;
};

for (const type of ['private', 'public', 'unprotected']) {
  test(`creates, reads and deletes a ${type} channel with an id of its own`, async () => {
    const id = `room-${type}`;
    const created = await hop.channels.create(type, id, { state: { count: 1 } });
    assert.equal(created.id, id);
    assert.equal(created.type, type);
    assert.deepEqual(created.state, { count: 1 });
    assert.equal(created.capabilities, 0);
    assert.equal(created.project.id, PROJECT);
    assert.ok(Math.abs(Date.parse(created.created_at) - Date.now()) < 60_000);

    const read = await hop.channels.get(id);
    assert.equal(read.type, type);
    assert.deepEqual(read.state, { count: 1 });

    assert.equal(await hop.channels.delete(id), undefined);
    await assert.rejects(hop.channels.get(id), refusedWith('channel_not_found', 404));
  });

  test(`creates a ${type} channel with a generated id`, async () => {
    const first = await hop.channels.create(type);
    const second = await hop.channels.create(type, '');
    assert.match(first.id, /^channel_[\w-]+$/);
    assert.notEqual(first.id, second.id);
    assert.deepEqual(first.state, {});
    assert.equal((await hop.channels.get(second.id)).type, type);
  });
}

test('lists a channel that was just created', async () => {
  const { id } = await hop.channels.create('public', 'listed', { state: { here: true } });
  const found = (await hop.channels.getAll()).find((channel) => channel.id === id);
  assert.deepEqual(found.state, { here: true });
  await found.patchState({ more: 1 });
  assert.deepEqual((await hop.channels.get(id)).state, { here: true, more: 1 });
});

test('a second channel with the same id is refused and the first is left alone', async () => {
  await hop.channels.create('private', 'taken', { state: { owner: 1 } });
  await assert.rejects(hop.channels.create('public', 'taken', { state: { owner: 2 } }), refusedWith('channel_exists', 409));
  const { type, state } = await hop.channels.get('taken');
  assert.deepEqual({ type, state }, { type: 'private', state: { owner: 1 } });
});

test('setState replaces, with an object, a function and the method of a channel', async () => {
  const channel = await hop.channels.create('public', 'replaced', { state: { a: 1, b: 2 } });
  const state = async () => (await hop.channels.get('replaced')).state;
  await hop.channels.setState('replaced', { c: 3 });
  assert.deepEqual(await state(), { c: 3 });
  await hop.channels.setState('replaced', async (old) => ({ ...old, d: old.c + 1 }));
  assert.deepEqual(await state(), { c: 3, d: 4 });
  await channel.setState({ e: [1, { deep: null }] });
  assert.deepEqual(await state(), { e: [1, { deep: null }] });
});

test('setState(null), which the SDK sends without a body, empties the state', async () => {
  await hop.channels.create('public', 'emptied', { state: { a: 1 } });
  await hop.channels.setState('emptied', null);
  assert.deepEqual((await hop.channels.get('emptied')).state, {});
});

test('patchState changes the named top-level keys only', async () => {
  const channel = await hop.channels.create('public', 'patched', { state: { a: { x: 1, y: 2 }, b: 1 } });
  await hop.channels.patchState('patched', { a: { x: 9 } });
  assert.deepEqual((await hop.channels.get('patched')).state, { a: { x: 9 }, b: 1 });
  await hop.channels.patchState('patched', (old) => ({ b: old.b + 1 }));
  await channel.patchState({ c: null });
  assert.deepEqual((await hop.channels.get('patched')).state, { a: { x: 9 }, b: 2, c: null });
});

test('of many writes in flight none is lost: patches to different keys all stay', async () => {
  await hop.channels.create('public', 'busy');
  const keys = Array.from({ length: 50 }, (_, index) => `key${index}`);
  await Promise.all(keys.map((key) => hop.channels.patchState('busy', { [key]: true })));
  assert.deepEqual(Object.keys((await hop.channels.get('busy')).state).sort(), keys.sort());
});

test('publishMessage passes on every kind of JSON unchanged', async () => {
  await hop.channels.create('unprotected', 'kinds');
  const socket = await server.connect();
  await socket.subscribe('kinds');
  const kinds = { OBJECT: { a: [1] }, ARRAY: [1, 'two', null], TEXT: 'x', EMPTY: '', NUMBER: 0.5, ZERO: 0, NO: false, NULL: null, HUGE: 1e300 };
  for (const [name, data] of Object.entries(kinds)) {
    assert.equal(await hop.channels.publishMessage('kinds', name, data), undefined);
    assert.deepEqual(await socket.message(name), { e: name, d: data });
  }
  await hop.channels.publishMessage('kinds', 'UNDEFINED', undefined);
  assert.deepEqual(await socket.message('UNDEFINED'), { e: 'UNDEFINED', d: null });
  await (await hop.channels.get('kinds')).publishMessage('METHOD', { ok: true });
  assert.deepEqual(await socket.message('METHOD'), { e: 'METHOD', d: { ok: true } });
  await socket.close();
});

test('publishing to a missing channel is refused with the code that real apps test for', async () => {
  await assert.rejects(hop.channels.publishMessage('no-such-room', 'E', {}), refusedWith('channel_not_found', 404));
});

test('getStats counts sessions, not connections', async () => {
  await hop.channels.create('public', 'counted');
  const online = async () => (await hop.channels.getStats('counted')).online_count;
  assert.equal(await online(), 0);
  const { id: token } = await hop.channels.tokens.create();
  await hop.channels.subscribeToken('counted', token);
  assert.equal(await online(), 0, 'a subscribed token that is offline does not count');
  const sockets = [await server.connect({ token }), await server.connect({ token })];
  assert.equal(await online(), 1);
  for (const socket of sockets) await socket.close();
});

test('subscribeToken, subscribeTokens, getAllTokens and removeToken', async () => {
  const channel = await hop.channels.create('private', 'members');
  const tokens = [];
  for (const name of ['ada', 'bob', 'cem']) tokens.push((await hop.channels.tokens.create({ name })).id);
  const listed = async () => (await hop.channels.getAllTokens('members')).map(({ id }) => id).sort();

  await hop.channels.subscribeToken('members', tokens[0]);
  assert.deepEqual(await listed(), [tokens[0]]);
  await channel.subscribeTokens(new Set(tokens));
  assert.deepEqual(await listed(), [...tokens].sort());
  await hop.channels.removeToken(channel, tokens[1]);
  assert.deepEqual(await listed(), [tokens[0], tokens[2]].sort());
  await hop.channels.removeTokens('members', tokens);
  assert.deepEqual(await listed(), []);
  await assert.rejects(hop.channels.subscribeToken('members', 'leap_token_nobody'), refusedWith('token_not_found', 404));
});

test('tokens: create, get, setState, isOnline, delete', async () => {
  const created = await hop.channels.tokens.create({ name: 'ada' });
  assert.ok(validateId(created.id, 'leap_token'));
  assert.deepEqual(created.state, { name: 'ada' });
  assert.equal(created.project_id, PROJECT);
  assert.equal(created.is_online, false);

  assert.deepEqual((await hop.channels.tokens.setState(created.id, { name: 'eve' })).state, { name: 'eve' });
  assert.deepEqual((await hop.channels.tokens.get(created.id)).state, { name: 'eve' });

  const socket = await server.connect({ token: created.id });
  assert.deepEqual(socket.init.metadata, { name: 'eve' });
  assert.equal(await hop.channels.tokens.isOnline(created.id), true);

  assert.equal(await hop.channels.tokens.delete(created.id), undefined);
  assert.equal((await socket.closing()).code, 4001);
  await assert.rejects(hop.channels.tokens.get(created.id), refusedWith('token_not_found', 404));
});

test('publishDirectMessage reaches all connections of the token, or nobody when it is offline', async () => {
  const { id: token } = await hop.channels.tokens.create();
  assert.equal(await hop.channels.tokens.publishDirectMessage(token, 'EARLY', {}), undefined);
  const sockets = [await server.connect({ token }), await server.connect({ token })];
  await hop.channels.tokens.publishDirectMessage(token, 'NOTE', { text: 'hi' });
  for (const socket of sockets) {
    const early = await socket.inbox.before(({ d }) => d?.d?.e === 'NOTE', 'the direct message');
    assert.ok(!early.some(({ d }) => d?.d?.e === 'EARLY'), 'sent before there was a session');
    await socket.close();
  }
  await assert.rejects(hop.channels.tokens.publishDirectMessage('leap_token_nobody', 'E', {}), refusedWith('token_not_found', 404));
});

test('with an admin token the project goes along as a parameter', async () => {
  const admin = new Hop({ authentication: ADMIN_TOKEN, baseUrl: server.base });
  await assert.rejects(admin.channels.create('public', 'x'), /Project must be provided/);
  await admin.channels.create('public', 'by-admin', { state: { a: 1 } }, PROJECT);
  assert.ok((await admin.channels.getAll(PROJECT)).some(({ id }) => id === 'by-admin'));
  // The SDK names no project here: the id is unique on this server, which is enough.
  assert.deepEqual((await admin.channels.get('by-admin')).state, { a: 1 });
  assert.equal((await admin.channels.tokens.create({}, PROJECT)).project_id, PROJECT);
});

test('a base URL with a trailing slash works', async () => {
  const slashed = new Hop(PROJECT_TOKEN, `${server.base}/`);
  await slashed.channels.create('public', 'slashed');
  assert.equal((await slashed.channels.get('slashed')).id, 'slashed');
});

test('a wrong token is refused as invalid_auth', async () => {
  await assert.rejects(new Hop('ptk_wrong', server.base).channels.getAll(), refusedWith('invalid_auth', 401));
});
