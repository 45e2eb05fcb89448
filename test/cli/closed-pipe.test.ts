import { execFileSync } from 'node:child_process';
import { KEDGE } from '../../scripts/demo/kedge';

it('a reader that goes away is no error', () => {
  // `true` has ended long before Node has started.
  const script = 'set -o pipefail; { "$0" "$1" config schema | true; } 2>&1';
  expect(execFileSync('bash', ['-c', script, process.execPath, KEDGE], { encoding: 'utf8' })).toBe('');
});
