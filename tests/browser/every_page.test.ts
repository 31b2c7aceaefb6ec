// What holds of every page: what assistive technology needs, no errors, no width beyond the screen, few bytes, links that lead somewhere.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import axe from 'axe-core';
import type { BrowserContext, Page } from 'playwright-core';
import { NOT_THERE_YET, NO_PAGES, PLACES, filled, furnish, type Enter, type Names, type Place, type Who } from './pages.ts';
import { consoleRoutes, routeOf } from './routes.ts';
import { Stage, isFull, type Complaints } from './stage.ts';

const stage = Stage.forThisFile(async () => { ({ names, enter } = await furnish(stage)); });
const routes = consoleRoutes();
/** WCAG 2.2, A and AA. */
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** Rules that another scheme of colours can break, and those that less room can. */
const OF_COLOURS = ['color-contrast', 'link-in-text-block'];
const OF_WIDTH = ['color-contrast', 'scrollable-region-focusable', 'target-size'];
const WIDTHS = [1280, 768, 360];
/** Of a page with all that it loads, as it comes over the wire. */
const MOST_BYTES = 60_000;

interface Desk { context: BrowserContext; complaints: Complaints; page: Page }

let names: Names;
let enter: Enter;
const desks = new Map<Who, Desk>();
/** Which links stand on the pages, each with the page where it was met first and for whom that was. */
const links = new Map<string, { on: string; who: Who }>();
const visited = new Set<string>();

/** A browser in which somebody is signed in. */
async function desk(who: Who): Promise<Desk> {
  const known = desks.get(who);
  if (known) return known;
  const { context, complaints } = await stage.context();
  const page = await context.newPage();
  await enter(page, who);
  const network = await context.newCDPSession(page);
  // So that each page is weighed with all that it needs.
  await network.send('Network.enable');
  await network.send('Network.setCacheDisabled', { cacheDisabled: true });
  const made = { context, complaints, page };
  desks.set(who, made);
  return made;
}

/** What stands wider than the screen is. */
async function tooWide(page: Page): Promise<string[]> {
  return await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const within = (element: Element): boolean => element.parentElement !== null && (getComputedStyle(element.parentElement).overflowX !== 'visible' || within(element.parentElement));
    const wide = [...document.body.querySelectorAll('*')].filter((element) => element.getBoundingClientRect().right > clientWidth + 1 && !within(element));
    return wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 120));
  });
}

/** What came over the wire for it, with all that it loads. */
async function weight(page: Page): Promise<number> {
  return await page.evaluate(() => {
    const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')] as PerformanceResourceTiming[];
    return entries.reduce((sum, entry) => sum + entry.transferSize, 0);
  });
}

/** What axe finds wrong, in words. What else than all rules is looked at is said by their names; the full form looks at all each time. */
async function violations(page: Page, rules: string[] = []): Promise<string[]> {
  const only = rules.length === 0 || isFull ? { type: 'tag' as const, values: TAGS } : { type: 'rule' as const, values: rules };
  const found = await page.evaluate(async (runOnly) => {
    const { violations } = await (globalThis as any).axe.run(document, { runOnly, resultTypes: ['violations'] });
    return violations.map((one: any) => `${one.id}: ${one.help}; ${one.nodes.slice(0, 3).map((node: any) => `${node.html.slice(0, 160)} (${node.any.map((check: any) => check.message).join(' ')})`).join(' | ')}`);
  }, only);
  return found;
}

async function check({ path, who = 'owner', status = 200, then }: Place): Promise<void> {
  const { page, complaints } = await desk(who);
  const address = filled(path, names);
  // Only what stands behind a # may differ from the page before.
  await page.goto('about:blank');
  const answer = await page.goto(address);
  assert.equal(answer?.status(), status);
  if (then) {
    await then(page);
    await page.waitForLoadState();
  } else {
    const bytes = await weight(page);
    assert.ok(bytes > 0 && bytes < MOST_BYTES, `${bytes} bytes, at most ${MOST_BYTES} are wanted`);
  }
  assert.ok((await page.title()).length > ' - Keywright'.length, 'it has a title');
  assert.equal(await page.locator('h1').count(), 1, 'it has one main heading');
  for (const link of await page.locator('a[href]').evaluateAll((all) => all.map((link) => (link as HTMLAnchorElement).href))) {
    const { hash, pathname } = new URL(link);
    if (hash !== '' && pathname === new URL(page.url()).pathname) assert.equal(await page.locator(hash).count(), 1, `${hash} leads to nothing`);
    else if (!links.has(link)) links.set(link, { on: path, who });
  }
  visited.add(new URL(address, stage.base).pathname).add(new URL(page.url()).pathname);
  await page.evaluate(() => { for (const details of document.querySelectorAll('main details')) (details as HTMLDetailsElement).open = true; });
  await page.evaluate(axe.source);
  const wrong: string[] = [];
  const tell = (where: string, faults: string[]): void => { wrong.push(...faults.map((fault) => `${where}: ${fault}`)); };
  tell('light', await violations(page));
  await page.emulateMedia({ colorScheme: 'dark' });
  tell('dark', await violations(page, OF_COLOURS));
  await page.emulateMedia({ colorScheme: 'light' });
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    tell(`${width} px`, await tooWide(page));
  }
  tell('narrow', await violations(page, OF_WIDTH));
  await page.setViewportSize({ width: WIDTHS[0], height: 900 });
  assert.deepEqual([...wrong, ...complaints.splice(0)], []);
}

for (const place of PLACES) {
  test(`${place.path}${place.who ? ` for ${place.who}` : ''}${place.then ? ', after its form was sent' : ''}`, async () => { await check(place); });
}

test('every link leads somewhere, and to a page that is in the list', async () => {
  const faults: string[] = [];
  const asked = new Map<string, number>();
  for (const [link, { on, who }] of links) {
    const url = new URL(link);
    if (url.origin !== stage.base) {
      faults.push(`${link} on ${on} leads elsewhere`);
      continue;
    }
    const { context } = await desk(who);
    const known = `${who} ${url.pathname}`;
    const status = asked.get(known) ?? (await context.request.get(url.pathname + url.search)).status();
    asked.set(known, status);
    if (NOT_THERE_YET.some((form) => form.test(url.pathname))) {
      if (status < 400) faults.push(`${url.pathname} is there now: take it from NOT_THERE_YET`);
    } else if (status >= 400) {
      faults.push(`${link} on ${on} for ${who}: ${status}`);
    } else if (url.pathname.startsWith('/console') && !routeOf(routes, url.pathname)) {
      faults.push(`${link} on ${on} is no route of the console's`);
    }
  }
  assert.deepEqual(faults, []);
});

test('every page that the server has is in the list', () => {
  const seen = new Set([...visited].map((path) => routeOf(routes, path)));
  const missing = routes.filter((route) => route.methods.has('get') && !NO_PAGES.includes(route.path) && !seen.has(route));
  assert.deepEqual(missing.map((route) => route.path), []);
});
