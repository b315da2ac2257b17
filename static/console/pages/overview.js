/** How the project and its server are, at a glance. */

import { html, useEffect, useLoad, useSession, useState } from '../hooks.js';
import { SAMPLE_MS, sample } from '../metrics.js';
import { Card, Trouble } from '../ui.js';
import { bytes, count } from '../words.js';
import { Attention } from './attention.js';
import { Closes } from './closes.js';

/** A number with its name; the unit stands in the name. */
const Figure = ({ name, value, kind = '', href }) => html`
  <div class=${`number ${kind}`}><span class="value">${value ?? '–'}</span><span class="muted">${href ? html`<a href=${href}>${name}</a>` : name}</span></div>`;

const rounded = (value) => (value === null ? null : value < 10 ? value.toFixed(1) : count(Math.round(value)));
const milliseconds = (value) => (value === null ? null : `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`);

/** How many of each there are in the project. */
async function counts(api) {
  const query = { page: 1, pageSize: 1 };
  const start = performance.now();
  const [channels, tokens, webhooks] = await Promise.all(
    ['channels', 'channels/tokens', `${api.here}/webhooks`].map((path) => api.get(path, { query }).then(({ total_count: total }) => total, (error) => {
      if (error.status === 403) return null;
      throw error;
    })),
  );
  return { channels, tokens, webhooks, ms: performance.now() - start };
}

export function Overview() {
  const { api } = useSession();
  const project = useLoad(() => counts(api), [], 5000);
  const { data } = project;
  return html`
    <div class="title"><h1>Overview</h1></div>
    <${Trouble} error=${project.error} />
    <${Attention} />
    <section aria-label="This project" class="numbers">
      <${Figure} name="Channels" value=${data && count(data.channels)} href="#/channels" />
      <${Figure} name="Leap tokens" value=${data && count(data.tokens)} href="#/tokens" />
      <${Figure} name="Webhooks" value=${data && count(data.webhooks)} href="#/webhooks" />
      <${Figure} name="Round trip of the API" value=${data && milliseconds(data.ms)} />
    </section>
    ${api.isAdmin ? html`<${Server} />` : html`<p class="notice"><span>Connections, rates, queues and latencies are numbers of the whole server, all
      projects together: sign in with an admin token to see them. Who is connected to this project stands under <a href="#/connections">Connections</a>.</span></p>`}`;
}

/** The server's own numbers, live. */
function Server() {
  const { api } = useSession();
  const { data: samples, error } = useLoad(() => sample(api), [], SAMPLE_MS);
  const [Plot, setPlot] = useState(null);
  // The library for plots comes when it is needed.
  useEffect(() => {
    import('../plot.js').then((module) => setPlot(() => module.default));
  }, []);
  if (!samples) {
    const isMissing = error?.status === 404;
    return isMissing ? html`<p class="notice"><span>This server has no <code>/metrics</code>.</span></p>` : html`<${Trouble} error=${error} />`;
  }
  const now = samples.at(-1).numbers;
  const times = samples.map(({ at }) => at / 1000);
  const over = (...names) => [times, ...names.map((name) => samples.map(({ numbers }) => numbers[name]))];
  const plot = (title, data, series, say) => html`
    <${Card} title=${title}>${Plot && html`<${Plot} label=${title} data=${data} series=${series} say=${say} />`}<//>`;
  const perSecond = (value) => `${value < 10 ? Number(value.toFixed(1)) : count(Math.round(value))}/s`;
  return html`
    <div class="card-head"><h2>This server, all projects</h2><span class="muted">a sample every ${SAMPLE_MS / 1000} s while you look</span></div>
    <${Trouble} error=${error} />
    <section aria-label="This server" class="numbers">
      <${Figure} name="Connections" value=${count(now.connections)} />
      <${Figure} name="Sessions" value=${count(now.sessions)} />
      <${Figure} name="Messages in, per second" value=${rounded(now.messages)} />
      <${Figure} name="Deliveries per second" value=${rounded(now.deliveries)} />
      <${Figure} name="Delivery, 99 of 100 within" value=${milliseconds(now.p99)} />
      <${Figure} name="Waiting in queues" value=${bytes(now.queue)} kind=${now.queue > 1 << 20 ? 'bad' : ''} />
      <${Figure} name="Closed as too slow" value=${count(now.slow)} kind=${now.slow > 0 ? 'bad' : ''} />
      <${Figure} name="Memory" value=${now.memory === null ? null : bytes(now.memory)} />
    </section>
    <div class="columns">
      ${plot('Connections', over('connections', 'sessions'), [{ name: 'connections', colour: '--accent' }, { name: 'sessions', colour: '--json-number' }], (value) => count(value))}
      ${plot('Messages and deliveries', over('messages', 'deliveries'), [{ name: 'messages in', colour: '--json-number' }, { name: 'deliveries', colour: '--accent' }], perSecond)}
      ${plot('Delivery latency', over('p50', 'p99'), [{ name: 'half within', colour: '--accent' }, { name: '99 % within', colour: '--busy' }], (value) => `${Number(value.toFixed(2))} ms`)}
      ${plot('Waiting in queues', over('queue'), [{ name: 'all connections', colour: '--busy' }], bytes)}
    </div>
    <${Closes} metrics=${samples.at(-1).metrics} />`;
}
