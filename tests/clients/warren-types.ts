// What TypeScript makes of the packed client: warren-js-package.test.mjs has it checked, beside the client, as whoever
// installs it would. Nothing here runs.

import { connect, CloseError, WarrenError, type Channel, type Client } from 'warren-client';
import { useChannelState, useMessages, usePresence, WarrenProvider } from 'warren-client/react';

const client: Client = connect({ url: new URL('wss://example.com'), project: 'project_x', token: async () => null, storage: localStorage });
const room: Channel = client.subscribe('room', { ephemeral: true });
client.on('status', ({ status, delayMs }) => `${status satisfies 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed'} ${delayMs?.toFixed()}`);
room.on('message', ({ event, missed }) => event.length + (missed ?? 0));
room.on('presence', ({ members }) => members.size);
client.direct.on('gap', () => {});
// @ts-expect-error There is no such event.
room.on('massage', () => {});
// @ts-expect-error Direct messages have no state.
client.direct.on('state', () => {});
// @ts-expect-error The project is missing.
connect({ url: 'wss://example.com' });

export async function all(): Promise<number | undefined> {
  await client.ready;
  const { version } = await (await room.ready).setState(({ n, ...rest }) => ({ ...rest, n: n + 1 }));
  await room.setState((state) => { state.n = 1; });
  for await (const { data, position } of room.messages({ limit: 10, overflow: 'drop' })) console.log(data, position);
  return version;
}

export function told(error: unknown): string {
  if (error instanceof CloseError) return error.isFatal ? error.reason : String(error.closeCode);
  return error instanceof WarrenError ? error.code : 'else';
}

export function useRoom(): [number, string | undefined] {
  const [state, setState] = useChannelState('room');
  void setState({ ...state, seen: true });
  const messages = useMessages('room', { limit: 5, onMessage: ({ data }) => data });
  return [usePresence('room').length, messages[0]?.event];
}

export const provider = WarrenProvider({ client });
