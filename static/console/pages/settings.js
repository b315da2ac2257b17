/** The project, the server's health, and the operator's tokens. */

import { address, ApiError } from '../api.js';
import { html, useAction, useLoad, useSession, useState } from '../hooks.js';
import { Ago, Badge, Card, Confirm, Copy, Field, Form, Secret, Table, Trouble } from '../ui.js';
import { time } from '../words.js';

/** @param {string} path @returns {Promise<{isWell: boolean, text: string, ms: number}>} */
async function probe(path) {
  const start = performance.now();
  const answer = await fetch(address(path), { cache: 'no-store' }).catch(() => { throw new ApiError(0, { message: 'The server was not reached.' }); });
  const said = answer.ok ? null : (await answer.json().catch(() => null))?.error;
  return { isWell: answer.ok, text: said?.message ?? (answer.ok ? 'well' : `status ${answer.status}`), ms: Math.round(performance.now() - start) };
}

const health = async () => ({ live: await probe('health/live'), ready: await probe('health/ready') });

export function Settings() {
  const { api, project } = useSession();
  const { data, error } = useLoad(health, [], 5000);
  const socket = address('ws');
  socket.protocol = socket.protocol === 'https:' ? 'wss:' : 'ws:';
  const fact = (term, value) => html`<dt>${term}</dt><dd>${value}</dd>`;
  const shown = (one) => html`<${Badge} kind=${one.isWell ? 'good' : 'bad'}>${one.text}<//> <span class="muted num">${one.ms} ms</span>`;
  return html`
    <div class="title"><h1>Settings</h1></div>
    <${Trouble} error=${error} />
    <div class="columns">
      <${Card} title="Project">
        <dl class="facts">
          ${fact('Name', project.name)}
          ${fact('Id', html`<code>${project.id}</code> <${Copy} text=${project.id} />`)}
          ${fact('Namespace', html`<code>${project.namespace}</code>`)}
          ${fact('Created', time(project.created_at))}
          ${fact('HTTP API', html`<code>${address('v1').href}</code>`)}
          ${fact('Socket', html`<code>${socket.href}</code>`)}
        </dl>
        ${api.isAdmin && html`<${Rename} />`}
      <//>
      <${Card} title="Server">
        ${data && html`
          <dl class="facts">
            ${fact('Process', shown(data.live))}
            ${fact('Takes requests', shown(data.ready))}
          </dl>`}
        <p class="hint">The console uses htm and Preact (<a href="static/vendor/htm.LICENSE.txt">Apache-2.0</a>, <a href="static/vendor/preact.LICENSE.txt">MIT</a>)
          and uPlot (<a href="static/vendor/uplot.LICENSE.txt">MIT</a>).</p>
      <//>
    </div>
    ${api.isAdmin && html`<${AdminTokens} /><${InForce} />`}`;
}

/** What the server runs with. */
function InForce() {
  const { api } = useSession();
  const [wanted, setWanted] = useState('');
  const { data, error } = useLoad(() => api.get('settings'), [], 5000);
  const rows = Object.entries(data?.settings ?? {}).filter(([key]) => key.includes(wanted.trim()));
  return html`
    <${Card} title="Configuration">
      <div class="stack">
        <p class="hint">What is in force, limits too; secrets are hidden. Change it in the configuration file, then <code>warren reload</code>.</p>
        <${Trouble} error=${error} />
        <${Field} label="Find a setting" value=${wanted} onInput=${(event) => setWanted(event.target.value)} />
        <${Table} label="Configuration" rows=${rows} rowKey=${([key]) => key} empty=${data ? 'No such setting.' : 'Loading…'} columns=${[
          ['Setting', ([key]) => html`<code>${key}</code>`],
          ['Value', ([, value]) => html`<code>${JSON.stringify(value)}</code>`],
        ]} />
      </div>
    <//>`;
}

function Rename() {
  const { api, project, say, choose } = useSession();
  const [name, setName] = useState(project.name);
  const [action, doing] = useAction();
  const save = () => action(async () => {
    await api.call('PATCH', api.here, { body: { name } });
    say('Renamed');
    await choose(project.id);
  });
  return html`
    <${Form} class="inline" onSubmit=${save} action=${doing} submit="Rename">
      <${Field} label="Another name" required maxlength="256" value=${name} onInput=${(event) => setName(event.target.value)} />
    <//>`;
}

/** The operator's keys to all projects. */
function AdminTokens() {
  const { api, say } = useSession();
  const [name, setName] = useState('');
  const [made, setMade] = useState('');
  const [action, doing] = useAction();
  const { data, error, reload } = useLoad(() => api.get('users/@me/pats', { query: { page: 1, pageSize: 100 } }), []);
  const create = () => action(async () => {
    const { pat } = await api.call('POST', 'users/@me/pats', { body: { name } });
    setMade(pat.pat);
    setName('');
    reload();
  });
  const remove = async (id) => {
    await api.call('DELETE', `users/@me/pats/${encodeURIComponent(id)}`);
    say('The admin token was deleted');
    reload();
  };
  return html`
    <${Card} title="Admin tokens">
      <div class="stack">
        <${Trouble} error=${error} />
        <${Table} label="Admin tokens" rows=${data?.pats ?? []} rowKey=${({ id }) => id} empty=${data ? 'No admin token.' : 'Loading…'} columns=${[
          ['Name', (pat) => pat.name || html`<span class="muted">no name</span>`],
          ['Token', (pat) => html`<span><code>${pat.pat}</code><br /><span class="muted mono">${pat.id}</span></span>`],
          ['Created', (pat) => html`<${Ago} at=${pat.created_at} />`],
          ['', (pat) => html`<${Confirm} label="Delete" title="Delete the admin token ${pat.name || pat.id}?" onConfirm=${() => remove(pat.id)}
            text="Whoever uses it is refused from now on." />`],
        ]} />
        ${made && html`<${Secret} what="The admin token." secret=${made} />`}
        <${Form} class="inline" onSubmit=${create} action=${doing} submit="Create admin token">
          <${Field} label="Name" maxlength="256" value=${name} onInput=${(event) => setName(event.target.value)} />
        <//>
      </div>
    <//>`;
}
