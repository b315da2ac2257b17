/** Webhooks of the project, and its channel authorizer. */

import { html, useAction, useLoad, useSession, useState } from '../hooks.js';
import { link } from '../route.js';
import { Ago, Card, Check, Dialog, Field, Form, Secret, Table, Trouble } from '../ui.js';
import { EVENTS, plural } from '../words.js';
import { Authorizer } from './authorizer.js';

export function Webhooks() {
  const { api } = useSession();
  const [isCreating, setCreating] = useState(false);
  const { data, error, reload } = useLoad(() => api.get(`${api.here}/webhooks`, { query: { page: 1, pageSize: 100 } }), [], 10_000);
  return html`
    <div class="title row">
      <div><h1>Webhooks</h1><p class="muted">Your back end hears what happens, and decides who may subscribe.</p></div>
      <button type="button" class="primary" onClick=${() => setCreating(true)}>Create webhook</button>
    </div>
    <${Trouble} error=${error} />
    <${Card} title="Webhooks">
      <${Table} label="Webhooks" rows=${data?.webhooks ?? []} rowKey=${({ id }) => id} columns=${[
        ['Address', ({ id, webhook_url: url }) => html`<a href=${link('webhooks', id)}>${url}</a>`],
        ['Events', ({ events }) => html`<span title=${events.join(', ')}>${plural(events.length, 'event')}</span>`],
        ['Created', ({ created_at: at }) => html`<${Ago} at=${at} />`],
      ]} empty=${data ? 'No webhook yet.' : 'Loading…'} />
    <//>
    <${Authorizer} />
    ${isCreating && html`<${Create} onClose=${() => setCreating(false)} onCreated=${reload} />`}`;
}

/** What is said about an address that would not be called. */
export const Warnings = ({ warnings = [] }) => warnings.map(({ code, message }) => html`
  <p class="notice busy" role="status">${message} <code>${code}</code></p>`);

/** The fields of a webhook, which creating and changing share. */
export function WebhookFields({ url, events, onChange }) {
  const toggle = (event) => onChange({ url, events: events.includes(event) ? events.filter((one) => one !== event) : [...events, event] });
  return html`
    <${Field} label="Address" type="url" required placeholder="https://example.com/hooks" value=${url} maxlength="2048"
      onInput=${(event) => onChange({ url: event.target.value, events })} />
    ${Object.entries(EVENTS).map(([group, names]) => html`
      <fieldset>
        <legend>${group}</legend>
        <div class="ticks">${names.map((name) => html`<${Check} label=${name} checked=${events.includes(name)} onChange=${() => toggle(name)} />`)}</div>
      </fieldset>`)}`;
}

function Create({ onClose, onCreated }) {
  const { api } = useSession();
  const [form, setForm] = useState({ url: '', events: [] });
  const [made, setMade] = useState(null);
  const [action, doing] = useAction();
  const submit = () => action(async () => {
    if (form.events.length === 0) throw new Error('Choose an event at least.');
    setMade(await api.call('POST', `${api.here}/webhooks`, { body: { webhook_url: form.url, events: form.events } }));
    onCreated();
  });
  if (made) {
    return html`
      <${Dialog} title="Webhook created" onClose=${onClose}>
        <div class="stack">
          <${Secret} what="The secret that signs its calls." secret=${made.webhook.secret} />
          <${Warnings} warnings=${made.warnings} />
        </div>
        <div class="buttons end"><button type="button" class="primary" onClick=${onClose}>Done</button></div>
      <//>`;
  }
  return html`
    <${Dialog} title="Create a webhook" onClose=${onClose}>
      <${Form} onSubmit=${submit} action=${doing} submit="Create webhook"><${WebhookFields} ...${form} onChange=${setForm} /><//>
    <//>`;
}
