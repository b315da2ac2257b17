/** All projects of the server, for who signed in with an admin token. */

import { html, useAction, useLoad, useSession, useState } from '../hooks.js';
import { Ago, Card, Confirm, Field, Form, Pager, Secret, Table, Trouble } from '../ui.js';

const PAGE_SIZE = 25;

export function Projects() {
  const { api, choose, say } = useSession();
  const [page, setPage] = useState(1);
  const { data, error, reload } = useLoad(() => api.get('projects', { query: { page, pageSize: PAGE_SIZE } }), [page]);
  const remove = async ({ id, name }) => {
    await api.call('DELETE', `projects/${encodeURIComponent(id)}`);
    say(`Deleted ${name}`);
    reload();
  };
  return html`
    <div class="title"><h1>Projects</h1><p class="muted">Nothing crosses from one into another.</p></div>
    <${Trouble} error=${error} />
    <${Card} title="All projects">
      <${Table} label="Projects" rows=${data?.projects ?? []} rowKey=${({ id }) => id} empty=${data ? 'No project yet.' : 'Loading…'} columns=${[
        ['Name', (project) => html`<button type="button" class="link" onClick=${() => choose(project.id)}>${project.name}</button>`],
        ['Id', ({ id }) => html`<code>${id}</code>`],
        ['Created', ({ created_at: at }) => html`<${Ago} at=${at} />`],
        ['', (project) => html`<${Confirm} label="Delete" title="Delete the project ${project.name}?" verb="Delete the project"
          text="All its channels, tokens and webhooks go with it, at once and for good, and everybody in it is disconnected."
          onConfirm=${() => remove(project)} />`],
      ]} />
      ${data && html`<${Pager} page=${page} pageSize=${PAGE_SIZE} total=${data.total_count} onPage=${setPage} />`}
    <//>
    <${Create} onCreated=${reload} />`;
}

function Create({ onCreated }) {
  const { api } = useSession();
  const [name, setName] = useState('');
  const [made, setMade] = useState(null);
  const [action, state] = useAction();
  const submit = () => action(async () => {
    const { project, project_token: token } = await api.call('POST', 'projects', { body: { name } });
    setMade({ project, token });
    setName('');
    onCreated();
  });
  return html`
    <${Card} title="Create a project">
      <${Form} onSubmit=${submit} action=${state} submit="Create project">
        <${Field} label="Name" required maxlength="256" value=${name} onInput=${(event) => setName(event.target.value)} />
      <//>
      ${made && html`<${Secret} what=${`The project token of ${made.project.name}, with every permission.`} secret=${made.token.token} />`}
    <//>`;
}
