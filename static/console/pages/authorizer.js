/** The channel authorizer: who decides about private channels, and what it said. */

import { html, useAction, useLoad, useSession, useState } from '../hooks.js';
import { Ago, Badge, Card, Confirm, Field, Form, Secret, Table, Trouble } from '../ui.js';
import { Warnings } from './webhooks.js';

/** What a word for a failed call means. */
export const REASONS = {
  private_address: 'the address is private; the operator can allow it',
  port: 'the port belongs to another service',
  dns: 'the name was not resolved',
  address: 'it is no address that can be called',
  connect: 'no connection, TLS included',
  timeout: 'no answer in time',
  broken: 'the connection broke before an answer',
  status: 'the answer was not 2xx',
  body: 'the answer was too long, broken off or late',
  not_json: 'the answer was no JSON object',
  granted: '“granted” is missing, or neither true nor false',
  ephemeral: '“ephemeral” is neither true nor false',
  state: '“state” is no object, or too large',
};

const KINDS = { granted: 'good', refused: 'busy', failed: 'bad' };

/** Why a call came to nothing. */
export const Reason = ({ reason }) => (reason ? html`<span>${REASONS[reason] ?? reason}</span>` : html`<span class="muted">–</span>`);

export function Authorizer() {
  const { api, say } = useSession();
  const path = `${api.here}/channel-authorizer`;
  const { data, error, reload } = useLoad(() => api.get(path).catch((failure) => {
    if (failure.code === 'authorizer_not_found') return null;
    throw failure;
  }), [], (known) => (known ? 5000 : 0));
  const [url, setUrl] = useState('');
  const [made, setMade] = useState(null);
  const [tested, setTested] = useState(null);
  const [action, doing] = useAction();
  const [test, testing] = useAction();
  const save = () => action(async () => {
    setMade(await api.call('PUT', path, { body: { url } }));
    setUrl('');
    reload();
  });
  const remove = async () => {
    await api.call('DELETE', path);
    setMade(null);
    setTested(null);
    say('The channel authorizer was removed');
    reload();
  };
  const call = () => test(async () => setTested(await api.call('POST', `${path}/test`)));
  const aside = data && html`
    <button type="button" disabled=${testing.isBusy} onClick=${call}>Test call</button>
    <${Confirm} label="Remove" title="Remove the channel authorizer?" onConfirm=${remove}
      text="Tokens that are not subscribed to a private channel are refused then." />`;
  return html`
    <${Card} title="Channel authorizer" aside=${aside}>
      <div class="stack">
        <p class="hint">It is asked when a leap token wants into a private channel that it was not granted. Without one, the answer is no.</p>
        <${Trouble} error=${error ?? testing.error} />
        ${data && html`<p><code>${data.url}</code> <span class="muted">set <${Ago} at=${data.created_at} /></span></p>`}
        ${tested && html`<p class=${`notice ${tested.ok ? 'good' : 'bad'}`} role="status">
          <span>${tested.ok ? `It answered in ${tested.ms} ms and would ${tested.granted ? 'grant' : 'refuse'}.` : html`No decision: <${Reason} reason=${tested.reason} />.`}
          ${tested.status && ` Status ${tested.status}.`}</span></p>`}
        ${made && html`<${Secret} what="The secret that signs its calls." secret=${made.secret} /><${Warnings} warnings=${made.warnings} />`}
        ${data && html`
          <${Table} label="Last answers" rows=${data.outcomes} rowKey=${({ at, ms }) => `${at} ${ms}`} empty="It was not asked yet." columns=${[
            ['When', ({ at }) => html`<${Ago} at=${at} />`],
            ['Outcome', ({ outcome }) => html`<${Badge} kind=${KINDS[outcome]}>${outcome}<//>`],
            ['Status', ({ status }) => html`<span class="num">${status ?? '–'}</span>`],
            ['Reason', ({ reason }) => html`<${Reason} reason=${reason} />`],
            ['Took', ({ ms }) => html`<span class="num">${ms} ms</span>`],
          ]} />`}
        <${Form} class="inline" onSubmit=${save} action=${doing} submit=${data ? 'Replace' : 'Set'}>
          <${Field} label=${data ? 'Another address' : 'Address'} type="url" required placeholder="https://example.com/authorize" value=${url}
            onInput=${(event) => setUrl(event.target.value)} />
        <//>
      </div>
    <//>`;
}
