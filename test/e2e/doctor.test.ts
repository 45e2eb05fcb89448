import { randomUUID } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type WorkerProcess, startWorkerProcess } from '../../scripts/demo/kedge';
import { type Finding, doctorReportSchema } from '../../src/contract/findings';
import type { BackupResult } from '../../src/contract/tasks';
import { createLocalHost } from '../../src/core/hosts/local-host';
import { Journals } from '../../src/core/tasks/journals';
import { type Lab, type WordPressSite, cli, cliJson, journalsOf, startServedLab } from '../helpers/e2e';
import { until } from '../helpers/until';

jest.setTimeout(240_000);

let lab: Lab;
let site: WordPressSite;
let worker: WorkerProcess;

beforeAll(async () => {
  ({ lab, site, worker } = await startServedLab());
});
// What hints were to mend, where one was wrong.
afterEach(async () => {
  await chmod(lab.state, 0o700);
  await chmod(lab.nginx.address.flags, 0o755);
  await chmod(join(site.root, 'wp-config.php'), 0o640);
});
afterAll(async () => {
  await worker?.stop();
  await lab?.stop();
});

async function doctor(environment = lab.environment): Promise<{ exitCode: number; findings: Finding[] }> {
  const { exitCode, stdout } = await cli({ ...lab, environment }, 'doctor', '--json');
  const { ok, findings } = doctorReportSchema.parse(JSON.parse(stdout));
  expect(ok).toBe(findings.length === 0);
  return { exitCode, findings };
}

/** What a finding is expected to say: its check, level and message, and what its hint contains. */
function finding(check: string, level: string, message: string | RegExp, hint: string): unknown {
  return expect.objectContaining({
    check,
    level,
    message: typeof message === 'string' ? message : expect.stringMatching(message),
    hint: expect.stringContaining(hint),
  });
}

const isWell = { exitCode: 0, findings: [] };

/** Runs the command a hint gives. */
function follow(findings: readonly Finding[], check: string): void {
  const command = /`([^`]*)`/.exec(findings.find((found) => found.check === check)?.hint ?? '')?.[1];
  execFileSync('sh', ['-ec', command ?? 'false']);
}

it('a site that is not adopted: the hint is the command that mends it, and then all is well', async () => {
  await rm(join(lab.state, 'sites', `${site.uri}.json`));
  await rm(join(lab.nginx.address.vhosts, `${site.uri}.conf`));
  const { exitCode, findings } = await doctor();
  await cliJson(lab, 'sites', 'adopt', site.uri);
  const adopted = await cli(lab, 'doctor');

  expect(findings).toEqual([
    finding(
      'site-adopted',
      'error',
      'the database of gazette.example is not known',
      '`kedge sites adopt gazette.example`',
    ),
    finding(
      'site-vhost',
      'error',
      'the managed vhost of gazette.example is not written',
      '`kedge sites adopt gazette.example`',
    ),
  ]);
  expect(findings).toEqual(findings.map((found) => ({ ...found, site: 'gazette.example' })));
  expect(exitCode).toBe(1);
  expect(adopted).toEqual({ exitCode: 0, stdout: 'All is well.\n', stderr: '' });
});

it('proofs that are switched off are a note, which is nobody’s fault: exit code 0', async () => {
  const text = await readFile(lab.configuration, 'utf8');
  await writeFile(lab.configuration, `${text}\nproveBackups: false\n`);
  const { exitCode, stdout } = await cli(lab, 'doctor').finally(() => writeFile(lab.configuration, text));
  expect(stdout).toMatch(/^note: .*backups are not proved: .* - Take `proveBackups: false` out of .*kedge\.yaml/m);
  expect(exitCode).toBe(0);
});

it('a maintenance page that nobody needs is a warning: exit code 3', async () => {
  const flag = join(lab.nginx.address.flags, site.uri);
  await writeFile(flag, '');
  const { exitCode, stdout } = await cli(lab, 'doctor').finally(() => rm(flag));
  expect(stdout).toBe(
    `warning: site gazette.example: gazette.example is shut to its visitors, and no task is open: its maintenance page is up - If nobody works on the site, run \`kedge sites online gazette.example\`, or \`rm ${flag}\`.\n0 errors, 1 warning\n`,
  );
  expect(exitCode).toBe(3);
});

it('what a closed task could not clear is a warning, gone after --sweep, and after a start of the worker', async () => {
  const { task, backup } = await cliJson<BackupResult>(lab, 'backup', site.uri);
  const token = journalsOf(lab).find((journal) => journal.task === task)?.token ?? '';
  const spool = join(lab.state, 'spool', token);
  await mkdir(spool, { recursive: true });
  await writeFile(join(spool, 'database.sql'), 'a dump');
  expect(await doctor()).toEqual({
    exitCode: 3,
    findings: [finding('leftovers', 'warning', `${task} left the spool folder ${spool}`, '`kedge doctor --sweep`')],
  });
  expect(existsSync(spool)).toBe(true);

  const swept = await cli(lab, 'doctor', '--sweep', '--json');
  expect(doctorReportSchema.parse(JSON.parse(swept.stdout))).toEqual({
    ok: true,
    removed: [`the spool folder ${spool}`],
    findings: [],
  });
  expect(swept.exitCode).toBe(0);
  expect((await cli(lab, 'log', task)).stdout).toContain(`sweep: removed the spool folder ${spool}`);

  await worker.stop();
  await mkdir(spool, { recursive: true });
  worker = await startWorkerProcess(lab.environment);
  await until('the worker has swept', () => !existsSync(spool));
  await cliJson(lab, 'backups', 'delete', backup.id, '--yes');
});

it('a configuration that others can change is not taken, and doctor says what mends it', async () => {
  await chmod(lab.configuration, 0o666);
  const { exitCode, findings } = await doctor();
  expect(exitCode).toBe(2);
  follow(findings, 'configuration');
  expect(findings[0]).toMatchObject({ level: 'error', message: expect.stringContaining('it has mode 0666') });
  expect((await doctor()).exitCode).toBe(0);
});

it('files and accounts in disorder, each told apart, until each is mended', async () => {
  const vhost = join(lab.nginx.address.vhosts, `${site.uri}.conf`);
  const catalogue = join(lab.backups, site.uri);
  const id = `${site.uri}-20260101.000000`;
  const rendered = await readFile(vhost, 'utf8');
  await chmod(lab.state, 0o755);
  await chmod(lab.nginx.address.flags, 0o750);
  await chmod(join(site.root, 'wp-config.php'), 0o644);
  await appendFile(vhost, '# by hand\n');
  await mkdir(catalogue, { recursive: true, mode: 0o700 });
  await writeFile(join(catalogue, `${id}.json`), '{"schema": 1');
  await writeFile(join(catalogue, `${id}_1.tar.zst`), '');
  await lab.mariadb.query(`ALTER USER '${site.user}'@'localhost' ACCOUNT LOCK; GRANT ALL ON test.* TO PUBLIC`);

  const { exitCode, findings } = await doctor();
  await writeFile(vhost, rendered);
  await rm(catalogue, { recursive: true });
  await lab.mariadb.query(`ALTER USER '${site.user}'@'localhost' ACCOUNT UNLOCK; REVOKE ALL ON test.* FROM PUBLIC`);
  for (const check of ['folders', 'flags-folder', 'site-settings']) follow(findings, check);
  const mended = await doctor();

  expect(findings).toEqual([
    finding(
      'folders',
      'error',
      `the state folder ${lab.state} has mode 0755; it holds data and passwords of sites and is to be 0700`,
      `\`chmod 0700 ${lab.state}\``,
    ),
    finding(
      'flags-folder',
      'error',
      /the web server cannot enter .*flags on lab/,
      `\`chmod o+x ${lab.nginx.address.flags}\``,
    ),
    finding(
      'database-public',
      'warning',
      "every account of master may write into test, so a site's dump may too",
      'mysql.db',
    ),
    finding(
      'site-settings',
      'warning',
      'every account of lab may read wp-config.php of gazette.example, password included',
      `\`chmod o-r ${site.root}/wp-config.php\``,
    ),
    finding('site-settings', 'error', /the login \w+ of the database \w+ .*locked/, 'kedge sites adopt'),
    finding(
      'site-vhost',
      'error',
      'the managed vhost of gazette.example was edited by hand',
      '`kedge verify gazette.example`',
    ),
    finding(
      'maintenance',
      'warning',
      /gazette\.example is shut to its visitors, and no task is open: its account .* is locked/,
      'kedge sites online gazette.example',
    ),
    finding(
      'catalogue',
      'error',
      `${join(catalogue, `${id}.json`)}: record cannot be read: it is not JSON`,
      'Bring the record back',
    ),
    finding('catalogue', 'warning', `${join(catalogue, `${id}_1.tar.zst`)}: archive without record`, 'delete it'),
  ]);
  expect(findings.map(({ server, site }) => server ?? site)).toEqual([
    ...['lab', 'master', 'master'],
    ...Array.from({ length: 6 }, () => site.uri),
  ]);
  expect(exitCode).toBe(1);

  expect(mended).toEqual(isWell);
});

it('site folder and PHP away', async () => {
  const socket = lab.phpFpm.socketOf('pool0');
  await rename(site.root, `${site.root}.away`);
  await rename(socket, `${socket}.away`);
  const { exitCode, findings } = await doctor();
  await rename(`${site.root}.away`, site.root);
  await rename(`${socket}.away`, socket);
  const mended = await doctor();

  expect(findings).toEqual([
    finding('site-folder', 'error', `the site folder ${site.root} is missing`, '`root:`'),
    finding('site-php', 'error', `PHP of gazette.example does not listen at ${socket}`, 'Start PHP-FPM'),
  ]);
  expect(exitCode).toBe(1);
  expect(mended).toEqual(isWell);
});

it('a task left open, first with database and Temporal away, until the restarted worker recovers it', async () => {
  const task = `${site.uri}-20260101.000000-backup`;
  await worker.kill();
  const host = createLocalHost({ name: 'lab' });
  const journals = new Journals(join(lab.state, 'tasks'), join(lab.state, 'open'), host, () => undefined);
  await journals.begin({
    task,
    site: site.uri,
    type: 'backup',
    who: 'test',
    description: null,
    requestKey: null,
    workflowId: `site/${site.uri}`,
    runId: randomUUID(),
    epoch: 0,
    accepted: null,
  });
  await lab.mariadb.stop();
  await lab.temporal.kill();
  const away = await doctor();
  await Promise.all([lab.mariadb.start(), lab.temporal.start()]);
  const left = await doctor();
  worker = await startWorkerProcess(lab.environment);
  await until('the task was recovered', () => !existsSync(join(lab.state, 'open', task)));
  const recovered = await doctor();

  expect(away.findings).toEqual([
    finding('temporal-connection', 'error', `Temporal does not answer at ${lab.temporal.address}`, '`kedge up`'),
    // Of the scratch database in which a backup was proved.
    finding('leftovers', 'warning', /^master cannot be asked for what tasks left there: /, 'Look at it yourself'),
    finding('database-login', 'error', /^reading the facts of the server failed on database server master/, 'Start it'),
    finding(
      'open-tasks',
      'warning',
      `${task} is open, and Temporal cannot be asked whether it still runs`,
      'Bring Temporal back',
    ),
    finding('site-answer', 'warning', 'gazette.example answers 500 at /', 'error log'),
  ]);
  expect(away.exitCode).toBe(1);

  expect(left.findings).toEqual([
    finding('open-tasks', 'error', `${task} was left open by a workflow that is no more`, 'Restart the worker'),
    finding('temporal-worker', 'error', 'no worker takes tasks from kedge/lab', '`kedge worker`'),
  ]);
  expect(recovered).toEqual(isWell);
});

it('an invalid configuration: a finding a line, and exit code 2', async () => {
  const path = join(lab.folder, 'broken.yaml');
  const text = await readFile(lab.configuration, 'utf8');
  await writeFile(
    path,
    text.replace('kind: wordpress', 'kind: drupal').replace('master: lab', 'master: lab\nspol: /x'),
  );
  const { exitCode, findings } = await doctor({ ...lab.environment, KEDGE_CONFIG: path });
  expect(findings).toEqual([
    finding('configuration', 'error', /broken\.yaml:\d+:\d+: sites\.gazette\.example\.kind: /, '`kedge config check`'),
    finding(
      'configuration',
      'error',
      /broken\.yaml:2:1: spol: unknown key; did you mean spool\?/,
      '`kedge config check`',
    ),
  ]);
  expect(exitCode).toBe(2);
});
