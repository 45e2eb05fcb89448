import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { removePrivateFolder } from '../../scripts/lab/private-folder';

/** What must hold for a worker that is an ordinary user too. */
const SUITES = [
  'test/core/hosts/local-host.test.ts',
  'test/core/hosts/staging.test.ts',
  'test/core/sites/folder-check.test.ts',
];

const tree = join(__dirname, '../..');
const id = (option: string): string => execFileSync('id', [option, 'nobody'], { encoding: 'utf8' }).trim();
const asNobody = (argv: readonly string[], options: object = {}) =>
  spawnSync(
    'setpriv',
    [`--reuid=${id('-u')}`, `--regid=${id('-g')}`, '--clear-groups', '--inh-caps=-all', '--', ...argv],
    {
      encoding: 'utf8',
      ...options,
    },
  );

function obstacle(): string | null {
  if (process.getuid?.() !== 0) return 'the other suites run as an ordinary user already';
  if (asNobody(['ls', join(tree, 'node_modules')]).status !== 0) return 'an ordinary user cannot reach this folder';
  if (asNobody([process.execPath, '--version']).status !== 0) return 'an ordinary user cannot run this Node';
  const sandbox = ['bwrap', '--unshare-user', '--unshare-pid', '--ro-bind', '/', '/', '--proc', '/proc', 'true'];
  if (asNobody(sandbox).status !== 0) return 'user namespaces are not permitted';
  return null;
}

const reason = obstacle();
(reason === null ? test : test.skip)(
  `hosts and folder check hold as an ordinary user${reason === null ? '' : ` (not run: ${reason})`}`,
  () => {
    const scratch = mkdtempSync('/var/tmp/kedge-nobody-');
    chownSync(scratch, Number(id('-u')), Number(id('-g')));
    try {
      const { stdout, stderr } = asNobody(
        [
          process.execPath,
          join(tree, 'node_modules/jest/bin/jest.js'),
          '--json',
          '--runInBand',
          '--runTestsByPath',
          ...SUITES,
        ],
        {
          cwd: tree,
          maxBuffer: 64 * 1024 * 1024,
          env: { PATH: process.env['PATH'], HOME: scratch, TMPDIR: scratch, LC_ALL: 'C.UTF-8' },
        },
      );
      const start = stdout.indexOf('{');
      if (start === -1) throw new Error(`jest gave no result: ${stderr}`);
      const result = JSON.parse(stdout.slice(start)) as {
        numPassedTests: number;
        numTotalTestSuites: number;
        testResults: { message: string }[];
      };
      expect(result.testResults.map(({ message }) => message).filter((message) => message !== '')).toEqual([]);
      expect(result.numTotalTestSuites).toBe(SUITES.length);
      expect(result.numPassedTests).toBeGreaterThan(90);
    } finally {
      removePrivateFolder(scratch);
    }
  },
);
