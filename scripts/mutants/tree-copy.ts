import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const NOT_COPIED = new Set(['.git', 'node_modules', 'var', 'coverage']);
/** What decides about the outcome of a plant. */
const DECIDES = ['src', 'test', 'scripts', 'package.json', 'package-lock.json', 'jest.config.js', 'tsconfig.json'];
/** A change that makes a test wait for ever was noticed. */
const LIMIT_MS = 10 * 60_000;

/** What a run of tests came to. `nothing`: no test ran to its end, whatever that was. */
export type TestOutcome = 'passed' | 'failed' | 'nothing';

/** A copy of a tree in which tests run while something is changed. The tree itself is never touched. */
export class TreeCopy {
  private constructor(readonly folder: string) {}

  /** Other accounts read it: tests act as the owners of sites. */
  static make(top: string): TreeCopy {
    const folder = mkdtempSync('/var/tmp/kedge-mutants-');
    chmodSync(folder, 0o755);
    for (const name of readdirSync(top))
      if (!NOT_COPIED.has(name))
        cpSync(join(top, name), join(folder, name), {
          recursive: true,
          preserveTimestamps: true,
          verbatimSymlinks: true,
        });
    symlinkSync(join(top, 'node_modules'), join(folder, 'node_modules'));
    return new TreeCopy(folder);
  }

  /** Does `work` while a file of the copy says something else. */
  async changed<T>(file: string, text: string, work: () => Promise<T>): Promise<T> {
    const path = join(this.folder, file);
    const before = readFileSync(path, 'utf8');
    writeFileSync(path, text);
    try {
      return await work();
    } finally {
      writeFileSync(path, before);
    }
  }

  /** False where it cannot be built as it is. */
  async build(signal: AbortSignal): Promise<boolean> {
    return (await this.run([join(this.folder, 'scripts/build.mjs')], signal)) === 0;
  }

  /** Runs files of tests, those that match a name where one is given, up to the first that fails. */
  async test(files: readonly string[], named: string | undefined, signal: AbortSignal): Promise<TestOutcome> {
    let outcome: TestOutcome = 'nothing';
    // One by one: with `--bail` jest may be gone before it has written its report.
    for (const file of files) {
      const ofFile = await this.testFile(file, named, signal);
      if (ofFile === 'failed') return ofFile;
      if (ofFile === 'passed') outcome = ofFile;
    }
    return outcome;
  }

  private async testFile(file: string, named: string | undefined, signal: AbortSignal): Promise<TestOutcome> {
    const report = join(this.folder, 'var-report.json');
    rmSync(report, { force: true });
    const jest = join(this.folder, 'node_modules/jest/bin/jest.js');
    const names = named === undefined ? [] : ['--testNamePattern', named];
    const options = ['--ci', '--silent', '--json', `--outputFile=${report}`, '--forceExit'];
    const exitCode = await this.run([jest, ...options, ...names, '--runTestsByPath', file], signal);
    return exitCode === null ? 'failed' : outcomeOf(report);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Exit code of a program of Node; null for one that took too long. @throws the signal's reason */
  private async run(args: readonly string[], signal: AbortSignal): Promise<number | null> {
    signal.throwIfAborted();
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', process.execPath, ...args], {
      cwd: this.folder,
      stdio: 'ignore',
      detached: true,
      env: { ...process.env, [OF_COPY]: this.folder },
    });
    const end = (): void => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    signal.addEventListener('abort', end);
    let tookTooLong = false;
    const timer = setTimeout(() => {
      tookTooLong = true;
      end();
    }, LIMIT_MS);
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 128));
    }).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      endAllOf(this.folder);
    });
    signal.throwIfAborted();
    return tookTooLong ? null : exitCode;
  }
}

/** What a changed test left running would run for ever: all that it started has this in its environment. */
const OF_COPY = 'KEDGE_MUTANT';

function endAllOf(folder: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
      if (environment.includes(`${OF_COPY}=${folder}`)) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended, or is somebody else's.
    }
  }
}

/** Who ends jest itself has been noticed by nobody's test. */
function outcomeOf(report: string): TestOutcome {
  if (!existsSync(report)) return 'nothing';
  const { numFailedTests, numPassedTests, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(report, 'utf8')) as {
    numFailedTests: number;
    numPassedTests: number;
    numRuntimeErrorTestSuites: number;
  };
  if (numFailedTests > 0) return 'failed';
  return numRuntimeErrorTestSuites > 0 || numPassedTests === 0 ? 'nothing' : 'passed';
}

/** One hash over what decides about outcomes: other code, other tests. */
export function digestOf(top: string): string {
  const hash = createHash('sha256');
  for (const name of DECIDES) {
    const files = name.includes('.')
      ? ['']
      : readdirSync(join(top, name), { recursive: true, encoding: 'utf8' }).sort();
    for (const file of files) {
      const content = contentOf(join(top, name, file));
      if (content) hash.update(`${name}/${file}\0`).update(content).update('\0');
    }
  }
  return hash.digest('hex').slice(0, 16);
}

function contentOf(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EISDIR') return null;
    throw error;
  }
}
