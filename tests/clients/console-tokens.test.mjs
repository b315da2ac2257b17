// The console's tokens, connections, project tokens, settings and projects in a real browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOSTILE } from './browser.mjs';
import { card, confirm, deskForTests, says, visit } from './console-pages.mjs';


const desk = deskForTests();

test('a token is made with its channels, told something, and deleted', async () => {
  await desk.server.channel('lobby', 'private');
  const page = await desk.signIn('tokens');
  await page.getByRole('button', { name: 'Create token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('State', { exact: true }).fill(JSON.stringify({ name: HOSTILE }));
  await dialog.getByLabel('Default channels').fill('lobby\n');
  await dialog.getByLabel('Expires').fill('2100-01-01T00:00');
  await dialog.getByRole('button', { name: 'Create token' }).click();
  const token = await dialog.locator('code').innerText();
  assert.match(token, /^leap_token_/);
  await dialog.getByRole('link', { name: 'Open it' }).click();
  await says(page, 'offline');
  await card(page, 'Subscriptions').getByRole('link', { name: 'lobby' }).waitFor();
  assert.ok(!page.url().includes('leap_token_'), page.url());

  const socket = await desk.server.connect({ token });
  await page.locator('.badges').getByText('online').waitFor();
  await page.getByLabel('Event').fill('PING');
  await page.getByLabel('Data').fill('{"to": "you"}');
  await page.getByRole('button', { name: 'Send' }).click();
  assert.deepEqual(await socket.message('PING'), { e: 'PING', d: { to: 'you' } });

  const state = page.getByRole('textbox', { name: 'State' });
  assert.ok((await state.inputValue()).includes('onerror'));
  await state.fill('{"name": "Anna", "big": 12345678901234567890}');
  await card(page, 'State').getByRole('button', { name: 'Save' }).click();
  await says(page, 'Saved');
  assert.match((await desk.server.api('GET', `/v1/channels/tokens/${token}`)).text, /12345678901234567890/);

  await card(page, 'Subscriptions').getByRole('button', { name: 'Unsubscribe' }).click();
  await confirm(page, 'Unsubscribe');
  await says(page, 'It is subscribed to nothing.');
  await page.getByRole('button', { name: 'Delete token' }).click();
  await confirm(page, 'Delete token');
  assert.equal((await socket.closing()).code, 4001);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

test('a direct message may wait, and what has become of it is shown', async () => {
  const token = await desk.server.leapToken();
  const page = await desk.signIn('tokens');
  await page.getByRole('row').filter({ hasText: token.slice(-6) }).getByRole('link').first().click();
  await page.getByLabel('Event').fill('LATER');
  await page.getByLabel('Wait, seconds').fill('3600');
  await page.getByRole('button', { name: 'Send' }).click();
  const row = page.getByRole('table', { name: 'Sent messages that wait' }).getByRole('row').filter({ hasText: 'LATER' });
  await row.getByText('queued').waitFor();
  const socket = await desk.server.connect({ token });
  assert.deepEqual(await socket.message('LATER'), { e: 'LATER', d: {} });
  await row.getByText('delivered').waitFor();
  socket.close();
});

test('the address of a token is of use in its own tab only', async () => {
  const page = await desk.signIn('tokens/t99');
  await says(page, 'stands for a token in another tab only');
});

test('a connection is found by its address and closed', async () => {
  await desk.server.channel('hall', 'unprotected');
  const token = await desk.server.leapToken();
  const socket = await desk.server.connect({ token });
  const guest = await desk.server.connect();
  await guest.subscribe('hall');
  const page = await desk.signIn('connections');
  await says(page, '2 connections');
  await says(page, 'no leap token');
  await page.getByLabel('Filter connections').fill(token);
  await page.getByRole('table', { name: 'Connections' }).getByRole('button', { name: 'Close' }).click();
  await confirm(page, 'Close it');
  assert.equal((await socket.closing()).code, 4000);
  guest.close();
});

test('hostile states, members and clients are shown as text wherever tokens and connections are', async () => {
  const room = HOSTILE.replaceAll('/', '').replaceAll('?', '');
  await desk.server.channel(room, 'private', { capabilities: ['PRESENCE'] });
  const token = await desk.server.leapToken({ name: HOSTILE, public: { name: HOSTILE } }, { channels: [room] });
  const socket = await desk.server.open('/ws', { headers: { 'user-agent': HOSTILE } });
  await socket.identify({ project_id: desk.server.project, token });
  const page = await desk.signIn('tokens');
  const isText = async (place) => {
    await page.locator('main').getByText('onerror').first().waitFor();
    assert.equal(await page.locator('main img, main script').count(), 0, place);
    assert.equal(await page.evaluate(() => window.hacked), undefined, place);
  };
  await isText('tokens');
  await page.getByRole('row').filter({ hasText: token.slice(-6) }).getByRole('link').first().click();
  await card(page, 'Connections').getByText('onerror').first().waitFor();
  await isText('a token');
  for (const place of ['channels', 'connections', `channels/${encodeURIComponent(room)}/people`]) {
    await visit(page, place);
    if (place === 'connections') await page.locator('td').getByText('window.hacked').first().waitFor();
    if (place.endsWith('people')) await card(page, 'Members').locator('pre', { hasText: 'onerror' }).waitFor();
    await isText(place);
  }
  socket.close();
});

test('a project token is made with its flags, and can do just that', async () => {
  const page = await desk.signIn('project-tokens');
  await page.getByRole('button', { name: 'Create project token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('read_channels').check();
  await dialog.getByRole('button', { name: 'Create project token' }).click();
  await says(page, 'It is shown only now.');
  const made = await dialog.locator('.secret code').innerText();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await says(page, '1 of 18');

  desk.browser.expected = [/^403 /];
  const other = await desk.signIn('tokens', { token: made });
  await says(other, 'This token lacks the permission read_leap_tokens.');
  await visit(other, 'channels');
  await other.getByRole('link', { name: 'hello' }).waitFor();

  const row = page.getByRole('row').filter({ hasText: '1 of 18' });
  await row.getByRole('button', { name: 'Delete' }).click();
  await confirm(page, 'Delete');
  await says(page, 'The project token was deleted');
  assert.equal((await desk.server.api('GET', '/v1/channels', undefined, { authorization: made })).status, 401);
});

test('an admin token chooses among projects, renames them, and makes admin tokens', async () => {
  desk.browser.expected = [/^404 .*(channel-authorizer|metrics)$/];
  const { project } = await desk.server.ok('POST', '/v1/projects', { name: HOSTILE }, { authorization: desk.server.adminToken });
  const page = await desk.browser.open(`${desk.server.base}/console`);
  await page.getByLabel('Project token or admin token').fill(desk.server.adminToken);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: HOSTILE }).click();
  await page.getByRole('navigation', { name: 'Console' }).waitFor();
  await visit(page, 'settings');
  await says(page, project.id);
  await page.getByLabel('Find a setting').fill('state-bytes');
  await page.getByRole('row', { name: 'limits.state-bytes' }).waitFor();
  assert.equal(await page.getByRole('row', { name: 'admin-token' }).count(), 0);
  await page.getByLabel('Another name').fill('Second');
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.locator('header').getByText('Second').waitFor();
  await page.getByLabel('Name', { exact: true }).fill('Ops');
  await page.getByRole('button', { name: 'Create admin token' }).click();
  await says(page, 'It is shown only now.');
  await page.getByRole('row', { name: 'Ops' }).getByRole('button', { name: 'Delete' }).click();
  await confirm(page, 'Delete');
  await says(page, 'The admin token was deleted');
  // What is made now belongs to the project that was chosen.
  await visit(page, 'channels');
  await page.getByRole('button', { name: 'Create channel' }).click();
  await page.getByRole('dialog').getByLabel('Id').fill('elsewhere');
  await page.getByRole('dialog').getByRole('button', { name: 'Create channel' }).click();
  await page.getByRole('heading', { name: 'elsewhere' }).waitFor();
  assert.equal((await desk.server.api('GET', '/v1/channels/elsewhere')).status, 404);

  await page.getByRole('button', { name: 'Projects' }).click();
  await page.getByRole('row', { name: 'Second' }).getByRole('button', { name: 'Delete' }).click();
  await confirm(page, 'Delete the project');
  await page.getByRole('row', { name: 'Second' }).waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

test('everything is within reach of the keyboard', async () => {
  const page = await desk.signIn('channels');
  await page.getByRole('heading', { name: 'Channels', exact: true }).waitFor();
  await page.getByRole('link', { name: 'Skip to content' }).focus();
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.keyboard.press('Tab');
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  assert.equal(await focused(), 'Create channel');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), 'id');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await focused(), 'Create channel');
});

test('who goes on before the page has settled arrives', async () => {
  const page = await desk.signIn();
  await page.addInitScript(() => {
    // At the very moment when the navigation is there, before anything else has had a turn.
    new MutationObserver((_, observer) => {
      if (!document.querySelector('nav[aria-label="Console"]')) return;
      observer.disconnect();
      location.hash = '#/tokens';
    }).observe(document, { childList: true, subtree: true });
  });
  await page.reload();
  await page.getByRole('heading', { name: 'Tokens', exact: true }).waitFor({ timeout: 10_000 });
});
