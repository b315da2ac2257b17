// The client of clients/js carries out every scenario that all clients of Warren's own share.

import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startServer } from './harness.mjs';
import { Stage } from './scenario.mjs';

const { scenarios } = JSON.parse(readFileSync(new URL('../../clients/scenarios/scenarios.json', import.meta.url), 'utf8'));

// What the other side's system has acknowledged is not known there (docs/RUNTIME.md, Delivery).
const skip = process.env.WARREN_SOCKET === 'route' && 'a route does not tell what was acknowledged';

for (const scenario of scenarios) {
  test(`scenario: ${scenario.name}`, { skip: scenario.acknowledged && skip }, async () => {
    const server = await startServer({ WARREN_HEARTBEAT: '1' });
    const stage = new Stage(server);
    try {
      await stage.run(scenario);
    } finally {
      stage.close();
      await server.remove();
    }
  });
}
