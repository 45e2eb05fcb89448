import { spawn } from 'node:child_process';
import { join } from 'node:path';

const SEED = Number(process.env['KEDGE_SEED'] ?? 20_261_126);
/** A share of them; `npm run mutants` tries all. */
const COUNT = 10;
const MUTANTS = join(__dirname, '../../dist/scripts/mutants/main.js');

jest.setTimeout(60 * 60_000);

/** Runs it, and gives what it said. It dies with the test. */
async function mutants(...args: string[]): Promise<{ exitCode: number; said: string }> {
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', process.execPath, MUTANTS, ...args], {
    cwd: join(__dirname, '../..'),
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exitCode = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 128)));
  return { exitCode, said };
}

it('every planted change can be made still', async () => {
  expect(await mutants('--check')).toEqual({ exitCode: 0, said: '' });
});

it(`KEDGE_SEED=${SEED}: of ${COUNT} planted changes each is caught by the tests that are named beside it`, async () => {
  const { exitCode, said } = await mutants('--seed', `${SEED}`, '--count', `${COUNT}`);
  const missed = said.split('\n').filter((line) => /^(survived|broken) /.test(line) && !line.includes('as is known'));
  expect({ missed, exitCode, end: said.slice(-4000) }).toMatchObject({ missed: [], exitCode: 0 });
});
