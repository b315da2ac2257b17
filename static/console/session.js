/** Signing in: a token, kept in this tab for as long as the tab is open. */

import { Api } from './api.js';

const KEY = 'warren-console-session';

/** @typedef {{api: Api, project: {id: string, name: string} | null}} SignedIn */

/** @returns {{token: string, project?: string} | null} */
export function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
  } catch {
    return null;
  }
}

/** @param {string} token @param {string} [project] */
export function remember(token, project) {
  sessionStorage.setItem(KEY, JSON.stringify({ token, project }));
}

export function forget() {
  sessionStorage.clear();
}

/**
 * What a token opens: the project of a project token, or the one that was chosen of those that an admin token sees.
 * @param {string} token
 * @param {string} [wanted] a project's id
 * @returns {Promise<SignedIn>}
 */
export async function open(token, wanted) {
  const api = new Api(token);
  if (!api.isAdmin) {
    const { project } = await api.get('projects/@this');
    return { api, project };
  }
  const { projects } = await api.get('projects', { query: { pageSize: 2 } });
  const isSeen = wanted !== undefined && (await api.get(`projects/${encodeURIComponent(wanted)}`).then(() => true, () => false));
  const id = isSeen ? wanted : projects.length === 1 ? projects[0].id : undefined;
  if (id === undefined) return { api, project: null };
  const { project } = await api.get(`projects/${encodeURIComponent(id)}`);
  return { api: new Api(token, project.id), project };
}
