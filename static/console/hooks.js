/** Preact, and what every page needs of it: loading and doing. */

import { createContext, html, render, useContext, useEffect, useErrorBoundary, useMemo, useRef, useState } from '../vendor/htm-preact.js';

export { html, render, useEffect, useErrorBoundary, useMemo, useRef, useState };

/** Who is signed in: `{api, project, signOut, say, …}`. */
export const SessionContext = createContext(null);

/** @returns {import('./app.js').Session} */
export const useSession = () => useContext(SessionContext);

/**
 * Loads, again when `deps` change or `reload` is called, and every so often while somebody looks.
 * What was loaded stays while it is loaded again, also when that fails.
 * @template T
 * @param {(before: T | undefined) => Promise<T>} load
 * @param {any[]} deps
 * @param {number | ((data: T) => number)} [everyMs] 0 and nothing: once
 * @returns {{data?: T, error?: Error, isLoading?: boolean, reload: () => void}}
 */
export function useLoad(load, deps, everyMs) {
  const [result, setResult] = useState({ isLoading: true });
  const [round, setRound] = useState(0);
  const newest = useRef(undefined);
  useEffect(() => {
    let isWanted = true;
    let timer;
    const once = async () => {
      const next = await load(newest.current).then((data) => ({ data }), (error) => ({ data: newest.current, error }));
      if (!isWanted) return;
      newest.current = next.data;
      setResult(next);
      wait();
    };
    const wait = () => {
      const ms = typeof everyMs === 'function' ? everyMs(newest.current) : everyMs;
      if (ms) timer = setTimeout(() => (document.hidden ? wait() : once()), ms);
    };
    once();
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [...deps, round]);
  return { ...result, reload: () => setRound((before) => before + 1) };
}

/**
 * Does one thing at a time, and holds what went wrong.
 * @returns {[(work: () => Promise<any>) => Promise<boolean>, {isBusy?: boolean, error?: Error}, () => void]} `do` says whether
 *   it went well; the last takes back the error
 */
export function useAction() {
  const [state, setState] = useState({});
  const run = async (work) => {
    setState({ isBusy: true });
    try {
      await work();
      setState({});
      return true;
    } catch (error) {
      setState({ error });
      return false;
    }
  };
  return [run, state, () => setState({})];
}
