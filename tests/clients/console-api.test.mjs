// The API's reference in the console: what the documents tell, readable, with an address for each operation.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { says, startConsole, visit } from './console-pages.mjs';

let desk;
let server;

before(async () => {
  desk = await startConsole();
  server = desk.server;
});
afterEach(() => desk?.browser.settle());
after(() => desk?.remove());

const read = async (name) => (await fetch(`${server.base}/${name}`)).json();

test('every operation of both documents is there, and opens', async () => {
  const page = await desk.signIn('api');
  const { paths } = await read('openapi.json');
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  await page.locator(`#http-${ids[0]}`).waitFor();
  for (const id of ids) assert.equal(await page.locator(`#http-${id}`).count(), 1, id);
  for (const id of ['createChannel', 'patchState', 'inspect', 'openSocket']) {
    await page.locator(`#http-${id} summary`).click();
    await page.locator(`#http-${id}`).getByRole('heading', { name: 'Answers' }).waitFor();
  }
  await visit(page, 'api/socket');
  const { operations } = await read('asyncapi.json');
  await page.locator('#socket-receiveIdentify').waitFor();
  for (const id of Object.keys(operations)) assert.equal(await page.locator(`#socket-${id}`).count(), 1, id);
  for (const text of ['4009', 'The client takes too little of what waits for it.', 'token_state']) await says(page, text);
});

test('an operation has an address, which opens it; its curl line works as it is copied', async () => {
  const page = await desk.signIn('api/http/createChannel');
  const details = page.locator('#http-createChannel');
  await details.getByRole('heading', { name: 'Answers' }).waitFor();
  await details.getByText('project token with create_channel').waitFor();
  const line = await details.locator('.curl code').innerText();
  const env = { ...process.env, WARREN_TOKEN: server.token };
  const ran = spawnSync('sh', ['-c', `${line} -s`], { env, encoding: 'utf8' });
  assert.equal(JSON.parse(ran.stdout).success, true, `${line}\n${ran.stdout}${ran.stderr}`);
  assert.ok(!line.includes(server.token), line);
  await visit(page, 'api/http/getState');
  await page.locator('#http-getState').getByRole('heading', { name: 'Answers' }).waitFor();
});

test('operations are found by what they do, and the keyboard alone opens one', async () => {
  const page = await desk.signIn('api');
  await page.getByLabel('Find an operation').fill('admin token');
  await page.locator('#http-createAdminToken').waitFor();
  assert.equal(await page.locator('#http-createChannel').count(), 0);
  await page.getByLabel('Find an operation').fill('nothing of that name');
  await says(page, 'No such operation.');
  await page.getByLabel('Find an operation').fill('createAdminToken');
  await page.locator('#http-createAdminToken').waitFor();
  await page.getByLabel('Find an operation').press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('#http-createAdminToken').getByRole('heading', { name: 'Answers' }).waitFor();
});
