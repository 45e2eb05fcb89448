import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LabelSystem, restoreLabels } from '../../../src/core/sites/security-labels';
import type { SiteFolder } from '../../../src/core/sites/site-folder';
import { type Fixture, makeSite } from './site-fixture';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';

let site: Fixture;
let folder: string;
beforeEach(async () => {
  site = await makeSite();
  folder = await mkdtemp('/var/tmp/kedge-labels-');
  await Promise.all(['fs', 'rules'].map((name) => mkdir(join(folder, name))));
  await writeFile(join(folder, 'rules/config'), 'SELINUX=enforcing');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
  await site.remove();
});

/** A machine with SELinux as far as Kedge sees it, whose `restorecon` is this shell script. */
const machine = (restorecon: string): LabelSystem => ({
  fileSystem: join(folder, 'fs'),
  rules: join(folder, 'rules'),
  restorecon: ['sh', '-euc', restorecon, 'restorecon', '-R'],
});
const enable = () => writeFile(join(folder, 'fs/enforce'), '1');

/** The site as it waits for its switch: it lies here, and is to live at another path. */
const waiting = (): SiteFolder => ({
  ...site.folder,
  site: { ...site.folder.site, root: '/srv/lives/here' },
});

test('where SELinux is not enabled nothing is run', async () => {
  const operation = testOperation();
  await restoreLabels(waiting(), operation, machine('echo ran > "$3/ran"'));
  expect(existsSync(join(site.folder.path, 'ran'))).toBe(false);
  if (!existsSync('/sys/fs/selinux/enforce')) await restoreLabels(waiting(), operation);
  expect(operation.warnings).toEqual([]);
});

test('where it is, the program sees the folder at the path it will live at, and can change nothing else', async () => {
  await enable();
  await site.write('index.php', '12345');
  const operation = testOperation();
  await restoreLabels(
    waiting(),
    operation,
    machine(`echo "$@" > "$3/saw"; cat "$3/index.php" '${folder}/rules/config' >> "$3/saw"; echo asked > '${folder}/fs/asked'
      for place in '${folder}/rules' /etc /usr; do ! touch "$place/mine" 2>&- || echo wrote "$place" >> "$3/saw"; done
      ls /srv >> "$3/saw"; ls '${site.folder.path}' 2>&- >> "$3/saw" || echo nothing else >> "$3/saw"`),
  );
  expect(operation.warnings).toEqual([]);
  expect(readFileSync(join(site.folder.path, 'saw'), 'utf8')).toBe(
    '-R -- /srv/lives/here\n12345SELINUX=enforcinglives\nnothing else\n',
  );
  expect(existsSync(join(folder, 'fs/asked'))).toBe(true);
});

test('labels that cannot be given are a warning with what to do', async () => {
  await enable();
  const failing = testOperation();
  await restoreLabels(waiting(), failing, machine('echo no such rule >&2; exit 255'));
  expect(failing.warnings).toEqual([
    expect.stringMatching(
      /^files of shop\.example keep the SELinux labels .*no such rule.*`restorecon -R \/srv\/lives\/here`/s,
    ),
  ]);
  const lacking = testOperation();
  await restoreLabels(waiting(), lacking, { ...machine(''), restorecon: ['restorecon-of-nobody'] });
  expect(lacking.warnings).toEqual([expect.stringMatching(/restorecon-of-nobody is not installed/)]);
});

test('whoever cancels is obeyed', async () => {
  await enable();
  const operation = testOperation();
  const labels = restoreLabels(waiting(), operation, machine(`echo begun > '${folder}/fs/begun'; exec sleep 600`));
  const refused = expect(labels).rejects.toThrow('cancelled');
  await until('it has begun', () => existsSync(join(folder, 'fs/begun')));
  operation.cancel(new Error('cancelled'));
  await refused;
});
