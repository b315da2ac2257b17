// Every page of the console with something on it: narrow and wide, light and dark, by axe's rules and without a complaint.
// The pictures are in target/console, to be looked at.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, test } from 'node:test';
import { overflow } from './browser.mjs';
import { deskForTests, visit } from './console-pages.mjs';
import { ROOT } from './harness.mjs';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const LONG = 'a-channel-with-a-name-that-goes-on-and-on-and-would-not-fit-into-any-column-of-a-narrow-screen';

let token;
let webhook;
/** The token of a project in which there is nothing. */
let other;
const sockets = [];

/** A project in which something happens. */
async function furnish() {
  await desk.server.channel('room', 'public', { capabilities: ['PRESENCE', 'HISTORY', 'STATE_HISTORY', 'CLIENT_PUBLISH'], state: { topic: 'Tea', open: true } });
  await desk.server.channel(LONG, 'private', { state: { [LONG]: LONG } });
  for (let n = 1; n <= 30; n += 1) await desk.server.channel(`table-${n}`, ['private', 'public', 'unprotected'][n % 3], { capabilities: n % 4 });
  for (const topic of ['Coffee', 'Cocoa', 'Water']) await desk.server.ok('PATCH', '/v1/channels/room/state', { topic, seats: { free: topic.length, taken: ['Anna', 'Ben'] } });
  for (const [event, data] of [['GREETING', { text: 'Hello, Warren', from: 'Anna' }], ['ORDER', { item: 'tea', n: 2 }], ['LONG', 'x'.repeat(600)], ['BILL', 12.5]]) await desk.server.publish('room', event, data);
  token = await desk.server.leapToken({ name: 'Anna', public: { name: 'Anna', mood: 'curious' } }, { channels: ['room', LONG] });
  for (let n = 1; n <= 5; n += 1) await desk.server.leapToken({ name: `Guest ${n}` }, n === 3 ? { expires_at: '2020-01-01T00:00:00Z' } : { channels: ['room'] });
  for (const identify of [{ token }, { token }, {}]) sockets.push(await desk.server.connect(identify));
  await sockets[2].subscribe('hello');
  ({ webhook } = await desk.server.ok('POST', '/v1/projects/@this/webhooks', { webhook_url: 'http://127.0.0.1:9/hooks', events: ['channel.created', 'channel.subscribed', 'token.created'] }));
  await desk.server.ok('PUT', '/v1/projects/@this/channel-authorizer', { url: 'http://127.0.0.1:9/authorize' });
  await sockets[0].subscribe('table-3');
  await desk.server.channel('fresh', 'private');
  await desk.server.ok('POST', '/v1/projects/@this/tokens', { permissions: ['MANAGE_CHANNELS'] });
  ({ project_token: { token: other } } = await desk.server.ok('POST', '/v1/projects', { name: 'A shop with a rather long name, which is new and has nothing yet' }, { authorization: desk.server.adminToken }));
}

/** Signs in as the operator, into the project in which something happens. */
async function signInAsAdmin(options) {
  return enterAsAdmin(await desk.browser.open(`${desk.server.base}/console`, options));
}

async function enterAsAdmin(page) {
  await page.getByLabel('Project token or admin token').fill(desk.server.adminToken);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Default' }).click();
  await page.getByRole('navigation', { name: 'Console' }).waitFor();
  return page;
}

// Nobody sends heartbeats here, however long it takes.
const desk = deskForTests({ WARREN_RECORDER_BYTES: '8388608', WARREN_HEARTBEAT_TIMEOUT: '3600' }, furnish);
after(() => sockets.forEach((socket) => socket.cut()));

const ready = (page, text) => page.getByText(text).first().waitFor();

/** Name of the picture, place, and what stands there once it is loaded. */
const PLACES = [
  ['overview', 'overview', async (page) => {
    await ready(page, 'The channel authorizer did not grant');
    await page.locator('.number', { hasText: 'Connections' }).getByText('3').waitFor();
    await page.locator('.u-over').waitFor();
  }],
  ['channels', 'channels', (page) => ready(page, 'Page 1 of 2')],
  ['channel-create', 'channels', async (page) => {
    await page.getByRole('button', { name: 'Create channel' }).click();
    await page.getByRole('dialog').waitFor();
  }],
  ['channel-state', 'channels/room/state', async (page) => {
    await ready(page, 'In force');
    const field = page.getByRole('textbox', { name: 'State' });
    await field.fill((await field.inputValue()).replace('"Water"', '"Wine"').replace('true', 'false'));
  }],
  ['channel-versions', 'channels/room/versions', async (page) => {
    await page.getByRole('heading', { name: /^Version / }).waitFor();
    await page.getByRole('button', { name: 'One version back' }).click();
    await ready(page, 'What it changed');
  }],
  ['channel-messages', 'channels/room/messages', async (page) => {
    await page.locator('summary', { hasText: 'GREETING' }).click();
  }],
  ['channel-people', 'channels/room/people', (page) => ready(page, /Members \(1\)/)],
  ['channel-settings', 'channels/room/settings', (page) => ready(page, 'Delete the channel')],
  ['tokens', 'tokens', (page) => ready(page, '6 leap tokens')],
  ['token-create', 'tokens', (page) => page.getByRole('button', { name: 'Create token' }).click()],
  ['token', 'tokens', async (page) => {
    await page.getByRole('row', { name: 'Anna' }).getByRole('link').click();
    await ready(page, 'permanent');
  }],
  ['connections', 'connections', (page) => ready(page, '3 connections')],
  ['inspector', 'inspector', async (page) => {
    await page.locator('main').getByText('Live', { exact: true }).waitFor();
    await desk.server.publish('room', 'GREETING', { text: 'Hello, Warren', from: 'Anna' });
    await page.locator('.lines summary', { hasText: 'GREETING' }).first().click();
    await page.getByRole('button', { name: 'Into the publish form' }).waitFor();
  }],
  ['inspector-republish', 'inspector', async (page) => {
    await page.locator('main').getByText('Live', { exact: true }).waitFor();
    await desk.server.publish('room', 'ORDER', { item: 'tea', n: 2 });
    await page.locator('.lines summary', { hasText: 'ORDER' }).first().click();
    await page.getByRole('button', { name: 'Into the publish form' }).click();
    await page.getByRole('dialog').waitFor();
  }],
  ['webhooks', 'webhooks', (page) => page.getByRole('row', { name: 'failed' }).waitFor()],
  ['webhook', () => `webhooks/${webhook.id}`, (page) => page.getByRole('row', { name: 'channel.created' }).waitFor()],
  ['project-tokens', 'project-tokens', (page) => ready(page, '10 of 18')],
  ['project-token-create', 'project-tokens', (page) => page.getByRole('button', { name: 'Create project token' }).click()],
  ['api', 'api', (page) => ready(page, '/v1/channels/{channel}')],
  ['api-operation', 'api/http/patchState', (page) => page.locator('#http-patchState').getByRole('heading', { name: 'Answers' }).waitFor()],
  ['api-socket', 'api/socket/receiveSubscribe', (page) => ready(page, 'May be answered with')],
  ['settings', 'settings', (page) => ready(page, 'Takes requests')],
];

/** Where nothing is yet: what stands there instead. */
const EMPTY_PLACES = [
  ['overview', '', (page) => page.locator('.number', { hasText: 'Connections' }).getByText('0').waitFor()],
  ['channels', 'No channel yet'],
  ['tokens', 'No token yet'],
  ['connections', 'Nobody is connected.'],
  ['inspector', 'Nothing has happened yet.'],
  ['webhooks', 'No webhook yet.'],
  ['nowhere', 'There is no such page.'],
];

/** What only the operator has. */
const ADMIN_PLACES = [
  ['overview', (page) => page.locator('.u-over').nth(4).waitFor()],
  ['settings', (page) => page.getByRole('row', { name: 'limits.state-bytes' }).waitFor()],
];

/** What axe finds that is serious. */
async function findings(page) {
  // As a function of the browser's own, because the page's policy lets no other script in.
  await page.evaluate(await readFile(AXE, 'utf8'));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
}

const WINDOWS = [
  ['light', { colorScheme: 'light', viewport: { width: 1280, height: 860 } }],
  ['dark', { colorScheme: 'dark', viewport: { width: 1280, height: 860 } }],
  ['narrow', { colorScheme: 'light', viewport: { width: 360, height: 740 } }],
];

/** Looks at one page in all windows. @param {string} name of the pictures @param {(options: any) => Promise<any>} open */
async function inspect(name, open) {
  for (const [look, options] of WINDOWS) {
    const page = await open(options);
    await page.screenshot({ path: path.join(ROOT, `target/console/${name}-${look}.png`), fullPage: true, animations: 'disabled' });
    assert.deepEqual(await findings(page), [], look);
    assert.equal(await overflow(page), 0, look);
    await page.context().close();
  }
}

for (const [name, place, isThere] of PLACES) {
  test(`${name}: no serious finding, nothing sideways, in light, dark and at 360 px`, () => inspect(name, async (options) => {
    const page = await desk.signIn(typeof place === 'function' ? place() : place, options);
    await isThere(page);
    return page;
  }));
}

for (const [place, text, isThere] of EMPTY_PLACES) {
  test(`${place} with nothing in it: the same`, () => inspect(`empty-${place}`, async (options) => {
    const page = await desk.signIn(place, { token: other, ...options });
    await (isThere ? isThere(page) : ready(page, text));
    return page;
  }));
}

for (const [place, isThere] of ADMIN_PLACES) {
  test(`${place} for an admin: the same`, () => inspect(`admin-${place}`, async (options) => {
    const page = await signInAsAdmin(options);
    await visit(page, place);
    await isThere(page);
    return page;
  }));
}

test('the way in: no serious finding, nothing sideways, in light, dark and at 360 px', () => inspect('sign-in', async (options) => {
  const page = await desk.browser.open(`${desk.server.base}/console`, options);
  await page.getByLabel('Project token or admin token').waitFor();
  return page;
}));

test('all projects: the same', () => inspect('projects', async (options) => {
  const page = await desk.browser.open(`${desk.server.base}/console`, options);
  await page.getByLabel('Project token or admin token').fill(desk.server.adminToken);
  await page.keyboard.press('Enter');
  await ready(page, 'All projects');
  await page.getByRole('row', { name: 'Default' }).waitFor();
  return page;
}));

test('the quick-start page: the same', () => inspect('quick-start', async (options) => {
  const page = await desk.browser.open(`${desk.server.base}/#project=${desk.server.project}&channel=hello`, options);
  await page.waitForSelector('#status[data-status="connected"]');
  for (const [event, data] of [['GREETING', { text: 'Hello, Warren', from: 'Anna' }], ['ORDER', { item: 'tea', n: 2 }], ['LONG', 'x'.repeat(600)]]) await desk.server.publish('hello', event, data);
  await page.waitForFunction(() => document.querySelectorAll('.message').length === 3);
  return page;
}));

test('the theme that is chosen by hand stays, on both pages', async () => {
  const page = await desk.signIn('', { colorScheme: 'light' });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.getByRole('button', { name: 'Switch to dark colours' }).click();
  assert.notEqual(await background(), light);
  const dark = await background();
  await page.reload();
  assert.equal(await background(), dark);
  await page.goto(`${desk.server.base}/`);
  assert.equal(await background(), dark);
});

test('nothing is asked of anybody else, and every part is of the server', async () => {
  const page = await desk.browser.open('about:blank');
  const asked = new Set();
  page.on('request', (request) => asked.add(new URL(request.url()).origin));
  await page.goto(`${desk.server.base}/console`);
  await enterAsAdmin(page);
  for (const place of ['overview', 'channels', 'tokens', 'connections', 'inspector', 'webhooks', 'project-tokens', 'api', 'settings']) {
    await visit(page, place);
    await page.locator(`.side a[href="#/${place}"][aria-current]`).waitFor();
  }
  assert.deepEqual([...asked], [desk.server.base]);
});
