import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfiguration } from '../../src/config/load';
import { maxAgesOf } from '../../src/config/objectives';
import { type NamedReceiver, namedReceivers, receiversOf } from '../../src/contract/notices';

const GOOD = readFileSync(join(__dirname, 'good.yaml'), 'utf8');

/** The good file with these lines at its end. */
const load = (lines: string) => parseConfiguration(`${GOOD}\n${lines}\n`, 'kedge.yaml');
const messageOf = (lines: string): string => {
  try {
    load(lines);
    return 'accepted';
  } catch (error) {
    expect(error).toMatchObject({ name: 'KedgeError', code: 'ConfigurationInvalid' });
    return (error as Error).message;
  }
};

it.each([
  ['neither program nor webhook', '{ name: x }', /notify.0: either command or webhook/],
  ['both', '{ command: [a], webhook: { url: "https://a.example" } }', /notify.0: either command or webhook/],
  ['a program without a name', '{ command: [] }', /notify.0.command: a program and its arguments/],
  ['a shell line', '{ command: page me }', /notify.0.command: is a text, and a list belongs here/],
  ['no address', '{ webhook: {} }', /notify.0.webhook.url: an address such as https/],
  ['an address of mail', '{ webhook: { url: "mailto:a@b.example" } }', /url: an address that begins with https/],
  [
    'a login in the address',
    '{ webhook: { url: "https://anna:kwak7Zq9@b.example" } }',
    /url: an address without a login/,
  ],
  [
    'a secret on the open road',
    '{ webhook: { url: "http://b.example", headers: { Authorization: { env: T } } } }',
    /webhook.url: secrets go to another machine by https:\/\/ alone/,
  ],
  [
    'a secret in the file',
    '{ webhook: { url: "https://b.example", headers: { X-Api-Key: kwak7Zq9 } } }',
    /headers.X-Api-Key: a reference to a secret/,
  ],
  [
    'a header of ours',
    '{ webhook: { url: "https://b.example", headers: { Host: c } } }',
    /a header that Kedge sets itself/,
  ],
  [
    'a header of two lines',
    '{ webhook: { url: "https://b.example", headers: { X: "a\\r\\nb" } } }',
    /headers.X: a text of at most 1000 ASCII characters/,
  ],
  [
    'an unknown event',
    '{ command: [a], events: [task-done] }',
    /notify.0.events.0: one of task-failed, .* belongs here/,
  ],
  ['no event at all', '{ command: [a], events: [] }', /notify.0.events: may not be empty/],
  [
    'a site that there is not',
    '{ command: [a], sites: [none.example] }',
    /notify.0.sites: there is no site none.example/,
  ],
  [
    'a mistyped key',
    '{ webhok: { url: "https://b.example" } }',
    /notify.0.webhok: unknown key; did you mean webhook\?/,
  ],
])('a receiver is refused with %s', (_what, receiver, message) => {
  const said = messageOf(`notify:\n  - ${receiver}`);
  expect(said).toMatch(message);
  expect(said).toMatch(/^kedge\.yaml:\d+:\d+: /);
  expect(said).not.toContain('kwak7Zq9');
});

it('two of one name are refused, and more than twenty', () => {
  expect(messageOf('notify:\n  - { name: a, command: [b] }\n  - { name: a, command: [c] }')).toMatch(
    /notify.1.name: another receiver is called a already/,
  );
  expect(messageOf(`notify: [${Array(21).fill('{ command: [a] }').join(', ')}]`)).toMatch(/notify: at most 20 entries/);
});

it('receivers without a name are called by their program or host, each by another', () => {
  const { notify } = load(`notify:
  - { command: [/usr/local/sbin/Page_me, --loud] }
  - { name: alerts.example, command: [x] }
  - { webhook: { url: "https://alerts.example/a" } }
  - { webhook: { url: "https://alerts.example/b" } }
  - { webhook: { url: { file: /etc/kedge/hook } } }
  - { webhook: { url: "http://localhost:9/", headers: { Authorization: { env: T } } } }`);
  expect(namedReceivers(notify).map(({ name }) => name)).toEqual([
    ...['page-me', 'alerts.example', 'alerts.example-2', 'alerts.example-3', 'webhook', 'localhost'],
  ]);
});

it('who names events or sites wants these alone', () => {
  const all: NamedReceiver = { name: 'all' };
  const site: NamedReceiver = { name: 'site', sites: ['a.example'] };
  const event: NamedReceiver = { name: 'event', events: ['disk-filling'] };
  const wanting = (of: Parameters<typeof receiversOf>[1]) =>
    receiversOf([all, site, event], of).map(({ name }) => name);
  expect(wanting({ event: 'task-failed', site: 'a.example' })).toEqual(['all', 'site']);
  expect(wanting({ event: 'task-failed', site: 'b.example' })).toEqual(['all']);
  expect(wanting({ event: 'disk-filling', site: null })).toEqual(['all', 'event']);
});

describe('objective', () => {
  it.each([
    ['90m', 90 * 60_000],
    ['26h', 26 * 3_600_000],
    ['8d', 8 * 24 * 3_600_000],
  ])('maxAge %s', (text, ms) => {
    expect([...maxAgesOf(load(`objective: { maxAge: ${text} }`)).values()]).toEqual([ms, ms]);
  });

  it.each(['26', '0h', '1w', '-1h', 'never'])('maxAge %s is refused', (text) => {
    expect(messageOf(`objective: { maxAge: "${text}" }`)).toMatch(
      /maxAge: an age such as 90m, 26h or 8d, or none, not/,
    );
  });

  it('of a site stands in the place of that of all, none too; without any there is none', () => {
    const own = GOOD.replace('    maintenanceLimit: 90s\n', '    objective: { maxAge: none }\n');
    expect(own).not.toBe(GOOD);
    const ages = maxAgesOf(parseConfiguration(`${own}\nobjective: { maxAge: 1h }\n`, 'kedge.yaml'));
    expect([...ages.keys()]).toEqual(['app.example']);
    expect(maxAgesOf(load('')).size).toBe(0);
  });
});
