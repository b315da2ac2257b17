// Run by tls.test.mjs in a process of its own, which trusts another authority (NODE_EXTRA_CA_CERTS is read at the start): the
// official client for sockets and the official one for the API, both under TLS.

import { Hop } from '@onehop/js';
import { complaints, connectClient } from './hop-client.mjs';

const [base, project, projectToken, channel] = process.argv.slice(2);
const wsUrl = `${base.replace('https:', 'wss:')}/ws`;
const it = await connectClient({ project, wsUrl });
it.client.subscribeToChannel(channel);
await it.available(channel);
const hop = new Hop(projectToken, base);
for (let n = 0; n < 20; n += 1) {
  await hop.channels.publishMessage(channel, 'NUMBER', { n, text: 'x'.repeat(n * 2000) });
  const { data } = await it.messages.next(({ event, data }) => event === 'NUMBER' && data.n === n, `number ${n}`);
  if (data.text.length !== n * 2000) throw new Error(`number ${n} has ${data.text.length} characters`);
}
await hop.channels.setState(channel, { over: 'tls' });
await it.entry(channel, ({ state }) => state.over === 'tls');
const lines = complaints(it.console);
if (lines.length > 0) throw new Error(lines.join('\n'));
it.stop();
process.stdout.write('heard all\n');
process.exit(0);
