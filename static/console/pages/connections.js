/** Who is connected to the project. */

import { findConnections } from '../find_connections.js';
import { html, useLoad, useSession, useState } from '../hooks.js';
import { link, tokenAlias } from '../route.js';
import { Card, Trouble } from '../ui.js';
import { masked, plural } from '../words.js';
import { ConnectionTable } from './connection_table.js';

/** So many channels, and so many tokens that are online, are asked for theirs. */
const MAX_ASKED = 300;

export function Connections() {
  const { api } = useSession();
  const [filter, setFilter] = useState('');
  const { data, error, reload } = useLoad(() => findConnections(api, MAX_ASKED), [], 5000);
  const wanted = filter.trim().toLowerCase();
  const fits = (one) => `${one.address} ${one.user_agent ?? ''} ${one.cid} ${one.token ?? ''} ${one.channels.join(' ')}`.toLowerCase().includes(wanted);
  const shown = (data?.connections ?? []).filter(fits).map((one) => ({
    ...one,
    who: one.token ? html`<a class="mono address" href=${link('tokens', tokenAlias(one.token))}>${masked(one.token)}</a>` : html`<span class="muted">no leap token</span>`,
  }));
  return html`
    <div class="title"><h1>Connections</h1>
      <p class="muted num" role="status">${data ? `${plural(data.connections.length, 'connection')}, those with the longest queue first` : 'Loading…'}</p></div>
    <${Trouble} error=${error} />
    ${data && !data.isWhole && html`<p class="notice busy">There are more: the connections of ${MAX_ASKED} channels and ${MAX_ASKED} online tokens are shown.</p>`}
    <${Card} title="Live now">
      <div class="tools"><input type="search" aria-label="Filter connections" placeholder="Filter by address, client, token or channel" value=${filter}
        onInput=${(event) => setFilter(event.target.value)} /></div>
      <${ConnectionTable} connections=${shown} onChange=${reload} empty=${!data ? 'Loading…' : wanted ? 'No connection has this in it.' : 'Nobody is connected.'} />
      <p class="hint">Found through channels and online tokens: a connection without a leap token that hears no channel is not among them.</p>
    <//>`;
}
