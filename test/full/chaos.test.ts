import { spawn } from 'node:child_process';
import { join } from 'node:path';

const SEED = Number(process.env['KEDGE_SEED'] ?? 20_261_126);
const MINUTES = 10;
const CHAOS = join(__dirname, '../../dist/scripts/chaos/main.js');

jest.setTimeout(60 * 60_000);

/** Runs it, and gives what it said. It dies with the test. */
async function chaos(...args: string[]): Promise<{ exitCode: number; said: string }> {
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', process.execPath, CHAOS, ...args]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exitCode = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 128)));
  return { exitCode, said };
}

it(`KEDGE_SEED=${SEED}: ${MINUTES} minutes of tasks, faults and a visitor break no promise`, async () => {
  const { exitCode, said } = await chaos('--minutes', `${MINUTES}`, '--seed', `${SEED}`);
  const broken = said.split('\n').filter((line) => /BROKEN|^ {2}again:/.test(line));
  // What it could not try at all stands at its end.
  expect({ broken, exitCode, end: exitCode === 0 ? '' : said.slice(-4000) }).toEqual({
    broken: [],
    exitCode: 0,
    end: '',
  });
  expect(said).toMatch(/\d+ rounds, 0 with a broken promise/);
});
