// What all of these tests stand on: a demonstration of their own, a browser, and pages that are watched.
//
// Each file of tests starts its own server with its own data, so that files say nothing about each other and none waits for a limit that
// another one used up. Nothing here sleeps; what takes its time is awaited by what it brings about.

import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

/** Where Debian's package puts it. */
const CHROMIUM = '/usr/bin/chromium';
/** How long something may take that is awaited. Bounds a failure; nothing passes by it. */
export const PATIENCE = 20_000;
/** What stands on the console when something ran that was only to be shown. */
const CANARY = 'the canary ran';

export interface Person { id: string; email: string; password: string }
export interface Organization { id: string; name: string }

/** What the demonstration writes down about itself. */
export interface Credentials {
  authUrl: string;
  users: Record<string, Person>;
  rootOrganization: Organization;
  subOrganization: Organization;
  otherOrganization: Organization;
  personalAccessKeys: Record<string, string>;
  apiKeys: Record<string, { id: string; name: string; secret: string }>;
  operator: Person & { organizationId: string };
}

/** Whether everything is done or a tenth of it. */
export const isFull = process.env.TEST_EXTENT === 'full';

function needed(name: string): string {
  return process.env[name] ?? assert.fail(`the environment lacks ${name}; start these tests by cargo xtask browser`);
}

/** The repository. */
export const root = needed('PROJECT');
const binary = needed('KEYWRIGHT');

/** Makes the same numbers each time, so that what fails once fails again (mulberry32). */
export function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Asks until the answer is one. */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const signal = AbortSignal.timeout(PATIENCE);
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    assert.ok(!signal.aborted, `${what}: not within ${PATIENCE} ms`);
  }
}

/** A running demonstration. */
export class Server {
  readonly credentials: Credentials;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(credentials: Credentials, process: ChildProcess, folder: string) {
    this.credentials = credentials;
    this.#process = process;
    this.#folder = folder;
  }

  /** Starts one with data of its own on a free port. */
  static async start(): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), 'demo-'));
    const [data, file] = [join(folder, 'data'), join(folder, 'credentials.json')];
    await mkdir(data, { mode: 0o700 });
    const signal = AbortSignal.timeout(PATIENCE);
    const changes = watch(folder, { signal });
    // A fast machine signs in more often than people do.
    const options = ['--listen', '127.0.0.1:0', '--data-dir', data, '--credentials-file', file, '--sign-ins-per-minute', '100000'];
    const child = spawn(binary, ['demo', ...options], { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('exit', (code) => { if (code) console.error(`the demonstration ended with ${code}`); });
    for await (const _ of changes) {
      const text = await readFile(file, 'utf8').catch(() => '');
      if (text.trimEnd().endsWith('}')) {
        await mkdir(join(data, 'mail'), { recursive: true, mode: 0o700 });
        return new Server(JSON.parse(text), child, folder);
      }
    }
    assert.fail('the demonstration did not start');
  }

  /** Ends it, and what it wrote goes. */
  async end(): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGTERM');
      assert.equal(await ended, 0, 'the demonstration did not end well when it was asked to');
    }
    await rm(this.#folder, { recursive: true });
  }

  get base(): string {
    return this.credentials.authUrl;
  }

  get #data(): string {
    return join(this.#folder, 'data');
  }

  /** `keywright admin` on the server's host; what it prints. */
  async admin(...words: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(binary, ['admin', '--json', '--data-dir', this.#data, ...words]);
    return stdout;
  }

  /** The code in the newest mail of a kind to an address, once it has come; `before` are mails that are not meant. */
  async codeMailed(kind: string, address: string, before: string[] = []): Promise<string> {
    const folder = join(this.#data, 'mail');
    const look = async (): Promise<string | undefined> => {
      for (const name of (await readdir(folder)).filter((name) => name.includes(`-${kind}-`) && name.endsWith('.eml') && !before.includes(name)).sort().reverse()) {
        const text = await readFile(join(folder, name), 'utf8');
        const code = /"token": "([\w-]+)"|#token=3?D?([\w-]+)/.exec(text);
        if (text.toLowerCase().includes(`to: ${address.toLowerCase()}`) && code) return code[1] ?? code[2];
      }
    };
    const changes = watch(folder, { signal: AbortSignal.timeout(PATIENCE) });
    const already = await look();
    if (already !== undefined) return already;
    for await (const _ of changes) {
      const code = await look();
      if (code !== undefined) return code;
    }
    assert.fail(`no mail ${kind} to ${address}`);
  }

  /** The mails that were written so far. */
  async mails(): Promise<string[]> {
    return await readdir(join(this.#data, 'mail'));
  }

  /** Differs after every change that somebody made; what the server does by itself, such as sending mail, is none. */
  state(): string {
    const query = `SELECT (SELECT count(*) FROM log_changes) AS changes, (SELECT count(*) FROM password_resets) AS resets,
      (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM sessions WHERE ended_at IS NULL) AS alive`;
    return this.#database(true, (database) => JSON.stringify(database.prepare(query).get()));
  }

  /** Makes all sessions older than a form that asks for no password allows, or as young as they were: nobody here waits for five minutes. */
  ageSessions(millis = 600_000): void {
    this.#database(false, (database) => database.prepare('UPDATE sessions SET confirmed_at = confirmed_at - ?').run(millis));
  }

  /** Its process, by which its processor time is read. */
  get pid(): number {
    return this.#process.pid ?? assert.fail('the demonstration has no process');
  }

  /** Gives every key a count of uses for each of the last days, as if time had gone by. */
  useAllKeysFor(days: number): void {
    const day = 24 * 60 * 60 * 1000;
    const today = Math.floor(Date.now() / day) * day;
    const uses = `INSERT INTO key_use_counts (key_id, period, begins_at, version, issued, refused) SELECT id, 'day', ?, 1, 17, 2 FROM keys WHERE true
      ON CONFLICT DO NOTHING`;
    this.#database(false, (database) => {
      for (let back = 0; back < days; back += 1) database.prepare(uses).run(today - back * day);
    });
  }

  #database<T>(readOnly: boolean, act: (database: DatabaseSync) => T): T {
    const database = new DatabaseSync(join(this.#data, 'keywright.sqlite3'), { readOnly });
    try {
      return act(database);
    } finally {
      database.close();
    }
  }

  /** Lines for a shell, as a page shows them; what they print. */
  async shell(lines: string, environment: Record<string, string> = {}): Promise<string> {
    const { stdout } = await promisify(execFile)('sh', ['-c', lines], { env: { ...process.env, ...environment } });
    return stdout;
  }

  /** Runs a curl line for its status alone. */
  async status(line: string): Promise<number> {
    return Number(await this.shell(`${line} -s -o /dev/null -w '%{http_code}'`));
  }

  /** The identity API in somebody's name. */
  async api(of: Person): Promise<Api> {
    const answer = await fetch(`${this.base}/auth/v1/sessions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: of.email, password: of.password }) });
    assert.equal(answer.status, 200, await answer.clone().text());
    return new Api(this.base, (await answer.json()).sessionToken);
  }
}

/** The identity API by a session or a token; by a path from its beginning also what is said of sessions and accounts. */
export class Api {
  readonly #base: string;
  readonly #token: string;

  constructor(base: string, token: string) {
    this.#base = base;
    this.#token = token;
  }

  /** What is answered, whatever it is; of a change the revision too. */
  async ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: any; revision: string }> {
    const headers = { authorization: this.#token, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    const answer = await fetch(`${this.#base}${path.startsWith('/auth/') ? '' : '/identity/v1'}${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    const revision = answer.headers.get('keywright-revision') ?? '';
    return { status: answer.status, body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text, revision };
  }

  /** The same, which must go well. */
  async done(method: string, path: string, body?: unknown): Promise<any> {
    const answer = await this.ask(method, path, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
}

/** What went wrong on the pages of a context that nobody looked for. */
export type Complaints = string[];

/** Listens to all that must not happen on any page: errors, violations of the policy, requests to elsewhere, dialogs, the canary. */
async function watchOver(context: BrowserContext, base: string): Promise<Complaints> {
  const complaints: Complaints = [];
  const tell = (page: Page | undefined, text: string): void => { complaints.push(`${page?.url() ?? '?'}: ${text}`); };
  await context.addInitScript((canary) => {
    Object.assign(globalThis, { canary: () => { console.error(canary); } });
    addEventListener('securitypolicyviolation', (event) => { console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`); });
  }, CANARY);
  context.on('request', (request) => {
    if (new URL(request.url()).origin !== base) tell(undefined, `a request to elsewhere, ${request.url()}`);
  });
  context.on('response', (response) => {
    // Pages may answer that something is wrong; what they are made of may not.
    if (response.request().resourceType() !== 'document' && response.status() >= 400) tell(undefined, `${response.url()} answered ${response.status()}`);
  });
  context.on('page', (page) => {
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource: the server responded')) tell(page, message.text());
    });
    page.on('pageerror', (error) => { tell(page, error.message); });
    page.on('dialog', (dialog) => {
      tell(page, `a dialog, ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('popup', (other) => { tell(page, `another window, ${other.url()}`); });
  });
  return complaints;
}

/** A server and a browser for the tests of one file. */
export class Stage {
  server!: Server;
  #browser!: Browser;

  /** To be called once at the beginning of a file; `prepare` makes what its tests need. */
  static forThisFile(prepare: () => Promise<void> = async () => {}): Stage {
    const stage = new Stage();
    before(async () => {
      await stage.open();
      await prepare();
    });
    after(async () => { await stage.close(); });
    return stage;
  }

  async open(): Promise<void> {
    // One after the other: whatever fails, the other one is ended.
    this.server = await Server.start();
    // Whatever a page asks for, nothing leaves this machine.
    this.#browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'] });
  }

  async close(): Promise<void> {
    try {
      await this.#browser?.close();
    } finally {
      await this.server?.end();
    }
  }

  get base(): string {
    return this.server.base;
  }

  /** Another browser, as far as cookies go. */
  async context(options: BrowserContextOptions = {}): Promise<{ context: BrowserContext; complaints: Complaints }> {
    const usual: BrowserContextOptions = { baseURL: this.base, viewport: { width: 1280, height: 900 }, locale: 'en-GB', timezoneId: 'UTC', reducedMotion: 'reduce' };
    const context = await this.#browser.newContext({ ...usual, ...options });
    context.setDefaultTimeout(PATIENCE);
    return { context, complaints: await watchOver(context, this.base) };
  }

  /** Does something in a browser of its own, in which nothing may go wrong besides. */
  async inBrowser<T>(act: (page: Page) => Promise<T>, options: BrowserContextOptions = {}): Promise<T> {
    const { context, complaints } = await this.context(options);
    try {
      const result = await act(await context.newPage());
      assert.deepEqual(complaints, []);
      return result;
    } catch (error) {
      throw new Error(await lookOf(context), { cause: error });
    } finally {
      await context.close();
    }
  }

  /** A walk through the console, as a test. */
  walk(name: string, act: (page: Page, tag: string) => Promise<void>): void {
    test(name, async () => { await this.inBrowser(async (page) => { await act(page, 'scripted'); }); });
  }

  /** A walk that is gone twice: with scripts, and in a browser that runs none. `tag` tells apart what is made on the way. */
  walkBothWays(name: string, act: (page: Page, tag: string) => Promise<void>): void {
    this.walk(name, act);
    test(`${name}, without scripts`, async () => {
      await this.inBrowser(async (page) => { await act(page, 'plain'); }, { javaScriptEnabled: false });
    });
  }

  /** Signs in by the demonstration's one click. */
  async signInAs(page: Page, part: 'owner' | 'manager' | 'viewer'): Promise<void> {
    await page.goto('/console/sign-in');
    await page.getByRole('button', { name: `Sign in as ${part}` }).click();
    await page.waitForURL(/\/console\/[0-9a-f-]{36}$/);
  }

  /** Signs in as people do. */
  async signIn(page: Page, who: { email: string; password: string }): Promise<void> {
    await page.goto('/console/sign-in');
    await page.getByLabel('E-mail address').fill(who.email);
    await page.getByLabel('Password', { exact: true }).fill(who.password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  }

  async signOut(page: Page): Promise<void> {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await sees(page, 'You are signed out.');
  }
}

/** What stands on a browser's pages, for whoever asks why a test failed. */
async function lookOf(context: BrowserContext): Promise<string> {
  const looks = context.pages().map(async (page) => `${page.url()} said: ${await page.innerText('body').catch(String)}`);
  return (await Promise.all(looks)).join('\n');
}

/** Something stands on the page for whoever looks at it. */
export async function sees(page: Page, text: string | RegExp): Promise<void> {
  await page.getByText(text).first().waitFor({ state: 'visible' });
}

/** The page's main heading is this. */
export async function headed(page: Page, text: string | RegExp): Promise<void> {
  await page.getByRole('heading', { level: 1, name: text }).waitFor();
}

/** The row of a table that begins with something. */
export function row(page: Page, text: string | RegExp) {
  return page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: text }) });
}

/** Exactly the text of an element, such as a line to be copied. */
export async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? assert.fail(`${selector} has no text`);
}
