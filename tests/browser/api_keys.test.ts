// An API Key from its making to its end.

import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { Stage, headed, row, sees, textOf, until } from './stage.ts';

const stage = Stage.forThisFile();

/** Goes through the three steps; gives what the last one shows. */
async function make(page: Page, name: string, roles: string[]): Promise<{ secret: string; oauth: string; pipeline: string; vendor: string }> {
  const { id } = stage.server.credentials.rootOrganization;
  await page.goto(`/console/${id}/api-keys`);
  await page.getByRole('link', { name: 'Create a key' }).click();
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByRole('button', { name: 'Next: roles' }).click();
  for (const role of roles) await tick(page, id, role).check();
  await page.getByRole('button', { name: 'Create the key' }).click();
  return await shown(page);
}

/** The box of a role in an organization. */
function tick(page: Page, organization: string, role: string) {
  return page.locator(`input[name="role:${organization}"][value="${role}"]`);
}

/** What a page shows of a secret; the lines as somebody pastes them who has put the secret into the variable that they name. */
async function shown(page: Page): Promise<{ secret: string; oauth: string; pipeline: string; vendor: string }> {
  await sees(page, 'Copy it now.');
  const [secret, oauth, pipeline, vendor] = await Promise.all(['#secret', '#line-oauth', '#line-ci', '#line-vendor'].map((id) => textOf(page, id)));
  const pasted = (line: string): string => `KEYWRIGHT_SECRET='${secret}'\n${line}`;
  return { secret, oauth: pasted(oauth), pipeline: pasted(pipeline), vendor: pasted(vendor) };
}

/** What the key may do, asked by the line for pipelines. */
async function permissions(line: string): Promise<string[]> {
  return JSON.parse(await stage.server.shell(line)).permissions;
}

async function toKey(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'I have copied it' }).click();
  await page.getByRole('heading', { level: 2, name: 'About' }).waitFor();
}

stage.walkBothWays('an API Key is made in steps, used by all lines that are shown, and its roles are changed', async (page, tag) => {
  const { server } = stage;
  const { id } = server.credentials.rootOrganization;
  await stage.signInAs(page, 'owner');
  const lines = await make(page, `nightly ${tag}`, ['view-organization']);
  assert.equal(JSON.parse(await server.shell(lines.oauth)).token_type, 'Bearer');
  assert.equal(JSON.parse(await server.shell(lines.vendor)).token_type, 'Bearer');
  const before = await permissions(lines.pipeline);
  assert.ok(before.includes('organization.member.view') && !before.includes('organization.member.manage'), `${before}`);

  await toKey(page);
  await page.getByRole('link', { name: 'Manage roles' }).click();
  await tick(page, id, 'view-organization').uncheck();
  await tick(page, id, 'manage-organization').check();
  await page.getByRole('button', { name: 'Save the roles' }).click();
  await sees(page, 'The key has its new roles.');
  const after = await permissions(lines.pipeline);
  assert.ok(after.includes('organization.member.manage'), `${after}`);

  await page.getByRole('link', { name: 'Usage' }).click();
  await until('four uses are counted', async () => {
    await page.reload();
    return await page.getByText('4 tokens issued, 0 exchanges refused in 30 days').isVisible();
  });
});

stage.walk('a key without a role is not made, and the second step keeps what the first one asked', async (page) => {
  const { id } = stage.server.credentials.rootOrganization;
  await stage.signInAs(page, 'owner');
  await page.goto(`/console/${id}/api-keys/new`);
  await page.getByLabel('Name', { exact: true }).fill('no role & more');
  await page.getByText('More', { exact: true }).click();
  await page.getByLabel('Description').fill('for <nothing>');
  await page.getByLabel('Allowed addresses').fill('203.0.113.0/24\n198.51.100.7');
  await page.getByRole('button', { name: 'Next: roles' }).click();
  await page.getByRole('button', { name: 'Create the key' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByRole('link', { name: 'Back' }).click();
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'no role & more');
  assert.equal(await page.getByLabel('Description').inputValue(), 'for <nothing>');
  assert.equal(await page.getByLabel('Allowed addresses').inputValue(), '203.0.113.0/24\n198.51.100.7');
});

stage.walkBothWays('a rotation leaves both secrets for a while, or the new one alone', async (page, tag) => {
  const { server } = stage;
  await stage.signInAs(page, 'owner');
  const first = await make(page, `rotated ${tag}`, ['view-organization']);
  await toKey(page);
  const key = page.url();

  await page.getByRole('link', { name: 'Rotate' }).click();
  await page.getByLabel('One day').check();
  await page.getByRole('button', { name: 'Create the new secret' }).click();
  const second = await shown(page);
  await sees(page, /The old secret works until/);
  assert.notEqual(first.secret, second.secret);
  assert.equal(await server.status(first.oauth), 200, 'the old secret within the overlap');
  await toKey(page);
  await until('the page says that the new secret waits', async () => {
    await page.reload();
    return await row(page, '1').getByText('The newer one has not been used yet.').isVisible();
  });
  assert.equal(await server.status(second.oauth), 200, 'the new secret');
  await until('the page says that the old one is drained', async () => {
    await page.reload();
    return await row(page, '1').getByText('Drained').isVisible();
  });
  assert.equal(await server.status(first.oauth), 200);
  await until('the page says that the old one is used still', async () => {
    await page.reload();
    return await row(page, '1').getByText('Still used beside the newer one.').isVisible();
  });

  await page.getByRole('link', { name: 'Rotate' }).click();
  await page.getByLabel('Stop it now').check();
  await page.getByRole('button', { name: 'Create the new secret' }).click();
  const third = await shown(page);
  await sees(page, 'The old secret no longer works.');
  assert.deepEqual(await Promise.all([first, second, third].map((lines) => server.status(lines.oauth))), [401, 401, 200]);
  await page.goto(key);
  assert.equal(await page.getByText('No longer accepted').count(), 2);
});

stage.walkBothWays('an API Key is suspended, resumed, protected, and deleted by its name', async (page, tag) => {
  const { server } = stage;
  const name = `stopped ${tag}`;
  await stage.signInAs(page, 'owner');
  const { oauth } = await make(page, name, ['view-organization']);
  await toKey(page);
  const key = page.url();

  await page.getByRole('link', { name: 'Suspend' }).click();
  await page.getByRole('button', { name: 'Suspend the key' }).click();
  await headed(page, 'Revocation receipt');
  assert.equal(await server.status(oauth), 401);
  await page.goto(key);
  await sees(page, 'Suspended');
  await page.getByRole('link', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Resume the key' }).click();
  await sees(page, 'The key works again.');
  assert.equal(await server.status(oauth), 200);

  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByLabel('Protect it from being deleted').check();
  await page.getByRole('button', { name: 'Save' }).click();
  await sees(page, 'The settings are in force.');
  await page.getByRole('link', { name: 'Delete' }).click();
  await sees(page, /This key is protected from being deleted/);
  assert.equal(await page.getByRole('button', { name: 'Delete the key' }).count(), 0);
  assert.equal(await server.status(oauth), 200);
  await page.goto(`${key}/settings`);
  await page.getByLabel('Protect it from being deleted').uncheck();
  await page.getByRole('button', { name: 'Save' }).click();

  await page.getByRole('link', { name: 'Delete' }).click();
  await page.getByLabel("Type the key's name to confirm").fill('another name');
  await page.getByRole('button', { name: 'Delete the key' }).click();
  await page.getByRole('alert').filter({ hasText: 'as it stands here' }).waitFor();
  assert.equal(await server.status(oauth), 200);
  await page.getByLabel("Type the key's name to confirm").fill(name);
  await page.getByRole('button', { name: 'Delete the key' }).click();
  await headed(page, 'Revocation receipt');
  assert.equal(await server.status(oauth), 401);
});

stage.walk('who may only look at API Keys is offered nothing else', async (page) => {
  const { server } = stage;
  await stage.signInAs(page, 'viewer');
  const { id } = server.credentials.rootOrganization;
  const listed = await page.getByRole('link', { name: 'API Keys', exact: true }).count();
  const answer = await page.goto(`/console/${id}/api-keys`);
  assert.equal(answer?.status(), listed === 0 ? 403 : 200, 'the menu says what there is');
  const deleted = await page.goto(`/console/${id}/api-keys/${server.credentials.apiKeys['acme-ci'].id}/delete`);
  assert.ok([403, 404].includes(deleted?.status() ?? 0), `a page to delete by, for somebody who may not: ${deleted?.status()}`);
});
