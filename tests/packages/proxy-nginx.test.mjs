import { behindProxy } from './behind-proxy.mjs';

behindProxy('nginx.conf', {
  timeouts: [/proxy_read_timeout (\d+)s;/, /proxy_send_timeout (\d+)s;/],
  redirects: true,
});
