// Drives the official @onehop/client: one client per process, so one per test file.

import { hop } from '@onehop/client';
import { Inbox, captureConsole, until } from './inbox.mjs';

/** Connects the process-wide client and returns it with what it reports. */
export async function connectClient(server, token) {
  const console = captureConsole();
  const client = hop.init({ projectId: server.project, token }, { leapSocketUrl: server.wsUrl });
  const watch = {
    client,
    /** What the client and its socket library complained about. */
    console,
    /** `{event, data, channel}` of every message. */
    messages: new Inbox(),
    /** Raw service events as `{channelId, eventType, data}`. */
    events: new Inbox(),
    states: new Inbox(),
    connected: () => until(
      () => client.getConnectionState() === 'connected',
      (check) => client.getConnectionState(true).addListener(check),
      'the client to be connected',
    ),
    disconnected: () => until(
      () => client.getConnectionState() !== 'connected',
      (check) => client.getConnectionState(true).addListener(check),
      'the client to notice the end of the connection',
    ),
    /** The client's entry for a channel, once it is as asked. */
    entry: (channel, matches) => until(
      () => {
        const entry = client.getChannelStateMap().get(channel);
        return entry && matches(entry) ? entry : null;
      },
      (check) => client.getChannelStateMap().addListener(check),
      `the entry of channel ${channel} to match ${matches}, not ${JSON.stringify(client.getChannelStateMap().get(channel))}`,
    ),
    available: (channel) => watch.entry(channel, ({ subscription }) => subscription === 'available'),
    refused: (channel) => watch.entry(channel, ({ subscription }) => subscription === 'unavailable'),
    message: (event) => watch.messages.next((message) => message.event === event, `message ${event}`),
    stop: () => stopLeap(client.getLeap()),
  };
  client.on('MESSAGE', (message) => watch.messages.push(message));
  client.on('SERVICE_EVENT', (event) => watch.events.push(event));
  client.on('STATE_UPDATE', (update) => watch.states.push(update));
  await watch.connected();
  return watch;
}

/** The libraries have no way to disconnect, and would reconnect for ever after the tests. */
export function stopLeap(leap) {
  leap.removeAllListeners();
  leap.connect = () => {};
  clearInterval(leap.heartbeat);
  leap.socket?.instance.terminate();
}

/** Lines that no run against a correct server produces. */
export function complaints(lines) {
  return lines.filter((line) => /respond to heartbeat|resolution failed|unsupported opcode|service message failed|badly formatted/i.test(line));
}
