/** One channel: a head, and a part of it behind each tab. */

import { channelPath } from '../api.js';
import { html, useLoad, useSession } from '../hooks.js';
import { link } from '../route.js';
import { Ago, Badge, Links, Trouble } from '../ui.js';
import { plural } from '../words.js';
import { Capabilities, Visibility } from './channels.js';
import { Messages } from './channel_messages.js';
import { People } from './channel_people.js';
import { Settings } from './channel_settings.js';
import { State } from './channel_state.js';
import { Versions } from './channel_versions.js';

/** The tabs: name, title, what is shown. */
const TABS = [
  ['state', 'State', State],
  ['versions', 'Versions', Versions],
  ['messages', 'Messages', Messages],
  ['people', 'Subscribers', People],
  ['settings', 'Settings', Settings],
];

async function load(api, id) {
  const [{ channel }, { online_count: online }] = await Promise.all([
    api.get(channelPath(id)), api.get(channelPath(id, '/stats')),
  ]);
  return { channel, online };
}

export function Channel({ args: [id, tab = 'state'] }) {
  const { api } = useSession();
  const { data, error, reload } = useLoad(() => load(api, id), [id], 3000);
  const [, , Part] = TABS.find(([name]) => name === tab) ?? TABS[0];
  return html`
    <p class="crumbs"><a href="#/channels">Channels</a></p>
    <div class="title">
      <div class="title row"><h1 class="mono">${id}</h1><a class="button" href=${link('inspector', 'channel', id)}>Inspect</a></div>
      ${data && html`<p class="badges">
        <${Visibility} type=${data.channel.type} /><${Capabilities} channel=${data.channel} />
        <${Badge} kind=${data.online > 0 ? 'good' : ''}>${plural(data.online, 'session')} online<//>
        <span class="muted">created <${Ago} at=${data.channel.created_at} /></span>
      </p>`}
    </div>
    <${Trouble} error=${error} />
    ${data && html`
      <${Links} class="tabs" label="Parts of the channel" active=${tab} links=${TABS.map(([name, title]) => [name, title, link('channels', id, name)])} />
      <${Part} key=${tab} channel=${data.channel} onChange=${reload} />`}`;
}
