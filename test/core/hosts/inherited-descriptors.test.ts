import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const HELPERS = join(__dirname, '../../helpers/run-typescript.js');
const MODULE = join(__dirname, '../../../src/core/hosts/inherited-descriptors.ts');

/** What a child of Node's has open, when Node was started with descriptors 20 and 250, and does `first`. */
function inheritedAfter(first: string): string {
  const list = `process.stdout.write(require('child_process').execFileSync('sh', ['-c', 'ls -l /proc/self/fd']))`;
  return execFileSync(
    'bash',
    [
      '-c',
      'exec 20< /etc/hostname 250> /dev/full; exec "$@"',
      'bash',
      process.execPath,
      '-r',
      HELPERS,
      '-e',
      `${first}; ${list}`,
    ],
    { encoding: 'utf8' },
  );
}

test('what the worker inherited from whoever started it, its programs do not inherit', () => {
  const close = `require(${JSON.stringify(MODULE)}).closeInheritedDescriptors()`;
  expect(inheritedAfter('0')).toMatch(/ 20 -> \/etc\/hostname\n(.*\n)* ?.* 250 -> \/dev\/full/);
  expect(inheritedAfter(close)).not.toMatch(/hostname|full/);
});
