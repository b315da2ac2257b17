// An issuer of JSON Web Tokens, as any library would be one.

import { createHmac } from 'node:crypto';

export const SECRET = 'a secret that is shared with the issuer';

/** A token with these claims that ends in so many seconds. */
export function sign(claims, seconds = 60) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ iat: now, exp: now + seconds, ...claims })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
