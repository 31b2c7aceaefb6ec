// Forms are taken from the console's own pages alone, and nobody is sent elsewhere: asked over HTTP, without a browser's good manners.
//
// The forms are those that stand on the pages; that none is missing is checked against the routes of the server.

import assert from 'node:assert/strict';
import { request, type IncomingHttpHeaders } from 'node:http';
import { test } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { PLACES, filled, furnish, type Furniture, type Who } from './pages.ts';
import { consoleRoutes, routeOf } from './routes.ts';
import { Stage } from './stage.ts';

let names: Furniture['names'];
let enter: Furniture['enter'];
let spare: string[];
const stage = Stage.forThisFile(async () => {
  ({ names, enter, spare } = await furnish(stage));
  forms.push(...await collect());
});
const routes = consoleRoutes();
const TOKEN = 'form_token';

/** A form of a page, with whose it is. */
interface Form { path: string; fields: [string, string][]; cookie: string; otherToken: string }

const forms: Form[] = [];

interface Answer { status: number; headers: IncomingHttpHeaders; text: string }

/** Sends what a browser would not. */
async function send(method: string, path: string, headers: Record<string, string | string[]>, body = ''): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const asked = request(new URL(path, stage.base), { method, headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => { parts.push(part); });
      answer.on('end', () => { resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(parts).toString() }); });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

async function cookieOf(context: BrowserContext): Promise<string> {
  return (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
}

async function tokenOn(page: Page): Promise<string> {
  return await page.locator(`input[name="${TOKEN}"]`).first().inputValue();
}

/** A browser for somebody, and the token of another session of the same person. */
async function signedIn(who: Who): Promise<{ page: Page; otherToken: string }> {
  const pages: Page[] = [];
  for (const _ of ['this one', 'another']) {
    const { context } = await stage.context();
    const page = await context.newPage();
    await enter(page, who);
    pages.push(page);
  }
  return { page: pages[0], otherToken: await tokenOn(pages[1]) };
}

/** The forms of a page, read without loading what it needs to be looked at. */
async function formsOf(page: Page, html: string, address: string): Promise<Pick<Form, 'path' | 'fields'>[]> {
  return await page.evaluate(([html, address]) => {
    const all = [...new DOMParser().parseFromString(html, 'text/html').forms].filter((form) => form.method === 'post');
    return all.map((form) => ({
      path: new URL(form.getAttribute('action') ?? address, address).pathname,
      fields: [...new FormData(form)].map(([name, value]) => [name, String(value)] as [string, string]),
    }));
  }, [html, address]);
}

/** A form as somebody fills it, so that it would do what it is for. */
function completed(form: Pick<Form, 'path' | 'fields'>): [string, string][] {
  const { users, apiKeys } = stage.server.credentials;
  const texts: Record<string, string> = {
    name: 'Another name', sub_name: 'Another one', days: '300', description: 'another', confirm_name: apiKeys['acme-ci'].name, part: 'owner',
    code: form.path.includes('second-factor') ? spare.pop() ?? '' : names.code, new_password: 'another four words in a row', password: form.path.includes('operator-keys') ? stage.server.credentials.operator.password : users.owner.password,
    email: form.path === '/console/sign-in' || form.path === '/console/password-reset' ? users.owner.email : 'somebody@example.com',
  };
  // Whom an invitation is about stands there already; passwords that are changed would end what comes after.
  const keeps = (name: string, value: string): boolean => name === 'email' && value !== '';
  const fields = form.fields.map(([name, value]) => [name, keeps(name, value) ? value : texts[name] ?? value] as [string, string]);
  if (form.path === '/console/demo') fields.push(['part', 'owner']);
  if (/\/(api-keys|roles|invitations\/new)$/.test(form.path)) fields.push([`role:${names.organization}`, 'view-organization']);
  return fields;
}

/** Every form that stands on a page. */
async function collect(): Promise<Form[]> {
  const found = new Map<string, Form>();
  const take = async (of: Pick<Form, 'path' | 'fields'>[], page: Page, otherToken: string, on: string): Promise<void> => {
    for (const form of of) {
      const route = routeOf(routes, form.path);
      assert.ok(route?.methods.has('post'), `${on} has a form for ${form.path}, which takes none`);
      if (!found.has(route.path)) found.set(route.path, { path: form.path, fields: completed(form), cookie: await cookieOf(page.context()), otherToken });
    }
  };
  for (const who of ['owner', 'operator', 'secured', 'nobody'] as const) {
    const { page, otherToken } = await signedIn(who);
    for (const place of PLACES.filter((place) => (place.who ?? 'owner') === who)) {
      const address = filled(place.path, names);
      if (place.then) {
        // Only what stands behind a # may differ from the page before.
        await page.goto('about:blank');
        await page.goto(address);
        await place.then(page);
      }
      const html = place.then ? await page.content() : await (await page.context().request.get(address)).text();
      const here = await formsOf(page, html, place.then ? page.url() : new URL(address, stage.base).href);
      await take(here, page, otherToken, place.path);
    }
    if (who !== 'operator') continue;
    // What only stands there long after the password was given.
    const address = filled('/console/{operators}/operator-keys', names);
    stage.server.ageSessions();
    const html = await (await page.context().request.get(address)).text();
    stage.server.ageSessions(-600_000);
    await take(await formsOf(page, html, new URL(address, stage.base).href), page, otherToken, address);
  }
  // What ends the session or the membership comes last.
  const ends = (form: Form): number => ['sessions/end-others', '/end', '/leave', '/sign-out'].findIndex((end) => form.path.endsWith(end));
  return [...found.values()].sort((one, other) => ends(one) - ends(other));
}

function encoded(fields: [string, string][]): string {
  return new URLSearchParams(fields).toString();
}

/** Ways to send a form that is not one's own. `signsIn`: who has no session is sent to get one. */
function attacks(form: Form): { name: string; send: () => Promise<Answer>; signsIn?: true }[] {
  const own = { origin: stage.base, cookie: form.cookie, 'content-type': 'application/x-www-form-urlencoded' };
  const token = (value: string): [string, string][] => form.fields.map(([name, old]) => [name, name === TOKEN ? value : old]);
  const without = form.fields.filter(([name]) => name !== TOKEN);
  const post = (headers: Record<string, string | string[]>, fields = form.fields) => () => send('POST', form.path, headers, encoded(fields));
  const { origin: _, ...noOrigin } = own;
  const { cookie: __, ...noCookie } = own;
  const [first] = form.cookie.split('; ');
  return [
    { name: 'no token', send: post(own, without) },
    { name: 'an empty token', send: post(own, token('')) },
    { name: 'a token of zeros', send: post(own, token('A'.repeat(43))) },
    { name: "another session's token", send: post(own, token(form.otherToken)) },
    { name: 'a foreign origin', send: post({ ...own, origin: 'https://evil.example' }) },
    { name: 'an origin that begins alike', send: post({ ...own, origin: `${stage.base}.evil.example` }) },
    { name: 'the origin of another port', send: post({ ...own, origin: 'http://127.0.0.1:1' }) },
    { name: 'the origin null', send: post({ ...own, origin: 'null' }) },
    { name: 'two origins', send: post({ ...own, origin: [stage.base, 'https://evil.example'] }) },
    { name: 'no origin', send: post(noOrigin) },
    { name: 'no cookie', send: post(noCookie), signsIn: true },
    { name: 'the cookie twice', send: post({ ...own, cookie: `${form.cookie}; ${first}` }), signsIn: true },
    { name: 'plain text', send: post({ ...own, 'content-type': 'text/plain' }) },
    { name: 'JSON', send: () => send('POST', form.path, { ...own, 'content-type': 'application/json' }, JSON.stringify(Object.fromEntries(form.fields))) },
    { name: 'the token in the address', send: () => send('POST', `${form.path}?${encoded(form.fields)}`, own, encoded(without)) },
  ];
}

test('every form route of the server is among the forms', () => {
  const found = new Set(forms.map((form) => routeOf(routes, form.path)?.path));
  const missing = routes.filter((route) => route.methods.has('post') && !found.has(route.path)).map((route) => route.path);
  assert.deepEqual(missing, []);
});

test('a form that comes from elsewhere changes nothing', async () => {
  const faults: string[] = [];
  const mails = await stage.server.mails();
  for (const form of forms) {
    for (const attack of attacks(form)) {
      const before = stage.server.state();
      const { status, headers } = await attack.send();
      const toSignIn = attack.signsIn && status === 303 && String(headers.location).startsWith('/console/sign-in');
      if ((status < 400 || status >= 500) && !toSignIn) faults.push(`${form.path} by ${attack.name}: ${status}`);
      if (stage.server.state() !== before) faults.push(`${form.path} by ${attack.name} changed something`);
    }
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH']) {
      const before = stage.server.state();
      const headers = { origin: stage.base, cookie: form.cookie };
      const { status } = await send(method, `${form.path}?${encoded(form.fields)}`, headers);
      if (status >= 500 || (!['GET', 'HEAD'].includes(method) && status < 400)) faults.push(`${method} ${form.path}: ${status}`);
      if (stage.server.state() !== before) faults.push(`${method} ${form.path} changed something`);
    }
  }
  assert.deepEqual(faults, []);
  assert.deepEqual(await stage.server.mails(), mails, 'no mail was sent');
});

test('a rotation that does not say how long the old secret goes on makes no secret', async () => {
  const rotations = forms.filter((form) => form.path.endsWith('/rotate') && form.fields.some(([name]) => name === 'overlap_hours'));
  assert.equal(rotations.length, 2, 'of an API Key and of an operator key');
  for (const form of rotations) {
    for (const odd of ['-1', 'x', '', '99999999999']) {
      const before = stage.server.state();
      const fields = form.fields.map(([name, value]) => [name, name === 'overlap_hours' ? odd : value] as [string, string]);
      const headers = { origin: stage.base, cookie: form.cookie, 'content-type': 'application/x-www-form-urlencoded' };
      const { status, text } = await send('POST', form.path, headers, encoded(fields));
      assert.equal(status, 400, `${form.path} with ${JSON.stringify(odd)}`);
      assert.match(text, /Say how long the old secret is to go on/);
      assert.equal(stage.server.state(), before);
    }
  }
});

/** Sends the very form that was refused; what is in it need not be right, but it is looked at. */
test('the same forms are taken when they come from the page', async () => {
  const faults: string[] = [];
  let changed = 0;
  for (const form of forms) {
    const before = stage.server.state();
    const answer = await send('POST', form.path, { origin: stage.base, cookie: form.cookie, 'content-type': 'application/x-www-form-urlencoded' }, encoded(form.fields));
    if (answer.status >= 500 || /did not come from a page|was open for longer/.test(answer.text)) faults.push(`${form.path}: ${answer.status}`);
    if (stage.server.state() !== before) changed += 1;
  }
  assert.deepEqual(faults, []);
  assert.ok(changed >= forms.length / 2, `${changed} of ${forms.length} forms changed something, so that a change would have been seen`);
});

/** Places that a link to the sign-in page might try to send people to. */
function elsewheres(): string[] {
  const before = ['', ' ', '/', '//', '///', '/\\', '\\\\', '\\/', 'https:', 'https://', 'https:/', 'http://', 'javascript:alert(1)//', 'data:text/html,', '/console//', '/console\\', '/console/\\', '/console@', '/console.', '/console:', '/console/..//', '/console/%2e%2e//', '/console/\t/', '/\t/', '/\r\n/', '/console\r\nLocation: https://', '/%2f', '/%5c', '%2f%2f', '/console?/../..//', '/console#//', '.', './/', '/consolé//', '\u0000//', '/console/;@', '//\u2024', '/.//'];
  const hosts = ['evil.example', 'evil.example/console', '127.0.0.1@evil.example', 'evil.example:443', '[::1]', '%65vil.example', 'evil.example/%2e%2e', 'evil。example'];
  return before.flatMap((beginning) => hosts.map((host) => beginning + host));
}

test('no sign-in leads elsewhere', async () => {
  const all = elsewheres();
  assert.ok(all.length >= 300, `${all.length}`);
  const faults: string[] = [];
  const leaves = (to: string): boolean => new URL(to, `${stage.base}/console/sign-in`).origin !== stage.base;
  for (const to of all) {
    const { status, text } = await send('GET', `/console/sign-in?to=${encodeURIComponent(to)}`, {});
    const kept = /name="to" value="([^"]*)"/.exec(text)?.[1];
    if (status !== 200 || kept === undefined || leaves(kept.replaceAll('&#38;', '&')) || !kept.startsWith('/console')) faults.push(`${JSON.stringify(to)}: ${status} ${kept}`);
  }
  assert.deepEqual(faults, []);
});
