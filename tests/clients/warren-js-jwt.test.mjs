// Warren's own client with JSON Web Tokens: one that expires, and one that is followed by a newer one.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startServer } from './harness.mjs';
import { SECRET, sign } from './jwt.mjs';
import { connect, FAST, jwt, recorded } from './warren-client.mjs';

let server;
let client;

before(async () => {
  server = await startServer();
  await server.ok('POST', '/v1/projects/@this/jwt/keys', { algorithm: 'HS256', secret: SECRET });
  await server.channel('room', 'unprotected', { capabilities: ['HISTORY'] });
});
afterEach(() => client?.close());
after(() => server?.remove());

/** A client with what gives its tokens, and the numbers that it hears in `room`. */
async function start(token) {
  client = connect({ ...FAST, url: server.base, project: server.project, token });
  const room = client.subscribe('room');
  const heard = recorded(room, 'message', 'gap');
  await room.ready;
  return heard;
}

test('a token that expires is followed by the next one, and nothing is missed', async () => {
  let asked = 0;
  const heard = await start(() => sign({ sub: 'ada' }, (asked += 1) === 1 ? 2 : 600));
  const back = recorded(client, 'init');
  await server.publish('room', 'NUMBER', 1);
  const waiting = recorded(client, 'status');
  const { error } = await waiting.next(({ status }) => status === 'waiting', 'the end of the token', 10_000);
  assert.equal(error.closeCode, 4011);
  await server.publish('room', 'NUMBER', 2);
  await back.next(() => true, 'the next connection');
  await server.publish('room', 'NUMBER', 3);
  await heard.next(({ data }) => data === 3, 'the last message');
  assert.deepEqual(heard.all.map(({ name, data }) => data ?? name), [1, 2, 3]);
  assert.equal(asked, 2);
});

test('a newer token keeps the connection', async () => {
  const heard = await start(sign({ sub: 'ada' }, 3));
  const inits = recorded(client, 'init');
  await assert.rejects(jwt.refresh(client, sign({ sub: 'bob' })), { code: 'invalid_token' });
  await jwt.refresh(client, sign({ sub: 'ada' }, 600));
  // Another client's token of the same age says when the old one has ended.
  const clock = connect({ ...FAST, url: server.base, project: server.project, token: sign({ sub: 'clock' }, 3) });
  await recorded(clock, 'status').next(({ status }) => status === 'waiting', 'its end', 10_000);
  clock.close();
  await server.publish('room', 'NUMBER', 4);
  await heard.next(({ data }) => data === 4, 'a message');
  assert.deepEqual([client.status, inits.all.length], ['connected', 0]);
});
