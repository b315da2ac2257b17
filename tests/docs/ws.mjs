// The sockets' package, which is installed where the clients' tests are.

import { createRequire } from 'node:module';

export const { WebSocket } = createRequire(new URL('../clients/package.json', import.meta.url))('ws');
