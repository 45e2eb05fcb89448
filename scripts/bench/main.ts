import { execFileSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { format, resolveConfig } from 'prettier';
import { backupResultSchema, restoreResultSchema } from '../../src/contract/tasks';
import { currentDatabase } from '../lab/fingerprint';
import { type Lab, startLab } from '../lab/lab';
import { placeOnMachines } from '../lab/placed-lab';
import { kedge, startWorkerProcess } from '../demo/kedge';
import { type DataSize, writeFiles, writeTables } from './data';
import { residentBytes, watchMemory } from './memory';
import { type Place, aegirBackup, aegirRestore, clear, pipeline, warm } from './peers';

const SITE = 'bench.example';
/** What MariaDB has where nobody has set anything; the lab's own settings save memory. */
const AS_INSTALLED = [
  '--innodb-buffer-pool-size=128M',
  '--innodb-log-file-size=96M',
  '--innodb-flush-log-at-trx-commit=1',
];
const SIZES: Record<string, DataSize> = {
  small: { files: 100, fileBytes: 100_000, rows: 10_000, longRows: 1_000 },
  medium: { files: 4_000, fileBytes: 100_000, rows: 500_000, longRows: 60_000 },
};
/** Files of a site of 10 MB and of one of 1 GB, beside WordPress itself. */
const MEMORY_FILES = { '10 MB': 100, '1 GB': 10_000 };

const options = new Command('npm run bench --')
  .description(
    'Measures Kedge in turn with other ways to do the same work, on private servers. Says nothing but ratios.',
  )
  .option('--size <size>', Object.keys(SIZES).join(' or '), 'medium')
  .option('--rounds <count>', 'how often each is measured', '3')
  .option('--write', 'write docs/benchmarks.md')
  .parse()
  .opts<{ size: string; rounds: string; write?: boolean }>();

const say = (line: string): void => void process.stderr.write(`${line}\n`);

interface Measured {
  readonly name: string;
  /** Is not measured. */
  readonly before?: () => Promise<void>;
  /** One round, and what it took: ms. */
  readonly round: () => Promise<void>;
  readonly ms: number[];
}

/** What it comes to, as rows and columns. `open` starts a lab in the place of the one before. */
async function bench(open: () => Promise<Lab>, size: DataSize): Promise<string[]> {
  const { measured, memory } = await benchHere(await open(), size);
  const elsewhere = process.getuid?.() === 0 ? await measureElsewhere(await open(), size) : [];
  return report([...measured, ...elsewhere], memory);
}

async function benchHere(
  lab: Lab,
  size: DataSize,
): Promise<{ measured: readonly Measured[]; memory: readonly [string, number][] }> {
  const site = lab.sites[0];
  if (!site) throw new Error('the lab has no site');
  await run(lab, ['sites', 'adopt', SITE]);
  const uploads = join(site.root, 'wp-content/uploads/bench');
  say('writing data');
  await writeFiles(uploads, size);
  await writeTables(lab.mariadb, site.database, size);
  const place = async (): Promise<Place> => ({
    socket: lab.mariadb.socket,
    database: await currentDatabase(site),
    root: site.root,
    scratch: join(lab.folder, 'scratch'),
  });
  const worker = await startWorkerProcess(lab.environment);
  let measured: Measured[];
  try {
    measured = await measure(lab, place);
  } finally {
    await worker.stop();
  }
  const memory: [string, number][] = [];
  for (const [label, files] of Object.entries(MEMORY_FILES)) {
    await rm(uploads, { recursive: true });
    await writeFiles(uploads, { ...size, files });
    memory.push([label, await memoryOfOneTask(lab)]);
    say(`memory over idle at ${label}: ${Math.round((memory.at(-1)?.[1] ?? 0) / 1e6)} MB`);
  }
  return { measured, memory };
}

/** Every way on one machine in turn. */
async function measure(lab: Lab, place: () => Promise<Place>): Promise<Measured[]> {
  // What a site defines is proved once.
  let backup = await backUp(lab);
  const measured: Measured[] = [
    { name: 'kedge backup', ms: [], round: async () => void (backup = await backUp(lab)) },
    { name: 'aegir backup', ms: [], round: async () => aegirBackup(await place()) },
    { name: 'pipeline', ms: [], round: async () => pipeline(await place()) },
    { name: 'kedge restore', ms: [], round: () => restore(lab, backup) },
    { name: 'aegir restore', ms: [], round: async () => aegirRestore(await place()) },
  ];
  await inRounds(measured, place);
  return measured;
}

/** The same site with its files on another machine, and its databases on a third, both reached by SSH. Needs root. */
async function measureElsewhere(lab: Lab, size: DataSize): Promise<Measured[]> {
  say('writing data, and moving the site and its databases to machines of their own');
  const [before] = lab.sites;
  if (!before) throw new Error('the lab has no site');
  await writeFiles(join(before.root, 'wp-content/uploads/bench'), size);
  await writeTables(lab.mariadb, before.database, size);
  const placed = await placeOnMachines(lab, { web: 'web1', database: 'db1' }, { databaseOptions: AS_INSTALLED });
  try {
    const [site] = placed.there.sites;
    if (!site) throw new Error('the lab has no site');
    const place = async (): Promise<Place> => ({
      socket: placed.there.mariadb.socket,
      database: await currentDatabase(site),
      root: site.root,
      scratch: join(lab.folder, 'scratch'),
    });
    const worker = await startWorkerProcess(lab.environment);
    try {
      await run(lab, ['sites', 'adopt', SITE]);
      let backup = await backUp(lab);
      const measured: Measured[] = [
        {
          name: 'kedge backup elsewhere, the first',
          ms: [],
          before: async () => void (await run(lab, ['sites', 'forget', SITE])),
          round: async () => void (backup = await backUp(lab)),
        },
        { name: 'kedge backup elsewhere', ms: [], round: async () => void (backup = await backUp(lab)) },
        { name: 'kedge restore elsewhere', ms: [], round: () => restore(lab, backup) },
      ];
      await inRounds(measured, place);
      return measured;
    } finally {
      await worker.stop();
    }
  } finally {
    await placed.stop();
  }
}

/** Each in turn, round by round. */
async function inRounds(measured: readonly Measured[], place: () => Promise<Place>): Promise<void> {
  for (let round = 1; round <= Number(options.rounds); round += 1) {
    for (const { name, before, round: once, ms } of measured) {
      const here = await place();
      await clear(here);
      await before?.();
      await warm(here);
      execFileSync('sync');
      const began = performance.now();
      await once();
      ms.push(performance.now() - began);
      say(`round ${round}: ${name.padEnd(14)} ${((ms.at(-1) ?? 0) / 1000).toFixed(1)} s`);
    }
  }
}

/** The most memory a fresh worker takes over what it takes idle, for a backup and a restore: bytes. */
async function memoryOfOneTask(lab: Lab): Promise<number> {
  const worker = await startWorkerProcess(lab.environment);
  try {
    const pid = worker.process.pid ?? 0;
    const idle = await residentBytes(pid);
    const memory = watchMemory(pid);
    await restore(lab, await backUp(lab));
    return memory.stop() - idle;
  } finally {
    await worker.stop();
  }
}

/** Id of the backup. */
async function backUp(lab: Lab): Promise<string> {
  return backupResultSchema.parse(await run(lab, ['backup', SITE, '--json'])).backup.id;
}

async function restore(lab: Lab, backup: string): Promise<void> {
  restoreResultSchema.parse(await run(lab, ['restore', SITE, backup, '--yes', '--json']));
}

function report(measured: readonly Measured[], memory: readonly [string, number][]): string[] {
  const median = (name: string): number => {
    const sorted = [...(measured.find((one) => one.name === name)?.ms ?? [])].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  };
  const ratio = (one: string, other: string): string => (median(one) / median(other)).toFixed(2);
  const rows: [string, string, string][] = [
    ['backup / Aegir’s method', ratio('kedge backup', 'aegir backup'), '0.25'],
    ['backup / bare pipeline', ratio('kedge backup', 'pipeline'), '2.5'],
    ['restore / Aegir’s method', ratio('kedge restore', 'aegir restore'), '0.60'],
    ...(measured.some(({ name }) => name === 'kedge backup elsewhere') ? ELSEWHERE : []).map(
      ([what, one, other, wanted]): [string, string, string] => [what, ratio(one, other), wanted],
    ),
    ...memory.map(([label, bytes]): [string, string, string] => [
      `memory of the worker over idle, ${label} of files`,
      `${Math.round(bytes / 1e6)} MB`,
      '80 MB',
    ]),
  ];
  const times = measured.map(({ name, ms }) => {
    const seconds = ms.map((one) => (one / 1000).toFixed(1));
    return `| ${name} | ${(median(name) / 1000).toFixed(1)} | ${seconds.join(', ')} |`;
  });
  return [
    '| measure | median | wanted at most |',
    '| --- | --- | --- |',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
    '| what | median, s | rounds, s |',
    '| --- | --- | --- |',
    ...times,
  ];
}

/** What a site costs whose machines are others, each the local way beside it. */
const ELSEWHERE = [
  ['first backup elsewhere / here', 'kedge backup elsewhere, the first', 'kedge backup', '1.4'],
  ['later backup elsewhere / here', 'kedge backup elsewhere', 'kedge backup', '1.3'],
  ['restore elsewhere / here', 'kedge restore elsewhere', 'kedge restore', '1.4'],
] as const;

function frame(table: readonly string[], size: DataSize): string {
  const version = (program: string, ...args: string[]): string =>
    execFileSync(program, args).toString().split('\n')[0]?.trim() ?? '';
  const commit = version('git', 'rev-parse', '--short', 'HEAD');
  return `# Benchmarks

Written by \`npm run bench -- --write\`. Ratios travel from machine to machine, times do not.

- ${new Date().toISOString().slice(0, 10)}, commit ${commit}, ${cpus().length} processors, Node ${process.versions.node}
- ${version('mariadbd', '--version').replace(/\s+/g, ' ')}; ${version('tar', '--version')}; ${version('zstd', '--version').replaceAll('*', '').trim()}
- A WordPress with ${size.files} more files of ${size.fileBytes / 1000} kB, six tenths of it incompressible, the rest prose, and tables of
  ${size.rows} short and ${size.longRows} long rows. MariaDB as installed, without binary log. Before each
  round database and files are read once. Each way in turn, ${options.rounds} rounds.
- Kedge: from the command to its exit, Temporal included; the restore with its safety backup. What the site defines was proved by a
  backup before, which is not counted. Aegir’s method: \`mysqldump\` into the
  folder and \`tar cpfz\`; for a restore the same first, then unpack and import. Elsewhere: its files on one machine, its databases on
  another, namespaces of this one, all by SSH; a first backup brings every file, later ones what is new; both compare content. Bare pipeline: dump to \`zstd -1\` beside
  \`tar | zstd -T0 -1\`, nothing checked.

${table.join('\n')}
`;
}

/** Formatted as every other file: the linter looks at it too. */
async function writePage(path: string, text: string): Promise<void> {
  await writeFile(path, await format(text, { ...(await resolveConfig(path)), filepath: path }));
}

async function run(lab: Lab, args: string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await kedge(args, lab.environment);
  // 3 is done with warnings: of a site whose account has two hosts, say.
  if (exitCode !== 0 && exitCode !== 3)
    throw new Error(`kedge ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
  return args.includes('--json') ? (JSON.parse(stdout) as unknown) : null;
}

async function main(): Promise<void> {
  const size = SIZES[options.size];
  if (!size) throw new Error(`--size is ${Object.keys(SIZES).join(' or ')}`);
  const interrupt = new AbortController();
  let lab = null as Lab | null;
  const stop = (): void => {
    interrupt.abort(new Error('interrupted'));
    void lab?.stop().finally(() => process.exit(130));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const open = async (): Promise<Lab> => {
    await lab?.stop();
    return (lab = await startLab({
      below: join(process.cwd(), 'var/bench'),
      sites: [SITE],
      databaseOptions: AS_INSTALLED,
      signal: interrupt.signal,
    }));
  };
  try {
    const table = await bench(open, size);
    for (const line of table) process.stdout.write(`${line}\n`);
    if (options.write) await writePage(join(process.cwd(), 'docs/benchmarks.md'), frame(table, size));
  } finally {
    await lab?.stop();
  }
}

main().catch((error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
});
