// The official browser client, @onehop/client, with a JSON Web Token in the place of a leap token.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startServer } from './harness.mjs';
import { complaints, connectClient } from './hop-client.mjs';
import { SECRET, sign } from './jwt.mjs';

let server;
let it;

before(async () => {
  server = await startServer();
  await server.ok('POST', '/v1/projects/@this/jwt/keys', { algorithm: 'HS256', secret: SECRET });
  await server.channel('granted', 'private', { state: { topic: 'secret' } });
  await server.channel('public', 'public', { state: { n: 1 } });
  it = await connectClient(server, sign({ sub: 'ada', channels: ['granted'], state: { name: 'ada' } }));
});
after(async () => {
  it?.stop();
  await server?.remove();
});

test('a channel that the token names is there, with its state, without asking', async () => {
  assert.deepEqual(await it.available('granted'), { state: { topic: 'secret' }, subscription: 'available', error: null });
});

test('subscribes and hears messages, direct ones too', async () => {
  it.client.subscribeToChannel('public');
  await it.available('public');
  await server.ok('POST', '/v1/channels/public/messages', { e: 'TO_ALL', d: 1 });
  assert.equal((await it.message('TO_ALL')).data, 1);
  const { tokens } = await server.ok('GET', '/v1/channels/tokens');
  const { id, state, is_online: isOnline } = tokens.find(({ subject }) => subject === 'ada');
  assert.deepEqual([state, isOnline], [{ name: 'ada' }, true]);
  await server.ok('POST', `/v1/channels/tokens/${id}/messages`, { e: 'TO_ADA', d: 2 });
  assert.equal((await it.message('TO_ADA')).data, 2);
});

test('a crash of the server loses no subscription', async () => {
  await server.kill();
  await it.disconnected();
  await server.start();
  for (const channel of ['granted', 'public']) await it.available(channel);
  await it.connected();
  await server.publish('granted', 'AFTER', 3);
  assert.equal((await it.message('AFTER')).data, 3);
});

test('a revoked subject ends the connection in the way that stops the client', async () => {
  await server.ok('POST', '/v1/projects/@this/jwt/revocations', { subject: 'ada' });
  await it.disconnected();
  const farewell = it.console.filter((line) => line.includes('disconnected unexpectedly')).at(-1);
  assert.match(farewell, /Invalid auth/);
});

test('the client never had to complain', () => {
  assert.deepEqual(complaints(it.console), []);
});
