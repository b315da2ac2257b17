// The traps of docs/CLIENTS.md about strict parsers, webhooks and error codes: 14 and 15.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Hop } from '@onehop/js';
import { ADMIN_TOKEN, PROJECT, PROJECT_TOKEN, startServer } from './harness.mjs';
import { Inbox } from './inbox.mjs';
import { SAMPLE } from './webhook-sample.mjs';

const CLI = { 'user-agent': 'hop_cli/0.2.61 on Linux' };
const CRATE = { 'user-agent': 'hop_rs/0.1.12 on x86_64-linux' };
const GO = { 'user-agent': 'hop-go/1.12.1 (go/go1.19.8)' };
const JS = { 'user-agent': 'Hop-API-Client' };
const ADMIN = { authorization: ADMIN_TOKEN };

let server;
let receiver;
const deliveries = new Inbox();

before(async () => {
  server = await startServer({ WARREN_ALLOW_PRIVATE_WEBHOOKS: '1' });
  receiver = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    deliveries.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.end();
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
});
after(async () => {
  receiver.close();
  await server?.remove();
});

test('trap 14: the CLI and the crate never see event names that their parsers reject', async () => {
  const events = ['channel.created', 'channel.client.connected', 'token.created', 'project.tokens.created'];
  const path = '/v1/projects/@this/webhooks';
  const { webhook } = await server.ok('POST', path, { webhook_url: 'https://example.com/', events }, JS);
  assert.deepEqual(webhook.events.toSorted(), events.toSorted());
  const listed = async (headers) => (await server.ok('GET', path, undefined, headers)).webhooks.find(({ id }) => id === webhook.id).events;
  for (const strict of [CLI, CRATE]) {
    assert.deepEqual(await listed(strict), ['project.tokens.created']);
    const edited = await server.ok('PATCH', `${path}/${webhook.id}`, { webhook_url: 'https://example.com/2' }, strict);
    assert.deepEqual(edited.webhook.events, ['project.tokens.created']);
  }
  assert.deepEqual((await listed(JS)).toSorted(), events.toSorted(), 'hidden, not forgotten');
  const alias = await server.ok('POST', `/v1/projects/${PROJECT}/webhooks/${webhook.id}/regenerate_secret`, undefined, CLI);
  assert.match(alias.secret, /^whsec_/);
  await server.ok('DELETE', `${path}/${webhook.id}`);
});

test('trap 14: role.flags is a string for everybody in @me, and what each parser wants in members', async () => {
  for (const headers of [CLI, CRATE, GO, JS]) {
    const me = await server.ok('GET', '/v1/users/@me', undefined, { ...ADMIN, ...headers });
    assert.equal(typeof me.project_member_role_map[PROJECT].flags, 'string');
    assert.match(me.project_member_role_map[PROJECT].flags, /^\d+$/);
  }
  for (const [headers, kind] of [[CLI, 'number'], [CRATE, 'number'], [JS, 'number'], [GO, 'string']]) {
    const { members } = await server.ok('GET', `/v1/projects/${PROJECT}/members`, undefined, { ...ADMIN, ...headers });
    assert.equal(typeof members[0].role.flags, kind, headers['user-agent']);
    const { project_member: me } = await server.ok('GET', `/v1/projects/${PROJECT}/members/@me`, undefined, { ...ADMIN, ...headers });
    assert.equal(typeof me.role.flags, kind, headers['user-agent']);
  }
});

test('trap 14: leap_token is a string and a project is complete, with whole numbers as quotas', async () => {
  const me = await server.ok('GET', '/v1/users/@me', undefined, { ...ADMIN, ...CLI });
  const own = await server.ok('GET', '/v1/projects/@this', undefined, CLI);
  await server.channel('with-project', 'private');
  const { channel } = await server.ok('GET', '/v1/channels/with-project', undefined, CRATE);
  for (const answer of [me, own]) assert.match(answer.leap_token, /^leap_token_/);
  assert.equal(typeof me.user.github, 'boolean');
  for (const project of [own.project, channel.project, ...me.projects]) {
    for (const name of ['id', 'name', 'namespace']) assert.equal(typeof project[name], 'string', name);
    assert.ok(['regular', 'personal'].includes(project.type));
    assert.ok(['free', 'paid'].includes(project.tier));
    assert.ok(Date.parse(project.created_at) > 0);
    assert.ok(project.icon === null || typeof project.icon === 'string');
    for (const quota of ['default_quotas', 'quota_usage']) {
      for (const name of ['vcpu', 'ram', 'volume']) assert.ok(Number.isInteger(project[quota][name]), `${quota}.${name}`);
    }
    for (const value of Object.values(project.quota_overrides)) assert.ok(Number.isInteger(value));
  }
});

test('trap 14: channels, tokens and stats carry what the strict parsers require', async () => {
  await server.channel('strict', 'public');
  const { channel } = await server.ok('GET', '/v1/channels/strict', undefined, CRATE);
  assert.deepEqual([channel.type, channel.state, channel.capabilities], ['public', {}, 0]);
  for (const method of ['setState', 'patchState', 'subscribeToken', 'subscribeTokens', 'removeToken', 'publishMessage']) {
    assert.equal(method in channel, false, 'the SDK adds methods of these names');
  }
  const { token } = await server.ok('POST', '/v1/channels/tokens', { state: null, expires_at: null }, CLI);
  assert.equal(token.project_id, PROJECT);
  assert.ok(Date.parse(token.created_at) > 0);
  assert.equal(token.expires_at, null);
  assert.equal(token.is_online, false);
  assert.ok('state' in token && !Array.isArray(token.state) && typeof token.state === 'object');
  const { tokens } = await server.ok('GET', `/v1/channels/tokens?project=${PROJECT}`, undefined, CLI);
  assert.ok(tokens.some(({ id }) => id === token.id));
  const stats = await server.ok('GET', '/v1/channels/strict/stats');
  assert.equal(stats.online_count, 0);
  assert.equal(stats.stats.online_count, 0);
});

test('trap 14: project tokens can be made from group names', async () => {
  const { project_token: made } = await server.ok('POST', `/v1/projects/${PROJECT}/tokens`, { permissions: ['MANAGE_CHANNELS'] }, { ...ADMIN, ...GO });
  assert.equal(BigInt(made.flags) & (1n << 39n), 1n << 39n, 'may create channels');
  assert.equal(BigInt(made.flags) & (1n << 47n), 0n, 'may not create webhooks');
  assert.equal(made.project_id, PROJECT);
  assert.equal(made.project.id, PROJECT);
  const groups = ['MANAGE_DEPLOYMENTS', 'MANAGE_REGISTRY', 'MANAGE_MEMBERS', 'MANAGE_CHANNELS'];
  assert.ok(made.permissions.every((name) => groups.includes(name)));
});

test('trap 15: a delivered webhook passes the check of the SDK', async () => {
  const hop = new Hop(PROJECT_TOKEN, server.base);
  const { constructEvent } = hop.projects.webhooks;
  assert.equal((await constructEvent(SAMPLE.body, SAMPLE.signature, SAMPLE.secret)).event, 'ignite.deployment.container.metrics_update');
  const url = `http://127.0.0.1:${receiver.address().port}/hook`;
  const webhook = await hop.projects.webhooks.create(url, ['channel.created']);
  await hop.channels.create('public', 'announced');
  const { headers, body } = await deliveries.next(() => true, 'the webhook', 15_000);
  const signature = headers['x-hop-hooks-signature'];
  assert.match(signature, /^[0-9A-F]{64}$/);
  const event = await constructEvent(body, signature, webhook.secret);
  assert.equal(event.event, 'channel.created');
  assert.equal(event.webhook_id, webhook.id);
  assert.equal(event.project_id, PROJECT);
  assert.match(event.id, /^event_/);
  assert.match(event.occurred_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(event.data.channel.id, 'announced');
  await assert.rejects(constructEvent(body, signature, webhook.secret.slice('whsec_'.length)), /Invalid signature/);
});

test('trap 15: error codes and their status are the ones that clients know', async () => {
  await server.channel('there', 'private');
  const token = await server.leapToken();
  const none = 'leap_token_none';
  const cases = [
    [404, 'channel_not_found', 'GET', '/v1/channels/none'],
    [404, 'channel_not_found', 'GET', '/v1/channels/none/state'],
    [404, 'channel_not_found', 'GET', '/v1/channels/none/stats'],
    [404, 'channel_not_found', 'DELETE', '/v1/channels/none'],
    [404, 'channel_not_found', 'PUT', '/v1/channels/none/state', {}],
    [404, 'channel_not_found', 'PATCH', '/v1/channels/none/state', {}],
    [404, 'channel_not_found', 'POST', '/v1/channels/none/messages', { e: 'E' }],
    [404, 'channel_not_found', 'PUT', `/v1/channels/none/subscribers/${token}`],
    [404, 'token_not_found', 'PUT', `/v1/channels/there/subscribers/${none}`],
    [404, 'token_not_found', 'GET', `/v1/channels/tokens/${none}`],
    [404, 'token_not_found', 'DELETE', `/v1/channels/tokens/${none}`],
    [404, 'token_not_found', 'POST', `/v1/channels/tokens/${none}/messages`, { e: 'E' }],
    [404, 'webhook_not_found', 'DELETE', '/v1/projects/@this/webhooks/webhook_none'],
    [404, 'project_not_found', 'GET', '/v1/projects/project_none/members', undefined, ADMIN],
    [404, 'not_found', 'GET', '/v1/none'],
    [405, 'method_not_allowed', 'PATCH', '/v1/channels'],
    [409, 'channel_exists', 'PUT', '/v1/channels/there', { type: 'private', state: {} }],
    [400, 'invalid_body', 'PUT', '/v1/channels/there/state', [1]],
    [400, 'project_required', 'GET', '/v1/channels', undefined, ADMIN],
    [401, 'invalid_auth', 'GET', '/v1/channels', undefined, { authorization: null }],
    [401, 'invalid_auth', 'GET', '/v1/channels', undefined, { authorization: 'ptk_wrong' }],
    [401, 'invalid_auth', 'GET', '/v1/channels', undefined, { authorization: `${PROJECT_TOKEN}x` }],
    [401, 'invalid_auth', 'GET', '/v1/channels', undefined, { authorization: token }],
  ];
  for (const [status, code, method, path, body, headers] of cases) {
    const answer = await server.api(method, path, body, headers);
    assert.deepEqual([answer.status, answer.error?.code], [status, code], `${method} ${path}: ${answer.text}`);
  }
  const extra = await server.api('GET', '/v1/channels', undefined, { authorization: `Bearer ${PROJECT_TOKEN}` });
  assert.equal(extra.status, 200, 'a scheme word does no harm');
});
