import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EXIT } from '../../src/cli/exit-codes';
import { parseConfiguration } from '../../src/config/load';
import { backupRecordSchema, databaseSummarySchema } from '../../src/contract/backup-record';
import { ERROR_CODES } from '../../src/contract/error-codes';
import { SEARCH_ATTRIBUTES } from '../../src/contract/names';
import { REQUIREMENTS } from '../../src/core/doctor/programs';
import { runCommand } from '../helpers/command';

const TOP = join(__dirname, '../..');
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...[
    'docs/format.md',
    'docs/errors.md',
    'docs/operations.md',
    'docs/security.md',
    'docs/signed-requests.md',
    'docs/glossary.md',
  ],
  ...readdirSync(join(TOP, 'docs/decisions')).map((name) => join('docs/decisions', name)),
];
const read = (path: string): string => readFileSync(join(TOP, path), 'utf8');

describe('README.md', () => {
  it('shows programs that compile against the built package, from outside', async () => {
    const programs = [...read('README.md').matchAll(/^```ts\n(.*?)^```/gms)].map(([, source]) => source ?? '');
    expect(programs.length).toBeGreaterThan(0);
    expect(await compile(programs)).toBe('');
    const spoiled = programs.map((source) => source.replace('description:', 'desription:'));
    expect(await compile(spoiled)).toContain('desription');
  });
});

describe.each(PAGES)('%s', (page) => {
  it('leads nowhere that is not there', () => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link ?? '');
    const local = links.filter((link) => !/^https?:/.test(link)).map((link) => link.split('#')[0] ?? '');
    expect(local.filter((link) => link !== '' && !existsSync(join(TOP, dirname(page), link)))).toEqual([]);
  });

  it('shows pictures that a page can carry, and says what is in them', () => {
    for (const [, words = '', path = ''] of read(page).matchAll(/!\[([^\]]*)\]\(([^)\s]+)\)/g)) {
      const picture = readFileSync(join(TOP, dirname(page), path));
      expect([path, picture.subarray(0, 8).toString('latin1')]).toEqual([path, '\x89PNG\r\n\x1a\n']);
      const [width, height] = [picture.readUInt32BE(16), picture.readUInt32BE(20)];
      expect([path, width >= 800 && width <= 2000, height >= 400 && height <= 2000]).toEqual([path, true, true]);
      expect([path, picture.length > 10_000 && picture.length < 200_000]).toEqual([path, true]);
      expect(words.length).toBeGreaterThan(30);
    }
  });

  it('names commands and options that there are', async () => {
    const missing: string[] = [];
    for (const [command, options] of commandsOf(read(page))) {
      const help = await helpOf(command.split(' '));
      if (help === null) missing.push(command);
      else missing.push(...options.filter((option) => !help.includes(option)).map((option) => `${command} ${option}`));
    }
    expect(missing).toEqual([]);
  });
});

describe('CONTRIBUTING.md', () => {
  const map = mapOf(read('CONTRIBUTING.md'));

  it('names each folder of src, and no other', () => {
    expect(map.filter((path) => path.endsWith('/')).sort()).toEqual(foldersOf(join(TOP, 'src')).sort());
  });

  it('names files that there are, those at the top of src among them', () => {
    const files = map.filter((path) => !path.endsWith('/'));
    expect(files.filter((path) => !existsSync(join(TOP, 'src', path)))).toEqual([]);
    expect(files.sort()).toEqual(readdirSync(join(TOP, 'src')).filter((name) => name.endsWith('.ts')));
  });
});

describe('docs/format.md', () => {
  it.each([
    ['## The record', Object.keys(backupRecordSchema.shape)],
    ['`database`:', Object.keys(databaseSummarySchema.shape)],
  ])('describes each field of the record under %s', (heading, fields) => {
    const section =
      read('docs/format.md')
        .split(heading)[1]
        ?.split(/^(?:## |`database`:)/m)[0] ?? '';
    const described = [...section.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell]) =>
      (cell ?? '').split(', ').map((name) => name.replaceAll('`', '')),
    );
    expect(described).toEqual(fields);
  });
});

describe('docs/operations.md', () => {
  const page = read('docs/operations.md');
  const night = page.split('## Restore at 3 a.m.')[1]?.split(/^## /m)[0] ?? '';

  it('says of each exit code what to do in the night', () => {
    const said = [...night.matchAll(/^ *\| (\d+) +\|/gm)].map(([, code]) => Number(code));
    const codes = new Set([...Object.values(EXIT), ...Object.values(ERROR_CODES).map(({ exit }) => exit)]);
    expect(said).toEqual([...codes].sort((one, other) => one - other));
  });

  it.each([
    ['installs', 'apt-get install', REQUIREMENTS.map(({ debian }) => debian)],
    ['registers', 'search-attribute create', Object.values(SEARCH_ATTRIBUTES)],
  ])('%s what Kedge needs', (_what, command, needed) => {
    const block = [...page.matchAll(/```sh\n(.*?)```/gs)]
      .map(([, text]) => text ?? '')
      .find((text) => text.includes(command));
    const words = (block ?? '').split(/\s+/);
    // Part of every Debian.
    const given = ['coreutils', 'findutils', 'libc-bin'];
    expect(needed.filter((name) => !words.includes(name) && !given.includes(name))).toEqual([]);
  });
});

describe('docs/security.md', () => {
  it('names each check of doctor, and no other', () => {
    const section = read('docs/security.md').split('## What doctor checks')[1] ?? '';
    const named = [...section.matchAll(/^\| `([a-z-]+)`/gm)].map(([, name]) => name ?? '');
    const sources = [
      ...filesOf(join(TOP, 'src/core/doctor')),
      join(TOP, 'src/temporal/checks.ts'),
      join(TOP, 'src/operations/examine-installation.ts'),
    ];
    const checks = sources.flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/\bcheck: '([a-z-]+)'/g)]);
    expect(named.sort()).toEqual(checks.map(([, name]) => name ?? '').sort());
  });
});

describe('kedge.example.yaml', () => {
  const text = read('kedge.example.yaml');

  it('loads', () => {
    const { sites } = parseConfiguration(text, 'kedge.example.yaml');
    const kinds = Object.values(sites).map(({ kind, settings }) => [kind, settings?.format]);
    expect(kinds).toEqual([
      ['wordpress', undefined],
      ['php', 'constants'],
      ['php', 'variables'],
      ['php', 'env'],
    ]);
  });

  it('loads with what is commented out, each in its place', () => {
    const other = text
      .replace('# spool:', 'spool:')
      .replace('# previousKey:', 'previousKey:')
      .replace(/^( *)socket: \/run\/mysqld/m, '$1# socket: /run/mysqld')
      .replace(/# (host: 127|port: 3306|password: \{ file)/g, '$1');
    const { spool, servers } = parseConfiguration(other, 'kedge.example.yaml');
    expect(spool).toBe('/var/spool/kedge');
    expect(servers['local']?.db).toMatchObject({
      host: '127.0.0.1',
      port: 3306,
      admin: { password: { file: '/etc/kedge/database.password' } },
    });
  });
});

/** Compiles programs as another package would that has `kedge` installed. Returns what the compiler says. */
async function compile(programs: readonly string[]): Promise<string> {
  const folder = await mkdtemp('/var/tmp/kedge-documents-');
  try {
    await mkdir(join(folder, 'node_modules'));
    await symlink(TOP, join(folder, 'node_modules/kedge'));
    for (const shared of ['@temporalio', '@types'])
      await symlink(join(TOP, 'node_modules', shared), join(folder, 'node_modules', shared));
    await writeFile(join(folder, 'package.json'), '{}');
    const files = programs.map((_source, index) => `program-${index}.ts`);
    for (const [index, file] of files.entries()) await writeFile(join(folder, file), programs[index] ?? '');
    const options = ['--noEmit', '--strict', '--module', 'node20', '--target', 'es2023', '--types', 'node'];
    return await new Promise<string>((resolve) => {
      const argv = [join(TOP, 'node_modules/typescript/bin/tsc'), ...options, '--skipLibCheck', ...files];
      execFile(process.execPath, argv, { cwd: folder }, (_error, stdout, stderr) => resolve(stdout + stderr));
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Commands of Kedge that a page names, in code, with the long options behind them. */
function commandsOf(page: string): [command: string, options: string[]][] {
  const code = [
    ...[...page.matchAll(/`(kedge [^`\n]+)`/g)].map(([, line]) => line ?? ''),
    ...[...page.matchAll(/^ *(?:\$ )?(kedge [a-z-].*)$/gm)].map(([, line]) => line ?? ''),
  ];
  return code.map((line) => {
    const words = line.replace(/ +#.*/, '').split(' ').slice(1);
    const isGroup = GROUPS.has(words[0] ?? '') || SUBCOMMANDS_OF_BACKUPS.has(words[1] ?? '');
    const command = words.slice(0, isGroup ? 2 : 1).join(' ');
    return [command, words.filter((word) => word.startsWith('--'))];
  });
}

/** Commands that take no argument, only subcommands. */
const GROUPS = new Set(['config', 'notify', 'schedules', 'servers', 'sites']);
const SUBCOMMANDS_OF_BACKUPS = new Set(['show', 'check', 'delete']);

/** The help of a command, or null when there is no such command. */
async function helpOf(command: readonly string[]): Promise<string | null> {
  const words = command.filter((word) => !word.startsWith('--'));
  const { stdout, stderr } = await runCommand([...words, '--help']);
  const said = stdout + stderr;
  const named = words.at(-1);
  return named === undefined || new RegExp(`^Usage: kedge .*\\b${named}\\b`, 'm').test(said) ? said : null;
}

/** Paths below src that the map shows, folders with a slash. */
function mapOf(page: string): string[] {
  const tree = /^src\/\n(.*?)^\S/ms.exec(page)?.[1] ?? '';
  const open: string[] = [];
  return tree
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, indent = '', name = ''] = /^( +)(\S+)/.exec(line) ?? [];
      open.splice(indent.length / 2 - 1, Infinity, name);
      return open.join('');
    });
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function foldersOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${join(entry.parentPath, entry.name).slice(folder.length + 1)}/`);
}
