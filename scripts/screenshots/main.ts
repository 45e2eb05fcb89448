import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { parse, stringify } from 'yaml';
import { backupResultSchema } from '../../src/contract/tasks';
import { connectClient } from '../../src/temporal/connection';
import { type Outcome, kedge, startWorkerProcess } from '../demo/kedge';
import { type Lab, startLab } from '../lab/lab';
import { journalsOf } from '../lab/leftovers';
import { Browser } from './browser';

/*
 * The pictures of the documentation: a private lab, tasks of it in five states, and a real Chromium that looks at them in the
 * Temporal Web UI.
 */

const [GALLERY, LIBRARY, MUSEUM, SCHOOL] = ['gallery', 'library', 'museum', 'school'].map(
  (name) => `${name}.example`,
) as [string, string, string, string];
const LONGEST_PICTURE = 200_000;

const options = new Command('npm run screenshots --')
  .description('Makes docs/images/*.png: tasks of a private lab as the Temporal Web UI shows them, seen by Chromium.')
  .option('--chromium <program>', 'Chromium, or Chrome', 'chromium')
  .option('--into <folder>', 'where the pictures go', join(process.cwd(), 'docs/images'))
  .parse()
  .opts<{ chromium: string; into: string }>();

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const stops: (() => Promise<void>)[] = [];

async function run(lab: Lab, ...args: string[]): Promise<Outcome> {
  say(`$ kedge ${args.join(' ')}`);
  return kedge(args, lab.environment);
}

async function document(lab: Lab, ...args: string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await run(lab, ...args, '--json');
  if (exitCode !== 0 && exitCode !== 3) throw new Error(`kedge ${args.join(' ')} ended with ${exitCode}: ${stderr}`);
  return JSON.parse(stdout) as unknown;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const began = performance.now(); !(await holds());) {
    if (performance.now() - began > 180_000) throw new Error(`never came: ${what}`);
    await delay(100);
  }
}

/** Whoever logs in to import waits there, until it is taken away. */
async function holdImports(lab: Lab, site: string): Promise<() => Promise<void>> {
  const prefix = site.replace(/[^a-z0-9]/g, '').slice(0, 16);
  const waiting = `BEGIN NOT ATOMIC WHILE USER() LIKE '${prefix}%' AND @@GLOBAL.init_connect <> '' DO DO SLEEP(0.2); END WHILE; END`;
  await lab.mariadb.query(`SET GLOBAL init_connect = "${waiting}"`);
  return async () => void (await lab.mariadb.query("SET GLOBAL init_connect = ''"));
}

const isAt = (lab: Lab, site: string, step: string): boolean =>
  journalsOf(lab, 'restore').some((journal) => journal.site === site && !journal.outcome && journal.step === step);

/** The page of the newest run on a site. */
async function pageOf(lab: Lab, site: string, tab: string): Promise<string> {
  const client = await connectClient(lab.environment);
  try {
    const { workflowId, runId } = await client.workflow.getHandle(`site/${site}`).describe();
    return `${lab.temporal.uiAddress}/namespaces/default/workflows/${encodeURIComponent(workflowId)}/${runId}/${tab}`;
  } finally {
    await client.connection.close();
  }
}

/** A hook that fails: what it was to do is undone. */
async function failBehindSwitch(lab: Lab, site: string): Promise<void> {
  const configuration = parse(await readFile(lab.configuration, 'utf8')) as { sites: Record<string, object> };
  Object.assign(configuration.sites[site] ?? {}, { hooks: { afterSwitch: ['false'] } });
  await writeFile(lab.configuration, stringify(configuration));
}

async function main(): Promise<void> {
  const lab = await startLab({
    below: join(process.cwd(), 'var/screenshots'),
    sites: [GALLERY, LIBRARY, MUSEUM, SCHOOL],
    onProgress: (what) => say(`starting ${what}`),
  });
  stops.push(() => lab.stop());
  await failBehindSwitch(lab, LIBRARY);
  const worker = await startWorkerProcess(lab.environment);
  stops.push(() => worker.kill());
  const browser = await Browser.start(options.chromium);
  stops.push(() => browser.stop());
  await mkdir(options.into, { recursive: true });
  const picture = async (name: string, url: string, ...texts: string[]): Promise<void> => {
    // The page asks the workflow where it stands when it is told to.
    const refreshing = url.endsWith('/user-metadata') ? { key: 'r', behind: 'for freshness' } : undefined;
    const png = await browser.picture(url, texts, refreshing);
    if (png.length > LONGEST_PICTURE) throw new Error(`${name}.png has ${png.length} bytes`);
    await writeFile(join(options.into, `${name}.png`), png);
    say(`${name}.png, ${png.length} bytes`);
  };

  const backups = new Map<string, string>();
  for (const { uri } of lab.sites) {
    await document(lab, 'sites', 'adopt', uri);
    const made = backupResultSchema.parse(await document(lab, 'backup', uri, '-m', 'before the update'));
    backups.set(uri, made.backup.id);
  }
  const restore = (site: string, ...more: string[]): string[] => [
    'restore',
    site,
    backups.get(site) ?? '',
    '--yes',
    ...more,
  ];

  await document(lab, ...restore(MUSEUM));
  await picture('done', await pageOf(lab, MUSEUM, 'user-metadata'), 'Completed', 'Current Details', 'frame of');

  await run(lab, ...restore(LIBRARY));
  await picture('failed', await pageOf(lab, LIBRARY, 'user-metadata'), 'Failed', 'Current Details', 'frame of');

  const letGallery = await holdImports(lab, GALLERY);
  await document(lab, ...restore(GALLERY, '--detach'));
  await until('the import runs', () => isAt(lab, GALLERY, 'importDatabase'));
  await picture('running', await pageOf(lab, GALLERY, 'history'), 'Running', 'importDatabase');

  await run(lab, 'verify', SCHOOL);
  const tasks = `WorkflowType IN ("backup","restore","deploy","verify")`;
  const list = `${lab.temporal.uiAddress}/namespaces/default/workflows?query=${encodeURIComponent(tasks)}`;
  await picture('list', list, 'Running', 'Failed', 'Completed', `site/${SCHOOL}`);

  // Its undo needs the database server, which is away.
  await lab.mariadb.discard();
  await document(lab, 'cancel', GALLERY);
  const client = await connectClient(lab.environment);
  await until('it asks for attention', async () => {
    const { searchAttributes } = await client.workflow.getHandle(`site/${GALLERY}`).describe();
    return searchAttributes['KedgeAttention']?.[0] !== 'none';
  });
  await client.connection.close();
  await picture('attention', await pageOf(lab, GALLERY, 'search-attributes'), 'KedgeAttention', 'discardDatabase');

  await lab.mariadb.start();
  await letGallery();
  await until('the undo has ended', () => journalsOf(lab, 'restore').every(({ outcome }) => outcome !== null));
}

void (async () => {
  try {
    await main();
  } catch (error) {
    process.exitCode = 1;
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    for (let stop = stops.pop(); stop; stop = stops.pop()) await stop();
  }
})();
