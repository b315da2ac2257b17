/** All leap tokens of the project: found, made. */

import { html, useAction, useLoad, useSession, useState } from '../hooks.js';
import { JsonField, objectTrouble } from '../json_view.js';
import { go, link, tokenAlias } from '../route.js';
import { Ago, Badge, Dialog, Field, Form, Pager, Table, Trouble } from '../ui.js';
import { masked, plural } from '../words.js';

const PAGE_SIZE = 25;
const CHARS = 80;

/** One page, newest first: the API lists the oldest first, so pages are asked for from the end. */
async function load(api, page) {
  const { total_count: total } = await api.get('channels/tokens', { query: { page: 1, pageSize: 1 } });
  const last = Math.max(1, Math.ceil(total / PAGE_SIZE));
  const { tokens } = await api.get('channels/tokens', { query: { page: Math.max(1, last - page + 1), pageSize: PAGE_SIZE } });
  return { tokens: tokens.reverse(), total };
}

/** Whether a token is connected, or can be no more. */
export function Standing({ token }) {
  if (token.expires_at && Date.parse(token.expires_at) <= Date.now()) return html`<${Badge} kind="bad">expired<//>`;
  return html`<${Badge} kind=${token.is_online ? 'good' : ''}>${token.is_online ? 'online' : 'offline'}<//>`;
}

export function Tokens() {
  const { api } = useSession();
  const [page, setPage] = useState(1);
  const [isCreating, setCreating] = useState(false);
  const { data, error, reload } = useLoad(() => load(api, page), [page], 5000);
  const find = async (event) => {
    event.preventDefault();
    const token = new FormData(event.target).get('token').trim();
    if (token) go('tokens', tokenAlias(token));
  };
  const text = ({ state }) => JSON.stringify(state).slice(0, CHARS);
  return html`
    <div class="title row">
      <div><h1>Tokens</h1><p class="muted num" role="status">${data ? plural(data.total, 'leap token') : 'Loading…'}</p></div>
      <button type="button" class="primary" onClick=${() => setCreating(true)}>Create token</button>
    </div>
    <${Trouble} error=${error} />
    <section class="card" aria-label="Tokens">
      <form class="search" role="search" onSubmit=${find}>
        <input name="token" type="search" aria-label="Open a token" placeholder="leap_token_…" autocomplete="off" spellcheck=${false} />
        <button>Open</button>
      </form>
      <${Table} label="Leap tokens" rows=${data?.tokens ?? []} rowKey=${({ id }) => id} columns=${[
        ['Token', ({ id }) => html`<a class="mono" href=${link('tokens', tokenAlias(id))}>${masked(id)}</a>`],
        ['Now', (token) => html`<${Standing} token=${token} />`],
        ['State', (token) => html`<code class="clip">${text(token)}</code>`],
        ['Created', ({ created_at: at }) => html`<${Ago} at=${at} />`],
        ['Expires', ({ expires_at: at }) => html`<${Ago} at=${at} />`],
      ]} empty=${data ? 'No token yet. Each user of your app gets one.' : 'Loading…'} />
      ${data && html`<${Pager} page=${page} pageSize=${PAGE_SIZE} total=${data.total} onPage=${setPage} />`}
    </section>
    ${isCreating && html`<${Create} onClose=${() => setCreating(false)} onCreated=${reload} />`}`;
}

function Create({ onClose, onCreated }) {
  const { api } = useSession();
  const [state, setState] = useState('{}');
  const [channels, setChannels] = useState('');
  const [expires, setExpires] = useState('');
  const [made, setMade] = useState(null);
  const [action, doing] = useAction();
  const trouble = objectTrouble(state);
  const submit = () => action(async () => {
    if (trouble) throw new Error(`The state: ${trouble}`);
    const more = {
      channels: channels.split('\n').map((id) => id.trim()).filter(Boolean),
      ...(expires && { expires_at: new Date(expires).toISOString() }),
    };
    const { token } = await api.call('POST', 'channels/tokens', { text: `${JSON.stringify(more).slice(0, -1)},"state":${state}}` });
    setMade(token);
    onCreated();
  });
  if (made) {
    return html`
      <${Dialog} title="Token created" onClose=${onClose}>
        <p class="secret"><code>${made.id}</code></p>
        <p class="hint">Hand it to one user of your app. It can be looked up here again.</p>
        <div class="buttons end"><a href=${link('tokens', tokenAlias(made.id))}>Open it</a><button type="button" class="primary" onClick=${onClose}>Done</button></div>
      <//>`;
  }
  return html`
    <${Dialog} title="Create a leap token" onClose=${onClose}>
      <${Form} onSubmit=${submit} action=${doing} submit="Create token">
        <${JsonField} label="State" value=${state} onInput=${setState} trouble=${trouble} rows=${4}
          hint="What your app knows of this user. What stands under “public”, members of a channel see." />
        <${Field} as="textarea" label="Default channels" class="mono" rows=${3} value=${channels} onInput=${(event) => setChannels(event.target.value)}
          hint="One id a line. They must exist; the token is subscribed to them for good." />
        <${Field} label="Expires" type="datetime-local" value=${expires} onInput=${(event) => setExpires(event.target.value)} hint="Empty: never." />
      <//>
    <//>`;
}
