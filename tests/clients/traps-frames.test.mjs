// The traps of docs/CLIENTS.md about frames and heartbeats: 3 to 7.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inflateSync } from 'node:zlib';
import { startServer } from './harness.mjs';
import { Op } from './leap-socket.mjs';

/** Sooner than this the official clients lose the answer in a race of their own. */
const FLOOR_MS = 2;
/** A state whose dispatch is larger than the 1,024 bytes from which zlib may be used. */
const BIG = { text: 'warren '.repeat(500) };

let server;

before(async () => {
  server = await startServer();
  await server.channel('room', 'unprotected', { state: { a: 1 } });
  await server.channel('big', 'unprotected', { state: BIG });
});
after(() => server?.remove());

test('trap 3: zlib asked for by a client without a User-Agent, which cannot read it, brings TEXT only', async () => {
  for (const path of ['/ws?encoding=json&compression=zlib', '/1.0/ws?compression=zlib&encoding=json']) {
    const socket = await server.open(path);
    await socket.identify({ project_id: server.project });
    assert.deepEqual((await socket.subscribe('big')).d.channel.state, BIG);
    assert.ok(socket.inbox.all.length >= 3);
    assert.ok(socket.inbox.all.every(({ isBinary }) => !isBinary));
    await socket.close();
  }
});

test('trap 3: without asking nothing is compressed, User-Agent or not', async () => {
  const socket = await server.open('/ws', { headers: { 'user-agent': 'Go-http-client/1.1' } });
  await socket.identify({ project_id: server.project });
  await socket.subscribe('big');
  assert.ok(socket.inbox.all.every(({ isBinary }) => !isBinary));
  await socket.close();
});

test('trap 3: who asks and names itself gets large frames as one whole zlib stream each', async () => {
  const socket = await server.open('/ws?encoding=json&compression=zlib', { headers: { 'user-agent': 'Go-http-client/1.1' } });
  await socket.identify({ project_id: server.project });
  socket.dispatch('SUBSCRIBE', 'big');
  const frame = await socket.next(({ isBinary }) => isBinary, 'a BINARY frame');
  const { op, d } = JSON.parse(inflateSync(frame.raw));
  assert.deepEqual([op, d.e, d.d.channel.state], [Op.DISPATCH, 'AVAILABLE', BIG]);
  assert.ok(socket.inbox.all.filter(({ isBinary }) => !isBinary).every(({ raw }) => raw.length < 1024));
  await socket.close();
});

test('trap 4: 200 heartbeats, none acknowledged in less than 2 ms', async () => {
  const socket = await server.connect();
  for (let n = 0; n < 200; n += 1) {
    const sent = performance.now();
    socket.send('{"op":3}');
    const { at } = await socket.next(({ op }) => op === Op.HEARTBEAT_ACK, 'an ack');
    assert.ok(at - sent >= FLOOR_MS, `ack ${n} came after ${at - sent} ms`);
  }
  await socket.close();
});

test('trap 4: 200 subscribes, granted or refused, none answered in less than 2 ms', async () => {
  const socket = await server.connect();
  for (let n = 0; n < 200; n += 1) {
    const sent = performance.now();
    await socket.subscribe(n % 2 ? 'room' : 'missing');
    const took = performance.now() - sent;
    assert.ok(took >= FLOOR_MS, `answer ${n} came after ${took} ms`);
  }
  await socket.close();
});

test('trap 4: waiting does not change the order of what a connection sent', async () => {
  const socket = await server.connect();
  for (let n = 0; n < 20; n += 1) {
    socket.dispatch('SUBSCRIBE', 'room');
    socket.send(Op.HEARTBEAT, { tag: `t${n}` });
  }
  await socket.next(({ op, d }) => op === Op.HEARTBEAT_ACK && d.tag === 't19', 'the last ack');
  const tags = socket.inbox.all.filter(({ op }) => op === Op.HEARTBEAT_ACK).map(({ d }) => d.tag);
  assert.deepEqual(tags, Array.from({ length: 20 }, (_, n) => `t${n}`));
  await socket.close();
});

test('trap 5: heartbeats of every official shape are acked, before INIT too, and never with null', async () => {
  const socket = await server.open();
  assert.ok(Number.isInteger(socket.hello.heartbeat_interval) && socket.hello.heartbeat_interval > 0);
  const shapes = ['{"op":3}', '{"op":3,"d":null}', '{"op":3,"d":{}}', '{"op":3,"d":{"tag":""}}', '{"d":{"tag":"abc"},"op":3}\n'];
  const beatAll = async () => {
    for (const shape of shapes) {
      socket.send(shape);
      const { raw, d } = await socket.next(({ op }) => op === Op.HEARTBEAT_ACK, `the ack of ${shape}`);
      assert.doesNotMatch(raw, /null/);
      if (d !== undefined && 'tag' in d) assert.equal(typeof d.tag, 'string');
      if (d !== undefined && 'latency' in d) assert.ok(Number.isInteger(d.latency) && d.latency >= 0);
      if (shape.includes('abc')) assert.equal(d.tag, 'abc');
    }
  };
  await beatAll();
  await socket.identify({ project_id: server.project });
  await beatAll();
  await socket.close();
});

test("trap 5: the server's own heartbeat carries a tag in an object, and its echo is acked", async () => {
  // The first comes half an interval after INIT.
  const quick = await startServer({ WARREN_HEARTBEAT: '2' });
  const socket = await quick.connect();
  const { d } = await socket.next(({ op }) => op === Op.HEARTBEAT, "the server's heartbeat");
  assert.equal(typeof d.tag, 'string');
  assert.notEqual(d.tag, '');
  socket.send(Op.HEARTBEAT, { tag: d.tag });
  const ack = await socket.next(({ op }) => op === Op.HEARTBEAT_ACK, 'its ack');
  assert.equal(ack.d.tag, d.tag);
  assert.ok(Number.isInteger(ack.d.latency), 'latency in whole ms');
  await socket.close();
  await quick.remove();
});

test('trap 6: every dispatch is complete', async () => {
  await server.channel('every', 'private', { state: { a: 1 } });
  const token = await server.leapToken({ name: 'ada' });
  const socket = await server.connect({ token });
  await server.ok('PUT', `/v1/channels/every/subscribers/${token}`);
  await socket.dispatched('AVAILABLE', 'every');
  await server.ok('PATCH', '/v1/channels/every/state', { b: 2 });
  await server.ok('POST', '/v1/channels/every/messages', { e: 'WITHOUT_DATA' });
  await server.ok('POST', `/v1/channels/tokens/${token}/messages`, { e: 'DIRECT' });
  await socket.subscribe('missing');
  await server.ok('DELETE', `/v1/channels/every/subscribers/${token}`);
  await socket.dispatched('UNAVAILABLE', 'every');

  const dispatches = socket.inbox.all.filter(({ op }) => op === Op.DISPATCH);
  assert.deepEqual(new Set(dispatches.map(({ d }) => d.e)), new Set(['INIT', 'AVAILABLE', 'STATE_UPDATE', 'MESSAGE', 'DIRECT_MESSAGE', 'UNAVAILABLE']));
  for (const { raw, d } of dispatches) {
    assert.match(raw, /^\s*\{\s*"op"\s*:\s*0\s*,\s*"d"\s*:/, 'op comes before d');
    assert.deepEqual(Object.keys(d).sort(), ['c', 'd', 'e', 'u'], raw);
    assert.equal(typeof d.u, 'boolean', raw);
    assert.equal(typeof d.d, 'object', raw);
    assert.notEqual(d.d, null, raw);
    if (/^(INIT|DIRECT_MESSAGE)$/.test(d.e)) assert.equal(d.c, null, raw);
    else assert.equal(typeof d.c, 'string', raw);
    if (/MESSAGE$/.test(d.e)) assert.deepEqual([Object.keys(d.d).sort(), d.d.d], [['d', 'e'], null], raw);
    if (d.e === 'UNAVAILABLE') assert.equal(typeof d.d.graceful, 'boolean', raw);
  }
  const { id, project_id, type, state, capabilities } = dispatches.find(({ d }) => d.e === 'AVAILABLE').d.d.channel;
  assert.deepEqual({ id, project_id, type, state, capabilities }, { id: 'every', project_id: server.project, type: 'private', state: { a: 1 }, capabilities: 0 });
  await socket.close();
});

test('trap 7: anonymous connections get INIT, whether the token is missing, null or empty', async () => {
  for (const more of [{}, { token: null }, { token: '' }]) {
    const socket = await server.connect(more);
    const { cid, connection_count: count, ...rest } = socket.init;
    assert.equal(typeof cid, 'string');
    assert.equal(count, 1);
    assert.deepEqual(rest.scope, 'noauth');
    assert.equal(rest.metadata, null);
    assert.deepEqual(rest.channels, []);
    await socket.close();
  }
});

test('trap 7: scope and metadata of a token, whatever JSON its state was set to', async () => {
  const states = [{ name: 'ada' }, null, [1, 2], 'text', 7, true];
  for (const state of states) {
    const answer = await server.api('POST', '/v1/channels/tokens', { state, expires_at: null });
    if (answer.status === 400 && state !== null && states.indexOf(state) > 1) {
      assert.equal(answer.error.code, 'invalid_body'); // Refusing what is no object is as good.
      continue;
    }
    assert.equal(answer.status, 200, answer.text);
    const socket = await server.connect({ token: answer.data.token.id });
    const { scope, metadata } = socket.init;
    assert.equal(scope, 'token');
    assert.ok(metadata === null || (typeof metadata === 'object' && !Array.isArray(metadata)), JSON.stringify(metadata));
    await socket.close();
  }
});
