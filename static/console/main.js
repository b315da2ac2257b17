/** The console: everything it shows and does, any other client of the HTTP API can. */

import { App } from './app.js';
import { html, render } from './hooks.js';

render(html`<${App} />`, document.getElementById('console'));
