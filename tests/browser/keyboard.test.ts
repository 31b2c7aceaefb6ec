// The console by keyboard alone: who has no mouse sees where he is, and gets everywhere.

import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { Stage, headed, sees } from './stage.ts';

const stage = Stage.forThisFile();
/** As many steps as no page of the console has. */
const MANY = 150;

/** What has the focus: its name, and whether that is seen. */
async function focused(page: Page): Promise<{ name: string; seen: boolean }> {
  return await page.evaluate(() => {
    const element = document.activeElement as HTMLElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const within = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    const label = (element as HTMLInputElement).labels?.[0]?.textContent ?? element.getAttribute('aria-label') ?? element.textContent ?? '';
    // A button within a field, such as that of a calendar, is the browser's own.
    if (!element.matches(':focus')) return { name: label.trim(), seen: within };
    return { name: label.trim(), seen: within && outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2 };
  });
}

/** Goes on by Tab until something has the focus. Whatever had it on the way was seen to have it. */
async function tabTo(page: Page, name: string): Promise<void> {
  const met: string[] = [];
  for (let step = 0; step < MANY; step += 1) {
    await page.keyboard.press('Tab');
    const now = await focused(page);
    met.push(now.name);
    // Past the last one the browser itself has the focus.
    if (now.name !== '' && await page.evaluate(() => document.activeElement !== document.body)) assert.ok(now.seen, `nobody sees that "${now.name}" has the focus`);
    if (now.name === name) return;
  }
  assert.fail(`"${name}" is not reached by Tab, but these: ${met.join(', ')}`);
}

async function press(page: Page, name: string, key: 'Enter' | 'Space' = 'Enter'): Promise<void> {
  await tabTo(page, name);
  await Promise.all([page.waitForEvent('load'), page.keyboard.press(key)]);
}

stage.walk('by keyboard alone somebody signs in, makes a key, and deletes it', async (page) => {
  const { owner } = stage.server.credentials.users;
  await page.goto('/console/sign-in');
  assert.equal((await focused(page)).name, 'E-mail address', 'the first field has the focus');
  await page.keyboard.type(owner.email);
  await page.keyboard.press('Tab');
  await page.keyboard.type(owner.password);
  await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')]);
  await headed(page, 'Acme');

  await press(page, 'Personal Access Keys');
  await press(page, 'Generate a key');
  assert.equal((await focused(page)).name, 'Name');
  await page.keyboard.type('by keyboard');
  await press(page, 'Generate the key', 'Space');
  await sees(page, 'Copy it now.');
  await press(page, 'I have copied it');
  await press(page, 'Delete by keyboard');
  await press(page, 'Delete the key', 'Space');
  await headed(page, 'Revocation receipt');
  await press(page, 'Sign out', 'Space');
  await sees(page, 'You are signed out.');
});

stage.walk('the first step leads past the menu, and the list of organizations opens and closes', async (page) => {
  await stage.signInAs(page, 'owner');
  await page.reload();
  await page.keyboard.press('Tab');
  assert.deepEqual(await focused(page), { name: 'Skip to the page', seen: true });
  await page.keyboard.press('Enter');
  assert.equal(new URL(page.url()).hash, '#main');
  await page.keyboard.press('Tab');
  assert.ok(await page.evaluate(() => document.activeElement?.closest('nav, header.bar') === null), 'what comes next is past the menu');

  await page.reload();
  const summary = page.locator('details.switcher > summary');
  const list = page.getByRole('navigation', { name: 'Organizations' });
  await tabTo(page, (await summary.textContent())?.trim() ?? '');
  await page.keyboard.press('Space');
  await list.waitFor({ state: 'visible' });
  await tabTo(page, 'Acme Mobile');
  await page.keyboard.press('Escape');
  await list.waitFor({ state: 'hidden' });
  assert.ok(await summary.evaluate((element) => element === document.activeElement), 'the focus comes back to what opened it');
});
