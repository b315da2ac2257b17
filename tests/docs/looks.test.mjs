// The book as the server serves it: every chapter is there, by axe's rules and without a complaint, narrow and wide, light and dark. The
// pictures are in target/docs, to be looked at.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { overflow, startBrowser } from '../clients/browser.mjs';
import { startServer } from '../clients/harness.mjs';
import { read, ROOT } from './markdown.mjs';

const AXE = createRequire(new URL('../clients/package.json', import.meta.url)).resolve('axe-core/axe.min.js');
const WINDOWS = [
  ['light', { colorScheme: 'light', viewport: { width: 1280, height: 860 } }],
  ['dark', { colorScheme: 'dark', viewport: { width: 1280, height: 860 } }],
  ['narrow', { colorScheme: 'light', viewport: { width: 360, height: 740 } }],
];

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
  await mkdir(path.join(ROOT, 'target/docs'), { recursive: true });
});
afterEach(() => browser?.settle());
after(async () => {
  await browser?.close();
  await server?.remove();
});

/** What axe finds that is serious. */
async function findings(page) {
  await page.evaluate(await readFile(AXE, 'utf8'));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
}

const look = async (page) => {
  assert.deepEqual(await findings(page), []);
  assert.equal(await overflow(page), 0);
};

for (const name of ['', '/errors', '/start', '/tutorials/chat', '/protocol', '/compare', '/transcripts']) {
  test(`docs${name}: no serious finding, nothing sideways, in light, dark and at 360 px`, async () => {
    for (const [how, options] of WINDOWS) {
      const page = await browser.open(`${server.base}/docs${name}`, options);
      await page.screenshot({ path: path.join(ROOT, `target/docs/${name.replaceAll('/', '_') || '_contents'}-${how}.png`), animations: 'disabled' });
      await look(page);
    }
  });
}

test('every chapter is there, one after the other by the links at its end, and each is named', async () => {
  const page = await browser.open(`${server.base}/docs`, WINDOWS[2][1]);
  const titles = new Set([await page.title()]);
  const next = page.locator('.onward [rel="next"]');
  while (await next.count()) {
    await next.click();
    await page.waitForLoadState();
    titles.add(await page.title());
    assert.equal(await page.locator('h1').count(), 1, page.url());
    assert.equal(await page.locator('.side [aria-current="page"]').count(), 1, page.url());
    await look(page);
  }
  const chapters = read('docs/README.md').links.filter(({ target }) => target.endsWith('.md')).map(({ target }) => target);
  assert.equal(titles.size, new Set(chapters).size + 1);
});

test('it is read by keyboard: past the bar to the text, and on to the next chapter', async () => {
  const page = await browser.open(`${server.base}/docs/start`);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.locator('.onward [rel="next"]').focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(`${server.base}/docs/concepts`);
});

test('the way there: from the quick-start page and from the console', async () => {
  const page = await browser.open(`${server.base}/`);
  await page.getByRole('link', { name: 'Docs' }).click();
  await page.waitForURL(`${server.base}/docs`);
  await page.goto(`${server.base}/console`);
  await page.getByRole('link', { name: 'Documentation' }).click();
  await page.waitForURL(`${server.base}/docs`);
});

test('the theme that was chosen in the console counts here', async () => {
  const page = await browser.open(`${server.base}/docs`, { colorScheme: 'light' });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.evaluate(() => localStorage.setItem('warren-theme', 'dark'));
  await page.reload();
  assert.notEqual(await background(), light);
});
