/** One webhook: what it is told, and what became of that. */

import { html, useAction, useEnding, useLoad, useSession, useState } from '../hooks.js';
import { JsonView } from '../json_view.js';
import { go } from '../route.js';
import { Ago, Badge, Card, Confirm, Dialog, Empty, Form, Pager, Secret, Table, Trouble } from '../ui.js';
import { Reason } from './authorizer.js';
import { Warnings, WebhookFields } from './webhooks.js';

const PAGE_SIZE = 25;
const KINDS = { delivered: 'good', pending: 'busy', dead: 'bad' };

/** There is no route for one webhook; a project has 50 at most. */
async function load(api, id) {
  const { webhooks } = await api.get(`${api.here}/webhooks`, { query: { page: 1, pageSize: 1000 } });
  return webhooks.find((one) => one.id === id) ?? null;
}

export function Webhook({ args: [id] }) {
  const { api } = useSession();
  const { data: webhook, error, reload } = useLoad(() => load(api, id), [id]);
  return html`
    <p class="crumbs"><a href="#/webhooks">Webhooks</a></p>
    <div class="title"><h1>${webhook?.webhook_url ?? 'Webhook'}</h1><p class="muted mono">${id}</p></div>
    <${Trouble} error=${error} />
    ${webhook === null && html`<${Empty}>This webhook does not exist any more.<//>`}
    ${webhook && html`
      <${Deliveries} path=${`${api.here}/webhooks/${id}/deliveries`} />
      <div class="columns">
        <${Edit} key=${webhook.events.join()} webhook=${webhook} onChange=${reload} />
        <${Secrets} webhook=${webhook} />
      </div>`}`;
}

/** What it was sent, newest first. */
function Deliveries({ path }) {
  const { api, say } = useSession();
  const [page, setPage] = useState(1);
  const [shown, setShown] = useState(null);
  const [action, doing] = useAction();
  const { data, error, reload } = useLoad(() => api.get(path, { query: { page, pageSize: PAGE_SIZE } }), [page], 3000);
  const resend = (id) => action(async () => {
    await api.call('POST', `${path}/${encodeURIComponent(id)}/resend`);
    say('It is sent again');
    reload();
  });
  return html`
    <${Card} title="Deliveries">
      <${Trouble} error=${error ?? doing.error} />
      <${Table} label="Deliveries" rows=${data?.deliveries ?? []} rowKey=${({ id }) => id} columns=${[
        ['Event', ({ event, seq }) => html`<span><code>${event}</code> <span class="muted num">#${seq}</span></span>`],
        ['Outcome', ({ state }) => html`<${Badge} kind=${KINDS[state]}>${state}<//>`],
        ['Attempts', ({ attempts }) => html`<span class="num">${attempts}</span>`],
        ['Answer', ({ last_status: status, last_error: why }) => html`<span>${status && html`<span class="num">${status}</span>`} ${why ?? (status ? '' : '–')}</span>`],
        ['Happened', ({ created_at: at }) => html`<${Ago} at=${at} />`],
        ['Next', ({ next_attempt_at: at }) => (at ? html`<${Ago} at=${at} />` : html`<span class="muted">–</span>`)],
        ['', ({ id, event }) => html`<div class="buttons"><button type="button" aria-label=${`Body of ${event}`} onClick=${() => setShown(id)}>Body</button>
          <button type="button" aria-label=${`Resend ${event}`} onClick=${() => resend(id)}>Resend</button></div>`],
      ]} empty=${data ? 'Nothing was sent yet.' : 'Loading…'} />
      ${data && html`<${Pager} page=${page} pageSize=${PAGE_SIZE} total=${data.total_count} onPage=${setPage} />`}
      ${shown && html`<${Body} path=${`${path}/${encodeURIComponent(shown)}`} onClose=${() => setShown(null)} />`}
    <//>`;
}

/** What the webhook is posted of one event, and what came of it last. */
function Body({ path, onClose }) {
  const { api } = useSession();
  const { data, error } = useLoad(() => api.get(path, { isExact: true }), [path]);
  const of = (name) => data.get('delivery').get(name);
  return html`
    <${Dialog} title="What is posted" onClose=${onClose}>
      <${Trouble} error=${error} />
      ${data && html`
        <p><code>${of('event')}</code> <span class="muted num">#${of('seq').text}</span> <${Badge} kind=${KINDS[of('state')]}>${of('state')}<//>
          ${of('last_status') && html` <span class="num">${of('last_status').text}</span>`} ${of('last_error')}</p>
        <${JsonView} value=${data.get('body')} label="Body" />`}
    <//>`;
}

function Edit({ webhook, onChange }) {
  const { api, say } = useSession();
  const [form, setForm] = useState({ url: webhook.webhook_url, events: webhook.events });
  const [warnings, setWarnings] = useState([]);
  const [action, doing] = useAction();
  const save = () => action(async () => {
    const answer = await api.call('PATCH', `${api.here}/webhooks/${webhook.id}`, { body: { webhook_url: form.url, events: form.events } });
    setWarnings(answer.warnings ?? []);
    say('Saved');
    onChange();
  });
  return html`
    <${Card} title="Address and events">
      <${Form} onSubmit=${save} action=${doing} submit="Save"><${WebhookFields} ...${form} onChange=${setForm} /><${Warnings} warnings=${warnings} /><//>
    <//>`;
}

function Secrets({ webhook: { id, webhook_url: url } }) {
  const { api, say } = useSession();
  const path = `${api.here}/webhooks/${id}`;
  const [made, setMade] = useState('');
  const [tested, setTested] = useState(null);
  const [test, testing] = useAction();
  const rotate = async () => setMade((await api.call('POST', `${path}/regenerate`)).secret);
  const end = useEnding();
  const remove = () => end(async () => {
    await api.call('DELETE', path);
    say('The webhook was deleted');
    go('webhooks');
  });
  return html`
    <div class="stack">
      <${Card} title="Test call">
        <p class="hint">A signed event <code>webhook.test</code> is posted now, and not tried again.</p>
        <${Trouble} error=${testing.error} />
        ${tested && html`<p class=${`notice ${tested.ok ? 'good' : 'bad'}`} role="status"><span>
          ${tested.ok ? 'It was taken' : html`It was not taken: <${Reason} reason=${tested.reason} />`}${tested.status && `, status ${tested.status}`}, ${tested.ms} ms.</span></p>`}
        <div class="buttons"><button type="button" disabled=${testing.isBusy} onClick=${() => test(async () => setTested(await api.call('POST', `${path}/test`)))}>Test call</button></div>
      <//>
      <${Card} title="Secret">
        <p class="hint">Each call is signed with it. It was shown when it was made, and is never shown again; a new one is.</p>
        ${made && html`<${Secret} what="The new secret." secret=${made} />`}
        <div class="buttons"><${Confirm} class="" label="New secret" title="Make a new secret for ${url}?" verb="Make a new secret" onConfirm=${rotate}
          text="For 24 hours calls are signed with both; Hop’s header has the new one’s signature only." /></div>
      <//>
      <${Card} title="Delete the webhook">
        <p class="hint">Nothing is sent to it any more, not even what waits.</p>
        <div class="buttons"><${Confirm} label="Delete webhook" title="Delete the webhook ${url}?" onConfirm=${remove} text="What it was not told yet, it is not told any more." /></div>
      <//>
    </div>`;
}
