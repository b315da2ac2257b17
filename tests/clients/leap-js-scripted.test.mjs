// static/leap.js against a scripted server: what the real one does rarely or never.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { Leap } from '../../static/leap.js';
import { Inbox } from './inbox.mjs';
import { Op } from './leap-socket.mjs';

const INIT = { e: 'INIT', c: null, u: true, d: { cid: 'c', connection_count: 1, metadata: null, scope: 'noauth', channels: [] } };

let server;
let connections;
let seen;
let leap;

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  connections = new Inbox();
  seen = new Inbox();
  server.on('connection', (socket, { url }) => {
    const frames = new Inbox();
    socket.on('message', (text) => frames.push(JSON.parse(text)));
    const send = (op, d) => socket.send(JSON.stringify({ op, d }));
    connections.push({ socket, url, frames, send });
  });
});
afterEach(() => {
  leap?.close();
  for (const socket of server.clients) socket.terminate();
  server.close();
});

/** Starts a client and returns its first connection as the server sees it. */
async function accept(options = {}) {
  const url = `ws://127.0.0.1:${server.address().port}/ws`;
  leap = new Leap({ url, project: 'project_x', WebSocket, retryMinMs: 10, retryMaxMs: 80, ...options });
  for (const name of ['status', 'channel', 'message']) {
    leap.addEventListener(name, ({ detail }) => seen.push({ name, ...detail }));
  }
  leap.connect();
  return nextConnection();
}

const nextConnection = () => connections.next(() => true, 'a connection');
const status = (wanted) => seen.next((event) => event.name === 'status' && event.status === wanted, `status ${wanted}`);

/** Brings a connection up to INIT. */
async function welcome({ send, frames }, interval = 60_000) {
  send(Op.HELLO, { heartbeat_interval: interval });
  const { d } = await frames.next(({ op }) => op === Op.IDENTIFY, 'IDENTIFY');
  send(Op.DISPATCH, INIT);
  await status('connected');
  return d;
}

test('identifies itself with what it was given', async () => {
  const identify = await welcome(await accept({ token: 'leap_token_x', ext: ['version'] }));
  assert.deepEqual(identify, { project_id: 'project_x', token: 'leap_token_x', ext: ['version'] });
});

test("echoes the tag of the server's heartbeat", async () => {
  const it = await accept();
  await welcome(it);
  it.send(Op.HEARTBEAT, { tag: 'abc' });
  const { d } = await it.frames.next(({ op, d }) => op === Op.HEARTBEAT && d, 'the echo');
  assert.deepEqual(d, { tag: 'abc' });
});

test('gives up a connection that stops acknowledging heartbeats', async () => {
  const it = await accept();
  await welcome(it, 40);
  const { reason } = await status('waiting');
  assert.match(reason, /heartbeat/);
  await nextConnection();
});

test('does not come back after 4001', async () => {
  const it = await accept();
  it.socket.close(4001, 'no such token');
  assert.equal((await status('refused')).reason, 'no such token');
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
    const { retryInMs } = await status('waiting');
    assert.ok(retryInMs >= expected && retryInMs <= expected * 1.25, `${retryInMs} of ${expected}`);
    leap.close();
  }
});

test('backs off: each failure doubles the delay up to the bound, with a random half', async () => {
  let it = await accept();
  for (const ceiling of [10, 20, 40, 80, 80, 80]) {
    it.socket.close(4000, 'reconnect in 5 s');
    const { retryInMs } = await status('waiting');
    assert.ok(retryInMs >= ceiling / 2 && retryInMs <= ceiling, `${retryInMs} of ${ceiling}`);
    it = await nextConnection();
  }
  await welcome(it);
  it.socket.close(4009, 'slow consumer');
  assert.ok((await status('waiting')).retryInMs <= 10, 'a good connection starts it anew');
});

test('an unreadable frame ends the connection, not the client', async () => {
  const it = await accept();
  it.socket.send('{"op":');
  assert.match((await status('waiting')).reason, /unreadable/);
  await welcome(await nextConnection());
});

test('unknown opcodes and events are ignored', async () => {
  const it = await accept();
  await welcome(it);
  it.send(99, { a: 1 });
  it.send(Op.DISPATCH, { e: 'NEWS_FROM_THE_FUTURE', c: 'x', u: false, d: {} });
  it.send(Op.DISPATCH, { e: 'MESSAGE', c: 'x', u: false, d: { e: 'E', d: 1 } });
  await seen.next(({ name }) => name === 'message', 'the message after them');
  assert.equal(leap.status, 'connected');
});

test('connect tries at once while a reconnect is pending, and close cancels it', async () => {
  const it = await accept({ retryMinMs: 60_000, retryMaxMs: 60_000 });
  it.socket.close(1011, 'oops');
  await status('waiting');
  leap.connect();
  await nextConnection();
  leap.close();
  assert.equal(leap.status, 'closed');
});
