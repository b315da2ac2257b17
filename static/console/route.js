/** Where one is: `#/channels/room/state`. Secrets never stand there, because addresses are kept and shown. */

import { useEffect, useState } from './hooks.js';

/** @param {string} hash @returns {string[]} the parts of the address, decoded */
function parts(hash) {
  return hash.replace(/^#\/?/, '').split('/').filter(Boolean).map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
}

/** The address of a page. @param {...string} names */
export const link = (...names) => `#/${names.map(encodeURIComponent).join('/')}`;

/** Goes to a page. @param {...string} names */
export function go(...names) {
  location.hash = link(...names);
}

/** @returns {string[]} follows the address */
export function useRoute() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const follow = () => setHash(location.hash);
    addEventListener('hashchange', follow);
    // It may have changed since the page was put together.
    follow();
    return () => removeEventListener('hashchange', follow);
  }, []);
  return parts(hash);
}

const TOKENS = 'warren-console-tokens';

/** @returns {string[]} the leap tokens that were looked at in this tab */
const seen = () => JSON.parse(sessionStorage.getItem(TOKENS) ?? '[]');

/** A word that stands for a leap token in addresses, in this tab alone. @param {string} token */
export function tokenAlias(token) {
  const all = seen();
  if (!all.includes(token)) sessionStorage.setItem(TOKENS, JSON.stringify([...all, token]));
  return `t${seen().indexOf(token) + 1}`;
}

/** @param {string} alias @returns {string | undefined} */
export const tokenOf = (alias) => seen()[Number(alias.slice(1)) - 1];
