import { behindProxy } from './behind-proxy.mjs';
import { PROXY } from './proxy.mjs';

behindProxy('haproxy-tcp.cfg', {
  environment: { WARREN_PROXY_PROTOCOL: 'true', WARREN_TRUSTED_PROXIES: `${PROXY}/32` },
  timeouts: [/timeout client (\d+)s/, /timeout server (\d+)s/],
  isHttp: false,
});
