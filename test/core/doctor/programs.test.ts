import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REQUIREMENTS, type Requirement, checkProgram } from '../../../src/core/doctor/programs';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { testOperation } from '../../helpers/operation';

const host = createLocalHost({ name: 'lab' });
const tar: Requirement = { names: ['tar'], need: 'archives', debian: 'tar', fedora: 'tar' };

const check = (requirement: Requirement, confined = true) => checkProgram(host, requirement, confined, testOperation());

it.each([true, false])('every program is found on this machine (confined: %s)', async (confined) => {
  const complaints = [];
  for (const requirement of REQUIREMENTS) complaints.push(...(await check(requirement, confined)));
  expect(complaints).toEqual([]);
});

it.each([true, false])('a missing program names its packages (confined: %s)', async (confined) => {
  const requirement = {
    ...tar,
    names: ['kedge-no-such', 'kedge-nor-this'],
    debian: 'mariadb-client',
    fedora: 'mariadb',
  };
  expect(await check(requirement as unknown as Requirement, confined)).toEqual([
    {
      level: 'error',
      message: 'kedge-no-such or kedge-nor-this is not installed on lab; it is needed for archives',
      hint: 'Install the package mariadb-client (Debian) or mariadb (Fedora).',
    },
  ]);
});

it('the second name will do', async () => {
  expect(await check({ ...tar, names: ['kedge-no-such', 'tar'] })).toEqual([]);
});

it('another program of the name will not do', async () => {
  expect(await check({ ...tar, flavour: 'bsdtar' })).toEqual([
    {
      level: 'error',
      message: 'tar on lab is not bsdtar, which is needed for archives',
      hint: 'Install the package tar (Debian and Fedora).',
    },
  ]);
});

it.each([
  ['1.2', []],
  ['99', [expect.stringMatching(/^tar \d+\.\d+ on lab is older than 99, which is needed for archives$/)]],
])('a version is held against the least one, %s', async (minimum, expected) => {
  expect((await check({ ...tar, minimum })).map(({ message }) => message)).toEqual(expected);
});

it('a program that confined ones do not see is not there for them', async () => {
  const folder = await mkdtemp('/var/tmp/kedge-doctor-');
  const path = join(folder, 'program');
  try {
    await writeFile(path, '#!/bin/sh\necho program 1.0\n', { mode: 0o755 });
    const requirement: Requirement = { ...tar, names: [path] };
    expect(await check(requirement, false)).toEqual([]);
    expect(await check(requirement, true)).toMatchObject([
      { message: `${path} is not installed on lab; it is needed for archives` },
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
