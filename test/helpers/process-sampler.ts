import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * Looks at the arguments and the environment of every process, again and again, in a process of its own so that nothing
 * keeps it from looking. Also remembers every password that stands in a journal, for the next attempt writes over it.
 * Each line on standard input is answered after one more whole look; the end of the input is answered with what was seen.
 */
const [stateFolder = ''] = process.argv.slice(2);
const tasks = join(stateFolder, 'tasks');
const samples = new Set<string>();
const passwords = new Set<string>();
const asked: string[] = [];
let ended = false;

/** How often each process was looked at. Old ones seldom become another program, and are looked at less. */
let ages = new Map<string, number>();
const YOUNG = 30;
const SELDOM = 20;

function look(thoroughly: boolean): void {
  const before = ages;
  ages = new Map();
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const age = before.get(pid) ?? 0;
    ages.set(pid, age + 1);
    if (!thoroughly && age > YOUNG && age % SELDOM !== 0) continue;
    for (const part of ['cmdline', 'environ']) {
      const text = read(`/proc/${pid}/${part}`);
      if (text !== '') samples.add(`${part}\0${text}`);
    }
  }
  for (const name of names(tasks)) {
    if (!name.endsWith('.json')) continue;
    for (const [, password = ''] of read(join(tasks, name)).matchAll(/"password":\s*"([0-9a-f]{48})"/g))
      passwords.add(password);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function again(): void {
  const answered = asked.splice(0);
  const last = ended;
  look(last || answered.length > 0);
  for (const line of answered) process.stdout.write(`${JSON.stringify({ looked: line })}\n`);
  if (last) process.stdout.write(`${JSON.stringify({ samples: [...samples], passwords: [...passwords] })}\n`);
  else setTimeout(again, 1);
}

createInterface({ input: process.stdin })
  .on('line', (line) => asked.push(line))
  .on('close', () => (ended = true));
again();
