// A browser for what a page's reader looks at.

import { startBrowser } from '../../clients/browser.mjs';

/** Runs in a browser that is closed afterwards, and whose pages may not complain. @param {(browser: import('../../clients/browser.mjs').Browser) => Promise<void>} run */
export async function inBrowser(run) {
  const browser = await startBrowser();
  // Pages of a tutorial have no icon, and browsers ask for one.
  browser.expected.push(/^404 \/favicon.ico$/);
  try {
    await run(browser);
    await browser.settle();
  } catch (error) {
    error.message += `\n--- the browser complained\n${browser.complaints.join('\n')}`;
    throw error;
  } finally {
    await browser.close();
  }
}

/** What stands in the items of a page's list. */
export const texts = (page) => page.locator('li').allTextContents();
