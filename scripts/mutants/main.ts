import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { format, resolveConfig } from 'prettier';
import { Draw } from '../lab/draw';
import { type Tried, sectionOf, withSection } from './page';
import { type Plant, needsBuild, planted, problemsOf } from './plant';
import { type Result, Results } from './results';
import { PLANTS } from './table';
import { TreeCopy, digestOf } from './tree-copy';

interface MutantsOptions {
  readonly seed: number;
  readonly count?: number;
  readonly only?: string;
  readonly again?: boolean;
  readonly check?: boolean;
  readonly list?: boolean;
  readonly write?: boolean;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}

const options = new Command('npm run mutants --')
  .description(
    'Plants small wrong changes into a copy of the code, one at a time, and runs the tests that must not pass then. ' +
      'Outcomes are kept for as long as neither code nor tests change: a run that was stopped goes on where it was.',
  )
  .option('--count <number>', 'so many plants, drawn; default: all of them', wholeNumber)
  .option('--seed <number>', 'what to draw from; default: another one each time', wholeNumber, Date.now() % 1_000_000)
  .option('--only <text>', 'plants whose name or file holds this')
  .option('--again', 'try also what was tried with this code and these tests')
  .option('--check', 'see only whether each plant can be made still')
  .option('--list', 'name the plants, and try none')
  .option('--write', 'write what came of it into docs/reliability.md')
  .allowExcessArguments(false)
  .addHelpText(
    'after',
    '\nExit codes: 0 every plant was caught, or is known to survive; 1 one survived, or could not be tried; 2 usage; 130 stopped by Ctrl-C.\n' +
      '\nExamples:\n  npm run mutants -- --seed 7 --count 10\n  npm run mutants -- --only judge',
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts<MutantsOptions>();

const top = process.cwd();
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const interrupt = new AbortController();
const { signal } = interrupt;
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupt.abort(new Error('interrupted')));

function drawn(): Plant[] {
  const { count, seed, only } = options;
  const asked = PLANTS.filter(({ name, file }) => only === undefined || name.includes(only) || file.includes(only));
  return count === undefined ? asked : new Draw(seed, 'mutants').several(asked, count);
}

/** Tests by themselves: what does not pass without a plant says nothing with one. */
class Baseline {
  private readonly known = new Map<string, Promise<boolean>>();

  constructor(private readonly copy: TreeCopy) {}

  passes({ caughtBy, named }: Plant): Promise<boolean> {
    const key = JSON.stringify([caughtBy, named]);
    const passing =
      this.known.get(key) ?? this.copy.test(caughtBy, named, signal).then((outcome) => outcome === 'passed');
    this.known.set(key, passing);
    return passing;
  }
}

async function tryPlant(copy: TreeCopy, baseline: Baseline, plant: Plant): Promise<Result> {
  const { name, file, caughtBy, named } = plant;
  const began = performance.now();
  const outcome = await (async (): Promise<Result['outcome']> => {
    if (!(await baseline.passes(plant))) return 'broken';
    const builds = needsBuild(plant);
    const tested = await copy.changed(file, planted(top, plant), async () => {
      if (builds && !(await copy.build(signal))) return 'nothing';
      return copy.test(caughtBy, named, signal);
    });
    if (builds) await copy.build(signal);
    return { failed: 'caught', passed: 'survived', nothing: 'broken' }[tested] as Result['outcome'];
  })();
  return { name, outcome, seconds: Math.round((performance.now() - began) / 1000) };
}

async function tryAll(plants: readonly Plant[]): Promise<Tried[]> {
  const results = Results.of(digestOf(top));
  const tried: Tried[] = [];
  let copy: TreeCopy | null = null;
  try {
    let baseline: Baseline | null = null;
    for (const plant of plants) {
      const known = options.again ? undefined : results.find(plant.name);
      let result = known;
      if (result === undefined) {
        copy ??= TreeCopy.make(top);
        baseline ??= new Baseline(copy);
        result = await tryPlant(copy, baseline, plant);
        results.add(result);
      }
      tried.push({ plant, result });
      const excused = result.outcome === 'survived' && plant.survives !== undefined ? ', as is known' : '';
      const when = known === undefined ? `${result.seconds} s` : 'known';
      say(`${result.outcome.padEnd(8)} ${plant.file}: ${plant.name} (${when}${excused})`);
    }
  } finally {
    copy?.remove();
  }
  return tried;
}

/** Formatted as every other file: the linter looks at it too. */
async function writePage(tried: readonly Tried[]): Promise<void> {
  const path = join(top, 'docs/reliability.md');
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const page = existsSync(path) ? readFileSync(path, 'utf8') : '# Reliability\n';
  const text = withSection(page, sectionOf(tried, PLANTS.length, options.seed, commit));
  writeFileSync(path, await format(text, { ...(await resolveConfig(path)), filepath: path }));
}

async function main(): Promise<void> {
  const problems = problemsOf(top, PLANTS);
  for (const problem of problems) say(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
  if (options.check || problems.length > 0) return;
  const plants = drawn();
  if (options.list) {
    for (const { file, name, survives } of plants)
      say(`${file}: ${name}${survives === undefined ? '' : ' (survives)'}`);
    return;
  }
  say(`seed ${options.seed}, ${plants.length} of ${PLANTS.length} plants`);
  const tried = await tryAll(plants);
  const survived = tried.filter(({ result }) => result.outcome === 'survived');
  const broken = tried.filter(({ result }) => result.outcome === 'broken').length;
  const unknown = survived.filter(({ plant }) => plant.survives === undefined).length;
  say(
    `${tried.length} planted: ${tried.length - survived.length - broken} caught, ${survived.length} survived ` +
      `(${survived.length - unknown} of them are known to), ${broken} could not be tried`,
  );
  if (unknown + broken > 0) process.exitCode = 1;
  if (options.write) await writePage(tried);
}

main().catch((error: unknown) => {
  process.exitCode = signal.aborted ? 130 : 1;
  if (!signal.aborted) say(error instanceof Error ? (error.stack ?? error.message) : String(error));
});
