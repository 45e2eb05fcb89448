import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KEDGE } from '../../scripts/demo/kedge';
import { BACKUP, makeConfiguredFolder } from '../helpers/configured-folder';

jest.setTimeout(120_000);

let folder: string;
let environment: Record<string, string>;
beforeAll(async () => {
  ({ folder, environment } = await makeConfiguredFolder());
  await mkdir(join(folder, 'bin'));
  await chmod(KEDGE, 0o755);
  await symlink(KEDGE, join(folder, 'bin/kedge'));
  await mkdir(join(folder, 'files'));
  await writeFile(join(folder, 'files/some file.yaml'), '');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const shellEnvironment = (): NodeJS.ProcessEnv => ({
  ...environment,
  PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
  HOME: folder,
  TERM: 'dumb',
  LANG: 'C.UTF-8',
});
const has = (shell: string): boolean =>
  ['/bin', '/usr/bin', '/usr/local/bin'].some((path) => existsSync(join(path, shell)));

/** A shell on a terminal: what is typed, until the line looks as expected. */
async function typed(argv: readonly string[], setup: string, keys: string, expected: string): Promise<void> {
  const line = argv.join(' ');
  const child: ChildProcess = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', '--', 'script', '--quiet', '--return', '--command', `exec ${line}`, '/dev/null'],
    {
      env: { ...shellEnvironment(), SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'inherit'],
      cwd: join(folder, 'files'),
    },
  );
  let said = '';
  let seen: () => void = () => undefined;
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    seen();
  });
  const until = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`never seen: ${text}, but ${JSON.stringify(said)}`)), 60_000);
      seen = () => {
        if (!said.includes(text)) return;
        clearTimeout(deadline);
        resolve();
      };
      seen();
    });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  try {
    child.stdin?.write(`${setup}; echo rea''dy\n`);
    await until('ready');
    said = '';
    child.stdin?.write(keys);
    await until(expected);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

describe('bash', () => {
  /** What the completion function answers for a line with the cursor at its end, words split as readline splits them. */
  function replies(line: string): string[] {
    const words = line.split(/(?<=[\s:=])|(?=[:=])/).map((word) => word.trim());
    const split = words.filter((word, index) => word !== '' || index === words.length - 1);
    const quoted = split.map((word) => `'${word}'`).join(' ');
    const script = `source <(kedge completion bash); COMP_WORDS=(${quoted}${/\s$/.test(line) ? " ''" : ''})
      COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMP_LINE='${line}'; COMP_POINT=\${#COMP_LINE}
      _kedge; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['--norc', '-uc', script], { env: shellEnvironment(), cwd: join(folder, 'files') })
      .toString()
      .split('\n')
      .filter(Boolean);
  }

  it.each([
    ['kedge restore g', ['gazette.example', 'garden.example']],
    ['kedge backups check --site=ga', ['gazette.example', 'garden.example']],
    ['kedge --config so', ['some file.yaml']],
  ])('%s', (line, expected) => {
    expect(replies(line)).toEqual(expected);
  });

  it('at the prompt', async () => {
    await typed(
      ['bash', '--norc', '-i'],
      'source <(kedge completion bash)',
      'kedge restore gaz\t',
      'kedge restore gazette.example ',
    );
  });
});

(has('zsh') ? describe : describe.skip)('zsh (skipped where it is not installed)', () => {
  it.each([
    ['kedge restore gaz\t', 'kedge restore gazette.example '],
    ['kedge backups check --site=gaz\t', '--site=gazette.example'],
    ['kedge verif\t', 'kedge verify '],
  ])('at the prompt: %j', async (keys, expected) => {
    const setup = 'unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; source <(kedge completion zsh)';
    await typed(['zsh', '-f', '-i'], setup, keys, expected);
  });
});

(has('fish') ? describe : describe.skip)('fish (skipped where it is not installed)', () => {
  it.each([
    ['kedge restore g', 'garden.example\twordpress in /srv/garden\ngazette.example\twordpress in /srv/gazette\n'],
    ['kedge backups show ', `${BACKUP}\t2026-01-02 03:04:05 UTC - before the update\n`],
    ['kedge --config so', expect.stringContaining('some file.yaml') as string],
  ])('%s', async (line, expected) => {
    const script = `kedge completion fish | source; complete -C ${JSON.stringify(line)}`;
    const said = execFileSync('fish', ['--no-config', '-c', script], {
      env: shellEnvironment(),
      cwd: join(folder, 'files'),
    });
    expect(said.toString()).toEqual(expected);
  });
});
