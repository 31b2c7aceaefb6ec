// Writes docs/console/*.jpg: the main pages as somebody sees them. What differs from run to run (times, ids, secrets, the address) is replaced
// by what always stands there, so that a picture changes when its page does.

import assert from 'node:assert/strict';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { filled, furnish, type Names } from './pages.ts';
import { Stage, root } from './stage.ts';

const FOLDER = join(root, 'docs/console');
const MOST_BYTES = 60_000;
const WIDE = { width: 1120, height: 700 };
const NARROW = { width: 360, height: 700 };

interface Picture { name: string; path: string; then?: (page: Page) => Promise<void>; dark?: true; narrow?: true }

const HOME = '/console/{organization}';
const make = async (page: Page): Promise<void> => {
  await page.getByLabel('Name', { exact: true }).fill('laptop');
  await page.getByRole('button', { name: 'Generate the key' }).click();
};

const PICTURES: Picture[] = [
  { name: 'overview', path: HOME },
  { name: 'team', path: `${HOME}/team` },
  { name: 'team-narrow', path: `${HOME}/team`, narrow: true },
  { name: 'roles-of-a-member', path: `${HOME}/team/{member}` },
  { name: 'policy', path: `${HOME}/policy` },
  { name: 'personal-keys', path: `${HOME}/personal-keys` },
  { name: 'personal-keys-narrow', path: `${HOME}/personal-keys`, narrow: true },
  { name: 'personal-key-made', path: `${HOME}/personal-keys/new`, then: make },
  { name: 'api-keys', path: `${HOME}/api-keys` },
  { name: 'api-keys-dark', path: `${HOME}/api-keys`, dark: true },
  { name: 'api-key', path: `${HOME}/api-keys/{api-key}` },
  { name: 'api-key-dark', path: `${HOME}/api-keys/{api-key}`, dark: true },
  { name: 'api-key-rotate', path: `${HOME}/api-keys/{api-key}/rotate` },
  { name: 'usage', path: `${HOME}/api-keys/{api-key}/usage` },
  { name: 'receipt', path: `${HOME}/receipts/{receipt}` },
  { name: 'sessions', path: '/console/account/sessions' },
];

/** Puts in place of what differs each time what does not. */
async function settle(page: Page): Promise<void> {
  await page.evaluate(() => {
    // As far from the same noon as they are from now, in whole hours; days in whole days.
    const noon = Date.UTC(2027, 4, 31, 12);
    const moment = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
    const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });
    const whole = (millis: number, unit: number): number => Math.round(millis / unit) * unit;
    for (const time of document.querySelectorAll('time')) {
      const [at, hour] = [Date.parse(time.dateTime), 3_600_000];
      const days = Math.floor(at / (24 * hour)) - Math.floor(Date.now() / (24 * hour));
      time.textContent = 'day' in time.dataset ? day.format(noon + days * 24 * hour) : moment.format(noon + whole(at - Date.now(), hour));
    }
    const always: [RegExp, string][] = [
      [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '6f9619ff-8b86-4011-b42d-00c04fc964ff'],
      [/kw_(pak|api)_\w+/g, 'kw_$1_nr5QqM28xT7vKcW3jZ9bLrFyHdPgSa6uEo4iXe1tBnVqRmYkD'],
      [/http:\/\/127\.0\.0\.1:\d+/g, 'https://auth.example.com'],
      [/\.[0-9a-f]{8}@keys\.127\.0\.0\.1/g, '.6f9619ff@keys.auth.example.com'],
      [/\b\d+ ms\b/g, '2 ms'],
      [/\brevision \d+(\.\d+)*/g, 'revision 1.42'],
      [/\b\d{4}-\d\d-\d\d\b/g, '2027-05-31'],
    ];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
      for (const [what, by] of always) node.textContent = (node.textContent ?? '').replace(what, by);
    }
    for (const field of document.querySelectorAll<HTMLInputElement>('input[type="date"]')) if (field.value !== '') field.value = '2027-11-27';
    // Rows come in the order of ids, which are others each time.
    for (const body of document.querySelectorAll('tbody')) body.append(...[...body.rows].sort((one, other) => (one.textContent ?? '') < (other.textContent ?? '') ? -1 : 1));
    // A cursor that blinks is there or not.
    (document.activeElement as HTMLElement | null)?.blur();
  });
}

/** As good as it can be within the limit. */
async function take(page: Page): Promise<Buffer> {
  for (let quality = 85; quality > 30; quality -= 5) {
    const picture = await page.screenshot({ type: 'jpeg', quality });
    if (picture.length < MOST_BYTES) return picture;
  }
  assert.fail(`${page.url()} cannot be shown in ${MOST_BYTES} bytes`);
}

async function show(page: Page, names: Names, { name, path, then, dark, narrow }: Picture): Promise<void> {
  await page.setViewportSize(narrow ? NARROW : WIDE);
  await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
  await page.goto(filled(path, names));
  await then?.(page);
  await page.waitForLoadState();
  await settle(page);
  const picture = await take(page);
  await writeFile(join(FOLDER, `${name}.jpg`), picture);
  console.log(`wrote docs/console/${name}.jpg, ${picture.length} bytes`);
}

const stage = new Stage();
try {
  await stage.open();
  const { names } = await furnish(stage);
  await mkdir(FOLDER, { recursive: true });
  for (const old of (await readdir(FOLDER)).filter((old) => old.endsWith('.jpg'))) await rm(join(FOLDER, old));
  await stage.inBrowser(async (page) => {
    await page.setViewportSize(WIDE);
    await page.goto('/console/sign-in');
    await writeFile(join(FOLDER, 'sign-in.jpg'), await take(page));
    await stage.signInAs(page, 'owner');
    for (const picture of PICTURES) await show(page, names, picture);
  }, { userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0' });
} finally {
  await stage.close();
}
