// What the reader of `docs/tutorials/poll.md` does in several windows.

import { inBrowser } from './browser.mjs';

export const look = (world) => inBrowser(async (browser) => {
  const address = world.here('http://127.0.0.1:3000');
  const pages = [await browser.open(address), await browser.open(address)];
  for (const page of pages) await page.getByRole('heading', { name: 'Green tea or black?' }).waitFor();
  const count = (page, choice, votes) => page.locator('p', { hasText: choice }).getByText(String(votes), { exact: true }).waitFor();
  // Both vote at once, again and again: no vote is lost.
  const vote = async (page) => {
    for (let n = 0; n < 5; n += 1) await page.getByRole('button', { name: 'tea' }).click();
  };
  await Promise.all(pages.map(vote));
  for (const page of pages) await count(page, 'tea', 10);
  await pages[0].getByRole('button', { name: 'coffee' }).click();
  await count(pages[1], 'coffee', 1);
});
