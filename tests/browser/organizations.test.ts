// Organizations: the switcher, names, sub-organizations, policy; and the password that dangerous forms ask for.

import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { Stage, headed, row, sees } from './stage.ts';

const stage = Stage.forThisFile();

async function make(page: Page, name: string): Promise<void> {
  await page.getByRole('link', { name: 'Profile' }).click();
  await page.locator('#sub_name').fill(name);
  await page.getByRole('button', { name: 'Create the sub-organization' }).click();
  await sees(page, 'The sub-organization is created.');
}

stage.walkBothWays('a sub-organization is made, switched to, renamed, and left again', async (page, tag) => {
  const { rootOrganization } = stage.server.credentials;
  const [name, later] = [`Acme Web ${tag}`, `Acme Sites ${tag}`];
  await stage.signInAs(page, 'owner');
  await make(page, name);
  await page.locator('details.switcher > summary').click();
  await page.getByRole('navigation', { name: 'Organizations' }).getByRole('button', { name, exact: true }).click();
  await headed(page, name);
  const sub = new URL(page.url()).pathname;
  assert.notEqual(sub, `/console/${rootOrganization.id}`);
  await page.goto('/console');
  assert.equal(new URL(page.url()).pathname, sub, 'he comes back to where he was');

  await page.getByRole('link', { name: 'Profile' }).click();
  await sees(page, 'A sub-organization of Acme.');
  await page.getByLabel('Name').fill(later);
  await page.getByRole('button', { name: 'Rename' }).click();
  await sees(page, 'The organization has its new name.');
  assert.match(await page.title(), new RegExp(later));
  await page.locator('details.switcher > summary').click();
  await page.getByRole('navigation', { name: 'Organizations' }).getByRole('button', { name: 'Acme', exact: true }).click();
  await headed(page, 'Acme');
});

stage.walk('the list of organizations closes by Escape and by a click elsewhere', async (page) => {
  await stage.signInAs(page, 'owner');
  const list = page.getByRole('navigation', { name: 'Organizations' });
  const summary = page.locator('details.switcher > summary');
  for (const close of [() => page.keyboard.press('Escape'), () => page.mouse.click(1_200, 850)]) {
    await summary.click();
    await list.waitFor({ state: 'visible' });
    await close();
    await list.waitFor({ state: 'hidden' });
  }
});

stage.walkBothWays('a policy is put in force, holds for keys that are made, and is taken back', async (page) => {
  const { rootOrganization } = stage.server.credentials;
  const base = `/console/${rootOrganization.id}`;
  await stage.signInAs(page, 'owner');
  await page.getByRole('link', { name: 'Policy' }).click();
  await page.getByLabel('Longest lifetime of a key, in days').fill('7');
  await page.getByRole('button', { name: 'Save the policy' }).click();
  await sees(page, 'The policy is in force.');
  assert.equal(await page.getByLabel('Longest lifetime of a key, in days').inputValue(), '7');

  await page.goto(`${base}/personal-keys/new`);
  await page.getByLabel('Name').fill('lives too long');
  // What is proposed is within the policy; a later day is stopped by the browser, and by the server where that does not look.
  const last = page.getByLabel('Last day');
  assert.equal(await last.getAttribute('max'), await last.inputValue());
  await last.fill('2099-01-01');
  await page.getByRole('button', { name: 'Generate the key' }).click();
  assert.equal(await page.getByRole('alert').count(), 0);
  await page.locator('form.card').evaluate((form: HTMLFormElement) => { form.noValidate = true; });
  await page.getByRole('button', { name: 'Generate the key' }).click();
  await sees(page, /Last day: must not be later than \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
  await page.goto(`${base}/personal-keys`);
  assert.equal(await row(page, 'lives too long').count(), 0);

  await page.goto(`${base}/policy`);
  await page.getByLabel('Longest lifetime of a key, in days').fill('');
  await page.getByLabel('Allowed addresses').fill('not a network');
  await page.getByRole('button', { name: 'Save the policy' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('Allowed addresses').inputValue(), 'not a network');
  await page.getByLabel('Allowed addresses').fill('');
  await page.getByRole('button', { name: 'Save the policy' }).click();
  await sees(page, 'The policy is in force.');
});

stage.walk('where Personal Access Keys are not allowed, the key of one stops', async (page) => {
  const { server } = stage;
  const { otherOrganization, users, personalAccessKeys, authUrl } = server.credentials;
  const line = `curl -X POST ${authUrl}/auth/v3/token -d personalAccessKey=${personalAccessKeys.globexowner}`;
  assert.equal(await server.status(line), 200);
  await stage.signIn(page, users.globexowner);
  await headed(page, 'Globex');
  await page.goto(`/console/${otherOrganization.id}/policy`);
  const box = page.getByRole('checkbox', { name: /^Personal Access Keys/ });
  await box.uncheck();
  await page.getByRole('button', { name: 'Save the policy' }).click();
  await sees(page, 'The policy is in force.');
  assert.ok(!(await box.isChecked()));
  assert.ok((await server.status(line)) >= 400);
});

stage.walk('the organizations of others are no pages', async (page) => {
  const { rootOrganization, otherOrganization } = stage.server.credentials;
  await stage.signInAs(page, 'viewer');
  for (const place of ['', '/team', '/api-keys', '/personal-keys', '/policy', '/profile', '/roles']) {
    assert.equal((await page.goto(`/console/${otherOrganization.id}${place}`))?.status(), 404, place);
  }
  assert.equal((await page.goto(`/console/${rootOrganization.id}`))?.status(), 200);
});

stage.walkBothWays('a form asks for the password when it was given too long ago', async (page, tag) => {
  const { server } = stage;
  const { rootOrganization, users } = server.credentials;
  const form = `/console/${rootOrganization.id}/personal-keys/new`;
  await stage.signIn(page, users.owner);
  await headed(page, /Acme/);
  await page.goto(form);
  assert.equal(await page.getByLabel('Your password').count(), 0, 'not while it was given just now');
  // This form asks for none, and is sent when it would have had to.
  await page.getByLabel('Name').fill(`overtaken ${tag}`);
  server.ageSessions();
  await page.getByRole('button', { name: 'Generate the key' }).click();
  await page.getByRole('alert').filter({ hasText: 'Give it once more' }).waitFor();
  assert.equal(await page.getByLabel('Name').inputValue(), `overtaken ${tag}`);
  await page.getByLabel('Your password').fill('not the password');
  await page.getByRole('button', { name: 'Generate the key' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByText('Copy it now.').count(), 0);
  await page.getByLabel('Your password').fill(users.owner.password);
  await page.getByRole('button', { name: 'Generate the key' }).click();
  await sees(page, 'Copy it now.');
  await page.goto(form);
  assert.equal(await page.getByLabel('Your password').count(), 0, 'not again');
});
