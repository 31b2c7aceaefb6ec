// What is one's own: password and sessions.

import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { Stage, headed, sees } from './stage.ts';

const stage = Stage.forThisFile();
const NEW = 'another four words in a row';

/** A second browser of the same person. */
async function elsewhere(who: { email: string; password: string }, act: (page: Page) => Promise<void>): Promise<void> {
  await stage.inBrowser(async (page) => {
    await stage.signIn(page, who);
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
    await act(page);
  }, { userAgent: 'The other browser' });
}

async function isSignedOut(page: Page): Promise<void> {
  await page.reload();
  assert.match(page.url(), /\/console\/sign-in/);
}

stage.walkBothWays('sessions are listed, one is ended, and then all others', async (page) => {
  const { owner } = stage.server.credentials.users;
  await stage.signIn(page, owner);
  await elsewhere(owner, async (other) => {
    await page.getByRole('link', { name: 'Sessions' }).click();
    await page.getByRole('button', { name: 'End the session of The other browser' }).click();
    await sees(page, 'The session has ended.');
    await isSignedOut(other);
  });
  await elsewhere(owner, async (other) => {
    await page.reload();
    await page.getByRole('button', { name: 'End all other sessions' }).click();
    await sees(page, 'All of your other sessions have ended.');
    await isSignedOut(other);
  });
  await page.reload();
  await sees(page, 'This session');
  assert.equal(await page.getByRole('button', { name: 'End all other sessions' }).count(), 0);
});

stage.walk('ending the session that one is in signs out', async (page) => {
  await stage.signInAs(page, 'viewer');
  await page.goto('/console/account/sessions');
  await page.getByRole('row').filter({ hasText: 'This session' }).getByRole('button').click();
  await sees(page, 'You are signed out.');
});

stage.walk('a changed password ends the other sessions, and the old one opens nothing', async (page) => {
  const { manager } = stage.server.credentials.users;
  await stage.signIn(page, manager);
  await page.getByRole('link', { name: manager.email }).click();
  await page.getByRole('link', { name: 'Change password' }).click();
  await page.getByLabel('Current password').fill('not this one');
  await page.getByLabel('New password').fill(NEW);
  await page.getByRole('button', { name: 'Change it' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('New password').inputValue(), '', 'no password is sent back');
  await elsewhere(manager, async (other) => {
    await page.getByLabel('Current password').fill(manager.password);
    await page.getByLabel('New password').fill(NEW);
    await page.getByRole('button', { name: 'Change it' }).click();
    await sees(page, 'Your password is changed');
    await isSignedOut(other);
    await stage.signIn(other, manager);
    await other.getByRole('alert').waitFor();
    await stage.signIn(other, { ...manager, password: NEW });
    await other.getByRole('button', { name: 'Sign out' }).waitFor();
  });
});

stage.walkBothWays('a forgotten password is replaced by the code of a mail', async (page, tag) => {
  const { server } = stage;
  const who = server.credentials.users[tag === 'plain' ? 'globexowner' : 'submember'];
  await page.goto('/console/sign-in');
  await page.getByRole('link', { name: 'Forgot your password?' }).click();
  await page.getByLabel('E-mail address').fill(who.email);
  await page.getByRole('button', { name: 'Send the mail' }).click();
  await sees(page, `If there is an account for ${who.email}`);
  const code = await server.codeMailed('password-reset', who.email);
  await page.goto(`/console/new-password#token=${code}`);
  const field = page.getByLabel('Code from the mail');
  if (tag === 'plain') await field.fill(code);
  assert.equal(await field.inputValue(), code);
  assert.equal(page.url().includes(code), tag === 'plain', 'the code goes out of the address bar');
  await page.getByLabel('New password').fill(NEW);
  await page.getByRole('button', { name: 'Set the password' }).click();
  await sees(page, 'Your password is changed. Sign in with the new one.');
  await stage.signIn(page, { email: who.email, password: NEW });
  await page.getByRole('button', { name: 'Sign out' }).waitFor();

  await stage.signOut(page);
  await page.goto('/console/new-password');
  await page.getByLabel('Code from the mail').fill(code);
  await page.getByLabel('New password').fill(`${NEW} again`);
  await page.getByRole('button', { name: 'Set the password' }).click();
  await page.getByRole('alert').waitFor();
  await headed(page, 'Choose a new password');
});

stage.walk('whether an address has an account is told to nobody', async (page) => {
  await page.goto('/console/password-reset');
  await page.getByLabel('E-mail address').fill('stranger@example.com');
  await page.getByRole('button', { name: 'Send the mail' }).click();
  await sees(page, 'If there is an account for stranger@example.com');
});
