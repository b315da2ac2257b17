// Warren's own client against a scripted server: what the real one does rarely, never, or not yet.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { Inbox, until } from './inbox.mjs';
import { Op } from './leap-socket.mjs';
import { connect, FAST, recorded } from './warren-client.mjs';

const EXT = ['version', 'token_state', 'delta', 'presence', 'patch', 'refresh', 'resume', 'errors'];

let server;
let connections;
let statuses;
let client;

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  connections = new Inbox();
  server.on('connection', (socket, { url }) => {
    const frames = new Inbox();
    const send = (op, d) => socket.send(JSON.stringify({ op, d }));
    const it = { socket, url, frames, send, dispatch: (e, c, d, s) => send(Op.DISPATCH, { c, u: false, e, s, d }) };
    it.asked = (e) => frames.next(({ op, d }) => op === Op.DISPATCH && d.e === e, `the client's ${e}`);
    it.answers = true;
    socket.on('message', (text) => {
      const frame = JSON.parse(text);
      if (frame.op === Op.HEARTBEAT && it.answers) send(Op.HEARTBEAT_ACK, frame.d);
      frames.push(frame);
    });
    connections.push(it);
  });
});
afterEach(() => {
  client?.close();
  for (const socket of server.clients) socket.terminate();
  server.close();
});

/** Starts a client and returns its first connection as the server sees it. */
async function accept(options = {}) {
  const url = `ws://127.0.0.1:${server.address().port}/ws`;
  client = connect({ url, project: 'project_x', ...FAST, retryMinMs: 10, retryMaxMs: 80, ...options });
  statuses = recorded(client, 'status');
  return nextConnection();
}

const nextConnection = () => connections.next(() => true, 'a connection');
const status = (wanted) => statuses.next((event) => event.status === wanted, `status ${wanted}`);
const room = (more = {}) => ({ id: 'room', project_id: 'project_x', type: 'public', state: { a: 1 }, capabilities: 0, version: 1, ...more });

/** Brings a connection up to INIT; returns what IDENTIFY said. */
async function welcome(it, init = {}, interval = 60_000) {
  it.send(Op.HELLO, { heartbeat_interval: interval });
  const { d } = await it.frames.next(({ op }) => op === Op.IDENTIFY, 'IDENTIFY');
  it.dispatch('INIT', null, { cid: 'c', connection_count: 1, metadata: null, scope: 'token', channels: [], ext: EXT, session_id: 'session_1', ...init });
  await status('connected');
  return d;
}

test('identifies itself with what it was given', async () => {
  const identify = await welcome(await accept({ token: 'leap_token_x' }));
  assert.deepEqual(identify, { project_id: 'project_x', token: 'leap_token_x', ext: EXT, resume: { positions: {} } });
});

test("echoes the tag of the server's heartbeat", async () => {
  const it = await accept();
  await welcome(it);
  it.send(Op.HEARTBEAT, { tag: 'abc' });
  await it.frames.next(({ op, d }) => op === Op.HEARTBEAT && d.tag === 'abc', 'the echo');
});

test('gives up a connection on which nothing comes after a heartbeat, and none on which something does', async () => {
  const it = await accept({ ackMs: 50 });
  it.answers = false;
  await welcome(it);
  for (let n = 0; n < 10; n += 1) {
    it.dispatch('NEWS', null, {});
    await delay(30);
  }
  assert.equal(client.status, 'connected', 'in ten times the 30 ms it would have been given up');
  const { error } = await status('waiting');
  assert.match(error.message, /heartbeat/);
  await nextConnection();
});

test('does not come back after 4001', async () => {
  const it = await accept();
  it.socket.close(4001, 'no such token');
  const { error } = await status('closed');
  assert.deepEqual([error.name, error.code, error.closeCode, error.reason], ['CloseError', 'invalid_auth', 4001, 'no such token']);
  // Many times the longest delay of this client: a retry would have come.
  await delay(500);
  assert.equal(connections.all.length, 1);
});

test('follows 4006 to another address of the same host', async () => {
  const it = await accept();
  it.socket.close(4006, `ws://127.0.0.1:${server.address().port}/other?x=1`);
  assert.equal((await nextConnection()).url, '/other?x=1');
});

test('does not follow 4006 to another host, another protocol, or nowhere', async () => {
  let it = await accept();
  for (const reason of ['ws://elsewhere.example/ws', 'http://127.0.0.1/ws', 'wss://localhost/ws', 'not a url', '']) {
    it.socket.close(4006, reason);
    it = await nextConnection();
    assert.equal(it.url, '/ws', reason);
  }
});

test('waits as long as the server asks, within reason', async () => {
  for (const [code, reason, expected] of [
    [4010, 'the server is going away, reconnect in 1 s', 1000],
    [4010, 'reconnect in 1500 ms', 1500],
    [4008, 'too many frames, reconnect in 2 s', 2000],
    [4010, 'reconnect in 999999 s', 60_000],
  ]) {
    const it = await accept();
    it.socket.close(code, reason);
    const { delayMs } = await status('waiting');
    assert.ok(delayMs >= expected && delayMs <= expected * 1.25, `${delayMs} of ${expected}`);
    client.close();
  }
});

test('backs off: each failure doubles the delay up to the bound, with a random half', async () => {
  let it = await accept();
  for (const ceiling of [10, 20, 40, 80, 80]) {
    it.socket.close(4000, 'reconnect in 5 s');
    const { delayMs } = await status('waiting');
    assert.ok(delayMs >= ceiling / 2 && delayMs <= ceiling, `${delayMs} of ${ceiling}`);
    it = await nextConnection();
  }
  await welcome(it);
  it.socket.close(4009, 'slow consumer');
  const { delayMs, error } = await status('waiting');
  assert.ok(delayMs >= 40, 'a connection that ended at once was no good one');
  assert.equal(error.code, 'slow_consumer');
});

test('an unreadable frame ends the connection, not the client', async () => {
  const it = await accept();
  it.socket.send('{"op":');
  assert.match((await status('waiting')).error.message, /unreadable/);
  await welcome(await nextConnection());
});

test('unknown opcodes and events are ignored', async () => {
  const it = await accept();
  await welcome(it, { channels: [room()] });
  const inbox = recorded(client.channels.get('room'), 'message');
  it.send(99, { a: 1 });
  it.dispatch('NEWS_FROM_THE_FUTURE', 'room', {});
  it.dispatch('MESSAGE', 'elsewhere', { e: 'E', d: 0 });
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 1 });
  assert.equal((await inbox.next(() => true, 'the message after them')).data, 1);
});

test('connect tries at once while a reconnect is pending, and close cancels it', async () => {
  const it = await accept({ retryMinMs: 60_000, retryMaxMs: 60_000 });
  it.socket.close(1011, 'oops');
  await status('waiting');
  client.connect();
  await nextConnection();
  client.close();
  assert.equal(client.status, 'closed');
});

test('a change of the state that is said as a patch is applied; after a hole the whole state is asked for, until it comes', async () => {
  const it = await accept();
  await welcome(it, { channels: [room({ state: { a: { b: 1, c: 2 }, list: [1] }, version: 4 })] });
  const channel = client.channels.get('room');
  const states = recorded(channel, 'state');
  const before = channel.state;
  it.dispatch('STATE_UPDATE', 'room', { version: 5, from: 4, patch: { a: { c: null }, list: [2] } }, '1-1');
  assert.deepEqual((await states.next(() => true)), { name: 'state', state: { a: { b: 1 }, list: [2] }, version: 5 });
  assert.deepEqual(before, { a: { b: 1, c: 2 }, list: [1] }, 'what was shown before is not changed');
  it.dispatch('STATE_UPDATE', 'room', { version: 7, from: 6, patch: { a: 7 } }, '1-3');
  it.dispatch('STATE_UPDATE', 'room', { version: 8, from: 7, patch: { a: 8 } }, '1-4');
  const { ref } = await it.asked('GET_CHANNEL_STATE');
  it.dispatch('ERROR', null, { code: 'overloaded', message: 'later', ref });
  await recorded(client, 'latency').next(() => true, 'what comes behind it');
  it.dispatch('STATE_UPDATE', 'room', { version: 3, from: 2, patch: { a: 'old' } });
  it.dispatch('STATE_UPDATE', 'room', { version: 9, from: 8, patch: { a: 'whatever' } }, '1-5');
  await it.asked('GET_CHANNEL_STATE');
  it.dispatch('STATE_UPDATE', 'room', { version: 8, state: { a: 8, whole: true } });
  assert.deepEqual((await states.next(() => true)).state, { a: 8, whole: true });
  it.dispatch('STATE_UPDATE', 'room', { version: 9, from: 8, patch: { a: 9 } }, '1-6');
  assert.deepEqual((await states.next(() => true)).state, { a: 9, whole: true });
  const asked = it.frames.all.filter(({ d }) => d?.e === 'GET_CHANNEL_STATE');
  assert.equal(asked.length, 2);
});

test('nothing that is not beyond what was heard comes again', async () => {
  const it = await accept();
  await welcome(it, { channels: [room({ s: 'x-9' })] });
  const inbox = recorded(client.channels.get('room'), 'message');
  for (const [s, d] of [['x-10', 1], ['x-9', 0], ['x-10', 0], ['x-100', 2], ['x-11', 0], ['y-1', 3], ['y-1', 0], [undefined, 4]]) {
    it.dispatch('MESSAGE', 'room', { e: 'E', d }, s);
  }
  for (const wanted of [1, 2, 3, 4]) assert.equal((await inbox.next(() => true)).data, wanted);
  assert.equal(client.channels.get('room').position, 'y-1');
});

test('what the session kept stands before where INIT stands, and is heard; only then does the position count', async () => {
  const it = await accept();
  it.answers = false;
  await welcome(it, { channels: [room({ s: 'x-9' })] });
  const channel = client.channels.get('room');
  const inbox = recorded(channel, 'message', 'gap');
  assert.equal(channel.position, undefined, 'who comes back now is to be given what was kept once more');
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 1 }, 'x-5');
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 2 }, 'x-8');
  for (const wanted of [1, 2]) assert.equal((await inbox.next(() => true)).data, wanted);
  assert.equal(channel.position, 'x-8');
  for (const tag of ['1', '2']) {
    const { d } = await it.frames.next(({ op, d }) => op === Op.HEARTBEAT && d.tag === tag, 'a heartbeat');
    it.send(Op.HEARTBEAT_ACK, d);
  }
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 0 }, 'x-9');
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 3 }, 'x-10');
  assert.equal((await inbox.next(() => true)).data, 3);
});

test('comes back with its positions, and tells of a gap where the server does', async () => {
  let it = await accept();
  await welcome(it, { channels: [room({ s: 'x-9' }), room({ id: 'other', s: 'z-1' })], direct: { s: 'd-0' } });
  const inbox = recorded(client.channels.get('room'), 'message', 'gap');
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 1 }, 'x-10');
  it.dispatch('DIRECT_MESSAGE', null, { e: 'E', d: 1 }, 'd-1');
  await inbox.next(() => true);
  await until(() => client.channels.get('other').position && client.direct.position === 'd-1', (check) => client.on('latency', check), 'positions');
  it.socket.terminate();
  it = await nextConnection();
  const { resume } = await welcome(it, { channels: [room({ s: 'x-12', recovered: true }), room({ id: 'other', s: 'y-9', recovered: false })] });
  assert.deepEqual(resume, { positions: { room: 'x-10', other: 'z-1' }, direct: 'd-1' });
  const others = recorded(client.channels.get('other'), 'message', 'gap');
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 2 }, 'x-12');
  it.dispatch('MESSAGE', 'other', { e: 'E', d: 3 }, 'y-10');
  assert.deepEqual([(await inbox.next(() => true)).missed, inbox.all.length], [0, 2], 'no gap');
  assert.equal((await others.next(() => true)).missed, null);
});

test('names as many positions as IDENTIFY has room for, and tells of gaps where it could not name one', async () => {
  const many = (more) => Array.from({ length: 600 }, (_, n) => room({ id: `room ${n} ${'é'.repeat(10)}`, ...more(n) }));
  let it = await accept();
  await welcome(it, { channels: many((n) => ({ s: `x-${n}` })) });
  await until(() => [...client.channels.values()].at(-1).position, (check) => client.on('latency', check), 'positions');
  it.socket.terminate();
  it = await nextConnection();
  const gaps = [...client.channels.values()].map((channel) => recorded(channel, 'gap'));
  it.send(Op.HELLO, { heartbeat_interval: 60_000 });
  const { d } = await it.frames.next(({ op }) => op === Op.IDENTIFY, 'IDENTIFY');
  assert.ok(Buffer.byteLength(JSON.stringify(d)) < 16_384);
  const named = d.resume.positions;
  assert.ok(Object.keys(named).length > 200);
  it.dispatch('INIT', null, { scope: 'token', ext: EXT, channels: many((n) => ({ s: `x-${n + 1}` })).map((channel) => ({ ...channel, recovered: channel.id in named ? true : undefined })) });
  await status('connected');
  const told = gaps.filter(({ all }) => all.length > 0).length;
  assert.equal(told, 600 - Object.keys(named).length);
});

test('what was sent and not answered is sent again under its id; what was never sent, too', async () => {
  let it = await accept();
  await welcome(it, { channels: [room()] });
  const channel = client.channels.get('room');
  const promises = [channel.publish('A', 1), channel.publish('B', 2)];
  const first = await it.asked('MESSAGE');
  const second = await it.asked('MESSAGE');
  assert.ok(first.id && second.id && first.id !== second.id);
  assert.deepEqual(first.d, { e: 'MESSAGE', c: 'room', d: { e: 'A', d: 1 } });
  it.dispatch('ACK', null, { ref: first.ref, s: 'x-1' });
  assert.deepEqual(await promises[0], { position: 'x-1', version: undefined });
  it.socket.terminate();
  await status('waiting');
  promises.push(channel.publish('C', 3));
  it = await nextConnection();
  await welcome(it, { channels: [room()] });
  const again = await it.asked('MESSAGE');
  assert.deepEqual(again, second);
  const third = await it.asked('MESSAGE');
  for (const { ref } of [again, third]) it.dispatch('ACK', null, { ref });
  await Promise.all(promises);
  assert.equal(it.frames.all.filter(({ d }) => d?.e === 'MESSAGE').length, 2);
});

test('after the server’s start its memory of ids is gone: what broke under way is told as unknown, what was never sent goes', async () => {
  let it = await accept();
  await welcome(it, { channels: [room()] });
  const channel = client.channels.get('room');
  const broken = channel.publish('A', 1);
  await it.asked('MESSAGE');
  it.socket.terminate();
  await status('waiting');
  const fresh = channel.publish('B', 2);
  it = await nextConnection();
  await welcome(it, { channels: [room()], session_id: 'session_2' });
  await assert.rejects(broken, { code: 'unknown_outcome' });
  const { d, ref } = await it.asked('MESSAGE');
  assert.equal(d.d.e, 'B');
  it.dispatch('ACK', null, { ref });
  await fresh;
});

test('where nobody would know it again, what broke under way is told as unknown, and so is every change of a state', async () => {
  for (const [scope, ask] of [
    ['noauth', (channel) => channel.publish('A', 1)],
    ['project', (channel) => channel.publish('A', 1)],
    ['token', (channel) => channel.setState({ a: 2 })],
    ['token', (channel) => channel.setState((state) => ({ ...state, b: 1 }))],
  ]) {
    const it = await accept();
    await welcome(it, { scope, channels: [room()] });
    const asked = ask(client.channels.get('room'));
    await it.frames.next(({ d }) => d?.e && d.c === 'room', 'the frame');
    it.socket.terminate();
    await assert.rejects(asked, ({ code, cause }) => code === 'unknown_outcome' && cause.code === 'line_broken');
    client.close();
  }
});

test('a frame that the server cannot take is not sent again', async () => {
  for (const [code, word] of [[1009, 'frame_too_large'], [4005, 'invalid_frame']]) {
    const it = await accept();
    await welcome(it, { channels: [room()] });
    const asked = client.channels.get('room').publish('A', 1);
    await it.asked('MESSAGE');
    it.socket.close(code, 'no');
    await assert.rejects(asked, { code: word, closeCode: code });
    client.close();
  }
});

test('the queue has its bounds: frames, bytes and time', async () => {
  const it = await accept({ queueLimit: 3, queueBytes: 10_000, queueMs: 300 });
  await welcome(it, { channels: [room()] });
  const channel = client.channels.get('room');
  it.answers = true;
  const waiting = [1, 2, 3].map((n) => channel.publish('A', n));
  await assert.rejects(channel.publish('A', 4), { code: 'queue_full' });
  for (const one of waiting) await assert.rejects(one, { code: 'unknown_outcome' });
  const large = channel.publish('A', 'x'.repeat(20_000));
  await assert.rejects(channel.publish('A', 1), { code: 'queue_full' });
  await assert.rejects(large, { code: 'unknown_outcome' });
  it.socket.terminate();
  await status('waiting');
  server.close();
  await assert.rejects(channel.publish('A', 5), { code: 'timeout' });
  const own = {};
  own.own = own;
  await assert.rejects(channel.publish('A', own), TypeError);
});

test('a function that changes the state is called again when somebody else was faster', async () => {
  const it = await accept();
  await welcome(it, { channels: [room({ state: { n: 1 }, version: 1 })] });
  const asked = client.channels.get('room').setState(({ n }) => ({ n: n + 1 }));
  const first = await it.asked('PATCH_CHANNEL_STATE');
  assert.deepEqual(first.d.d, { patch: { n: 2 }, if_version: 1 });
  assert.equal('id' in first, false);
  it.dispatch('ERROR', null, { code: 'version_conflict', message: 'the state is at version 2', ref: first.ref });
  it.dispatch('STATE_UPDATE', 'room', { state: { n: 10 }, version: 2 });
  const second = await it.asked('PATCH_CHANNEL_STATE');
  assert.deepEqual(second.d.d, { patch: { n: 11 }, if_version: 2 });
  it.dispatch('ACK', null, { ref: second.ref, version: 3 });
  assert.equal((await asked).version, 3);
});

test('a loop that is too slow ends with an error behind what waits, or is told how much was dropped', async () => {
  const it = await accept();
  await welcome(it, { channels: [room()] });
  const channel = client.channels.get('room');
  const strict = channel.messages({ limit: 3 });
  const lax = channel.messages({ limit: 3, overflow: 'drop' });
  const inbox = recorded(channel, 'message');
  for (let n = 0; n < 10; n += 1) it.dispatch('MESSAGE', 'room', { e: 'E', d: n }, `x-${n}`);
  await inbox.next(({ data }) => data === 9);
  for (let n = 0; n < 3; n += 1) assert.deepEqual(await strict.next(), { done: false, value: { event: 'E', data: n, position: `x-${n}`, missed: 0 } });
  await assert.rejects(strict.next(), { code: 'overflow' });
  assert.equal((await strict.next()).done, true);
  assert.deepEqual((await lax.next()).value, { event: 'E', data: 7, position: 'x-7', missed: 7 });
  for (const wanted of [8, 9]) assert.deepEqual((({ data, missed }) => [data, missed])((await lax.next()).value), [wanted, 0]);
  const last = lax.next();
  await lax.return();
  assert.equal((await last).done, true);
});

test('what comes of a channel between giving it up and taking it again is not the new one’s', async () => {
  const it = await accept();
  await welcome(it, { channels: [room()] });
  const old = client.channels.get('room');
  old.unsubscribe();
  const fresh = client.subscribe('room');
  assert.notEqual(fresh, old);
  const { ref } = await it.asked('UNSUBSCRIBE');
  await it.asked('SUBSCRIBE');
  const inbox = recorded(fresh, 'message', 'status');
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 'late' });
  it.dispatch('UNAVAILABLE', 'room', { graceful: true });
  it.dispatch('ACK', null, { ref });
  it.dispatch('AVAILABLE', 'room', { channel: room() }, 'x-1');
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 'new' }, 'x-2');
  assert.equal((await inbox.next(({ name }) => name === 'message')).data, 'new');
  assert.deepEqual(inbox.all.map(({ name, status }) => status ?? name), ['available', 'message']);
});

test('a listener may close the client while it begins', async () => {
  const it = await accept();
  client.on('channel', () => client.close());
  it.send(Op.HELLO, { heartbeat_interval: 60 });
  it.dispatch('INIT', null, { scope: 'token', ext: EXT, channels: [room()] });
  await once(it.socket, 'close');
  assert.deepEqual(statuses.all.map(({ status }) => status), ['closed']);
  const frames = it.frames.all.map(({ op }) => op);
  assert.deepEqual(frames, [Op.IDENTIFY]);
});

test('an UNSUBSCRIBE that was not answered is said again', async () => {
  let it = await accept();
  await welcome(it, { channels: [room()] });
  client.unsubscribe('room');
  await it.asked('UNSUBSCRIBE');
  it.socket.terminate();
  it = await nextConnection();
  await welcome(it, { channels: [room()] });
  await it.asked('UNSUBSCRIBE');
  assert.equal(client.channels.has('room'), false);
});

test('a position that a storage has for a channel goes along when it is subscribed', async () => {
  const text = JSON.stringify({ room: 'x-3', wrong: 7, '': 'd-1' });
  const it = await accept({ storage: { getItem: () => text, setItem: () => {} } });
  const { resume } = await welcome(it, { scope: 'noauth' });
  assert.deepEqual(resume, { positions: { room: 'x-3' }, direct: 'd-1' });
  const channel = client.subscribe('room', { rewind: 5 });
  const inbox = recorded(channel, 'message', 'gap');
  assert.deepEqual((await it.asked('SUBSCRIBE')).d.d, { since: 'x-3' });
  it.dispatch('AVAILABLE', 'room', { channel: room(), recovered: true }, 'x-5');
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 4 }, 'x-4');
  it.dispatch('MESSAGE', 'room', { e: 'E', d: 5 }, 'x-5');
  for (const wanted of [4, 5]) assert.equal((await inbox.next(() => true)).data, wanted);
});

test('what is rewound to stands before where the channel stands, and is heard', async () => {
  const it = await accept();
  await welcome(it);
  const channel = client.subscribe('room', { rewind: 2 });
  const inbox = recorded(channel, 'message', 'gap');
  assert.deepEqual((await it.asked('SUBSCRIBE')).d.d, { rewind: 2 });
  it.answers = false;
  it.dispatch('AVAILABLE', 'room', { channel: room() }, 'x-9');
  for (const d of [8, 9, 10]) it.dispatch('MESSAGE', 'room', { e: 'E', d }, `x-${d}`);
  for (const wanted of [8, 9, 10]) assert.equal((await inbox.next(() => true)).data, wanted);
});

test('knows a mail again that comes from a server which was killed, at another position', async () => {
  let it = await accept({ token: 'leap_token_x' });
  await welcome(it, { direct: { s: 'a-0' } });
  const heard = recorded(client.direct, 'message');
  const mail = (number, s) => {
    const d = { c: null, u: false, e: 'DIRECT_MESSAGE', s, id: `mail_7-${number}`, d: { e: 'n', d: number } };
    it.send(Op.DISPATCH, d);
  };
  for (const number of [1, 2]) mail(number, `a-${number}`);
  await heard.next(({ data }) => data === 2, 'the second');
  it.socket.terminate();
  it = await nextConnection();
  await welcome(it, { session_id: 'session_2', direct: { s: 'b-0', recovered: false } });
  for (const number of [1, 2, 3]) mail(number, `b-${number}`);
  await heard.next(({ data }) => data === 3, 'the third');
  assert.deepEqual(heard.all.map(({ data, missed }) => [data, missed]), [[1, 0], [2, 0], [3, null]]);
  assert.equal(client.direct.position, 'b-3');
});
