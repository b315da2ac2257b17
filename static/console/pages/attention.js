/** What goes wrong now, each with the way to it. */

import { address } from '../api.js';
import { SLOW_BYTES } from '../find_connections.js';
import { html, useLoad, useSession } from '../hooks.js';
import { link } from '../route.js';
import { bytes, plural } from '../words.js';
import { REASONS } from './authorizer.js';

/** So many webhooks, and so many of the newest deliveries of each, are looked at. */
const WEBHOOKS = 10;
const DELIVERIES = 20;

/** @typedef {{text: string, href: string}} Trouble */

/** @returns {Promise<Trouble[]>} */
async function ofServer() {
  const answer = await fetch(address('health/ready'), { cache: 'no-store' });
  if (answer.ok) return [];
  const { error } = await answer.json();
  return [{ text: `The server takes no requests: ${error.message}`, href: '#/settings' }];
}

/** @returns {Promise<Trouble[]>} */
async function ofAuthorizer(api) {
  const { outcomes } = await api.get(`${api.here}/channel-authorizer`);
  const bad = outcomes.filter(({ outcome }) => outcome !== 'granted');
  if (bad.length === 0) return [];
  const [{ outcome, status, reason }] = bad;
  const why = [status && `status ${status}`, reason && (REASONS[reason] ?? reason)].filter(Boolean).join(', ');
  return [{ text: `The channel authorizer did not grant ${bad.length} of its last ${plural(outcomes.length, 'call')}; last ${outcome}${why && `: ${why}`}.`, href: '#/webhooks' }];
}

/** @returns {Promise<Trouble[]>} */
async function ofWebhooks(api) {
  const { webhooks } = await api.get(`${api.here}/webhooks`, { query: { page: 1, pageSize: WEBHOOKS } });
  const each = await Promise.all(webhooks.map(async ({ id, webhook_url: url }) => {
    const { deliveries } = await api.get(`${api.here}/webhooks/${id}/deliveries`, { query: { page: 1, pageSize: DELIVERIES } });
    const bad = deliveries.filter(({ state, last_error: error }) => state === 'dead' || (state === 'pending' && error));
    return bad.length > 0 && { text: `${plural(bad.length, 'delivery', 'deliveries')} to ${url} failed; last: ${bad[0].last_error}.`, href: link('webhooks', id) };
  }));
  return each.filter(Boolean);
}

/** @param {any[]} connections @returns {Trouble[]} */
function ofConnections(connections) {
  const slow = connections.filter(({ queue_bytes: queue }) => queue >= SLOW_BYTES);
  if (slow.length === 0) return [];
  const [{ address, queue_bytes: queue }] = slow;
  return [{ text: `${plural(slow.length, 'connection reads', 'connections read')} too slowly: ${bytes(queue)} wait for the one from ${address}.`, href: '#/connections' }];
}

/** Everything that can be asked with this token. What was refused, or is not there, is not asked again. */
async function load(api, before) {
  const questions = before?.questions ?? [ofServer, ofAuthorizer, ofWebhooks];
  const answers = await Promise.all(questions.map((question) => question(api).catch((error) => error)));
  return {
    questions: questions.filter((_, index) => ![403, 404].includes(answers[index].status)),
    troubles: answers.filter(Array.isArray).flat(),
  };
}

/** @param {{connections: any[]}} props those of the project, as far as they are known, the longest queue first */
export function Attention({ connections }) {
  const { api } = useSession();
  const { data } = useLoad((before) => load(api, before), [], 5000);
  const troubles = [...ofConnections(connections), ...(data?.troubles ?? [])];
  if (troubles.length === 0) return null;
  return html`
    <section class="notice bad" aria-label="Needs attention" role="status">
      <ul class="plain">${troubles.map(({ text, href }) => html`<li>${text} <a href=${href}>Look</a></li>`)}</ul>
    </section>`;
}
