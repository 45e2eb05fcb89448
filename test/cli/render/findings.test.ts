import { createColors } from 'picocolors';
import { findingLines } from '../../../src/cli/render/findings';
import type { Finding } from '../../../src/contract/findings';

const colors = createColors(false);
const findings: Finding[] = [
  { check: 'configuration', level: 'error', message: 'kedge.yaml:3:1: unknown key', hint: 'Correct it.' },
  { check: 'site-php', level: 'error', site: 'a.example', message: 'PHP is away', hint: 'Start it.' },
  { check: 'folders', level: 'error', server: 'master', message: 'one line\nand another', hint: 'Run `chmod`.' },
  { check: 'maintenance', level: 'warning', site: 'a.example', message: 'flag is on', hint: 'Remove it.' },
  { check: 'temporal-tls', level: 'warning', message: 'no TLS', hint: 'Use it.' },
];

it('on a terminal findings stand under their places, each with its hint', () => {
  expect(findingLines(findings, { grouped: true, colors })).toEqual([
    'configuration',
    '  error    kedge.yaml:3:1: unknown key',
    '           hint: Correct it.',
    '',
    'site a.example',
    '  error    PHP is away',
    '           hint: Start it.',
    '  warning  flag is on',
    '           hint: Remove it.',
    '',
    'server master',
    '  error    one line',
    '           and another',
    '           hint: Run `chmod`.',
    '',
    'Temporal',
    '  warning  no TLS',
    '           hint: Use it.',
    '',
    '3 errors, 2 warnings',
  ]);
});

it('elsewhere each is a line of its own', () => {
  expect(findingLines(findings.slice(2), { grouped: false, colors })).toEqual([
    'error: server master: one line; and another - Run `chmod`.',
    'warning: site a.example: flag is on - Remove it.',
    'warning: Temporal: no TLS - Use it.',
    '1 error, 2 warnings',
  ]);
  expect(findingLines([], { grouped: false, colors })).toEqual(['All is well.']);
});
