// Warren inside of somebody else's service (examples/embed.rs), by the official clients.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Hop, HopAPIError } from '@onehop/js';
import { ROOT, startServer } from './harness.mjs';
import { complaints, connectClient } from './hop-client.mjs';

const BINARY = path.resolve(process.env.WARREN_EMBED ?? path.join(ROOT, 'target/debug/examples/embed'));
/** What the service's own login gives its users; it is no token of Warren's. */
const LOGIN = 'ptk_employee_of_the_shop';

let server;
let base;
let it;

before(async () => {
  server = await startServer({}, BINARY);
  base = `${server.base}/realtime`;
  it = await connectClient({ project: server.project, wsUrl: `${base.replace('http', 'ws')}/ws` });
  it.client.subscribeToChannel('orders');
  await it.available('orders');
});
after(async () => {
  it?.stop();
  await server?.remove();
});

test("the service's own routes publish and set the state", async () => {
  const answer = await fetch(`${server.base}/orders`, { method: 'POST', body: 'two teas' });
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'order 1');
  const { data } = await it.message('ORDER');
  assert.deepEqual(data, { number: 1, text: 'two teas' });
  await it.entry('orders', ({ state }) => state.last === 1);
});

test("the service's own login stands in front of the API", async () => {
  const hop = new Hop(LOGIN, base);
  await hop.channels.publishMessage('orders', 'CLOSED', { until: 'Monday' });
  assert.deepEqual((await it.message('CLOSED')).data, { until: 'Monday' });
  // Whoever has a real token and no login does not get past it.
  for (const token of [server.token, 'ptk_somebody_else']) {
    const refused = await fetch(`${base}/v1/channels`, { headers: { authorization: token } });
    assert.equal(refused.status, 401);
    assert.equal(await refused.text(), 'log in first');
  }
  await assert.rejects(hop.channels.get('nothing'), HopAPIError);
});

test('tokens that a handler makes get in', async () => {
  const token = await (await fetch(`${server.base}/login`, { method: 'POST' })).text();
  assert.match(token, /^leap_token_/);
  const socket = await server.open('/realtime/ws');
  await socket.identify({ project_id: server.project, token });
  assert.equal(socket.init.scope, 'token');
  await socket.close();
});

test('it ends in order, and comes back with what it had', async () => {
  const socket = await server.open('/realtime/ws');
  await socket.identify({ project_id: server.project });
  const { closed } = socket;
  assert.equal(await server.stop(), 0);
  assert.equal((await closed).code, 4010);
  assert.deepEqual(complaints(it.console), []);
  it.stop();
  await server.start();
  const answer = await fetch(`${server.base}/orders`, { method: 'POST', body: 'one more' });
  assert.equal(await answer.text(), 'order 2');
});
