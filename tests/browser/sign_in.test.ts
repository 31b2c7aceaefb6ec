// Signing in and out.

import assert from 'node:assert/strict';
import { Stage, headed, sees } from './stage.ts';

const stage = Stage.forThisFile();

stage.walkBothWays('one click signs in as somebody of the demonstration, and another one signs out', async (page) => {
  await stage.signInAs(page, 'owner');
  await headed(page, 'Acme');
  const inside = page.url();
  await stage.signOut(page);
  await page.goto(inside);
  assert.match(page.url(), /\/console\/sign-in\?to=/, 'a page is shown to nobody who is signed out');
});

stage.walkBothWays('a wrong password tells so, and the right one leads to where he wanted to go', async (page) => {
  const { users, rootOrganization } = stage.server.credentials;
  await page.goto(`/console/${rootOrganization.id}/team`);
  await page.getByLabel('E-mail address').fill(users.manager.email);
  await page.getByLabel('Password', { exact: true }).fill('not-the-password');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('E-mail address').inputValue(), users.manager.email, 'what was typed stands there again');
  assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '', 'but not the password');
  await page.getByLabel('Password', { exact: true }).fill(users.manager.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await headed(page, 'Team');
  assert.equal(new URL(page.url()).pathname, `/console/${rootOrganization.id}/team`);
});

stage.walk('after signing out, going back shows nothing that could be used', async (page) => {
  await stage.signInAs(page, 'viewer');
  await page.getByRole('link', { name: 'Profile' }).click();
  await headed(page, 'Profile');
  await stage.signOut(page);
  await page.goBack();
  await page.reload();
  await sees(page, 'Sign in');
  assert.match(page.url(), /\/console\/sign-in/);
});

stage.walk('no sign-in that is sent leads elsewhere', async (page) => {
  const { submember } = stage.server.credentials.users;
  for (const to of ['//evil.example', 'https://evil.example', '/console//evil.example', '/console/\\evil.example', 'javascript:canary()']) {
    await page.goto('/console/sign-in');
    await page.locator('input[name="to"]').evaluate((field: HTMLInputElement, to) => { field.value = to; }, to);
    await page.getByLabel('E-mail address').fill(submember.email);
    await page.getByLabel('Password', { exact: true }).fill(submember.password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.waitForURL(/\/console\/[0-9a-f-]{36}$/);
    assert.equal(new URL(page.url()).origin, stage.base, to);
  }
});
