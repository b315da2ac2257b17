/** The frame: who is signed in, where one is, and what stands around it. */

import { html, newPage, PageContext, SessionContext, useEffect, useErrorBoundary, useMemo, useRef, useState } from './hooks.js';
import { hangUp } from './live.js';
import { NAVIGATION, pageOf } from './pages.js';
import { SignIn } from './pages/sign_in.js';
import { Projects } from './pages/projects.js';
import { useRoute } from './route.js';
import { forget, open, remember, remembered } from './session.js';
import { ThemeButton } from './theme_button.js';
import { Links, Trouble } from './ui.js';

/**
 * @typedef {import('./session.js').SignedIn & {
 *   signOut: () => void, choose: (project?: string) => Promise<void>, say: (text: string) => void,
 * }} Session
 */

/** Signs in, and shows what there is for who is. */
export function App() {
  const [signedIn, setSignedIn] = useState(null);
  const [isOpening, setOpening] = useState(Boolean(remembered()));
  const [error, setError] = useState(undefined);
  const [said, setSaid] = useState('');

  const enter = async (token, project) => {
    const next = await open(token, project);
    next.api.onRefused = () => {
      leave();
      setError(new Error('The token is not valid any more.'));
    };
    remember(token, next.project?.id);
    setError(undefined);
    setSignedIn(next);
  };
  const leave = () => {
    hangUp();
    forget();
    setSignedIn(null);
    setError(undefined);
  };
  useEffect(() => {
    const before = remembered();
    if (!before) return;
    enter(before.token, before.project).catch((failure) => {
      if (failure.status === 401) forget();
      setError(failure);
    }).finally(() => setOpening(false));
  }, []);
  const session = useMemo(() => signedIn && {
    ...signedIn,
    signOut: leave,
    say: setSaid,
    choose: async (project) => {
      if (project) return enter(signedIn.api.token, project);
      setSignedIn({ ...signedIn, project: null });
    },
  }, [signedIn]);

  if (isOpening) return html`<p class="empty" role="status">Signing in…</p>`;
  if (!session) return html`<${Bar} /><${SignIn} onToken=${enter} error=${error} />`;
  return html`
    <${SessionContext.Provider} value=${session}>
      <${Bar} session=${session} />
      ${session.project ? html`<${Frame} key=${session.project.id} />` : html`<main id="main"><${Projects} /></main>`}
      <${Said} text=${said} onEnd=${() => setSaid('')} />
    <//>`;
}

/** The top: whose project this is. */
function Bar({ session }) {
  return html`
    <header class="bar">
      <a class="brand" href="#/"><img src="static/icon.svg" alt="" width="28" height="28" />Warren</a>
      ${session?.project && html`<p class="project" title=${session.project.id}>${session.project.name}</p>`}
      <div class="buttons">
        ${session?.api.isAdmin && session.project && html`<button type="button" onClick=${() => session.choose()}>Projects</button>`}
        <${ThemeButton} />
        ${session && html`<button type="button" onClick=${session.signOut}>Sign out</button>`}
      </div>
    </header>`;
}

/** Navigation, and the page. */
function Frame() {
  const route = useRoute();
  const [name = 'overview', ...rest] = route;
  const main = useRef(null);
  const isFirst = useRef(true);
  const { title, Page } = pageOf(name, rest.length > 0);
  useEffect(() => {
    document.title = `${title} · Warren`;
    // Who goes to another page by keyboard or screen reader goes on reading there.
    if (!isFirst.current) main.current.focus({ preventScroll: true });
    if (!isFirst.current) scrollTo(0, 0);
    isFirst.current = false;
  }, [name, rest[0]]);
  return html`
    <div class="frame">
      <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>Skip to content</a>
      <${Links} class="side" label="Console" active=${name} links=${NAVIGATION.map(({ name: one, title: text }) => [one, text, `#/${one}`])}>
        <a href="docs">Documentation</a>
      <//>
      <main id="main" tabindex="-1" ref=${main}><${Guarded} key=${`${name}/${rest[0] ?? ''}`} Page=${Page} args=${rest} /></main>
    </div>`;
}

/** A page whose crash leaves the rest standing. */
function Guarded({ Page, args }) {
  const [error] = useErrorBoundary((failure) => console.error(failure));
  const [page] = useState(newPage);
  if (error) return html`<${Trouble} error=${new Error(`This page failed: ${error.message}. Load it again.`)} />`;
  return html`<${PageContext.Provider} value=${page}><${Page} args=${args} /><//>`;
}

/** What was just done, also for who cannot see it; goes by itself. */
function Said({ text, onEnd }) {
  useEffect(() => {
    if (!text) return undefined;
    const timer = setTimeout(onEnd, 4000);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<p class=${`said ${text ? 'shown' : ''}`} role="status">${text}</p>`;
}
