import { PassThrough, Readable, Writable } from 'node:stream';
import { main } from '../../src/cli/main';

/** Where a command is typed. */
interface Surroundings {
  readonly environment?: Readonly<Record<string, string>>;
  /** Default: `/`. */
  readonly workingFolder?: string;
  /** What somebody who sits in front of it types when he is asked for a yes or a no. */
  readonly answer?: string;
}

/** What a command said, and how it ended. */
interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command of `kedge` in this process. No Temporal is there unless the environment names one, and nobody sits in front of it
 * unless there is an answer.
 */
export async function runCommand(
  argv: readonly string[],
  { environment = {}, workingFolder = '/', answer }: Surroundings = {},
): Promise<Ran> {
  const said = { stdout: '', stderr: '' };
  const stdin = answer === undefined ? Readable.from([]) : new PassThrough();
  let isAnswered = false;
  const into = (name: 'stdout' | 'stderr'): Writable => {
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        said[name] += chunk.toString();
        if (!isAnswered && stdin instanceof PassThrough && said[name].includes('(y/N)')) {
          isAnswered = true;
          // The question is shown before anybody listens to the keys.
          setImmediate(() => stdin.write(answer));
        }
        done();
      },
    });
    // As those of a process, which no prompt ends.
    return Object.assign(stream, { _isStdio: true });
  };
  const exitCode = await main(argv, {
    stdin,
    stdout: into('stdout'),
    stderr: into('stderr'),
    environment: { TEMPORAL_ADDRESS: '127.0.0.1:1', ...environment },
    workingFolder,
    isTerminal: answer !== undefined,
  });
  return { exitCode, ...said };
}
