/** Keys of the project's back ends, and what each may do. */

import { html, useAction, useLoad, useSession, useState } from '../hooks.js';
import { Ago, Card, Check, Confirm, Dialog, Form, Pager, Secret, Table, Trouble } from '../ui.js';
import { PERMISSIONS, isSet } from '../words.js';

const PAGE_SIZE = 25;
const ALL = Object.values(PERMISSIONS).flatMap(Object.entries);

/** What a token may do, in few words. */
function May({ flags }) {
  const names = ALL.filter(([, bit]) => isSet(flags, bit)).map(([name]) => name);
  if (names.length === ALL.length) return html`<strong>everything</strong>`;
  if (names.length === 0) return html`<span class="muted">nothing</span>`;
  return html`<details><summary>${names.length} of ${ALL.length}</summary><p class="badges">${names.map((name) => html`<span class="badge">${name}</span>`)}</p></details>`;
}

export function ProjectTokens() {
  const { api, say } = useSession();
  const path = `${api.here}/tokens`;
  const [page, setPage] = useState(1);
  const [isCreating, setCreating] = useState(false);
  const { data, error, reload } = useLoad(() => api.get(path, { query: { page, pageSize: PAGE_SIZE } }), [page], 10_000);
  const remove = async (id) => {
    await api.call('DELETE', `${path}/${encodeURIComponent(id)}`);
    say('The project token was deleted');
    reload();
  };
  return html`
    <div class="title row">
      <div><h1>Project tokens</h1><p class="muted">Keys for your back ends. Never hand one to a browser of your users.</p></div>
      <button type="button" class="primary" onClick=${() => setCreating(true)}>Create project token</button>
    </div>
    <${Trouble} error=${error} />
    <${Card} title="Project tokens">
      <${Table} label="Project tokens" rows=${data?.project_tokens ?? []} rowKey=${({ id }) => id} empty=${data ? 'No project token.' : 'Loading…'} columns=${[
        ['Token', ({ id, token }) => html`<span><code>${token}</code><br /><span class="muted mono">${id}</span></span>`],
        ['May', ({ flags }) => html`<${May} flags=${Number(flags)} />`],
        ['Created', ({ created_at: at }) => html`<${Ago} at=${at} />`],
        ['', ({ id, token }) => html`<${Confirm} label="Delete" title="Delete the project token ${token}?" onConfirm=${() => remove(id)}
          text="Back ends that use it are refused at once, and its sockets are closed. If it is the one you signed in with, you are signed out." />`],
      ]} />
      ${data && html`<${Pager} page=${page} pageSize=${PAGE_SIZE} total=${data.total_count} onPage=${setPage} />`}
    <//>
    ${isCreating && html`<${Create} path=${path} onClose=${() => setCreating(false)} onCreated=${reload} />`}`;
}

function Create({ path, onClose, onCreated }) {
  const { api } = useSession();
  const [chosen, setChosen] = useState([]);
  const [made, setMade] = useState('');
  const [action, doing] = useAction();
  const toggle = (names, isOn) => setChosen((before) => [...before.filter((name) => !names.includes(name)), ...(isOn ? names : [])]);
  const submit = () => action(async () => {
    const flags = ALL.filter(([name]) => chosen.includes(name)).reduce((sum, [, bit]) => sum + 2 ** bit, 0);
    const { project_token: token } = await api.call('POST', path, { body: { flags } });
    setMade(token.token);
    onCreated();
  });
  if (made) {
    return html`
      <${Dialog} title="Project token created" onClose=${onClose}>
        <${Secret} what="The project token." secret=${made} />
        <div class="buttons end"><button type="button" class="primary" onClick=${onClose}>Done</button></div>
      <//>`;
  }
  return html`
    <${Dialog} title="Create a project token" onClose=${onClose}>
      <${Form} onSubmit=${submit} action=${doing} submit="Create project token">
        <p class="hint">It may do what is ticked, and nothing else. Nobody grants what their own token may not do.</p>
        ${Object.entries(PERMISSIONS).map(([group, flags]) => {
          const names = Object.keys(flags);
          const isWhole = names.every((name) => chosen.includes(name));
          return html`
            <fieldset>
              <legend>${group}</legend>
              <${Check} label="all of these" checked=${isWhole} onChange=${() => toggle(names, !isWhole)} />
              <div class="ticks">${names.map((name) => html`<${Check} label=${name} checked=${chosen.includes(name)}
                onChange=${(event) => toggle([name], event.target.checked)} />`)}</div>
            </fieldset>`;
        })}
      <//>
    <//>`;
}
