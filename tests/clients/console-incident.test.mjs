// An incident, found in the console by somebody who only reads what stands there: a client that takes nothing, and an
// authorizer that refuses.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { card, confirm, deskForTests, says } from './console-pages.mjs';

/** So long somebody may look for it. */
const FOUND_MS = 30_000;
/** Less than the bound on what waits for one, more than sockets hold by themselves. */
const WAITING_BYTES = 900_000;

let refuser;
let slow;

const desk = deskForTests({ WARREN_ALLOW_PRIVATE_WEBHOOKS: 'true' }, async () => {
  refuser = http.createServer((_, response) => response.writeHead(503).end()).listen(0, '127.0.0.1');
  await once(refuser, 'listening');
});
after(() => {
  slow?.terminate();
  refuser?.close();
});

/** A client that is subscribed and reads no more, until something waits for it in the desk.server. */
async function stuck(token) {
  const socket = new WebSocket(desk.server.wsUrl);
  await once(socket, 'message');
  socket.send(JSON.stringify({ op: 2, d: { project_id: desk.server.project, token } }));
  await once(socket, 'message');
  socket.pause();
  const waiting = async () => (await desk.server.ok('GET', `/v1/channels/tokens/${token}/connections`)).connections[0].queue_bytes;
  // What the system's buffers hold is unknown: more is sent until something is left over.
  while ((await waiting()) < 100_000) await desk.server.publish('feed', 'TICK', 'x'.repeat(WAITING_BYTES / 2));
  return socket;
}

test('a slow client and a refusing authorizer are found from the first page within 30 s', async () => {
  await desk.server.channel('feed', 'private');
  await desk.server.channel('vault', 'private');
  await desk.server.ok('PUT', '/v1/projects/@this/channel-authorizer', { url: `http://127.0.0.1:${refuser.address().port}/authorize` });
  const token = await desk.server.leapToken({ name: 'Slow' }, { channels: ['feed'] });
  slow = await stuck(token);
  const refused = await desk.server.connect({ token: await desk.server.leapToken() });
  await refused.subscribe('vault');

  const start = performance.now();
  const page = await desk.signIn();
  const troubles = page.getByRole('status', { name: 'Needs attention' });
  await troubles.getByText(/1 connection reads too slowly: .*KiB wait for the one from 127\.0\.0\.1/).waitFor();
  await troubles.getByText(/The channel authorizer did not grant 1 of its last 1 call; last refused: status 503/).waitFor();
  await troubles.locator('li', { hasText: 'too slowly' }).getByRole('link').click();
  const first = page.getByRole('table', { name: 'Connections' }).locator('tbody tr').first();
  await first.locator('.bad-text').waitFor();
  assert.ok(performance.now() - start < FOUND_MS);

  // And what can be done about it is there, too.
  await first.getByRole('button', { name: 'Close' }).click();
  await confirm(page, 'Close it');
  await says(page, 'The connection was closed');
  await page.getByRole('link', { name: 'Webhooks' }).click();
  await card(page, 'Channel authorizer').getByText('the answer was not 2xx').waitFor();
  refused.cut();
});
