// The console as somebody uses it: by labels, buttons and what stands there.

import { after, afterEach, before } from 'node:test';
import { startBrowser } from './browser.mjs';
import { startServer } from './harness.mjs';

/**
 * The server and the browser of a test file: there before its first test and gone behind its last, and no page may have
 * complained in between.
 * @param {Record<string, string>} [env] the server's
 * @param {() => Promise<void>} [furnish] is called once they are there
 */
export function deskForTests(env = {}, furnish = async () => {}) {
  const desk = new Desk();
  before(async () => {
    await desk.start(env);
    await furnish();
  });
  afterEach(() => desk.browser?.settle());
  after(() => desk.remove());
  return desk;
}

/** The same for who starts and removes it by hand. */
export async function startConsole(env = {}) {
  const desk = new Desk();
  await desk.start(env);
  return desk;
}

class Desk {
  server = null;
  browser = null;

  async start(env) {
    this.server = await startServer(env);
    this.browser = await startBrowser();
  }

  async remove() {
    await this.browser?.close();
    await this.server?.remove();
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
}

/** Goes to a place of the console. */
export const visit = (page, place) => page.evaluate((place) => { location.hash = `#/${place}`; }, place);

/** The card with a heading. */
export const card = (page, title) => page.locator('section.card').filter({ has: page.getByRole('heading', { name: title }) });

/** Answers the question that a button asked. */
export const confirm = (page, verb) => page.getByRole('dialog').getByRole('button', { name: verb, exact: true }).click();

/** Waits until a text stands somewhere. */
export const says = (page, text) => page.getByText(text).first().waitFor();
