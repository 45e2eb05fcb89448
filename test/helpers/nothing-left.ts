import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../../scripts/lab/lab';
import { until } from './until';

/** What was told to end has ended by then, ms. */
const PATIENCE_MS = 15_000;

/**
 * Sees to it that a lab that was stopped has left nothing: no process that works in its folder or was told of it, no mount below it, and
 * not the folder. @throws Error naming what is left
 */
export async function expectNothingLeft(folder: string): Promise<void> {
  const left = (): string[] => [
    ...processesOf(folder),
    ...mountsBelow(folder),
    ...(existsSync(folder) ? [folder] : []),
  ];
  await expectEmpty(`what a lab left of ${folder}`, left);
}

/**
 * Sees to it that each database and account of Kedge's making on the server of a lab is named by a journal, a state or a note: of any
 * other nobody would ever know again. Nothing is seen where the server is down. @throws Error naming them
 */
export async function expectNoneForgotten(lab: Lab): Promise<void> {
  await expectEmpty('databases and accounts that nothing names', () => forgottenOf(lab));
}

async function expectEmpty(what: string, left: () => string[] | Promise<string[]>): Promise<void> {
  let found: string[] = [];
  await until(
    what,
    async () => {
      found = await left();
      return found.length === 0;
    },
    PATIENCE_MS,
  ).catch((error: unknown) => {
    throw found.length === 0 ? error : new Error(`${what}:\n${found.join('\n')}`);
  });
}

/** Names begin with letters and digits of the site, and end with a token that is longer than what is behind it. */
async function forgottenOf(lab: Lab): Promise<string[]> {
  const answer = await lab.mariadb
    .query('SELECT schema_name FROM information_schema.schemata UNION SELECT user FROM mysql.user')
    .catch(() => '');
  const names = answer.split('\n').filter((name) => /^[a-z0-9]+$/.test(name));
  const prefixes = lab.sites.map(({ uri }) => uri.replace(/[^a-z0-9]/g, '').slice(0, 16));
  const made = names.filter((name) =>
    prefixes.some((prefix) => name.startsWith(prefix) && name.length >= prefix.length + 10),
  );
  if (made.length === 0) return [];
  // Asked for behind the names: whatever has one is noted first.
  const noted = ['tasks', 'sites', 'scratch'].map((part) => textsIn(join(lab.state, part))).join('\n');
  return made.filter((name) => !noted.includes(`"${name}"`));
}

function textsIn(folder: string): string {
  if (!existsSync(folder)) return '';
  const files = readdirSync(folder).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
  return files.map((name) => read(join(folder, name))).join('\n');
}

function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => isOf(pid, folder))
    .map((pid) => `process ${pid}: ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 300)}`);
}

function isOf(pid: string, folder: string): boolean {
  const texts = [read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`)];
  if (texts.some((text) => text.includes(folder))) return true;
  try {
    return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${folder}/`);
  } catch {
    return false;
  }
}

function mountsBelow(folder: string): string[] {
  const points = read('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  return points.filter((point) => `${point}/`.startsWith(`${folder}/`)).map((point) => `mount ${point}`);
}

/** Empty for what is gone, or somebody else's. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
