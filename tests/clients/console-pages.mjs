// The console as somebody uses it: by labels, buttons and what stands there.

import { startBrowser } from './browser.mjs';
import { startServer } from './harness.mjs';

/** A server and a browser, and how the console is entered. */
export async function startConsole(env = {}) {
  const server = await startServer(env);
  const browser = await startBrowser();
  return new Desk(server, browser);
}

class Desk {
  constructor(server, browser) {
    this.server = server;
    this.browser = browser;
  }

  /** Opens the console and signs in; `place` is the address behind `#/`. */
  async signIn(place = '', { token = this.server.token, ...options } = {}) {
    const page = await this.browser.open(`${this.server.base}/console`, options);
    await page.getByLabel('Project token or admin token').fill(token);
    await page.keyboard.press('Enter');
    await page.getByRole('navigation', { name: 'Console' }).waitFor();
    if (place) await visit(page, place);
    return page;
  }

  /** For `after`. */
  async remove() {
    await this.browser?.close();
    await this.server?.remove();
  }
}

/** Goes to a place of the console. */
export const visit = (page, place) => page.evaluate((place) => { location.hash = `#/${place}`; }, place);

/** The card with a heading. */
export const card = (page, title) => page.locator('section.card').filter({ has: page.getByRole('heading', { name: title }) });

/** Answers the question that a button asked. */
export const confirm = (page, verb) => page.getByRole('dialog').getByRole('button', { name: verb, exact: true }).click();

/** Waits until a text stands somewhere. */
export const says = (page, text) => page.getByText(text).first().waitFor();
