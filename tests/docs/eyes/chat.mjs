// What the reader of `docs/tutorials/chat.md` does in two windows.

import assert from 'node:assert/strict';
import { inBrowser, texts } from './browser.mjs';

export const look = (world) => inBrowser(async (browser) => {
  const address = world.here('http://127.0.0.1:3000');
  const enter = async (name) => {
    const page = await browser.open(address);
    await page.getByLabel('Your name').fill(name);
    await page.getByRole('button', { name: 'Come in' }).click();
    return page;
  };
  const say = async (page, text) => {
    await page.getByLabel('Say').fill(text);
    await page.keyboard.press('Enter');
  };
  const [anna, ben] = [await enter('Anna'), await enter('Ben')];
  // What the house has said on the page was kept: both see it, and then each other.
  for (const page of [anna, ben]) await page.getByText('The house: Tea is ready').waitFor();
  await say(anna, 'Hello <b>Ben</b>');
  await ben.getByText('Anna: Hello <b>Ben</b>').waitFor();
  await say(ben, 'Hello Anna');
  await anna.getByText('Ben: Hello Anna').waitFor();
  assert.deepEqual(await texts(anna), await texts(ben));
  // Who comes back sees what was said meanwhile.
  await ben.context().close();
  await say(anna, 'Where is Ben?');
  await anna.getByText('Where is Ben?').waitFor();
  const again = await enter('Ben');
  await again.getByText('Anna: Where is Ben?').waitFor();
  assert.deepEqual(await texts(again), await texts(anna));
});
