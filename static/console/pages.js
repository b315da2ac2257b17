/** The pages, in the order in which they stand at the side. */

import { html } from './hooks.js';
import { ApiReference } from './pages/api_reference.js';
import { Channel } from './pages/channel.js';
import { Channels } from './pages/channels.js';
import { Connections } from './pages/connections.js';
import { Inspector } from './pages/inspector.js';
import { Overview } from './pages/overview.js';
import { ProjectTokens } from './pages/project_tokens.js';
import { Settings } from './pages/settings.js';
import { Token } from './pages/token.js';
import { Tokens } from './pages/tokens.js';
import { Webhook } from './pages/webhook.js';
import { Webhooks } from './pages/webhooks.js';
import { Empty } from './ui.js';

/** @typedef {{name: string, title: string, Page: Function, Thing?: Function}} Entry */

/** `Page` shows all; `Thing` shows the one that the address names. @type {Entry[]} */
export const NAVIGATION = [
  { name: 'overview', title: 'Overview', Page: Overview },
  { name: 'channels', title: 'Channels', Page: Channels, Thing: Channel },
  { name: 'tokens', title: 'Tokens', Page: Tokens, Thing: Token },
  { name: 'connections', title: 'Connections', Page: Connections },
  { name: 'inspector', title: 'Inspector', Page: Inspector },
  { name: 'webhooks', title: 'Webhooks', Page: Webhooks, Thing: Webhook },
  { name: 'project-tokens', title: 'Project tokens', Page: ProjectTokens },
  { name: 'api', title: 'API', Page: ApiReference },
  { name: 'settings', title: 'Settings', Page: Settings },
];

const NotFound = () => html`<h1>Not found</h1><${Empty}>There is no such page.<//>`;

/** @param {string} name @param {boolean} isThing whether the address names one @returns {{title: string, Page: Function}} */
export function pageOf(name, isThing) {
  const { title, Page, Thing } = NAVIGATION.find((one) => one.name === name) ?? { title: 'Not found', Page: NotFound };
  return { title, Page: (isThing && Thing) || Page };
}
