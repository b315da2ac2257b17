/** Preact, and what every page needs of it: loading and doing. */

import { createContext, html, render, useContext, useEffect, useErrorBoundary, useMemo, useRef, useState } from '../vendor/htm-preact.js';

export { html, render, useEffect, useErrorBoundary, useMemo, useRef, useState };

/** Who is signed in: `{api, project, signOut, say, …}`. */
export const SessionContext = createContext(null);

/** @returns {import('./app.js').Session} */
export const useSession = () => useContext(SessionContext);

/**
 * What a page asks for, and whether what it shows is being deleted: then nothing more is asked for.
 * @returns {{isEnding: boolean, asked: Set<Promise<any>>}}
 */
export const newPage = () => ({ isEnding: false, asked: new Set() });

export const PageContext = createContext(newPage());

/**
 * Does what deletes the thing that a page shows. What was asked for before has come by then, and nothing is asked for after
 * it: it would not be found. Where the work fails, the page goes on.
 * @returns {(work: () => Promise<any>) => Promise<any>}
 */
export function useEnding() {
  const page = useContext(PageContext);
  return async (work) => {
    page.isEnding = true;
    try {
      await Promise.all(page.asked);
      return await work();
    } catch (error) {
      page.isEnding = false;
      throw error;
    }
  };
}

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
  const page = useContext(PageContext);
  useEffect(() => {
    let isWanted = true;
    let timer;
    const once = async () => {
      const asked = load(newest.current).then((data) => ({ data }), (error) => ({ data: newest.current, error }));
      page.asked.add(asked);
      const next = await asked;
      page.asked.delete(asked);
      if (!isWanted) return;
      newest.current = next.data;
      setResult(next);
      wait();
    };
    const wait = () => {
      const ms = typeof everyMs === 'function' ? everyMs(newest.current) : everyMs;
      if (ms) timer = setTimeout(() => (document.hidden || page.isEnding ? wait() : once()), ms);
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
