// Members: inviting, joining, roles, removing.

import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { Stage, headed, row, sees } from './stage.ts';

const stage = Stage.forThisFile();
const PASSWORD = 'four words in a row';

async function invite(page: Page, email: string, role: string): Promise<void> {
  const { id } = stage.server.credentials.rootOrganization;
  await page.goto(`/console/${id}/team`);
  await page.getByRole('link', { name: 'Invite a member' }).click();
  await page.getByLabel('E-mail address').fill(email);
  await page.locator(`input[name="role:${id}"][value="${role}"]`).check();
  await page.getByRole('button', { name: 'Send the invitation' }).click();
}

stage.walkBothWays('somebody is invited, joins without an account, gets other roles, and is removed', async (page, tag) => {
  const { server } = stage;
  const { id } = server.credentials.rootOrganization;
  const [email, name] = [`new-${tag}@example.com`, `New ${tag}`];
  await stage.signInAs(page, 'owner');
  await invite(page, email, 'view-organization');
  await sees(page, 'The invitation is on its way.');
  await row(page, email).getByText('Waiting').waitFor();
  const code = await server.codeMailed('invitation', email);

  const options = { javaScriptEnabled: tag !== 'plain' };
  const his = await stage.context(options);
  const hisPage = await his.context.newPage();
  try {
    await hisPage.goto(`/console/invitation#token=${code}`);
    const field = hisPage.getByLabel('Code from the mail');
    if (tag === 'plain') await field.fill(code);
    else {
      assert.equal(await field.inputValue(), code, 'the link fills the code in');
      assert.ok(!hisPage.url().includes(code), 'the code goes out of the address bar');
    }
    await hisPage.getByRole('button', { name: 'Look at the invitation' }).click();
    await sees(hisPage, email);
    await hisPage.getByLabel('Your name').fill(name);
    await hisPage.getByLabel('Choose a password').fill(PASSWORD);
    await hisPage.getByRole('button', { name: 'Create the account and join' }).click();
    await sees(hisPage, 'You have joined.');
    await stage.signIn(hisPage, { email, password: PASSWORD });
    await headed(hisPage, 'Acme');
    await hisPage.getByRole('link', { name: 'Team' }).click();
    assert.equal(await hisPage.getByRole('link', { name: 'Invite a member' }).count(), 0, 'he may look');

    await page.goto(`/console/${id}/team`);
    assert.equal(await row(page, email).getByText('Waiting').count(), 0, 'the invitation is over');
    await page.getByRole('link', { name: `Roles of ${name}`, exact: true }).click();
    await page.locator('input[name="role"][value="view-organization"]').uncheck();
    await page.locator('input[name="role"][value="manage-organization"]').check();
    await page.getByRole('button', { name: 'Save the roles' }).click();
    await sees(page, 'The member has the new roles.');
    await hisPage.reload();
    await hisPage.getByRole('link', { name: 'Invite a member' }).waitFor();

    await page.getByRole('link', { name: `Remove ${name}`, exact: true }).click();
    await headed(page, `Remove ${name}?`);
    await page.getByRole('button', { name: 'Remove the member' }).click();
    await sees(page, 'The member is removed');
    assert.equal(await row(page, email).count(), 0);
    const answer = await hisPage.reload();
    assert.equal(answer?.status(), 404, 'nothing is there for him any more');
    assert.deepEqual(his.complaints, []);
  } finally {
    await his.context.close();
  }
});

stage.walkBothWays('an invitation is sent again and withdrawn, and its codes work no more', async (page, tag) => {
  const { server } = stage;
  const email = `withdrawn-${tag}@example.com`;
  await stage.signInAs(page, 'owner');
  await invite(page, email, 'view-organization');
  await sees(page, 'The invitation is on its way.');
  const first = await server.codeMailed('invitation', email);
  const mails = await server.mails();
  await page.getByRole('button', { name: `Send again to ${email}` }).click();
  await sees(page, 'The invitation is sent again');
  const second = await server.codeMailed('invitation', email, mails);
  assert.notEqual(first, second);
  await page.getByRole('button', { name: `Withdraw the invitation of ${email}` }).click();
  await sees(page, 'The invitation is withdrawn.');
  assert.equal(await row(page, email).count(), 0);

  for (const code of [first, second]) {
    await page.goto('/console/invitation');
    await page.getByLabel('Code from the mail').fill(code);
    await page.getByRole('button', { name: 'Look at the invitation' }).click();
    await page.getByRole('alert').filter({ hasText: 'This code does not work' }).waitFor();
  }
});

stage.walk('an invitation without a role, and one of a member, are told apart from what works', async (page) => {
  const { users, rootOrganization } = stage.server.credentials;
  await stage.signInAs(page, 'owner');
  await page.goto(`/console/${rootOrganization.id}/invitations/new`);
  await page.getByLabel('E-mail address').fill('nobody@example.com');
  await page.getByRole('button', { name: 'Send the invitation' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('E-mail address').inputValue(), 'nobody@example.com');
  await invite(page, users.viewer.email, 'view-organization');
  await page.getByRole('alert').waitFor();
});

stage.walk('a member leaves', async (page) => {
  const { users, rootOrganization } = stage.server.credentials;
  await stage.signInAs(page, 'viewer');
  await page.goto(`/console/${rootOrganization.id}/team`);
  await page.getByRole('link', { name: 'Leave' }).click();
  await page.getByRole('button', { name: 'Leave' }).click();
  await page.waitForURL((url) => !url.pathname.endsWith('/leave'));
  const answer = await page.goto(`/console/${rootOrganization.id}/team`);
  assert.equal(answer?.status(), 404);
  const api = await stage.server.api(users.owner);
  const members = await api.done('GET', `/organizations/${rootOrganization.id}/users`);
  assert.ok(!JSON.stringify(members).includes(users.viewer.email));
});

stage.walk('the last Owner neither leaves nor is demoted', async (page) => {
  const { users, rootOrganization } = stage.server.credentials;
  await stage.signInAs(page, 'owner');
  await page.goto(`/console/${rootOrganization.id}/team/leave`);
  await page.getByRole('button', { name: 'Leave' }).click();
  await page.getByRole('alert').waitFor();
  await page.goto(`/console/${rootOrganization.id}/team/${users.owner.id}`);
  await page.locator('input[name="role"][value="owner"]').uncheck();
  await page.locator('input[name="role"][value="view-organization"]').check();
  await page.getByRole('button', { name: 'Save the roles' }).click();
  await page.getByRole('alert').waitFor();
  await page.goto(`/console/${rootOrganization.id}/team`);
  await row(page, users.owner.email).getByText('Owner').first().waitFor();
});

stage.walk('the members are exported as a file', async (page) => {
  const { users, rootOrganization } = stage.server.credentials;
  await stage.signInAs(page, 'owner');
  await page.goto(`/console/${rootOrganization.id}/team`);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export as CSV' }).click()]);
  assert.match(download.suggestedFilename(), /\.csv$/);
  const text: string[] = [];
  for await (const part of await download.createReadStream()) text.push(String(part));
  assert.ok(text.join('').includes(users.manager.email));
});
