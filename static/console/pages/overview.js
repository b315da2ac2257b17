/** How the project and its server are, at a glance. */

import { address } from '../api.js';
import { html, useEffect, useLoad, useSession, useState } from '../hooks.js';
import { SAMPLE_MS, sample } from '../metrics.js';
import { PULSE_MS, pulse } from '../pulse.js';
import { Card, Trouble } from '../ui.js';
import { bytes, count } from '../words.js';
import { Attention } from './attention.js';
import { Closes } from './closes.js';

/** A number with its name; the unit stands in the name. */
const Figure = ({ name, value, kind = '', href }) => html`
  <div class=${`number ${kind}`}><span class="value">${value ?? '–'}</span><span class="muted">${href ? html`<a href=${href}>${name}</a>` : name}</span></div>`;

const rounded = (value) => (value === null ? null : value < 10 ? value.toFixed(1) : count(Math.round(value)));
const milliseconds = (value) => (value === null ? null : `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`);

/** How many of each there are in the project; null where the token may not know. */
async function counts(api) {
  const query = { page: 1, pageSize: 1 };
  const [channels, tokens, webhooks] = await Promise.all(
    ['channels', 'channels/tokens', `${api.here}/webhooks`].map((path) => api.get(path, { query }).then(({ total_count: total }) => total, nullIfForbidden)),
  );
  return { channels, tokens, webhooks };
}

function nullIfForbidden(error) {
  if (error.status === 403) return null;
  throw error;
}

/** A number that may not be known. */
const known = (value) => (value === null || value === undefined ? null : count(value));

export function Overview() {
  const { api } = useSession();
  const project = useLoad(() => counts(api), [], PULSE_MS);
  // What is forbidden is not asked for again.
  const live = useLoad(() => pulse(api).catch(nullIfForbidden), [], (data) => (data === null ? 0 : PULSE_MS));
  const Plot = usePlot();
  const { data } = project;
  const now = live.data?.beats.at(-1);
  return html`
    <div class="title"><h1>Overview</h1></div>
    <${Trouble} error=${project.error ?? live.error} />
    <${Attention} connections=${live.data?.found ?? []} />
    <section aria-label="This project" class="numbers">
      <${Figure} name="Connections" value=${known(now?.connections)} href="#/connections" />
      <${Figure} name="Sessions" value=${known(now?.sessions)} />
      <${Figure} name="Waiting in queues" value=${now && bytes(now.queue)} kind=${now?.queue > 1 << 20 ? 'bad' : ''} />
      <${Figure} name="Channels" value=${known(data?.channels)} href="#/channels" />
      <${Figure} name="Leap tokens" value=${known(data?.tokens)} href="#/tokens" />
      <${Figure} name="Webhooks" value=${known(data?.webhooks)} href="#/webhooks" />
    </section>
    ${data?.channels === 0 && html`<${FirstSteps} />`}
    ${now && html`<${Card} title="Connected to this project">
      ${Plot && html`<${Plot} label="Connected to this project" say=${(value) => count(value)} data=${[
        live.data.beats.map(({ at }) => at / 1000), live.data.beats.map(({ connections }) => connections), live.data.beats.map(({ sessions }) => sessions),
      ]} series=${[{ name: 'connections', colour: '--accent' }, { name: 'sessions', colour: '--json-number' }]} />`}
      <p class="hint">Found through channels and online tokens${live.data.isWhole ? '' : ', of which only a part was asked'}, every ${PULSE_MS / 1000} s while you look.
        What is said in the project, as it is said, stands in the <a href="#/inspector">Inspector</a>.</p>
    <//>`}
    ${api.isAdmin ? html`<${Server} Plot=${Plot} />` : html`<p class="hint">Rates and latencies are counted for the whole server, all projects together: an admin token shows them here.</p>`}`;
}

/** Where a project is new: what comes first. */
function FirstSteps() {
  const { project } = useSession();
  const code = `import { connect } from 'warren-client';\n\nconst warren = connect({ url: '${address('.').href}', project: '${project.id}' });\n`
    + "for await (const { event, data } of warren.subscribe('hello')) console.log(event, data);";
  return html`
    <${Card} title="Start here">
      <ol class="steps">
        <li><a href="#/channels">Create a channel</a>, as <code>hello</code>, unprotected for a start: then everybody may subscribe.</li>
        <li>Subscribe in your app: <pre tabindex="0" role="group" aria-label="How to subscribe">${code}</pre></li>
        <li>Publish to it under <strong>Messages</strong> on the channel’s page, and your app hears it.</li>
      </ol>
    <//>`;
}

/** The plots, whose library comes when it is needed. */
function usePlot() {
  const [Plot, setPlot] = useState(null);
  useEffect(() => {
    import('../plot.js').then((module) => setPlot(() => module.default));
  }, []);
  return Plot;
}

/** The server's own numbers, live. */
function Server({ Plot }) {
  const { api } = useSession();
  const { data: samples, error } = useLoad(() => sample(api), [], SAMPLE_MS);
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
    <section aria-label="This server" class="numbers many">
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
