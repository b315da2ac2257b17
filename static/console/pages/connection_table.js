/** Live connections, and ending one. */

import { SLOW_BYTES } from '../find_connections.js';
import { html, useSession } from '../hooks.js';
import { link } from '../route.js';
import { Ago, Confirm, Table } from '../ui.js';
import { bytes } from '../words.js';

/** @param {{connections: any[], empty: any, onChange: () => void, hasChannels?: boolean}} props */
export function ConnectionTable({ connections, empty, onChange, hasChannels = true }) {
  const { api, say } = useSession();
  const close = async (cid) => {
    await api.call('DELETE', `channels/connections/${encodeURIComponent(cid)}`);
    say('The connection was closed');
    onChange();
  };
  const columns = [
    ['Connection', ({ cid, who }) => html`<span><code class="address">${cid.slice(0, 12)}…</code>${who && html`<br />${who}`}</span>`],
    ['Since', ({ since }) => html`<${Ago} at=${since} />`],
    ['Address', ({ address, user_agent: agent }) => html`<span title=${agent ?? ''}><span class="mono address">${address}</span>
      ${agent && html`<br /><span class="muted clip">${agent}</span>`}</span>`],
    ['Queue', ({ queue_bytes: queue }) => html`<span class=${`num ${queue >= SLOW_BYTES ? 'bad-text' : ''}`}>${bytes(queue)}</span>`],
    hasChannels && ['Channels', ({ channels }) => html`<span class="badges">${channels.toSorted().slice(0, 3).map((id) => html`
      <a class="mono" href=${link('channels', id)}>${id}</a>`)}${channels.length > 3 && html`<span class="muted">and ${channels.length - 3} more</span>`}</span>`],
    ['', ({ cid }) => html`<a class="button" href=${link('inspector', 'connection', cid)} aria-label=${`Inspect ${cid.slice(0, 12)}…`}>Inspect</a> <${Confirm} label="Close" title="Close the connection ${cid.slice(0, 12)}…?" verb="Close it"
      text="Its client is told 4000 and may come back." onConfirm=${() => close(cid)} />`],
  ].filter(Boolean);
  return html`<${Table} label="Connections" rows=${connections} rowKey=${({ cid }) => cid} columns=${columns} empty=${empty} />`;
}
