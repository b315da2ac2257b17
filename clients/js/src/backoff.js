/** How long to wait before the next attempt. */

/** A pause that the server asks for is honoured up to here, so a bad value cannot park a client. */
const PAUSE_MAX_MS = 60_000;

/**
 * @param {import('./errors.js').CloseError} error Why the connection ended.
 * @param {number} failures How many attempts failed in a row before.
 * @param {number} minMs
 * @param {number} maxMs
 * @returns {number} Milliseconds.
 */
export function pause({ closeCode, reason }, failures, minMs, maxMs) {
  const asked = /([\d.]+) *(m?s)\b/.exec(reason);
  if (asked && (closeCode === 4008 || closeCode === 4010)) {
    const ms = Math.min(PAUSE_MAX_MS, Number(asked[1]) * (asked[2] === 's' ? 1000 : 1));
    // Everybody was told the same: a quarter of spread keeps them from coming back as one.
    return ms * (1 + Math.random() / 4);
  }
  // A bound that was hit once is hit again by who comes back at once.
  const doublings = closeCode === 4008 ? failures + 2 : failures;
  const ceiling = Math.min(maxMs, minMs * 2 ** doublings);
  // Half fixed, half random: clients of a restarted server spread out, none comes back at once.
  return ceiling / 2 + (Math.random() * ceiling) / 2;
}
