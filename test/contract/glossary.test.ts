import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  TASK_INPUT_SCHEMAS,
  backupResultSchema,
  deployResultSchema,
  restoreResultSchema,
  verifyResultSchema,
} from '../../src/contract/tasks';
import { journalSchema } from '../../src/core/tasks/journal';
import { runCommand } from '../helpers/command';

const TOP = join(__dirname, '../..');
const page = readFileSync(join(TOP, 'docs/glossary.md'), 'utf8');
const terms = new Set([...page.matchAll(/`([^`\n]+)`/g)].map(([, term]) => term));
const missing = (words: Iterable<string>): string[] => [...new Set(words)].filter((word) => !terms.has(word));

it('names every key of a journal, and how tasks end', () => {
  expect(missing(Object.keys(journalSchema.shape))).toEqual([]);
  expect(missing(journalSchema.shape.outcome.unwrap().shape.status.options)).toEqual([]);
});

it('names every key of what tasks are asked and return', () => {
  const inputs = Object.values(TASK_INPUT_SCHEMAS).flatMap((schema) => Object.keys(schema.shape));
  const results = [backupResultSchema, restoreResultSchema, deployResultSchema, verifyResultSchema];
  expect(missing([...inputs, ...results.flatMap((schema) => Object.keys(schema.shape))])).toEqual([]);
});

it('names what the client exports', () => {
  const source = readFileSync(join(TOP, 'src/client.ts'), 'utf8');
  const lists = [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gms)].flatMap(([, list = '']) => list.split(','));
  const own = [...source.matchAll(/^export (?:interface|class|function|const) (\w+)/gm)].map(([, name = '']) => name);
  const names = [...lists.map((name) => name.replace(/^\s*type\s/, '').trim()).filter((name) => name !== ''), ...own];
  expect(names.length).toBeGreaterThan(15);
  expect(missing(names)).toEqual([]);
});

it('names every command', async () => {
  const named: string[] = [];
  const look = async (command: readonly string[]): Promise<void> => {
    for (const [, names = ''] of (await helpOf(command)).matchAll(/^ {2}([a-z][a-z|-]*)(?: |$)/gm)) {
      if (names === 'help') continue;
      for (const name of names.split('|'))
        named.push([...(name.startsWith('provision-') ? [] : command), name].join(' '));
      if (command.length === 0) await look([names.split('|')[0] ?? '']);
    }
  };
  await look([]);
  expect(named).toContain('backups check');
  expect(missing(named)).toEqual([]);
});

/** The part of the help of a command that lists its commands. */
async function helpOf(command: readonly string[]): Promise<string> {
  const { stdout } = await runCommand([...command, '--help']);
  return /^Commands:\n(.*?)(?:^\S|\s*$(?![\s\S]))/ms.exec(stdout)?.[1] ?? '';
}
