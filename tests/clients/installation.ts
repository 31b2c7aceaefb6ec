// What the programs here ask of the demonstration besides tokens: sessions, API Keys, and to take them back.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';

type Named = { id: string; name: string };
type Person = { id: string; email: string; password: string };

/** The file that `keywright demo --credentials-file` writes. */
export type Credentials = {
  authUrl: string;
  rootOrganization: Named;
  subOrganization: Named;
  otherOrganization: Named;
  users: Record<string, Person>;
  personalAccessKeys: Record<string, string>;
};

export type ApiKey = Named & { email: string; secret: string };

export async function readCredentials(path: string): Promise<Credentials> {
  return JSON.parse(await readFile(path, 'utf8'));
}

export const limit = () => AbortSignal.timeout(20_000);

async function answered<T>(what: string, answer: Response, expected: number): Promise<T> {
  const body = await answer.text();
  assert.equal(answer.status, expected, `${what}: ${answer.status} ${body}`);
  return JSON.parse(body);
}

/** Exchanges an API Key for an access token, for its own organization or a sub-organization of it. */
export async function exchange(authUrl: string, key: ApiKey, organization: Record<string, string> = {}): Promise<string> {
  const body = new URLSearchParams({ name: key.name, secret: key.secret, ...organization });
  const answer = await fetch(`${authUrl}/auth/v1/api-key/token`, { method: 'POST', body, signal: limit() });
  return (await answered<{ access_token: string }>('exchange', answer, 200)).access_token;
}

/** A person who is signed in, and what he does with his organization's API Keys. */
export class Session {
  readonly url: string;
  readonly headers: Record<string, string>;

  private constructor(url: string, token: string) {
    this.url = url;
    this.headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  }

  static async open(authUrl: string, person: Person): Promise<Session> {
    const body = JSON.stringify({ email: person.email, password: person.password });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${authUrl}/auth/v1/sessions`, { method: 'POST', headers, body, signal: limit() });
    const { sessionToken } = await answered<{ sessionToken: string }>('sign-in', answer, 200);
    return new Session(`${authUrl}/identity/v1/organizations/current/api-keys`, sessionToken);
  }

  /** Makes one with a name of its own that begins like this. */
  async makeKey(beginning: string, organizationId: string, role: string): Promise<ApiKey> {
    const name = `${beginning} ${randomUUID()}`;
    const body = JSON.stringify({ name, grants: [{ organizationId, roles: [role] }] });
    return answered(`making ${name}`, await fetch(this.url, { method: 'POST', headers: this.headers, body, signal: limit() }), 201);
  }

  async revokeKey(key: ApiKey): Promise<void> {
    const answer = await fetch(`${this.url}/${key.id}`, { method: 'DELETE', headers: this.headers, signal: limit() });
    await answered(`revoking ${key.name}`, answer, 200);
  }
}

/** Asks again and again until the answer is there; gives the milliseconds, which nobody judges, and fails after half a minute. */
export async function until(what: string, ask: () => Promise<boolean>): Promise<number> {
  const start = performance.now();
  while (!(await ask())) {
    assert.ok(performance.now() - start < 30_000, `in vain waited for this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return Math.round(performance.now() - start);
}
