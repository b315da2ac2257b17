import { behindProxy } from './behind-proxy.mjs';

behindProxy('haproxy.cfg', {
  timeouts: [/timeout client (\d+)s/, /timeout server (\d+)s/, /timeout tunnel (\d+)s/],
  redirects: true,
});
