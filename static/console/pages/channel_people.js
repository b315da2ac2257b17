/** Who is subscribed to a channel, who is in, and over which connections. */

import { channelPath } from '../api.js';
import { html, useAction, useLoad, useSession, useState } from '../hooks.js';
import { link, tokenAlias } from '../route.js';
import { Ago, Badge, Card, Confirm, Field, Form, Pager, Table, Trouble } from '../ui.js';
import { PlainView } from '../json_view.js';
import { has, masked } from '../words.js';
import { ConnectionTable } from './connection_table.js';

const PAGE_SIZE = 25;
const POLL_MS = 3000;

export function People({ channel }) {
  return html`
    <div class="stack">
      ${has(channel, 'PRESENCE') && html`<${Members} id=${channel.id} />`}
      <${Online} id=${channel.id} />
      <${Subscribers} id=${channel.id} />
    </div>`;
}

/** Who is in, where the channel can say it. */
function Members({ id }) {
  const { api } = useSession();
  const { data, error } = useLoad(() => api.get(channelPath(id, '/presence'), { query: { page: 1, pageSize: 100 } }), [id], POLL_MS);
  return html`
    <${Card} title=${`Members ${data ? `(${data.total_count})` : ''}`}>
      <${Trouble} error=${error} />
      <${Table} label="Members" rows=${data?.members ?? []} rowKey=${(member) => member.id} empty="Nobody is in." columns=${[
        ['Member', ({ id: member, token }) => (token ? html`<a class="mono" href=${link('tokens', tokenAlias(token))}>${member}</a>` : html`<code>${member}</code>`)],
        ['Since', ({ since }) => html`<${Ago} at=${since} />`],
        ['Connections', ({ connections }) => html`<span class="num">${connections}</span>`],
        ['Data', ({ data: said }) => (said === null ? html`<span class="muted">–</span>` : html`<${PlainView} value=${said} label="What the member says of itself" />`)],
      ]} />
    <//>`;
}

/** The live connections that hear it. */
function Online({ id }) {
  const { api } = useSession();
  const { data, error, reload } = useLoad(() => api.get(channelPath(id, '/connections'), { query: { page: 1, pageSize: 100 } }), [id], POLL_MS);
  return html`
    <${Card} title=${`Connections ${data ? `(${data.total_count})` : ''}`}>
      <${Trouble} error=${error} />
      <${ConnectionTable} connections=${data?.connections ?? []} onChange=${reload} hasChannels=${false} empty="Nobody is connected and subscribed." />
    <//>`;
}

/** The leap tokens with a permanent subscription. */
function Subscribers({ id }) {
  const { api, say } = useSession();
  const [page, setPage] = useState(1);
  const [token, setToken] = useState('');
  const [action, doing] = useAction();
  const { data, error, reload } = useLoad(() => api.get(channelPath(id, '/tokens'), { query: { page, pageSize: PAGE_SIZE } }), [id, page], POLL_MS);
  const path = (one) => channelPath(id, `/subscribers/${encodeURIComponent(one)}`);
  const subscribe = () => action(async () => {
    await api.call('PUT', path(token.trim()));
    say('Subscribed');
    setToken('');
    reload();
  });
  const unsubscribe = async (one) => {
    await api.call('DELETE', path(one));
    say('Unsubscribed');
    reload();
  };
  return html`
    <${Card} title=${`Subscribed tokens ${data ? `(${data.total_count})` : ''}`}>
      <${Trouble} error=${error} />
      <${Table} label="Subscribed tokens" rows=${data?.tokens ?? []} rowKey=${(one) => one.id} empty="No token is subscribed for good." columns=${[
        ['Token', (one) => html`<a class="mono" href=${link('tokens', tokenAlias(one.id))}>${masked(one.id)}</a>`],
        ['Now', (one) => html`<${Badge} kind=${one.is_online ? 'good' : ''}>${one.is_online ? 'online' : 'offline'}<//>`],
        ['Created', (one) => html`<${Ago} at=${one.created_at} />`],
        ['', (one) => html`<${Confirm} label="Unsubscribe" title="Unsubscribe ${masked(one.id)} from ${id}?"
          text="Its connections hear UNAVAILABLE." onConfirm=${() => unsubscribe(one.id)} />`],
      ]} />
      ${data && html`<${Pager} page=${page} pageSize=${PAGE_SIZE} total=${data.total_count} onPage=${setPage} />`}
      <${Form} class="inline" onSubmit=${subscribe} action=${doing} submit="Subscribe">
        <${Field} label="Subscribe a leap token" required placeholder="leap_token_…" value=${token} onInput=${(event) => setToken(event.target.value)} />
      <//>
    <//>`;
}
