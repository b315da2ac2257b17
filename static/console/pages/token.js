/** One leap token: what it is, holds and hears. */

import { channelPath, tokenPath } from '../api.js';
import { html, useAction, useEnding, useLoad, useSession, useState } from '../hooks.js';
import { write } from '../json.js';
import { JsonField, objectTrouble } from '../json_view.js';
import { go, link, tokenAlias, tokenOf } from '../route.js';
import { Ago, Badge, Card, Confirm, Copy, Empty, Field, Form, Table, Trouble } from '../ui.js';
import { masked, time } from '../words.js';
import { ConnectionTable } from './connection_table.js';
import { Publish } from './publish.js';
import { Standing } from './tokens.js';

const POLL_MS = 3000;
const PAGE = { page: 1, pageSize: 100 };
/** So many of the mails that were sent from here are looked after. */
const MAILS_MAX = 10;
const KINDS = { queued: 'busy', delivered: 'good', expired: 'bad' };

async function load(api, id) {
  const [exact, { subscriptions }, { connections }] = await Promise.all([
    api.get(tokenPath(id), { isExact: true }),
    api.get(tokenPath(id, '/subscriptions'), { query: PAGE }),
    api.get(tokenPath(id, '/connections'), { query: PAGE }),
  ]);
  const said = exact.get('token');
  const token = { id, created_at: said.get('created_at'), expires_at: said.get('expires_at'), is_online: said.get('is_online') };
  return { token, state: write(said.get('state'), true), subscriptions, connections };
}

export function Token({ args: [alias] }) {
  const id = tokenOf(alias);
  if (id) return html`<${Known} id=${id} />`;
  return html`<h1>Token</h1><${Empty}>This address stands for a token in another tab only: tokens are secret. <a href="#/tokens">Find it in the list</a>.<//>`;
}

function Known({ id }) {
  const { api, say } = useSession();
  const { data, error, reload } = useLoad(() => load(api, id), [id], POLL_MS);
  const end = useEnding();
  const remove = () => end(async () => {
    await api.call('DELETE', tokenPath(id));
    say('The token was deleted');
    go('tokens');
  });
  const head = html`
    <p class="crumbs"><a href="#/tokens">Tokens</a></p>
    <div class="title row"><h1 class="mono">${masked(id)}</h1>
      <div class="buttons"><a class="button" href=${link('inspector', 'token', tokenAlias(id))}>Inspect</a><${Copy} text=${id} label="Copy the token" /></div></div>
    <${Trouble} error=${error} />`;
  if (!data) return head;
  const { token, connections } = data;
  return html`
    ${head}
    <div class="badges"><${Standing} token=${token} /><span class="muted">created <${Ago} at=${token.created_at} /></span>
      <span class="muted">expires ${token.expires_at ? time(token.expires_at) : 'never'}</span></div>
    <div class="columns">
      <div class="stack">
        <${State} id=${id} stored=${data.state} onChange=${reload} />
        <${Expiry} id=${id} expires=${token.expires_at} onChange=${reload} />
      </div>
      <div class="stack">
        <${Direct} id=${id} />
        <${Card} title="Delete the token">
          <p class="hint">Its connections are closed, and nobody gets in with it again.</p>
          <div class="buttons"><${Confirm} label="Delete token" title="Delete the token ${masked(id)}?" onConfirm=${remove}
            text="State and subscriptions are gone for good, and its ${connections.length} connections are closed." /></div>
        <//>
      </div>
    </div>
    <${Subscriptions} id=${id} subscriptions=${data.subscriptions} onChange=${reload} />
    <${Card} title="Connections">
      <${ConnectionTable} connections=${connections} onChange=${reload} empty="It is not connected." />
    <//>`;
}

/** The token's own state. It has no version, so the last who saves wins; that it changed meanwhile is said. */
function State({ id, stored, onChange }) {
  const { api, say } = useSession();
  const [draft, setDraft] = useState(null);
  const [action, doing] = useAction();
  const text = draft?.text ?? stored;
  const trouble = objectTrouble(text);
  const save = () => action(async () => {
    if (trouble) throw new Error(trouble);
    await api.call('PATCH', tokenPath(id), { text: `{"state":${text}}` });
    setDraft(null);
    say('Saved');
    onChange();
  });
  return html`
    <${Card} title="State">
      <${Form} onSubmit=${save} action=${doing} submit="Save">
        ${draft && draft.base !== stored && html`<p class="notice busy" role="alert">It was changed meanwhile by somebody else; saving puts this in its place.
          <button type="button" onClick=${() => setDraft(null)}>Show theirs</button></p>`}
        <${JsonField} label="State" rows=${10} value=${text} trouble=${trouble} onInput=${(next) => setDraft({ base: draft?.base ?? stored, text: next })} />
      <//>
    <//>`;
}

function Expiry({ id, expires, onChange }) {
  const { api, say } = useSession();
  const [at, setAt] = useState('');
  const [action, doing] = useAction();
  const save = () => action(async () => {
    await api.call('PATCH', tokenPath(id), { body: { expires_at: at ? new Date(at).toISOString() : null } });
    say(at ? 'Saved' : 'It expires no more');
    onChange();
  });
  return html`
    <${Card} title="Expiry">
      <${Form} class="inline" onSubmit=${save} action=${doing} submit=${at || !expires ? 'Set' : 'Never expires'}>
        <${Field} label="Expires" type="datetime-local" value=${at} onInput=${(event) => setAt(event.target.value)} />
      <//>
    <//>`;
}

function Direct({ id }) {
  const { api } = useSession();
  const [form, setForm] = useState({ event: '', data: '{}', ttl: '' });
  const [mails, setMails] = useState([]);
  const send = async ({ event, data }) => {
    const ttl = form.ttl === '' ? '' : `,"ttl":${form.ttl}`;
    const mail = await api.call('POST', tokenPath(id, '/messages'), { text: `{"e":${JSON.stringify(event)},"d":${data}${ttl}}` });
    if (mail) setMails((before) => [{ id: mail.id, event }, ...before].slice(0, MAILS_MAX));
  };
  return html`
    <${Card} title="Direct message">
      <p class="hint">All its connections hear it. Offline, its session keeps it during the grace; later it is dropped.</p>
      <${Publish} form=${form} onForm=${setForm} onPublish=${send} what="Sent" submit="Send">
        <${Field} label="Wait, seconds" type="number" min="1" max="2592000" step="1" value=${form.ttl} hint="It is stored until it was heard, for so long at most. Empty: it does not wait."
          onInput=${(event) => setForm({ ...form, ttl: event.target.value })} />
      <//>
      ${mails.length > 0 && html`<${Mails} id=${id} mails=${mails} />`}
    <//>`;
}

/** What has become of the messages that were sent from here and wait. */
function Mails({ id, mails }) {
  const { api } = useSession();
  const found = (mail) => api.get(tokenPath(id, `/messages/${mail.id}`)).then((status) => ({ ...mail, ...status }));
  const { data = [], error } = useLoad(() => Promise.all(mails.map(found)), [id, mails], POLL_MS);
  return html`
    <${Trouble} error=${error} />
    <${Table} label="Sent messages that wait" rows=${data} rowKey=${(mail) => mail.id} empty="" columns=${[
      ['Event', ({ event }) => html`<span class="mono">${event}</span>`],
      ['State', ({ state }) => html`<${Badge} kind=${KINDS[state]}>${state}<//>`],
      ['Since', ({ at }) => html`<${Ago} at=${at} />`],
    ]} />`;
}

function Subscriptions({ id, subscriptions, onChange }) {
  const { api, say } = useSession();
  const unsubscribe = async (channel) => {
    await api.call('DELETE', channelPath(channel, `/subscribers/${encodeURIComponent(id)}`));
    say(`Unsubscribed from ${channel}`);
    onChange();
  };
  return html`
    <${Card} title="Subscriptions">
      <${Table} label="Subscriptions" rows=${subscriptions} rowKey=${({ channel }) => channel} empty="It is subscribed to nothing." columns=${[
        ['Channel', ({ channel }) => html`<a class="mono" href=${link('channels', channel)}>${channel}</a>`],
        ['Kind', ({ ephemeral }) => html`<${Badge}>${ephemeral ? 'ephemeral' : 'permanent'}<//>`],
        ['Since', ({ created_at: at }) => html`<${Ago} at=${at} />`],
        ['', ({ channel }) => html`<${Confirm} label="Unsubscribe" title="Unsubscribe from ${channel}?"
          text="The token’s connections hear UNAVAILABLE." onConfirm=${() => unsubscribe(channel)} />`],
      ]} />
    <//>`;
}
