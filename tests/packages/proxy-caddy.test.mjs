import { behindProxy } from './behind-proxy.mjs';

// Caddy ends nothing that is quiet, unless it is told to.
behindProxy('Caddyfile', { without: /\b(read|write|stream|response_header)_timeout\b|\b(read_body|write)\b/ });
