// A Personal Access Key from its making to its end.

import assert from 'node:assert/strict';
import { Stage, headed, row, sees, textOf, until } from './stage.ts';

const stage = Stage.forThisFile();

stage.walkBothWays('a Personal Access Key is made, used by the lines that are shown, renamed and deleted', async (page, tag) => {
  const { server } = stage;
  const [name, later] = [`laptop ${tag}`, `desk ${tag}`];
  await stage.signInAs(page, 'owner');
  await page.getByRole('link', { name: 'Personal Access Keys', exact: true }).click();
  await page.getByRole('link', { name: 'Generate a key' }).click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Generate the key' }).click();

  await sees(page, 'Copy it now.');
  const secret = await textOf(page, '#secret');
  assert.match(await textOf(page, '#line-variable'), /KEYWRIGHT_KEY$/);
  // As somebody who put the key into the variable that the lines name.
  const [exchange, both] = [await textOf(page, '#line-exchange'), await textOf(page, '#line-both')].map((line) => `KEYWRIGHT_KEY='${secret}'\n${line}`);
  assert.equal(JSON.parse(await server.shell(exchange)).token_type, 'Bearer');
  assert.equal(JSON.parse(await server.shell(both)).email, server.credentials.users.owner.email);

  await page.getByRole('link', { name: 'I have copied it' }).click();
  assert.ok(!(await page.content()).includes(secret), 'the secret is shown once');
  await page.getByRole('link', { name, exact: true }).click();
  await until('both uses are counted', async () => {
    await page.reload();
    return await page.getByRole('row', { name: /auth\/v3\/token/ }).getByRole('cell', { name: '2', exact: true }).isVisible();
  });
  await page.getByRole('link', { name: 'Back to the key' }).click();

  await page.getByRole('link', { name: `Rename ${name}`, exact: true }).click();
  await page.getByLabel('Name').fill(later);
  await page.getByRole('button', { name: 'Rename' }).click();
  await sees(page, 'The key has its new name.');
  assert.equal(await row(page, name).count(), 0);

  await page.getByRole('link', { name: `Delete ${later}`, exact: true }).click();
  await headed(page, `Delete ${later}?`);
  assert.equal(await server.status(exchange), 200, 'asking deletes nothing');
  await page.getByRole('button', { name: 'Delete the key' }).click();
  await headed(page, 'Revocation receipt');
  await sees(page, /Dead at 1 of 1 replicas/);
  assert.equal(await server.status(exchange), 401);

  await page.getByRole('link', { name: 'Personal Access Keys' }).first().click();
  await row(page, later).getByText('Revoked').waitFor();
  assert.equal(await page.getByRole('link', { name: `Delete ${later}` }).count(), 0);
});

stage.walk('a form that is wrong says so, and what was typed stands there still', async (page) => {
  await stage.signInAs(page, 'viewer');
  await page.goto(`${page.url()}/personal-keys/new`);
  await page.getByLabel('Name').fill('from yesterday');
  await page.getByLabel('Last day').fill('2001-01-01');
  await page.getByRole('button', { name: 'Generate the key' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('Name').inputValue(), 'from yesterday');
  assert.equal(await page.getByLabel('Last day').inputValue(), '2001-01-01');
});

stage.walk('a form that is sent twice makes one key', async (page) => {
  await stage.signInAs(page, 'manager');
  const organization = page.url();
  await page.goto(`${organization}/personal-keys/new`);
  await page.getByLabel('Name').fill('sent twice');
  const send = page.getByRole('button', { name: 'Generate the key' });
  await send.click();
  await sees(page, 'Copy it now.');
  // As somebody who loads the page with the secret anew and is asked by the browser whether to send the form again.
  await page.reload();
  await page.getByRole('alert').waitFor();
  await page.goto(`${organization}/personal-keys`);
  assert.equal(await row(page, 'sent twice').count(), 1);
});
