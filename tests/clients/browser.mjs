// A real browser, and everything that its pages complain about.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { TIMEOUT_MS } from './inbox.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const PAGES = { '/': 'index.html', '/console': 'console.html' };
const TYPES = { '.css': 'text/css', '.html': 'text/html', '.js': 'text/javascript', '.svg': 'image/svg+xml', '.txt': 'text/plain' };
/** The pages' files are taken from this folder instead of the server, to look at changes that are in no binary yet. */
const STATIC = process.env.WARREN_STATIC;
/** To the browser such files come from nowhere, and what does may not call this machine. */
const OTHER_ORIGIN = '--disable-features=LocalNetworkAccessChecks';

/** The server's answer with the folder's file in it, so that its policy counts all the same. */
async function fromFolder(route) {
  const { pathname } = new URL(route.request().url());
  const file = path.join(STATIC, PAGES[pathname] ?? pathname.slice('/static/'.length));
  // Warren's client lies elsewhere.
  if (!existsSync(file)) return route.continue();
  // None where the page was closed meanwhile.
  const response = await route.fetch().catch(() => null);
  return response && route.fulfill({ response, status: 200, contentType: TYPES[path.extname(file)], path: file });
}

/** What runs where it must not. */
export const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';

/** @returns {Promise<Browser>} */
export async function startBrowser() {
  assert.ok(existsSync(CHROMIUM), `no browser at ${CHROMIUM}: install Chromium or set CHROMIUM`);
  return new Browser(await chromium.launch({ executablePath: CHROMIUM, headless: true, args: STATIC ? [...FLAGS, OTHER_ORIGIN] : FLAGS }));
}

/** Answers that are no fault of anybody: a project need not have an authorizer. */
const NORMAL = [/^404 \S*\/channel-authorizer$/];

export class Browser {
  /** Script errors, CSP violations, dialogs, answers that nobody expects. */
  complaints = [];
  /** Set while the server is down on purpose: the browser logs each refused connection itself. */
  isDown = false;
  /** Answers of 400 and more that belong to a test, as `status path`. @type {RegExp[]} */
  expected = [...NORMAL];
  #browser;

  constructor(browser) {
    this.#browser = browser;
  }

  /** A page in a context of its own, which begins at an address. */
  async open(url, options = {}) {
    const context = await this.#browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
    context.setDefaultTimeout(TIMEOUT_MS);
    if (STATIC) await context.route(({ pathname }) => pathname in PAGES || pathname.startsWith('/static/'), fromFolder);
    return this.tab(context, url);
  }

  /** Another tab of a context. */
  async tab(context, url) {
    const page = await context.newPage();
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('console', (line) => {
      // An answer of 400 and more is in the log too; which one it was, only the answer itself tells.
      const isAnswer = line.text().startsWith('Failed to load resource: the server responded');
      if (['error', 'warning'].includes(line.type()) && !this.isDown && !isAnswer) this.complaints.push(line.text());
    });
    page.on('response', (answer) => {
      const said = `${answer.status()} ${new URL(answer.url()).pathname}`;
      if (answer.status() >= 400 && !this.isDown && !this.expected.some((one) => one.test(said))) this.complaints.push(said);
    });
    page.on('dialog', (dialog) => this.complaints.push(`dialog: ${dialog.message()}`));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
        console.error(`CSP violation: ${violatedDirective} ${blockedURI}`);
      });
    });
    await page.goto(url);
    return page;
  }

  /** For `afterEach`: closes all pages; none may have complained. */
  async settle() {
    for (const context of this.#browser.contexts()) await context.close();
    const { complaints } = this;
    this.complaints = [];
    this.expected = [...NORMAL];
    assert.deepEqual(complaints, []);
  }

  close() {
    return this.#browser.close();
  }
}

/** By how much a page is wider than its window. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
