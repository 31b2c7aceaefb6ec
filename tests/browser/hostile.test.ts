// Text stays text: strings that want to be markup, code, addresses or nothing at all, in every place where somebody can write something.
//
// The short form takes a tenth of the strings, the same ones each time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { NO_PAGES, PLACES, filled, furnish, type Names } from './pages.ts';
import { ADDRESSES, PAYLOADS } from './payloads.ts';
import { consoleRoutes } from './routes.ts';
import { Stage, isFull, seeded, type Api } from './stage.ts';

let names: Names;
let owner: Api;
let home: string;
let page: Page;
let complaints: string[];
const stage = Stage.forThisFile(async () => {
  ({ names } = await furnish(stage));
  owner = await stage.server.api(stage.server.credentials.users.owner);
  home = `/organizations/${names.organization}`;
  // The narrowest screen: what breaks the layout anywhere breaks it here.
  const made = await stage.context({ viewport: { width: 360, height: 740 } });
  ({ complaints } = made);
  page = await made.context.newPage();
  await stage.signInAs(page, 'owner');
});

const chance = seeded(20_260_801);
const CHOSEN = isFull ? PAYLOADS : PAYLOADS.filter(() => chance() < 0.1);
/** As they are kept: without spaces around (Unicode's, which are others than JavaScript's). */
const kept = (text: string): string => text.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');

const routes = consoleRoutes();
/** Every tenth, for what takes longer. */
const SOME = CHOSEN.filter((_, at) => at % 10 === 0);
/** Whether a string goes to a further place of a kind: in the short form few do. */
const further = (text: string): boolean => isFull || SOME.includes(text);

/** What stands on a page as text or in its fields, and how wide it is. */
async function read(): Promise<{ text: string; fields: string[]; wide: boolean; injected: number }> {
  return await page.evaluate(() => ({
    text: document.documentElement.textContent ?? '',
    fields: [...document.querySelectorAll('input, textarea')].map((field) => (field as HTMLInputElement).value),
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    // Nothing of this kind is on any page of the console but in its head and where a picture is drawn.
    injected: document.querySelectorAll('body script, iframe, object, embed, body style, body link, base, marquee, video, audio, math, template, [onload], [onerror], [onfocus], [onmouseover], [style], [hx-get^="//"], [hx-on\\:load], [href^="javascript:" i], [action^="javascript:" i]').length,
  }));
}

/** A page with something on it that must stand there as it was written. */
async function look(path: string, ...shown: string[]): Promise<void> {
  const answer = await page.goto(path);
  assert.ok((answer?.status() ?? 500) < 500, `${path}: ${answer?.status()}`);
  assert.match(answer?.headers()['content-type'] ?? '', /^text\/html/, `${path} is no page`);
  await judge(path, ...shown);
}

async function judge(where: string, ...shown: string[]): Promise<void> {
  const { text, fields, wide, injected } = await read();
  const faults = complaints.splice(0);
  for (const one of shown) {
    if (!text.includes(one) && !fields.includes(one)) faults.push(`${JSON.stringify(one)} does not stand there`);
  }
  if (wide) faults.push('wider than the screen');
  if (injected > 0) faults.push(`${injected} elements that nobody put there`);
  assert.deepEqual(faults, [], `${where} with ${JSON.stringify(shown)}`);
}

/** Does something for each string; tells of all that failed. */
async function each(strings: string[], act: (text: string) => Promise<void>): Promise<void> {
  const faults: string[] = [];
  for (const text of strings) await act(text).catch((error: Error) => { faults.push(`${JSON.stringify(text)}: ${error.message.slice(0, 600)}`); });
  assert.deepEqual(faults, []);
}

/** Sends a form with fields filled as no browser would let one, by the token of the page that is shown. */
async function sendForm(action: string, fields: Record<string, string>): Promise<void> {
  await Promise.all([
    page.waitForEvent('load'),
    page.evaluate(([action, fields]) => {
      const form = document.createElement('form');
      form.method = 'post';
      form.action = action;
      const token = document.querySelector<HTMLInputElement>('input[name="form_token"]')!.value;
      for (const [name, value] of Object.entries({ ...fields, form_token: token })) {
        const field = document.createElement('textarea');
        field.name = name;
        field.value = value;
        form.append(field);
      }
      document.body.append(form);
      form.submit();
    }, [action, fields] as const),
  ]);
}

test('what would run, or stand where it should not, is seen', async () => {
  const faulty: [string, RegExp, Record<string, string>][] = [
    ['<img src=x onerror=canary()>', /the canary ran/, {}],
    ['<p onfocus=canary()>x</p>', /elements that nobody put there/, {}],
    ['<script>canary()</script>', /policy violated/, { 'content-security-policy': "script-src 'self'" }],
    ['<script>alert(1)</script>', /a dialog/, {}],
    ['<img src="https://evil.example/x.png">', /a request to elsewhere/, {}],
    [`<p>${'x'.repeat(200)}</p>`, /wider than the screen/, {}],
    ['<p>another text</p>', /does not stand there/, {}],
  ];
  for (const [body, complaint, headers] of faulty) {
    await page.route('**/console/faulty', (route) => route.fulfill({ contentType: 'text/html', body, headers }));
    await assert.rejects(look('/console/faulty', 'what was written'), complaint, body);
    await page.unroute('**/console/faulty');
  }
  complaints.length = 0;
});

test('names and descriptions of keys', async () => {
  const personal = await owner.done('POST', `${home}/personal-access-keys`, { name: 'by many names' });
  const grants = [{ organizationId: names.organization, roles: ['view-organization'] }];
  const api = await owner.done('POST', `${home}/api-keys`, { name: 'by many names', grants });
  let taken = 0;
  await each(CHOSEN, async (text) => {
    const answer = await owner.ask('PATCH', `${home}/personal-access-keys/${personal.id}`, { name: text });
    assert.ok(answer.status === 400 || answer.status < 300, `${answer.status}`);
    if (answer.status < 300) {
      taken += 1;
      await look(`/console/${names.organization}/personal-keys/${personal.id}/delete`, kept(text));
      if (further(text)) await look(`/console/${names.organization}/personal-keys`, kept(text));
    }
    const described = await owner.ask('PATCH', `${home}/api-keys/${api.id}`, { name: text, description: text });
    assert.ok(described.status === 400 || described.status < 300, `${described.status}`);
    if (described.status < 300) {
      await look(`/console/${names.organization}/api-keys/${api.id}/settings`, kept(text));
      if (further(text)) await look(`/console/${names.organization}/api-keys/${api.id}`, kept(text));
    }
  });
  assert.ok(taken > CHOSEN.length / 2, `${taken} of ${CHOSEN.length} are names`);
  await each(SOME, async (text) => {
    if ((await owner.ask('PATCH', `${home}/api-keys/${api.id}`, { name: text })).status >= 300) return;
    for (const end of ['/api-keys', ...['/delete', '/rotate', '/roles', '/suspend', '/usage'].map((end) => `/api-keys/${api.id}${end}`)]) {
      await look(`/console/${names.organization}${end}`, kept(text));
    }
  });
});

test('forms that are refused show again what was typed', async () => {
  await page.goto(`/console/${names.organization}/policy`);
  await each(CHOSEN, async (text) => {
    // A field of one line has no line ends, whatever is put into it.
    const line = text.replace(/[\r\n]/g, '');
    // Half of a character is none by the time it is sent, and the one that is nothing is another one on a page.
    const shown = kept(line.toWellFormed().replaceAll('\u0000', '\uFFFD'));
    await sendForm(`/console/${names.organization}/personal-keys/new`, { name: line, expires: '2001-01-01' });
    await judge('a new key', shown);
    if (!further(text)) return;
    await sendForm(`/console/${names.organization}/policy`, { days: 'x', addresses: line });
    await judge('the policy', shown);
  });
  await each(SOME, async (text) => {
    await sendForm(`/console/${names.organization}/invitations/new`, { email: `${text}@` });
    await judge('an invitation');
    await sendForm(`/console/${names.organization}/profile/name`, { name: `${text}${'x'.repeat(200)}` });
    await judge('another name');
    await sendForm(`/console/${names.organization}/sub-organizations`, { sub_name: `${text}${'x'.repeat(200)}` });
    await judge('another sub-organization');
    await sendForm(`/console/${names.organization}/api-keys`, { name: text, description: text, addresses: text, expires: text, not_before: text });
    await judge('a new API Key');
  });
});

test('what stands in addresses', async () => {
  const value = (text: string): string => encodeURIComponent(text.toWellFormed());
  await each(CHOSEN, async (text) => {
    const all = ['name', 'description', 'addresses', 'expires', 'not_before'].map((field) => `${field}=${value(text)}`).join('&');
    await look(`/console/${names.organization}/api-keys/new?${all}`);
    if (further(text)) await look(`/console/${names.organization}/team?done=${value(text)}&page=${value(text)}`);
  });
  await each(SOME, async (text) => {
    await look(`/console/${names.organization}/api-keys/new/roles?name=${value(text)}&description=${value(text)}&expires=${value(text)}`);
    await look(`/console/sign-in?to=${value(text)}&done=${value(text)}`);
    await look(`/console/invitation#token=${value(text)}`);
    // What names nothing is not shown again: these need no browser.
    for (const route of routes.filter((route) => route.methods.has('get') && route.path.includes('{') && !NO_PAGES.includes(route.path))) {
      const path = route.path.replace(/\{\w+\}/g, (name) => (name === '{organization}' ? names.organization : value(text)));
      const answer = await page.context().request.get(path);
      assert.ok(answer.status() < 500 && answer.headers()['content-type'].startsWith('text/html'), `${path} is no page: ${answer.status()}`);
    }
  });
});

test('names of organizations, on every page', async () => {
  // Two at once: the one of the root stands on its own pages, that of the sub-organization in lists.
  const pairs = [['W'.repeat(128), '"><img src=x onerror=canary()>'], ...(isFull ? SOME.map((text) => [text, `a${'\u00A0a'.repeat(60)}`]) : [])];
  const faults: string[] = [];
  for (const [text, below] of pairs) {
    const answers = await Promise.all([[names.organization, text], [names.sub, below]].map(([id, name]) => owner.ask('PATCH', `/organizations/${id}`, { name })));
    if (answers.some((answer) => answer.status >= 300)) continue;
    for (const place of PLACES.filter((place) => (place.who ?? 'owner') === 'owner' && !place.then && place.path.startsWith('/console/{'))) {
      const shown = place.status === 404 ? [] : [kept(text), kept(below)];
      await look(filled(place.path, names), ...shown).catch((error: Error) => { faults.push(error.message.slice(0, 600)); });
    }
  }
  assert.deepEqual(faults, []);
});

test('names of people, and addresses of mail', async () => {
  await each(SOME, async (text) => {
    const email = `named-${[...CHOSEN].indexOf(text)}@example.com`;
    const made = await stage.server.admin('user', 'create', '--email', email, `--name=${text}`).catch(() => '');
    if (made === '') return;
    const { id: userId } = JSON.parse(made);
    await stage.server.admin('member', 'set', '--organization', names.organization, '--user', userId, '--role', 'view-organization');
    for (const end of ['', `/${userId}`, `/${userId}/remove`]) await look(`/console/${names.organization}/team${end}`, kept(text));
  });
  await each(ADDRESSES, async (email) => {
    await owner.done('PATCH', '/users?action=invite', { userEmail: email, organizationsAndRoles: [{ organizationId: names.organization, roles: ['view-organization'] }] });
  });
  await look(`/console/${names.organization}/team`, ...ADDRESSES);
});

test('what programs call themselves', async () => {
  const { users, authUrl } = stage.server.credentials;
  const agents = CHOSEN.filter((text) => /^[\x21-\x7e][\x20-\x7e]*$/.test(text));
  // In the full form it is long ago that the owner gave his password.
  const fresh = await stage.server.api(users.owner);
  const key = await fresh.done('POST', `${home}/personal-access-keys`, { name: 'called by many' });
  await each(agents, async (text) => {
    const answer = await fetch(`${authUrl}/auth/v3/token`, { method: 'POST', headers: { 'user-agent': text }, body: new URLSearchParams({ personalAccessKey: key.key }) });
    assert.equal(answer.status, 200);
    if (SOME.includes(text)) await look(`/console/${names.organization}/personal-keys/${key.id}/usage`);
  });
  // As many sign-ins as are allowed at once are few.
  for (const text of ['<img src=x onerror=canary()>', '"><script>canary()</script>', 'w'.repeat(300)]) {
    const body = JSON.stringify({ email: users.owner.email, password: users.owner.password });
    const answer = await fetch(`${authUrl}/auth/v1/sessions`, { method: 'POST', headers: { 'content-type': 'application/json', 'user-agent': text }, body });
    assert.equal(answer.status, 200);
  }
  await look('/console/account/sessions', '<img src=x onerror=canary()>', '"><script>canary()</script>');
});
