// The official server SDK, @onehop/js: members, project tokens, webhooks, the user.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Hop, HopAPIError, permissions, permissionsMap, validateId } from '@onehop/js';
import { ADMIN_TOKEN, PROJECT, PROJECT_TOKEN, startServer } from './harness.mjs';
import { SAMPLE } from './webhook-sample.mjs';

let server;
let hop;
let admin;

before(async () => {
  server = await startServer();
  hop = new Hop(PROJECT_TOKEN, server.base);
  admin = new Hop(ADMIN_TOKEN, server.base);
});
after(() => server?.remove());

const refusedWith = (code, status) => (error) => {
  assert.ok(error instanceof HopAPIError, `a HopAPIError, not ${error}`);
  assert.deepEqual({ code: error.data.error.code, status: error.status }, { code, status });
  return true;
};

test('lists at least one member, by @this and by project id', async () => {
  for (const members of [await hop.projects.getAllMembers(), await admin.projects.getAllMembers(PROJECT)]) {
    assert.ok(members.length > 0);
    for (const { id, name, username, joined_at, mfa_enabled, role } of members) {
      assert.ok(validateId(id, 'pm'), id);
      for (const text of [name, username]) assert.equal(typeof text, 'string');
      assert.ok(Date.parse(joined_at) > 0);
      assert.equal(typeof mfa_enabled, 'boolean');
      assert.ok(['owner', 'editor', 'viewer'].includes(role.name));
      assert.equal(permissions.test(role.flags, permissionsMap.read_channels), true);
    }
  }
});

test('names the current member of an admin token', async () => {
  const member = await admin.projects.getCurrentMember(PROJECT);
  assert.ok(validateId(member.id, 'pm'));
  assert.equal(typeof member.role.name, 'string');
});

test('project tokens: create with flags, list masked, use, delete', async () => {
  const flags = Number(permissionsMap.read_channels | permissionsMap.create_channel);
  const created = await hop.projects.tokens.create(flags);
  assert.ok(validateId(created.id, 'ptkid'), created.id);
  assert.ok(validateId(created.token, 'ptk'), created.token);
  assert.equal(Number(created.flags), flags);

  const listed = (await hop.projects.tokens.get()).find(({ id }) => id === created.id);
  assert.notEqual(listed.token, created.token, 'the secret is shown once');
  assert.match(listed.token, /\*/);

  const limited = new Hop(created.token, server.base);
  await limited.channels.create('public', 'by-limited-token');
  assert.ok((await limited.channels.getAll()).some(({ id }) => id === 'by-limited-token'));
  await assert.rejects(limited.channels.delete('by-limited-token'), refusedWith('missing_permission', 403));
  await assert.rejects(limited.channels.publishMessage('by-limited-token', 'E', 1), refusedWith('missing_permission', 403));

  assert.equal(await hop.projects.tokens.delete(created.id), undefined);
  await assert.rejects(limited.channels.getAll(), refusedWith('invalid_auth', 401));
});

test('project tokens by project id, with an admin token', async () => {
  const created = await admin.projects.tokens.create(Number(permissionsMap.read_channels), PROJECT);
  assert.ok((await admin.projects.tokens.get(PROJECT)).some(({ id }) => id === created.id));
  await admin.projects.tokens.delete(created.id, PROJECT);
  assert.ok(!(await admin.projects.tokens.get(PROJECT)).some(({ id }) => id === created.id));
});

for (const [who, sdk, project] of [['a project token', () => hop], ['an admin token', () => admin, PROJECT]]) {
  test(`webhooks with ${who}: create, list, edit, regenerate, delete`, async () => {
    const { webhooks } = sdk().projects;
    const created = await webhooks.create('https://example.com/webhook', ['ignite.deployment.build.cancelled', 'project.tokens.created'], project);
    assert.ok(validateId(created.id, 'webhook'));
    assert.equal(created.project_id, PROJECT);
    assert.equal(created.type, 'http');
    assert.equal(created.webhook_url, 'https://example.com/webhook');
    assert.deepEqual(created.events.toSorted(), ['ignite.deployment.build.cancelled', 'project.tokens.created']);
    assert.match(created.secret, /^whsec_[^*]{22,}$/);

    const all = await webhooks.getAll(project);
    assert.ok(all.some(({ id }) => id === created.id));
    assert.ok(all.every(({ secret }) => secret.includes('*')), 'secrets are masked in lists');

    const events = ['project.tokens.deleted'];
    const edited = await webhooks.edit(created.id, { events }, project);
    assert.deepEqual(edited.events, events);
    assert.equal(edited.webhook_url, created.webhook_url, 'a field left out stays');
    const moved = await webhooks.edit(created.id, { webhookUrl: 'https://example.com/other' }, project);
    assert.deepEqual([moved.webhook_url, moved.events], ['https://example.com/other', events]);

    const secret = await webhooks.regenerateSecret(created.id, project);
    assert.match(secret, /^whsec_[^*]{22,}$/);
    assert.notEqual(secret, created.secret);

    assert.equal(await webhooks.delete(created.id, project), undefined);
    assert.ok(!(await webhooks.getAll(project)).some(({ id }) => id === created.id));
    await assert.rejects(webhooks.delete(created.id, project), refusedWith('webhook_not_found', 404));
  });
}

test('constructEvent accepts the published sample and nothing else', async () => {
  const { constructEvent } = hop.projects.webhooks;
  const event = await constructEvent(SAMPLE.body, SAMPLE.signature, SAMPLE.secret);
  assert.ok(validateId(event.id, 'event'));
  await assert.rejects(constructEvent(SAMPLE.body, SAMPLE.signature, 'whsec_wrong'), /Invalid signature/);
  await assert.rejects(constructEvent(`${SAMPLE.body} `, SAMPLE.signature, SAMPLE.secret), /Invalid signature/);
});

test('users.me.get describes the holder of the admin token', async () => {
  const me = await admin.users.me.get();
  for (const name of ['id', 'name', 'username', 'email']) assert.equal(typeof me.user[name], 'string', name);
  for (const name of ['email_verified', 'mfa_enabled', 'totp_enabled', 'webauthn_enabled', 'admin', 'github']) {
    assert.equal(typeof me.user[name], 'boolean', name);
  }
  assert.ok(validateId(me.user.id, 'user'));
  assert.ok(me.projects.some(({ id }) => id === PROJECT));
  const role = me.project_member_role_map[PROJECT];
  assert.equal(permissions.test(role.flags, permissionsMap.create_channel), true);
  assert.equal(typeof me.leap_token, 'string');
});

test('personal access tokens: create, list, use, delete', async () => {
  const pat = await admin.users.me.pats.create('for a script');
  assert.ok(validateId(pat.id, 'pat') || validateId(pat.pat, 'pat'));
  const all = await admin.users.me.pats.getAll();
  assert.ok(all.some(({ id, name }) => id === pat.id && name === 'for a script'));
  await admin.users.me.pats.delete(pat.id);
  assert.ok(!(await admin.users.me.pats.getAll()).some(({ id }) => id === pat.id));
});
