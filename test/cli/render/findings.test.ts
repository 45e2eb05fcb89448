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

describe('what three sites or more have in common', () => {
  const of = (site: string, more: Partial<Finding> = {}): Finding => ({
    ...{
      check: 'adopted',
      level: 'error',
      site,
      message: `${site} is not adopted`,
      hint: `Run \`kedge sites adopt ${site}\`.`,
    },
    ...more,
  });
  const sites = Array.from({ length: 25 }, (_, at) => `s${String(at).padStart(2, '0')}.example`);

  it('is said once, with the first of their names, where the first of them stands', () => {
    const own = of('s03.example', { check: 'php', message: 'PHP is away', hint: 'Start it.' });
    const all = sites.flatMap((site) => (site === 's03.example' ? [own, of(site)] : [of(site)]));
    expect(findingLines(all, { grouped: true, colors })).toEqual([
      `25 sites: ${sites.slice(0, 20).join(', ')} and 5 more`,
      '  error    <site> is not adopted',
      '           hint: Run `kedge sites adopt <site>`.',
      '',
      'site s03.example',
      '  error    PHP is away',
      '           hint: Start it.',
      '',
      '26 errors, 0 warnings',
    ]);
  });

  it('is something else at another level, of another check, or with other words', () => {
    const all = [
      of('a.example'),
      of('b.example', { level: 'warning' }),
      of('c.example', { check: 'x' }),
      of('d.example'),
    ];
    expect(findingLines(all, { grouped: false, colors })).toEqual([
      'error: site a.example: a.example is not adopted - Run `kedge sites adopt a.example`.',
      'warning: site b.example: b.example is not adopted - Run `kedge sites adopt b.example`.',
      'error: site c.example: c.example is not adopted - Run `kedge sites adopt c.example`.',
      'error: site d.example: d.example is not adopted - Run `kedge sites adopt d.example`.',
      '3 errors, 1 warning',
    ]);
  });
});
