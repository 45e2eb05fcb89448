import { dirname } from 'node:path';
import type { Complaint } from '../../contract/findings';
import type { Host, HostAccount } from '../hosts/host';
import { belongsToUs, isTrustedFolder } from '../hosts/trusted-path';
import { nearestExisting } from '../preflight/space';
import type { Folder, Installation } from './installation';
import { checkLeftovers } from './leftovers';
import { checkMetrics } from './metrics';
import { checkSigningKeys } from './signing-keys';
import { type Check, complaintOf } from './run-checks';

/** Checks of the master's own files. */
export const MASTER_CHECKS: readonly Check<Installation>[] = [
  { check: 'configuration-file', run: checkConfigurationFile },
  { check: 'configured-files', run: checkConfiguredFiles },
  { check: 'signing-key', run: checkSigningKeys },
  { check: 'proofs', run: checkProofs },
  { check: 'metrics', run: checkMetrics },
  { check: 'folders', run: ofEach(checkFolder) },
  { check: 'leftovers', after: ['folders'], limitMs: 300_000, run: checkLeftovers },
  { check: 'disk-space', after: ['folders'], run: ofEach((host, folder) => checkFreeSpace(host, folder)) },
];

const OTHERS_WRITE = 0o022;
/** Less than this is soon used up by logs and journals alone. */
const LOW_BYTES = 1e9;
const LOW_INODES = 10_000;

function ofEach(check: (host: Host, folder: Folder) => Promise<readonly Complaint[]>) {
  return async ({ master, folders }: Installation): Promise<readonly Complaint[]> =>
    (await Promise.all(folders.map((folder) => check(master, folder)))).flat();
}

/** Whoever has switched them off may have done so for a day. */
async function checkProofs({ provesBackups, configurationPath }: Installation): Promise<readonly Complaint[]> {
  if (provesBackups) return [];
  return [
    {
      level: 'note',
      message:
        'backups are not proved: whether the database server would take their definitions back shows in a restore alone',
      hint: `Take \`proveBackups: false\` out of ${configurationPath}.`,
    },
  ];
}

/** The configuration names commands that the worker runs: nobody else may change it. */
async function checkConfigurationFile({
  master,
  configurationPath: path,
}: Installation): Promise<readonly Complaint[]> {
  const status = await master.status(path);
  const account = await master.account();
  // What a link leads to is not judged: the folder it stands in is.
  const isOwn =
    !status || status.type === 'link' || (belongsToUs(account, status) && (status.mode & OTHERS_WRITE) === 0);
  if (isOwn && (await isTrustedFolder(master, dirname(path)))) return [];
  return [
    {
      level: 'warning',
      message: `${path}, which names commands the worker runs, can be changed by others than root and the worker`,
      hint: `Run \`chown ${workerName(account)} ${path}\` and \`chmod go-w ${path}\`, and see that its folders are the same way.`,
    },
  ];
}

/** Templates, included files, certificates, programs: who may change them acts with the rights of whoever reads them. */
export async function checkConfiguredFiles({
  master,
  configuredFiles,
}: Pick<Installation, 'master' | 'configuredFiles'>): Promise<readonly Complaint[]> {
  const complaints: Complaint[] = [];
  for (const path of new Set(await configuredFiles())) {
    try {
      await master.assertTrusted(path);
    } catch (error) {
      complaints.push(complaintOf(error));
    }
  }
  return complaints;
}

/** 0700, the worker's own, out of everybody's reach; a missing one is made when it is first needed. */
export async function checkFolder(host: Host, { name, path }: Folder): Promise<readonly Complaint[]> {
  const status = await host.status(path);
  const account = await host.account();
  const what = `the ${name} folder ${path}`;
  const make = `Run \`install -d -m 0700 -o ${workerName(account)} ${path}\`.`;
  if (!status) return (await canBeMade(host, path)) ? [] : [error(`${what} does not exist and cannot be made`, make)];
  if (status.type !== 'folder') return [error(`${what} is no folder`, `Move ${path} away. ${make}`)];
  const complaints: Complaint[] = [];
  if (status.uid !== account.uid)
    complaints.push(
      error(`${what} belongs to uid ${status.uid}, not to the worker`, `Run \`chown ${workerName(account)} ${path}\`.`),
    );
  if ((status.mode & 0o777) !== 0o700)
    complaints.push(
      error(
        `${what} has mode ${octal(status.mode)}; it holds data and passwords of sites and is to be 0700`,
        `Run \`chmod 0700 ${path}\`.`,
      ),
    );
  if (!(await isTrustedFolder(host, dirname(path))))
    complaints.push(
      error(
        `${what} lies below a link, or a folder that others than root and the worker can change`,
        `Run \`chown root: FOLDER\` and \`chmod go-w FOLDER\` for each folder above ${path}.`,
      ),
    );
  return complaints;
}

/** Warns when `lowBytes` or fewer are free. */
export async function checkFreeSpace(
  host: Host,
  { name, path }: Folder,
  lowBytes = LOW_BYTES,
): Promise<readonly Complaint[]> {
  const existing = (await nearestExisting(host, path)) ?? '/';
  const { bytes, inodes, readOnly } = await host.freeSpace(existing);
  const hint = `Make room on the file system of ${existing}, or move the ${name} folder to another one.`;
  const complaints: Complaint[] = [];
  if (readOnly)
    complaints.push(error(`the file system of the ${name} folder ${path} is read-only`, `Mount ${existing} writable.`));
  if (bytes <= lowBytes)
    complaints.push({
      level: 'warning',
      message: `${Math.floor(bytes / 1e6)} MB are left for the ${name} folder ${path}`,
      hint,
    });
  if (inodes !== null && inodes < LOW_INODES)
    complaints.push({ level: 'warning', message: `${inodes} inodes are left for the ${name} folder ${path}`, hint });
  return complaints;
}

async function canBeMade(host: Host, path: string): Promise<boolean> {
  const parent = (await nearestExisting(host, path)) ?? '/';
  const status = await host.status(parent);
  const { uid, privileged } = await host.account();
  const isWritable = privileged || (status?.uid === uid && (status.mode & 0o200) !== 0);
  return status?.type === 'folder' && isWritable && (await isTrustedFolder(host, parent));
}

function error(message: string, hint: string): Complaint {
  return { level: 'error', message, hint };
}

function octal(mode: number): string {
  return `0${(mode & 0o7777).toString(8).padStart(3, '0')}`;
}

function workerName({ uid }: HostAccount): string {
  return uid === 0 ? 'root' : String(uid);
}
