// The official browser client, @onehop/client, without a token.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Hop } from '@onehop/js';
import { PROJECT_TOKEN, startServer } from './harness.mjs';
import { complaints, connectClient } from './hop-client.mjs';

let server;
let it;

before(async () => {
  server = await startServer();
  await server.channel('chat', 'unprotected', { state: { messages: [] } });
  await server.channel('board', 'unprotected', { capabilities: 6 });
  await server.channel('members-only', 'public');
  await server.channel('invitation-only', 'private');
  it = await connectClient(server);
});
after(async () => {
  it?.stop();
  await server?.remove();
});

test('INIT says that nobody in particular connected', async () => {
  const { data } = await it.events.next(({ eventType }) => eventType === 'INIT', 'INIT');
  assert.equal(data.scope, 'noauth');
  assert.equal(data.metadata, null);
  assert.deepEqual(data.channels, []);
});

test('subscribes to an unprotected channel and to no other kind', async () => {
  it.client.subscribeToChannel('chat');
  assert.deepEqual((await it.available('chat')).state, { messages: [] });
  for (const channel of ['members-only', 'invitation-only']) {
    it.client.subscribeToChannel(channel);
    assert.equal((await it.refused(channel)).error.error_code, 'NOT_GRANTED');
  }
  it.client.subscribeToChannel('no-such-channel');
  assert.equal((await it.refused('no-such-channel')).error.error_code, 'UNKNOWN');
});

test('a live chat: the back end publishes, then keeps the last messages in the state', async () => {
  const hop = new Hop(PROJECT_TOKEN, server.base);
  for (let n = 0; n < 25; n += 1) {
    const entry = { n, text: `message ${n}` };
    await hop.channels.publishMessage('chat', 'MESSAGE_CREATE', entry);
    await hop.channels.setState('chat', (old) => ({ messages: [...old.messages, entry].slice(-20) }));
  }
  const { state } = await it.entry('chat', ({ state }) => state.messages.at(-1)?.n === 24);
  assert.equal(state.messages.length, 20);
  const relevant = it.events.all.filter(({ channelId, eventType }) => channelId === 'chat' && /MESSAGE|STATE/.test(eventType));
  assert.equal(relevant.length, 50);
  relevant.forEach(({ eventType, data }, index) => {
    const n = Math.floor(index / 2);
    if (index % 2 === 0) assert.deepEqual([eventType, data.d.n], ['MESSAGE', n]);
    else assert.deepEqual([eventType, data.state.messages.at(-1).n], ['STATE_UPDATE', n]);
  });
});

test('may write where the channel says so (capabilities given as a number)', async () => {
  it.client.subscribeToChannel('board');
  await it.available('board');
  it.client.sendMessage('board', 'DRAW', { x: 1 });
  assert.deepEqual((await it.message('DRAW')).data, { x: 1 });
  it.client.setChannelState('board', { lines: 1 });
  await it.entry('board', ({ state }) => state.lines === 1);
});

test('after a crash of the server it subscribes again and sees the state that was answered', async () => {
  await server.ok('PATCH', '/v1/channels/board/state', { lines: 2 });
  await server.kill();
  await it.disconnected();
  await server.start();
  assert.deepEqual((await it.available('board')).state, { lines: 2 });
  assert.equal((await it.available('chat')).state.messages.length, 20);
  await server.publish('chat', 'AFTER_RESTART', {});
  await it.message('AFTER_RESTART');
});

test('after a clean stop, exit code 0, it comes back as well', async () => {
  assert.equal(await server.stop(), 0);
  await it.disconnected();
  await server.start();
  await it.available('chat');
  await server.publish('chat', 'AFTER_STOP', {});
  await it.message('AFTER_STOP');
});

test('the client never had to complain', () => {
  assert.deepEqual(complaints(it.console), []);
});
