// The official browser client, @onehop/client, with a leap token.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startServer } from './harness.mjs';
import { complaints, connectClient } from './hop-client.mjs';
import { poll } from './inbox.mjs';

let server;
let token;
let it;

before(async () => {
  server = await startServer();
  await server.channel('granted', 'private', { state: { topic: 'secret' } });
  await server.channel('public', 'public', { state: { n: 1 } });
  await server.channel('writable', 'public', { capabilities: ['CLIENT_PUBLISH', 'CLIENT_STATE'] });
  await server.channel('closed', 'private');
  token = await server.leapToken({ name: 'ada' });
  await server.ok('PUT', `/v1/channels/granted/subscribers/${token}`);
  it = await connectClient(server, token);
});
after(async () => {
  it?.stop();
  await server?.remove();
});

test('a channel granted before connecting is there, with its state, without asking', async () => {
  assert.deepEqual(await it.available('granted'), { state: { topic: 'secret' }, subscription: 'available', error: null });
});

test('subscribes to a public channel', async () => {
  it.client.subscribeToChannel('public');
  assert.equal(it.client.getChannelStateMap().get('public').subscription, 'pending');
  assert.deepEqual((await it.available('public')).state, { n: 1 });
});

test('a subscription that is taken back in the same tick does not look available', async () => {
  await server.channel('fleeting', 'public');
  it.client.subscribeToChannel('fleeting');
  it.client.unsubscribeFromChannel('fleeting');
  assert.equal((await it.refused('fleeting')).error.graceful, true);
  const { subscriptions } = await server.ok('GET', `/v1/channels/tokens/${token}/subscriptions`);
  assert.ok(!subscriptions.some(({ channel }) => channel === 'fleeting'), 'it is not subscribed');
  // And another mind: what counts is the last word.
  it.client.subscribeToChannel('fleeting');
  await it.available('fleeting');
  it.client.unsubscribeFromChannel('fleeting');
});

test('is told NOT_GRANTED for a private channel and UNKNOWN for a missing one', async () => {
  it.client.subscribeToChannel('closed');
  const refused = await it.refused('closed');
  assert.equal(refused.error.error_code, 'NOT_GRANTED');
  assert.equal(refused.error.graceful, false);
  it.client.subscribeToChannel('no-such-channel');
  assert.equal((await it.refused('no-such-channel')).error.error_code, 'UNKNOWN');
});

test('a subscription made by the back end arrives while connected', async () => {
  await server.channel('surprise', 'private', { state: { gift: true } });
  await server.ok('PUT', `/v1/channels/surprise/subscribers/${token}`);
  assert.deepEqual((await it.available('surprise')).state, { gift: true });
});

test('hears messages, by listener and by event', async () => {
  const heard = [];
  const stop = it.client.addMessageSubscription('public', 'PING', (data) => heard.push(data));
  await server.publish('public', 'PING', { n: 1 });
  assert.deepEqual(await it.message('PING'), { event: 'PING', data: { n: 1 }, channel: 'public' });
  assert.deepEqual(heard, [{ n: 1 }]);
  stop();
});

test('hears direct messages', async () => {
  await server.ok('POST', `/v1/channels/tokens/${token}/messages`, { e: 'NOTE', d: { text: 'psst' } });
  assert.deepEqual(await it.message('NOTE'), { event: 'NOTE', data: { text: 'psst' }, channel: null });
});

test('follows the state, which always comes whole', async () => {
  await server.ok('PATCH', '/v1/channels/public/state', { m: 2 });
  await it.entry('public', ({ state }) => state.m === 2);
  assert.deepEqual(it.client.getChannelStateMap().get('public').state, { n: 1, m: 2 });
  assert.deepEqual(await it.states.next(() => true), { channel: 'public', state: { n: 1, m: 2 } });
});

test('sendMessage reaches other subscribers and the sender where the channel allows it', async () => {
  const other = await server.connect({ token: await server.leapToken() });
  await other.subscribe('writable');
  it.client.subscribeToChannel('writable');
  await it.available('writable');
  it.client.sendMessage('writable', 'MOVE', { x: 1 });
  assert.deepEqual(await other.message('MOVE'), { e: 'MOVE', d: { x: 1 } });
  assert.deepEqual(await it.message('MOVE'), { event: 'MOVE', data: { x: 1 }, channel: 'writable' });
  await other.close();
});

test('sendMessage goes nowhere in a channel without CLIENT_PUBLISH, and the channel stays', async () => {
  it.client.sendMessage('public', 'FORBIDDEN', {});
  // A connection's frames are handled in order: once this one is through, so was the other.
  it.client.sendMessage('writable', 'AFTER', {});
  await it.messages.next(({ event }) => event === 'AFTER', 'the later message');
  await server.publish('public', 'MARKER', {});
  const earlier = await it.messages.before(({ event }) => event === 'MARKER', 'the marker');
  assert.deepEqual(earlier.filter(({ event }) => event === 'FORBIDDEN'), []);
  assert.equal(it.client.getChannelStateMap().get('public').subscription, 'available');
});

test('setChannelState replaces the state where the channel allows it', async () => {
  it.client.setChannelState('public', { stolen: true });
  it.client.setChannelState('writable', { board: [1, 2] });
  await it.entry('writable', ({ state }) => state.board?.length === 2);
  assert.deepEqual((await server.ok('GET', '/v1/channels/writable/state')).state, { board: [1, 2] });
  assert.deepEqual((await server.ok('GET', '/v1/channels/public/state')).state, { n: 1, m: 2 });
});

test('after unsubscribing nothing more arrives, not even a word about it', async () => {
  it.client.unsubscribeFromChannel('writable');
  const subscribers = async () => (await server.ok('GET', '/v1/channels/writable/tokens')).tokens.map(({ id }) => id);
  await poll(async () => !(await subscribers()).includes(token), 'the subscription to be gone');
  const other = await server.connect({ token: await server.leapToken() });
  await other.subscribe('writable');
  await server.publish('writable', 'UNHEARD', {});
  await other.message('UNHEARD');
  await server.publish('public', 'LAST', {});
  const earlier = await it.messages.before(({ event }) => event === 'LAST', 'the marker');
  assert.deepEqual(earlier.filter(({ event }) => event === 'UNHEARD'), []);
  assert.equal(it.client.getChannelStateMap().has('writable'), false, 'UNAVAILABLE would have put it back');
  await other.close();
});

test('after a crash of the server INIT brings every permanent subscription back', async () => {
  await server.kill();
  await it.disconnected();
  await server.start();
  // This client never asks again by itself: only INIT can make these available.
  for (const channel of ['granted', 'public', 'surprise']) await it.available(channel);
  assert.deepEqual(it.client.getChannelStateMap().get('public').state, { n: 1, m: 2 });
  await server.publish('surprise', 'AGAIN', { back: true });
  assert.deepEqual((await it.message('AGAIN')).data, { back: true });
  const inits = it.events.all.filter(({ eventType }) => eventType === 'INIT');
  const listed = inits.at(-1).data.channels.map(({ id }) => id).sort();
  assert.deepEqual(listed, ['granted', 'public', 'surprise'], 'and the one given up is not among them');
});

test('is told when the back end takes a subscription away', async () => {
  await server.ok('DELETE', `/v1/channels/surprise/subscribers/${token}`);
  assert.equal((await it.refused('surprise')).error.graceful, true);
});

test('a deleted channel becomes unavailable', async () => {
  await server.ok('DELETE', '/v1/channels/granted');
  assert.equal((await it.refused('granted')).error.graceful, true);
});

test('a deleted token ends the connection in the way that stops the client', async () => {
  await server.ok('DELETE', `/v1/channels/tokens/${token}`);
  await it.disconnected();
  const farewell = it.console.filter((line) => line.includes('disconnected unexpectedly')).at(-1);
  assert.match(farewell, /Invalid auth/);
});

test('the client never had to complain', () => {
  assert.deepEqual(complaints(it.console), []);
});
