/** What the server counts (`/metrics`, OpenMetrics), sampled into a quarter of an hour of numbers and rates. */

import { address, ApiError } from './api.js';

/** A sample every two seconds, a quarter of an hour of them. */
export const SAMPLE_MS = 2000;
const SAMPLES = 450;
/** Quantiles are of what came in this time: of less, too little comes. */
const QUANTILE_SAMPLES = 15;

const LINE = /^([a-z_:][\w:]*)(?:\{(.*)\})? (\S+)/i;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/**
 * Reads the text; each metric is a list of `{labels, value}`.
 * @param {string} text
 * @returns {Map<string, {labels: Record<string, string>, value: number}[]>}
 */
export function read(text) {
  const metrics = new Map();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (!name) continue;
    if (!metrics.has(name)) metrics.set(name, []);
    metrics.get(name).push({
      labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, key, said]) => [key, said])),
      value: value === '+Inf' ? Infinity : Number(value),
    });
  }
  return metrics;
}

/** The sum of a metric over its labels; undefined where the server has none such. */
export const total = (metrics, name) => metrics.get(name)?.reduce((sum, { value }) => sum + value, 0);

/**
 * The value below which a share of what a histogram counted between two samples lies, in seconds; null where nothing came.
 * @param {Map<string, any[]>} now
 * @param {Map<string, any[]> | undefined} before
 * @param {string} name
 * @param {number} share
 */
export function quantile(now, before, name, share) {
  const counts = new Map();
  const add = (metrics, sign) => {
    for (const { labels, value } of metrics?.get(`${name}_bucket`) ?? []) {
      const bound = labels.le === '+Inf' ? Infinity : Number(labels.le);
      counts.set(bound, (counts.get(bound) ?? 0) + sign * value);
    }
  };
  add(now, 1);
  add(before, -1);
  const bounds = [...counts].sort(([a], [b]) => a - b);
  const all = bounds.at(-1)?.[1] ?? 0;
  if (all <= 0) return null;
  const at = bounds.findIndex(([, below]) => below >= share * all);
  const [upper, below] = bounds[at];
  const [lower, beneath] = at === 0 ? [0, 0] : bounds[at - 1];
  if (upper === Infinity) return lower;
  return lower + (upper - lower) * ((share * all - beneath) / (below - beneath || 1));
}

/** What is kept of one sample: its time, and a number for each name; null where it is not known. */
const rings = new WeakMap();

/** The samples that were taken with a token. @param {import('./api.js').Api} api */
export function samplesOf(api) {
  if (!rings.has(api)) rings.set(api, []);
  return rings.get(api);
}

/** How much a counter rises in a second; null after a restart, when it is less than it was. */
function rate(name, now, before) {
  const [end, start] = [total(now.metrics, name), before && total(before.metrics, name)];
  if (end === undefined || start === undefined || end < start) return null;
  return (end - start) / ((now.at - before.at) / 1000);
}

/**
 * Takes a sample.
 * @param {import('./api.js').Api} api
 */
export async function sample(api) {
  const answer = await fetch(address('metrics'), { headers: { authorization: api.token }, cache: 'no-store', credentials: 'omit' })
    .catch(() => { throw new ApiError(0, { message: 'The server was not reached.' }); });
  if (!answer.ok) throw new ApiError(answer.status, (await answer.json().catch(() => null))?.error);
  const ring = samplesOf(api);
  const now = { at: Date.now(), metrics: read(await answer.text()) };
  const before = ring.at(-1);
  const far = ring.at(-QUANTILE_SAMPLES) ?? ring[0];
  const value = (name) => total(now.metrics, name) ?? null;
  const ms = (share) => {
    const seconds = far && quantile(now.metrics, far.metrics, 'warren_delivery_duration_seconds', share);
    return typeof seconds === 'number' ? seconds * 1000 : null;
  };
  now.numbers = {
    connections: value('warren_connections'),
    sessions: value('warren_sessions'),
    channels: value('warren_channels'),
    queue: value('warren_send_queue_bytes'),
    slow: value('warren_slow_consumers_total'),
    memory: value('process_resident_memory_bytes'),
    messages: rate('warren_messages_received_total', now, before),
    deliveries: rate('warren_deliveries_total', now, before),
    requests: rate('warren_http_requests_total', now, before),
    p50: ms(0.5),
    p99: ms(0.99),
  };
  ring.push(now);
  // Of old samples the numbers are enough; the whole text of each would add up.
  const old = ring.at(-QUANTILE_SAMPLES - 2);
  if (old) old.metrics = undefined;
  if (ring.length > SAMPLES) ring.shift();
  return [...ring];
}
