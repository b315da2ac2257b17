/** Light or dark, by hand; without a choice the system's preference counts. */

import { html, useState } from './hooks.js';

const KEY = 'warren-theme';
const root = document.documentElement;

const isDark = () => (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';

export function ThemeButton() {
  const [dark, setDark] = useState(isDark);
  const toggle = () => {
    root.dataset.theme = dark ? 'light' : 'dark';
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {
      // Without a storage the choice holds for this page.
    }
    setDark(!dark);
    dispatchEvent(new Event('themechange'));
  };
  return html`<button type="button" onClick=${toggle} aria-label=${`Switch to ${dark ? 'light' : 'dark'} colours`}>${dark ? '☀' : '☾'}</button>`;
}
