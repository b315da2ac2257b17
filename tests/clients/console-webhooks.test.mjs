// The console's webhooks in a real browser, with an endpoint that does not always take what it is sent.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, test } from 'node:test';
import { card, confirm, deskForTests, says, visit } from './console-pages.mjs';
import { Inbox } from './inbox.mjs';

let endpoint;
let address;
/** What the endpoint answers, and what it was sent. */
let answer = { status: 200, body: '' };
const calls = new Inbox();

const desk = deskForTests({ WARREN_ALLOW_PRIVATE_WEBHOOKS: 'true' }, async () => {
  endpoint = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    calls.push({ path: request.url, headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) });
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(endpoint, 'listening');
  address = `http://127.0.0.1:${endpoint.address().port}`;
});
after(() => endpoint?.close());

const called = (event) => calls.next(({ body }) => body.event === event, event);

test('a webhook is made, its delivery is resent, its secret is new, and it goes', async () => {
  desk.browser.expected = [/^404 .*channel-authorizer$/];
  const page = await desk.signIn('webhooks');
  await page.getByRole('button', { name: 'Create webhook' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Address').fill(`${address}/hook`);
  await dialog.getByRole('button', { name: 'Create webhook' }).click();
  await says(page, 'Choose an event at least.');
  await dialog.getByLabel('channel.created').check();
  await dialog.getByRole('button', { name: 'Create webhook' }).click();
  assert.match(await dialog.locator('.secret code').innerText(), /^whsec_/);
  await dialog.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('link', { name: `${address}/hook` }).click();
  await says(page, 'Nothing was sent yet.');

  answer = { status: 500, body: '' };
  await desk.server.channel('noisy', 'public');
  const { headers } = await called('channel.created');
  const row = page.getByRole('row', { name: 'channel.created' });
  await row.getByText('500').first().waitFor();
  await row.getByText('pending').waitFor();
  answer = { status: 200, body: '' };
  await row.getByRole('button', { name: 'Resend channel.created' }).click();
  assert.equal((await called('channel.created')).headers['webhook-id'], headers['webhook-id']);
  await row.getByText('delivered').waitFor();
  await row.getByRole('button', { name: 'Body of channel.created' }).click();
  const body = page.getByRole('dialog').getByRole('group', { name: 'Body' });
  assert.match(await body.innerText(), /"event": "channel\.created"[^]*"id": "noisy"/);
  await page.getByRole('button', { name: 'Close' }).click();

  await page.getByRole('button', { name: 'Test call' }).click();
  await called('webhook.test');
  await says(page, /It was taken, status 200/);
  await page.getByRole('button', { name: 'New secret' }).click();
  await confirm(page, 'Make a new secret');
  await says(page, 'The new secret.');
  await page.getByLabel('channel.deleted').check();
  await page.getByRole('button', { name: 'Save' }).click();
  await says(page, 'Saved');
  await page.getByRole('button', { name: 'Delete webhook' }).click();
  await confirm(page, 'Delete webhook');
  await says(page, 'No webhook yet.');
});

test('a channel authorizer is set and tested, and its answers are shown', async () => {
  desk.browser.expected = [/^404 .*channel-authorizer$/];
  await desk.server.channel('vault', 'private');
  const page = await desk.signIn('webhooks');
  const authorizer = card(page, 'Channel authorizer');
  await authorizer.getByLabel('Address').fill(`${address}/authorize`);
  await authorizer.getByRole('button', { name: 'Set' }).click();
  await says(page, 'It is shown only now.');
  answer = { status: 200, body: '{"granted": true}' };
  await authorizer.getByRole('button', { name: 'Test call' }).click();
  await says(page, /would grant/);
  answer = { status: 500, body: 'no' };
  const socket = await desk.server.connect({ token: await desk.server.leapToken() });
  await socket.subscribe('vault').catch(() => {});
  await authorizer.getByRole('row', { name: 'refused' }).getByText('500').waitFor();
  // It is found from the first page, too.
  await visit(page, 'overview');
  await says(page, /The channel authorizer did not grant 1 of its last 1 call; last refused: status 500/);
  await page.getByRole('link', { name: 'Look' }).click();
  await authorizer.getByRole('button', { name: 'Remove' }).click();
  await confirm(page, 'Remove');
  await authorizer.getByLabel('Address').waitFor();
  socket.close();
});
