/** How connections ended, by close code. */

import { html } from '../hooks.js';
import { Card, Table } from '../ui.js';
import { count } from '../words.js';

/** What a close code means, as docs/PROTOCOL.md has it. */
const MEANINGS = {
  1000: 'closed in order',
  1001: 'the page was left',
  1005: 'closed without a code',
  1006: 'the line broke',
  1009: 'a frame that is too long',
  4000: 'a fault of the server, or closed by the back end',
  4001: 'unknown, expired or deleted token or project',
  4002: 'no IDENTIFY in time',
  4003: 'an event before IDENTIFY',
  4004: 'an unknown opcode',
  4005: 'a frame that cannot be read',
  4007: 'no heartbeat',
  4008: 'over a limit',
  4009: 'too slow: it took nothing while much waited',
  4010: 'the server went away',
};

export function Closes({ metrics }) {
  const rows = (metrics?.get('warren_connections_closed_total') ?? []).filter(({ value }) => value > 0).sort((a, b) => b.value - a.value);
  return html`
    <${Card} title="How connections ended">
      <${Table} label="Ended connections by close code" rows=${rows} rowKey=${({ labels }) => `${labels.code} ${labels.initiator}`} empty="None has ended yet." columns=${[
        ['Code', ({ labels }) => html`<code>${labels.code}</code>`],
        ['Meaning', ({ labels }) => MEANINGS[labels.code] ?? 'a code of the client’s own'],
        ['Said by', ({ labels }) => labels.initiator],
        ['How many', ({ value }) => html`<span class="num">${count(value)}</span>`],
      ]} />
    <//>`;
}
