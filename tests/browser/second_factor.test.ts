// A second factor from setting it up to turning it off.

import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { codeNow } from './device.ts';
import { Stage, headed, sees, textOf, type Person } from './stage.ts';

const stage = Stage.forThisFile();

async function codesOn(page: Page): Promise<string[]> {
  await headed(page, 'Recovery codes');
  const codes = (await textOf(page, '#codes')).split('\n').map((line) => line.trim()).filter((line) => line !== '');
  assert.equal(new Set(codes).size, 10);
  return codes;
}

/** Gives password and code where the password alone is not enough. */
async function signInWith(page: Page, who: Person, code: string): Promise<void> {
  await stage.signIn(page, who);
  await page.getByLabel('Code').waitFor();
  await page.getByLabel('Password', { exact: true }).fill(who.password);
  await page.getByLabel('Code').fill(code);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

stage.walkBothWays('a second factor is set up, asked for, renewed, and turned off', async (page, tag) => {
  // Wrong guesses cost somebody tries for a while: each walk has a person of its own.
  const { manager, viewer } = stage.server.credentials.users;
  const who = tag === 'plain' ? viewer : manager;
  await stage.signIn(page, who);
  await page.getByRole('link', { name: who.email }).click();
  await page.locator('main a[href="/console/account/second-factor"]').click();
  await page.getByRole('button', { name: 'Set it up' }).click();
  const secret = await textOf(page, '#secret');
  assert.equal(await page.getByRole('img', { name: /QR code/ }).count(), 1);

  // One digit that is mistyped costs nothing but another try.
  const mistyped = (code: string): string => code.slice(0, 5) + String((Number(code[5]) + 5) % 10);
  await page.getByLabel('Six digits').fill(mistyped(codeNow(secret)));
  await page.getByRole('button', { name: 'Turn it on' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.locator('#secret').count(), 0, 'the secret was shown once');
  await page.getByLabel('Six digits').fill(codeNow(secret));
  await page.getByRole('button', { name: 'Turn it on' }).click();
  const codes = await codesOn(page);
  await page.getByRole('link', { name: 'I have kept them' }).click();
  await sees(page, /10 recovery codes are left/);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await signInWith(page, who, codes[0]);
  await page.getByRole('button', { name: 'Sign out' }).click();
  // A code that was used is none; the form waits for another one.
  await signInWith(page, who, codes[0]);
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Password', { exact: true }).fill(who.password);
  await page.getByLabel('Code').fill(codes[1]);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();

  await page.goto('/console/account/second-factor');
  await sees(page, /8 recovery codes are left/);
  await page.getByLabel('Code').first().fill(codes[2]);
  await page.getByRole('button', { name: 'Create new recovery codes' }).click();
  const later = await codesOn(page);
  assert.ok(later.every((code) => !codes.includes(code)));
  await page.goto('/console/account/second-factor');
  await page.getByLabel('Code').last().fill(codes[3]);
  await page.getByRole('button', { name: 'Turn the second factor off' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Code').last().fill(later[0]);
  await page.getByRole('button', { name: 'Turn the second factor off' }).click();
  await sees(page, /The second factor is off/);
  await page.goto('/console/account');
  await page.getByText('Off', { exact: true }).waitFor();
});

stage.walk('a second factor is not turned on for a page that cannot be shown', async (page) => {
  const { server } = stage;
  const { subOrganization, users } = server.credentials;
  await stage.signIn(page, users.submember);
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  await page.goto('/console/account/second-factor');
  await page.getByRole('button', { name: 'Set it up' }).click();
  const secret = await textOf(page, '#secret');
  const owner = await server.api(users.owner);
  await owner.done('POST', `/organizations/${subOrganization.id}/suspend`);
  await page.getByLabel('Six digits').fill(codeNow(secret));
  await page.getByRole('button', { name: 'Turn it on' }).click();
  await sees(page, /is suspended/);
  await owner.done('POST', `/organizations/${subOrganization.id}/resume`);
  await page.goto('/console/account');
  // Nobody saw its recovery codes, so it must not be on.
  await page.getByText('Off', { exact: true }).waitFor();
});
