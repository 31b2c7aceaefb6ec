// Every page of the console, in one place. A new page is a new line here; that none is missing is checked against the routes of the server.

import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { codeNow } from './device.ts';
import type { Person, Stage } from './stage.ts';

/** Who looks at a page. `operator` is an Owner of the installation's own organization, `secured` a manager who has a second factor. */
export type Who = 'nobody' | 'owner' | 'viewer' | 'operator' | 'secured';

/** Opens a browser's way for somebody: to the console, or for nobody to the page where one signs in. */
export type Enter = (page: Page, who: Who) => Promise<void>;

export interface Place {
  /** Where; `{names}` are those of [`Names`]. */
  path: string;
  who?: Who;
  /** What is answered; 200 unless something else is said. */
  status?: number;
  /** What is done there before it is looked at. Without it, it is looked at as it is. */
  then?: (page: Page) => Promise<void>;
}

/** What stands for the names in paths. */
export type Names = Record<'organization' | 'sub' | 'empty' | 'api-key' | 'suspended' | 'personal-key' | 'member' | 'sub-member' | 'receipt' | 'code' | 'operators' | 'role' | 'kid' | 'operator-key', string>;

const HOME = '/console/{organization}';
const KEY = `${HOME}/api-keys/{api-key}`;

const press = (name: string) => async (page: Page): Promise<void> => { await page.getByRole('main').getByRole('button', { name, exact: true }).click(); };
const fill = (label: string, text: string, then: (page: Page) => Promise<void>) => async (page: Page): Promise<void> => {
  await page.getByLabel(label, { exact: true }).fill(text);
  await then(page);
};

export const PLACES: Place[] = [
  { path: '/console/sign-in', who: 'nobody' },
  { path: '/console/sign-in?done=signed-out', who: 'nobody' },
  { path: '/console/sign-in', who: 'nobody', then: fill('E-mail address', 'nobody@example.com', fill('Password', 'wrong', press('Sign in'))) },
  { path: '/console/password-reset', who: 'nobody' },
  { path: '/console/password-reset', who: 'nobody', then: fill('E-mail address', 'nobody@example.com', press('Send the mail')) },
  { path: '/console/new-password', who: 'nobody' },
  { path: '/console/new-password', who: 'nobody', then: fill('Code from the mail', 'none', fill('New password', 'long enough, but for nothing', press('Set the password'))) },
  { path: '/console/invitation', who: 'nobody' },
  { path: '/console/invitation#token={code}', who: 'nobody', then: press('Look at the invitation') },
  { path: '/console/invitation', who: 'nobody', then: fill('Code from the mail', 'none', press('Look at the invitation')) },
  { path: '/console' },
  { path: HOME },
  { path: HOME, who: 'viewer' },
  { path: '/console/{sub}' },
  { path: `${HOME}/profile` },
  { path: `${HOME}/profile?done=renamed` },
  { path: `${HOME}/profile`, who: 'viewer' },
  { path: '/console/{sub}/profile' },
  { path: `${HOME}/policy` },
  { path: `${HOME}/policy`, who: 'viewer' },
  { path: '/console/{sub}/policy' },
  { path: `${HOME}/roles` },
  { path: `${HOME}/roles`, who: 'viewer' },
  { path: `${HOME}/roles/new` },
  { path: `${HOME}/roles/{role}` },
  { path: `${HOME}/roles/{role}/delete` },
  { path: `${HOME}/activity` },
  { path: `${HOME}/activity?action=API+Key+Create&actor=owner&subOrganizations=true` },
  { path: `${HOME}/activity?actor=nobody-at-all` },
  { path: `${HOME}/auth-activity` },
  { path: `${HOME}/auth-activity?outcome=refused`, who: 'viewer' },
  { path: `${HOME}/delete` },
  { path: `${HOME}/revoke-all` },
  { path: `${HOME}/sub-organizations/{empty}/suspend` },
  { path: `${HOME}/sub-organizations/{empty}/resume` },
  { path: `${HOME}/team` },
  { path: `${HOME}/team`, who: 'viewer' },
  { path: '/console/{sub}/team' },
  { path: `${HOME}/team/leave` },
  { path: `${HOME}/team/{member}` },
  { path: '/console/{sub}/team/{member}' },
  { path: `${HOME}/team/{member}/remove` },
  { path: `${HOME}/invitations/new` },
  { path: `${HOME}/invitations/new`, then: fill('E-mail address', 'nobody@example.com', press('Send the invitation')) },
  { path: `${HOME}/personal-keys` },
  { path: '/console/{empty}/personal-keys' },
  { path: `${HOME}/personal-keys/new` },
  { path: `${HOME}/personal-keys/new`, then: fill('Name', 'a key to look at', press('Generate the key')) },
  { path: `${HOME}/personal-keys/new`, then: fill('Last day', '2001-01-01', fill('Name', 'too late', press('Generate the key'))) },
  { path: `${HOME}/personal-keys/{personal-key}/usage` },
  { path: `${HOME}/personal-keys/{personal-key}/rename` },
  { path: `${HOME}/personal-keys/{personal-key}/delete` },
  { path: `${HOME}/api-keys` },
  { path: '/console/{empty}/api-keys' },
  { path: `${HOME}/api-keys/new` },
  { path: `${HOME}/api-keys/new?description=something` },
  { path: `${HOME}/api-keys/new/roles?name=deploy&expires=2099-01-01` },
  { path: `${HOME}/api-keys/new/roles?name=deploy&expires=2099-01-01`, then: press('Create the key') },
  { path: KEY },
  { path: KEY, who: 'viewer' },
  { path: `${KEY}?done=roles` },
  { path: `${HOME}/api-keys/{suspended}` },
  { path: `${KEY}/usage` },
  { path: `${KEY}/roles` },
  { path: `${KEY}/settings` },
  { path: `${KEY}/rotate` },
  { path: `${KEY}/rotate`, then: press('Create the new secret') },
  { path: `${KEY}/suspend` },
  { path: `${KEY}/delete` },
  { path: `${HOME}/receipts/{receipt}` },
  { path: '/console/account' },
  { path: '/console/account/password' },
  { path: '/console/account/sessions' },
  { path: '/console/account/second-factor' },
  { path: '/console/account/second-factor', then: press('Set it up') },
  { path: '/console/account/second-factor', who: 'secured' },
  { path: '/console/{operators}/signing-keys', who: 'operator' },
  { path: '/console/{operators}/signing-keys/{kid}/revoke', who: 'operator' },
  { path: '/console/{operators}/catalog', who: 'operator' },
  { path: '/console/{operators}/catalog', who: 'operator', then: press('Show what would change') },
  {
    path: '/console/{operators}/catalog', who: 'operator',
    then: async (page) => {
      await page.getByLabel('Preset').selectOption('');
      await press('Show what would change')(page);
    },
  },
  { path: '/console/{operators}/operator-keys', who: 'operator' },
  { path: '/console/{operators}/operator-keys/new', who: 'operator' },
  { path: '/console/{operators}/operator-keys/{operator-key}/rotate', who: 'operator' },
  { path: '/console/{operators}/operator-keys/{operator-key}/revoke', who: 'operator' },
  { path: '/console/{operators}', who: 'operator' },
  { path: '/console/{operators}/profile', who: 'operator' },
  { path: '/console/no-such-page', status: 404 },
  { path: '/console/{organization}/no-such-page', status: 404 },
];

/** Routes that are no page: files, and parts that a script asks for. */
export const NO_PAGES = [
  '/console/assets/{name}', '/console/{organization}/receipts/{revision}/part', '/console/{organization}/team/members.csv',
  '/console/{organization}/activity.csv', '/console/{organization}/auth-activity.csv',
];

/** Where links lead that lead nowhere yet. One that leads somewhere must go from here. */
export const NOT_THERE_YET: RegExp[] = [];

/** What is made for the pages. `spare` are recovery codes of whoever is secured, each for one use. */
export interface Furniture { names: Names; enter: Enter; spare: string[] }

/** Makes what the pages are about. */
export async function furnish(stage: Stage): Promise<Furniture> {
  const { server } = stage;
  const { users, rootOrganization, subOrganization, apiKeys, personalAccessKeys, authUrl } = server.credentials;
  const owner = await server.api(users.owner);
  const home = `/organizations/${rootOrganization.id}`;
  const personal = await owner.done('POST', `${home}/personal-access-keys`, { name: 'a laptop with a rather long name, which somebody took pains to think of' });
  const gone = await owner.done('POST', `${home}/personal-access-keys`, { name: 'gone' });
  const grants = [{ organizationId: rootOrganization.id, roles: ['view-organization'] }];
  const suspended = await owner.done('POST', `${home}/api-keys`, { name: 'suspended', grants, description: 'Deploys at night', allowedAddresses: ['203.0.113.0/24', '2001:db8::/32'] });
  await owner.done('POST', `${home}/api-keys/${suspended.id}/suspend`);
  const empty = await owner.done('POST', `${home}/sub-organizations`, { name: 'Acme Empty' });
  const { revision } = await owner.ask('DELETE', `${home}/personal-access-keys/${gone.id}`);
  await owner.done('PATCH', '/users?action=invite', { userEmail: 'invited@example.com', organizationsAndRoles: grants });
  // A use, and a refusal, of the key whose use is looked at.
  await server.shell(`curl -s -o /dev/null ${authUrl}/oauth/token -u ${apiKeys['acme-ci'].id}:${apiKeys['acme-ci'].secret} -d grant_type=client_credentials`);
  await server.shell(`curl -s -o /dev/null ${authUrl}/auth/v3/token -d personalAccessKey=${personal.key}`);
  const operator = server.credentials.operator;
  const installation = await server.api(operator);
  const role = await owner.done('POST', `${home}/roles`, { name: 'Release manager', description: 'Looks after releases', permissions: ['distribution.profile.view'] });
  const operatorKey = await installation.done('POST', '/operator-keys', { name: 'backend', scopes: ['keys'] });
  const signingKeys = await installation.done('GET', '/signing-keys');
  const names = {
    organization: rootOrganization.id,
    sub: subOrganization.id,
    empty: empty.id,
    'api-key': apiKeys['acme-ci'].id,
    suspended: suspended.id,
    'personal-key': personal.id,
    member: users.manager.id,
    'sub-member': users.submember.id,
    receipt: revision,
    code: await server.codeMailed('invitation', 'invited@example.com'),
    operators: operator.organizationId,
    role: role.key,
    kid: signingKeys[0].kid,
    'operator-key': operatorKey.id,
  };
  const manager = await server.api(users.manager);
  const begun = await manager.done('POST', '/auth/v1/second-factor');
  const spare: string[] = (await manager.done('POST', '/auth/v1/second-factor/confirm', { code: codeNow(begun.secret) })).recoveryCodes;
  const enter: Enter = async (page, who) => {
    if (who === 'nobody') await page.goto('/console/sign-in');
    else if (who === 'operator') await stage.signIn(page, operator);
    else if (who === 'secured') await signInByCode(stage, page, users.manager, spare.pop() ?? assert.fail('no recovery code is left'));
    else await stage.signInAs(page, who);
    if (who !== 'nobody') await page.getByRole('button', { name: 'Sign out' }).waitFor();
  };
  return { names, enter, spare };
}

async function signInByCode(stage: Stage, page: Page, who: Person, code: string): Promise<void> {
  await stage.signIn(page, who);
  await page.getByLabel('Code').fill(code);
  await page.getByLabel('Password', { exact: true }).fill(who.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

/** A path with what its names stand for. */
export function filled(path: string, names: Names): string {
  return path.replace(/\{([\w-]+)\}/g, (whole, name: string) => names[name as keyof Names] ?? whole);
}
