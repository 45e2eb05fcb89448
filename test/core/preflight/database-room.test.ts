import { KedgeError } from '../../../src/contract/errors';
import type { DatabaseServer } from '../../../src/core/databases/database-server';
import type { Host } from '../../../src/core/hosts/host';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { needsOfDatabase } from '../../../src/core/preflight/database-room';
import { testOperation } from '../../helpers/operation';

const here = createLocalHost({ name: 'here' });
const WANTED = { bytes: 1000, tables: 7 };

/** What of a database server decides. */
function serverOn(disks: Host | null, dataFolder = '/usr/'): Pick<DatabaseServer, 'name' | 'disks' | 'facts'> {
  const facts = { dataFolder, binaryLogFolder: '/var' } as Awaited<ReturnType<DatabaseServer['facts']>>;
  return { name: 'db1', disks, facts: async () => facts };
}

test('room is wanted in the data and in the binary log, on the disks of the server', async () => {
  const operation = testOperation();
  expect(await needsOfDatabase(serverOn(here), WANTED, operation)).toEqual([
    { place: 'database server', host: here, path: '/usr', bytes: 1000, files: 14 },
    { place: 'binary log', host: here, path: '/var', bytes: 1000 },
  ]);
  expect(operation.messages).toEqual([]);
});

test('where nobody knows whose disks they are, or may look at them, that is said, and the rest is looked at', async () => {
  const refusing = Object.assign(Object.create(here) as Host, {
    status: (path: string) =>
      path === '/usr' ? Promise.reject(new KedgeError('HostRefused', 'not named')) : here.status(path),
  });
  const operation = testOperation();
  expect(await needsOfDatabase(serverOn(refusing), WANTED, operation)).toEqual([
    expect.objectContaining({ place: 'binary log', host: refusing }),
  ]);
  expect(await needsOfDatabase(serverOn(null), WANTED, operation)).toEqual([]);
  expect(operation.messages).toEqual([
    expect.stringMatching(/db1 has room for 1000 bytes in \/usr is not known/),
    expect.stringMatching(/in \/usr is not known/),
    expect.stringMatching(/in \/var is not known/),
  ]);
});

test('a machine that is not reached is not passed over', async () => {
  const away = Object.assign(Object.create(here) as Host, {
    status: () => Promise.reject(new KedgeError('HostUnreachable', 'gone')),
  });
  await expect(needsOfDatabase(serverOn(away), WANTED, testOperation())).rejects.toMatchObject({
    code: 'HostUnreachable',
  });
});
