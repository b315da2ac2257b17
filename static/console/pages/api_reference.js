/** The API and the socket, as the server's own documents tell of them; each operation has an address. */

import { address } from '../api.js';
import { html, useEffect, useLoad, useRef, useState } from '../hooks.js';
import { link } from '../route.js';
import { curlLine, kindOf, membersOf, nameOf, resolved, sampleOf } from '../schema.js';
import { Badge, Card, Copy, Empty, Field, Links, Table, Trouble } from '../ui.js';

const TABS = [['http', 'HTTP', link('api', 'http')], ['socket', 'Socket', link('api', 'socket')]];
/** So deep are members of members shown. */
const DEPTH = 3;

/** @param {string} name */
const load = (name) => async () => {
  const answer = await fetch(address(name), { credentials: 'omit' });
  if (!answer.ok) throw new Error(`${name} could not be read: status ${answer.status}`);
  return answer.json();
};

export function ApiReference({ args }) {
  const [part = 'http', wanted] = args;
  return html`
    <div class="title"><h1>API</h1>
      <p class="hint">Made of the server's code: <a href=${address('openapi.json').href}>openapi.json</a> and <a href=${address('asyncapi.json').href}>asyncapi.json</a>, for programs.</p>
    </div>
    <${Links} class="tabs" label="API" links=${TABS} active=${part} />
    ${part === 'socket' ? html`<${Socket} key="socket" wanted=${wanted} />` : html`<${Http} key="http" wanted=${wanted} />`}`;
}

/** The HTTP API. */
function Http({ wanted }) {
  const { data: document, error } = useLoad(load('openapi.json'), []);
  const [sought, setSought] = useState('');
  if (!document) return html`<${Trouble} error=${error} />${!error && html`<${Empty}>Loading…<//>`}`;
  const calls = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
  const isSought = ({ path, method, operation }) => `${method} ${path} ${operation.summary} ${operation.operationId}`.toLowerCase().includes(sought.trim().toLowerCase());
  const found = calls.filter(isSought);
  const tags = [...new Set(found.map(({ operation }) => operation.tags[0]))];
  return html`
    <${Field} label="Find an operation" value=${sought} onInput=${(event) => setSought(event.target.value)}
      hint="By its path, its name or what it does." />
    ${tags.length === 0 && html`<${Empty}>No such operation.<//>`}
    ${tags.map((tag) => html`
      <${Card} key=${tag} title=${tag}>
        <ul class="operations">
          ${found.filter(({ operation }) => operation.tags[0] === tag).map((call) => html`
            <${Operation} key=${call.operation.operationId} id=${call.operation.operationId} part="http" wanted=${wanted} summary=${call.operation.summary}
              head=${html`<span class="method">${call.method.toUpperCase()}</span> <code>${call.path}</code>`}>
              <${CallDetails} call=${call} document=${document} />
            <//>`)}
        </ul>
      <//>`)}`;
}

/** One operation: a line, and the whole of it once it is opened or named by the address. */
function Operation({ id, part, wanted, head, summary, children }) {
  const isWanted = id === wanted;
  const [isOpen, setOpen] = useState(isWanted);
  const ref = useRef(null);
  useEffect(() => {
    if (!isWanted) return;
    setOpen(true);
    ref.current.querySelector('summary').focus({ preventScroll: true });
    ref.current.scrollIntoView({ block: 'start' });
  }, [isWanted]);
  return html`
    <li ref=${ref} id=${`${part}-${id}`}>
      <details open=${isOpen} onToggle=${(event) => setOpen(event.target.open)}>
        <summary>${head} <span class="muted">${summary}</span></summary>
        ${isOpen && html`<div class="stack">${children}<p><a href=${link('api', part, id)}>Link to this</a></p></div>`}
      </details>
    </li>`;
}

/** What a call needs and answers. */
function CallDetails({ call, document }) {
  const { operation } = call;
  const parameters = operation.parameters.map((one) => resolved(one, document));
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  const line = curlLine(address('./').href, call, document);
  return html`
    <p class="curl"><code>${line}</code> <${Copy} text=${line} label="Copy the curl line" /></p>
    <p>${whoMay(operation.security).map((text) => html`<${Badge}>${text}<//> `)}</p>
    <${Table} label="Parameters" rows=${parameters} rowKey=${({ name, in: place }) => `${place} ${name}`} columns=${[
      ['Parameter', (one) => html`<code>${one.name}</code>`],
      ['In', (one) => `${one.in}${one.required ? ', needed' : ''}`],
      ['Is', (one) => kindOf(one.schema, document)],
      ['Meaning', (one) => coded(one.description ?? '')],
    ]} />
    ${bodies.map(([type, { schema }]) => html`<h3>Body, <code>${type}</code>${operation.requestBody.required ? '' : ', may be missing'}</h3><${Shape} schema=${schema} document=${document} />`)}
    <h3>Answers</h3>
    ${Object.entries(operation.responses).map(([status, one]) => html`<${AnswerOf} key=${status} status=${status} answer=${resolved(one, document)} document=${document} />`)}`;
}

/** Which tokens may call. @param {any[]} security */
function whoMay(security) {
  if (security.length === 0) return ['no token needed'];
  const names = { adminToken: 'admin token', projectToken: 'project token', leapToken: 'leap token', none: 'no token' };
  const entries = (one) => (Object.keys(one).length ? Object.entries(one) : [['none', []]]);
  return security.flatMap(entries).map(([scheme, flags]) => {
    const token = names[scheme] ?? scheme;
    return flags.length ? `${token} with ${flags.join(' and ')}` : token;
  });
}

/** One answer of a call. */
function AnswerOf({ status, answer, document }) {
  const schema = Object.values(answer.content ?? {})[0]?.schema;
  const data = resolved(schema, document).properties?.data;
  const lines = answer.description.split('\n');
  return html`
    <div class="answer">
      <p><${Badge} kind=${status < '400' ? 'good' : status < '500' ? 'busy' : 'bad'}>${status}<//></p>
      <div>
        ${lines.map((line) => html`<p>${coded(line)}</p>`)}
        ${data && html`<${Shape} schema=${data} document=${document} />`}
      </div>
    </div>`;
}

/** A sentence in which words between backticks are code. @param {string} line */
const coded = (line) => line.split('`').map((part, at) => (at % 2 === 1 ? html`<code>${part}</code>` : part));

/** What a value has in it. */
function Shape({ schema, document, depth = DEPTH }) {
  const members = depth > 0 ? membersOf(schema, document) : [];
  const { description } = resolved(schema, document);
  if (members.length === 0) return html`<p class="shape"><span class="muted">${nameOf(schema) ?? kindOf(schema, document)}</span>${description && html` · ${coded(description)}`}</p>`;
  return html`
    <ul class="shape">
      ${members.map(({ name, member, isNeeded }) => {
        const told = resolved(member, document).description;
        const inside = membersOf(member, document).length > 0;
        return html`
          <li><code>${name}</code> <span class="muted">${kindOf(member, document)}${isNeeded ? '' : ', may be missing'}</span>${told && html` · ${coded(told)}`}
            ${inside && html`<${Shape} schema=${member} document=${document} depth=${depth - 1} />`}</li>`;
      })}
    </ul>`;
}

/** The socket. */
function Socket({ wanted }) {
  const { data: document, error } = useLoad(load('asyncapi.json'), []);
  if (!document) return html`<${Trouble} error=${error} />${!error && html`<${Empty}>Loading…<//>`}`;
  const all = Object.entries(document.operations).map(([id, operation]) => ({ id, operation, message: messageOf(operation.messages[0], document) }));
  const part = (title, action) => html`
    <${Card} title=${title}>
      <ul class="operations">
        ${all.filter(({ operation }) => operation.action === action).map(({ id, operation, message }) => html`
          <${Operation} key=${id} id=${id} part="socket" wanted=${wanted} head=${html`<code>${operation.title}</code>`} summary=${operation.summary}>
            <${FrameDetails} operation=${operation} message=${message} document=${document} />
          <//>`)}
      </ul>
    <//>`;
  return html`
    <p>${coded(document.info.description)}</p>
    ${part('What clients send', 'receive')}
    ${part('What the server sends', 'send')}
    <${Card} title="Close codes">
      <${Table} label="Close codes" rows=${Object.entries(document['x-close-codes'])} rowKey=${([code]) => code} columns=${[
        ['Code', ([code]) => html`<span class="num">${code}</span>`], ['Meaning', ([, { meaning }]) => meaning], ['The client should', ([, { client }]) => client],
      ]} />
    <//>
    <${Card} title="Extensions">
      <${Table} label="Extensions" rows=${Object.entries(document['x-extensions'])} rowKey=${([name]) => name} columns=${[
        ['Name', ([name]) => html`<code>${name}</code>`], ['What it adds', ([, adds]) => coded(adds)],
      ]} />
    <//>`;
}

/** The message that a reference leads to, through the channel. @param {any} reference @param {any} document */
const messageOf = (reference, document) => resolved(resolved(reference, document), document);

/** One frame. */
function FrameDetails({ operation, message, document }) {
  const examples = (message.examples ?? [{ payload: sampleOf(message.payload, document) }]).map(({ payload }) => JSON.stringify(payload));
  const answers = (operation.reply?.messages ?? []).map((one) => messageOf(one, document).title);
  return html`
    ${examples.map((text) => html`<p class="curl"><code>${text}</code> <${Copy} text=${text} /></p>`)}
    <${Shape} schema=${message.payload} document=${document} />
    ${answers.length > 0 && html`<p>May be answered with ${answers.map((title, at) => html`${at > 0 && ', '}<code>${title}</code>`)}.</p>`}`;
}
