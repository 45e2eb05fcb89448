import { MAXIMUM_TEXT_BYTES, jsonBytes, shortened } from '../../src/contract/payload-bounds';
import { summaryOf } from '../../src/workflows/steps/summary';

const site = 'example.com';
const backup = 'example.com-20261124.031502_1';

test.each([
  ['restore', { site, backup }, 'before the update', 'Restore example.com to 2026-11-24 03:15 - before the update'],
  ['restore', { site, backup }, null, 'Restore example.com to 2026-11-24 03:15'],
  ['restore', { site, backup: 'hand made' }, null, 'Restore example.com'],
  ['backup', { site }, null, 'Backup example.com - Generated on request'],
  ['backup', { site, description: 'nightly' }, 'no word of it', 'Backup example.com - nightly'],
  ['deploy', { site, archive: '/srv/archives/old.tar.zst' }, null, 'Deploy example.com from old.tar.zst'],
  ['verify', { site }, null, 'Verify example.com'],
] as const)('%s of %j', (type, input, description, summary) => {
  expect(summaryOf(site, type, input, description)).toBe(summary);
});

test.each([
  ['long', 'x'.repeat(100_000)],
  ['letters of many bytes', '🏁'.repeat(500)],
  ['what Markdown means something by', '*'.repeat(500)],
  ['what no terminal may be told', '\u001b\u202e'.repeat(100)],
])('fits what Temporal takes, with a name of any length: %s', (_, description) => {
  const longest = `${'a'.repeat(60)}.`.repeat(4) + 'example';
  for (const uri of [site, longest]) {
    const line = summaryOf(uri, 'restore', { site: uri, backup }, shortened(description, MAXIMUM_TEXT_BYTES));
    expect(line).toContain(`Restore ${uri} to 2026-11-24 03:15`);
    expect(jsonBytes(line)).toBeLessThanOrEqual(400);
    expect(line).not.toMatch(/\p{Cc}/u);
  }
});

test('what somebody wrote formats nothing', () => {
  expect(summaryOf(site, 'backup', { site, description: '**bold** <b>' }, null)).toBe(
    'Backup example.com - \\*\\*bold\\*\\* \\<b\\>',
  );
});
