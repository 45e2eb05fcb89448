import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/** The arrows of the tree, and four rules it leans on: each is violated in a copy of src, and lint has to see it. */

const TOP = join(__dirname, '../..');
const ARROW = 'no-restricted-imports';
const NODE = 'no-nodejs-modules';

/** Source, where it is planted below src, and the rule that must speak. */
const VIOLATIONS: [what: string, file: string, source: string, rule: string][] = [
  ['contract → core', 'contract', type('../core/operation'), ARROW],
  ['contract → config', 'contract', type('../config/schema'), ARROW],
  ['contract → Temporal', 'contract', type('@temporalio/common'), ARROW],
  ['contract → a package other than zod', 'contract', type('yaml'), ARROW],
  ['contract → trust', 'contract', type('../trust/trusted-path'), ARROW],
  ['trust → core', 'trust', type('../core/operation'), ARROW],
  ['trust → config', 'trust', type('../config/schema'), ARROW],
  ['workflows → trust', 'workflows/steps', type('../../trust/trusted-path'), ARROW],
  ['core → Temporal', 'core/archive', type('@temporalio/activity'), ARROW],
  ['core → config', 'core/databases', type('../../config/schema'), ARROW],
  ['core → activities', 'core/web', type('../../activities'), ARROW],
  ['core → a file of activities', 'core/web', type('../../activities/dependencies'), ARROW],
  ['core → workflows', 'core/tasks', type('../../workflows/backup'), ARROW],
  ['core → cli', 'core/sites', type('../../cli/context'), ARROW],
  ['core → temporal', 'core/hosts', type('../../temporal/running'), ARROW],
  ['core → client', 'core/hosts', type('../../client'), ARROW],
  ['core → composition', 'core/hosts', type('../../composition'), ARROW],
  ['core → worker-metrics', 'core/metrics', type('../../worker-metrics'), ARROW],
  ['config → core', 'config', type('../core/operation'), ARROW],
  ['config → temporal', 'config', type('../temporal/connection'), ARROW],
  ['config → cli', 'config', type('../cli/context'), ARROW],
  ['temporal → core', 'temporal', type('../core/tasks/journals'), ARROW],
  ['temporal → config', 'temporal', type('../config/schema'), ARROW],
  ['temporal → activities', 'temporal', type('../activities'), ARROW],
  ['activities → workflows', 'activities', type('../workflows/undo'), ARROW],
  ['activities → config', 'activities', type('../config/schema'), ARROW],
  ['activities → temporal', 'activities', type('../temporal/running'), ARROW],
  ['activities → worker', 'activities', type('../worker'), ARROW],
  ['workflows → zod', 'workflows', type('zod'), ARROW],
  ['workflows → core', 'workflows/steps', type('../../core/tasks/journal'), ARROW],
  ['workflows → config', 'workflows', type('../config/schema'), ARROW],
  ['workflows → temporal', 'workflows', type('../temporal/submit'), ARROW],
  ['workflows → Node', 'workflows', type('node:fs'), ARROW],
  ['workflows → Node without its prefix', 'workflows', type('fs'), ARROW],
  ['workflows → the client of Temporal', 'workflows', type('@temporalio/client'), ARROW],
  ['workflows → values of activities', 'workflows', value('../activities', 'createActivities'), ARROW],
  ['workflows → values with zod', 'workflows', value('../contract/tasks', 'backupInputSchema'), ARROW],
  ['client → core', 'client.ts', type('./core/operation'), ARROW],
  ['client → config', 'client.ts', type('./config/schema'), ARROW],
  ['client → activities', 'client.ts', type('./activities'), ARROW],
  ['client → cli', 'client.ts', type('./cli/context'), ARROW],
  ['client → operations', 'client.ts', type('./operations/plan-restore'), ARROW],
  ['operations → cli', 'operations', type('../cli/context'), ARROW],
  ['operations → composition', 'operations', type('../composition'), ARROW],
  ['operations → worker', 'operations', type('../worker'), ARROW],
  ['operations → activities', 'operations', type('../activities'), ARROW],
  ['operations → workflows', 'operations', type('../workflows'), ARROW],
  ['operations → Temporal', 'operations', type('@temporalio/client'), ARROW],
  ['contract → operations', 'contract', type('../operations/plan-restore'), ARROW],
  ['trust → operations', 'trust', type('../operations/plan-restore'), ARROW],
  ['core → operations', 'core/tasks', type('../../operations/plan-restore'), ARROW],
  ['config → operations', 'config', type('../operations/plan-restore'), ARROW],
  ['temporal → operations', 'temporal', type('../operations/plan-restore'), ARROW],
  ['activities → operations', 'activities', type('../operations/plan-restore'), ARROW],
  ['workflows → operations', 'workflows', type('../operations/plan-restore'), ARROW],
  ['worker → operations', 'worker.ts', type('./operations/plan-restore'), ARROW],
  ['composition → operations', 'composition.ts', type('./operations/plan-restore'), ARROW],
  ['cli → Temporal', 'cli/commands', type('@temporalio/client'), ARROW],
  ['cli → activities', 'cli', type('../activities'), ARROW],
  ['cli → the work of core', 'cli/commands', value('../../core/sites/adoption', 'proveAdoption'), ARROW],
  ['cli → workflows', 'cli/render', type('../../workflows'), ARROW],
  ['core → one kind of web server', 'core/tasks', value('../web/nginx/nginx', 'nginx'), ARROW],
  ['core/web → one kind of web server', 'core/web', value('../web/nginx/nginx', 'nginx'), ARROW],
  ['core → one kind of site', 'core/discovery', value('../sites/wordpress/wordpress', 'wordPress'), ARROW],
  ['operations → one kind of web server', 'operations', value('../core/web/nginx/nginx', 'nginx'), ARROW],
  ['activities → one kind of site', 'activities', value('../core/sites/wordpress/wordpress', 'wordPress'), ARROW],
  ['composition → one kind of web server', 'composition.ts', value('./core/web/nginx/nginx', 'nginx'), ARROW],

  ['a file of this machine, opened past its host', 'core/sites', value('node:fs/promises', 'readFile'), NODE],
  ['a socket of this machine', 'core/tasks', value('node:net', 'connect'), NODE],
  ['a socket for PHP', 'core/php', value('node:net', 'connect'), NODE],
  ['a socket for databases', 'core/databases', value('node:net', 'connect'), NODE],
  ['a socket where HTTP is spoken', 'core/web/request.ts', value('node:net', 'connect'), NODE],
  ['a program of this machine', 'activities', value('node:child_process', 'spawn'), NODE],
  ['a file of this machine in a command', 'cli/commands', value('node:fs', 'readFileSync'), NODE],

  ['a re-export', 'core/tasks', `export { KedgeClient } from '../../client';`, ARROW],
  ['a re-export of all', 'core/tasks', `export * from '../../config/schema';`, ARROW],
  ['a dynamic import', 'core/tasks', `export const load = () => import('../../config/schema');`, ARROW],
  [
    'an inline type, which the rule for imports passes over',
    'core/tasks',
    `export type Planted = import('../../config/schema').Configuration;`,
    'consistent-type-imports',
  ],
  ['a cycle', 'core/operation.ts', `export type { Archives } from './archive/archive';`, 'no-cycle'],
  [
    'a floating promise',
    'core/tasks',
    `export function planted(): void {\n  Promise.resolve(1);\n}`,
    'no-floating-promises',
  ],
  ['any', 'core/tasks', `export const planted: any = 1;`, 'no-explicit-any'],
];

let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp('/var/tmp/kedge-lint-');
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

it('passes on the clean copy', async () => {
  await copyTree('clean');
  expect(await lint('clean')).toEqual([]);
});

describe('finds', () => {
  let found: Finding[];
  const planted = new Map<string, string>();

  beforeAll(async () => {
    await copyTree('planted');
    for (const [index, [what, file, source]] of VIOLATIONS.entries()) {
      // Source that has to stand in a certain file goes to its end; else it gets a file of its own.
      const path = file.endsWith('.ts') ? join('src', file) : join('src', file, `planted-${index}.ts`);
      await mkdir(join(scratch, 'planted', dirname(path)), { recursive: true });
      await writeFile(join(scratch, 'planted', path), `${source.replaceAll('Planted', `Planted${index}`)}\n`, {
        flag: 'a',
      });
      planted.set(what, path);
    }
    found = await lint('planted');
  });

  it.each(VIOLATIONS)('%s', (what, _file, source, rule) => {
    const specifier = /from '([^']+)'/.exec(source)?.[1] ?? '';
    const here = found.filter((finding) => finding.file === planted.get(what) && finding.code.includes(`(${rule})`));
    // Several are planted at the end of one file: the one that is meant names its import.
    const meant = here.filter((finding) => rule !== ARROW || finding.text.includes(specifier));
    expect(meant).not.toEqual([]);
  });
});

interface Finding {
  file: string;
  code: string;
  text: string;
}

const reportSchema = z.object({
  diagnostics: z.array(z.object({ filename: z.string(), code: z.string(), message: z.string() })),
});

/** What `scripts/lint` asks of oxlint, for a copy. */
async function lint(copy: string): Promise<Finding[]> {
  const folder = join(scratch, copy);
  const argv = ['--type-aware', '--deny-warnings', '--format=json', 'src'];
  const stdout = await new Promise<string>((resolve) => {
    execFile(join(TOP, 'node_modules/.bin/oxlint'), argv, { cwd: folder, maxBuffer: 64 * 1024 * 1024 }, (_error, out) =>
      resolve(out),
    );
  });
  return reportSchema
    .parse(JSON.parse(stdout))
    .diagnostics.map(({ filename, code, message }) => ({ file: filename, code, text: message }));
}

async function copyTree(name: string): Promise<void> {
  const folder = join(scratch, name);
  await mkdir(folder);
  for (const part of ['src', '.oxlintrc.json', 'tsconfig.json', 'package.json'])
    await cp(join(TOP, part), join(folder, part), { recursive: true });
  await symlink(join(TOP, 'node_modules'), join(folder, 'node_modules'));
}

function type(specifier: string): string {
  return `export type * as Planted from '${specifier}';`;
}

function value(specifier: string, name: string): string {
  return `export { ${name} as Planted } from '${specifier}';`;
}
