/**
 * The one table of error codes. A permanent error is not retried by a forward step; undo retries everything.
 * `docs/errors.md` and the exit codes are tested against this table. Free of zod: workflow code imports it.
 */
interface ErrorCodeEntry {
  /** No later attempt can succeed without somebody changing something. */
  readonly permanent: boolean;
  /** Exit code of a command that ends with this error (design: section Commands). */
  readonly exit: number;
  /** What it means, for docs/errors.md. */
  readonly meaning: string;
  /** What an operator does, when the error itself brings no better hint. */
  readonly hint: string;
}

function permanent(meaning: string, hint: string, exit = 1): ErrorCodeEntry {
  return { permanent: true, exit, meaning, hint };
}

function passing(meaning: string, hint: string, exit = 1): ErrorCodeEntry {
  return { permanent: false, exit, meaning, hint };
}

export const ERROR_CODES = {
  // usage and configuration
  UsageInvalid: permanent('the command line is not understood', 'See `kedge --help`.', 2),
  ConfigurationInvalid: permanent(
    'the configuration cannot be used',
    'Correct the named line, then run `kedge config check`.',
    2,
  ),
  ConfigurationChanged: permanent(
    'the configuration names another master, or another state folder, than the worker was started with',
    'Start the worker again: tasks of before end with what they began with, and new ones go by the file.',
    2,
  ),
  SecretUnavailable: permanent(
    'a referenced secret cannot be read',
    'Check the file or environment variable the reference names.',
    2,
  ),
  InputInvalid: permanent(
    'the input of a workflow is not valid',
    'Start tasks by `kedge` or by KedgeClient, which build valid inputs.',
    2,
  ),
  // what was asked for does not exist, or not now
  SiteUnknown: permanent('no such site in the configuration', 'See `kedge sites`.', 10),
  ServerUnknown: permanent('no such server in the configuration', 'See `kedge servers`.', 10),
  BackupUnknown: permanent('no such backup in the catalogue', 'See `kedge backups <site>`.', 10),
  TaskUnknown: permanent('no such task', 'See `kedge tasks`.', 10),
  SiteBusy: permanent('another task runs on the site', 'Wait for it, or submit with --wait-turn.', 11),
  TemporalUnreachable: passing(
    'the Temporal service does not answer',
    'Check TEMPORAL_ADDRESS and the service; `kedge doctor` says more.',
    12,
  ),
  NoWorker: passing('no worker took the task', 'Start one with `kedge worker` on the master.', 13),
  WorkerVersionRefused: permanent(
    'Temporal does not give the tasks of the master to the version of the worker that starts',
    'Read why in the message; `worker: { versioning: false }` in the configuration goes without versions.',
  ),
  // who may ask
  RequestUnsigned: permanent(
    'a request that has to be signed is not',
    "Ask by `kedge` as the worker's user, or sign it: docs/signed-requests.md.",
  ),
  SignatureInvalid: permanent(
    'the signature of a request does not belong to it: another key, or something was changed since',
    'Sign it with the key of this master, and send it as it was signed.',
  ),
  RequestExpired: permanent(
    'a signed request was submitted too late, or is valid for too long',
    'Ask again; look whether the clocks of both machines are right.',
  ),
  RequestReplayed: permanent(
    'a signed request was used before, or given up',
    'Sign it anew when it is to be done once more. If nobody asked twice, look who reaches Temporal.',
  ),
  // the task itself
  Cancelled: permanent('the task was cancelled', 'Nothing to do: the site is as it was before.', 130),
  WorkflowIdRefused: permanent(
    'a task was started under an ID that is not the lock of its site',
    'Start `request` under any ID, the task itself under site/<uri>, or use KedgeClient.',
  ),
  TaskWasReset: permanent(
    'the workflow was reset: its journal belongs to an earlier run',
    'Start the task anew; what the earlier run made was undone.',
  ),
  StepRefused: permanent(
    'a step of a task was called that is not its next one by the journal',
    'Look who else reaches Temporal: Kedge itself never asks for it. Start the task anew.',
  ),
  TaskSuperseded: permanent('the site was taken over since the task began', 'Start the task anew.'),
  StepInterrupted: permanent(
    'a step was ended from outside as often as it is tried: paused or reset in Temporal, or with its worker',
    'Start the task anew.',
  ),
  LeaseAwaited: passing(
    'other heavy tasks come first',
    'Wait for them, or raise `limits` in the configuration if the master can do more at one time.',
  ),
  TaskTerminated: permanent('the workflow was terminated', 'Recovery puts the site back; start the task anew.'),
  MaintenanceLimitReached: permanent(
    'the site was in maintenance for as long as the task may keep it there',
    'Find what was slow in `kedge log`, or raise maintenanceLimit for the site.',
  ),
  Internal: permanent(
    'an unexpected error, most likely a mistake in Kedge',
    'Report it with the output of `kedge log`.',
  ),
  NoticeUndelivered: passing(
    'a receiver of `notify` did not take a notice',
    'Look at what it answered, then run `kedge notify test`.',
  ),
  // hosts and programs
  HostUnreachable: passing('a server cannot be reached', 'Check the server and its network.'),
  HostKeyRefused: permanent(
    'a server shows another key than the one its master knows, or none is known, or it is revoked',
    'Find out why, at the server itself; then run `kedge servers trust`.',
  ),
  HostLoginRefused: permanent(
    'a server refuses the login of its master by SSH',
    'Look at authorized_keys of the account on the server, and at the identity file or the agent on the master.',
  ),
  HostProgramUnfit: permanent(
    'the program `kedge-host` on a server is missing, of another version, or does not keep to its protocol',
    'Put the `kedge-host` of this Kedge on the server: `kedge servers prepare`.',
  ),
  HostRefused: permanent(
    'the rules of a server do not let its master do what was asked for',
    'Look at /etc/kedge/host.yaml on the server: it has to name what the configuration of the master does.',
  ),
  ProgramMissing: permanent('a program Kedge needs is not installed', 'Install the named program on the named server.'),
  ProgramFailed: permanent('a program ended with an error', 'Read its message above.'),
  ProgramTimedOut: passing('a program did not end in its time', 'Look at the load of the server.'),
  ProgramLimitReached: permanent(
    'a program reached a limit on its memory, processes, time, output or temporary files',
    'Look at what it worked on: the named site, or the named file.',
  ),
  ProgramKilled: passing(
    'a program was ended from outside, by a kernel short of memory or by somebody',
    'Look at the memory of the server (`journalctl -k`). Three attempts are made.',
  ),
  ProgramKilledAgain: permanent(
    'a program was ended from outside at each of three attempts',
    'Give the server more memory, or find out who ends the program; then try again.',
  ),
  SandboxUnavailable: permanent(
    'programs cannot be confined on this server',
    'Install bubblewrap; in a container allow user namespaces.',
  ),
  DiskFull: permanent(
    'a disk is full, out of inodes or read-only, or a quota is reached',
    'Make room on the named file system, or mount it writable.',
  ),
  FileRefused: permanent('a file or folder cannot be used as it is', 'Correct what the message names.'),
  OwnerRefused: permanent(
    'owner or mode of a file would let somebody else in',
    'Correct owner and mode of the named path.',
  ),
  StateInvalid: permanent(
    'a file under the state folder cannot be read',
    'Restore it from a copy, or move it away and run `kedge sites adopt`.',
  ),
  NewerVersion: passing(
    'a newer Kedge wrote a file that this one cannot read',
    'Run the Kedge that wrote it, or a later one: this one leaves the file and its site alone.',
  ),
  // databases
  DatabaseUnreachable: passing(
    'the database server does not answer',
    'Start it, or check address and socket in the configuration.',
  ),
  DatabaseAccessDenied: permanent(
    'the database server refused the login',
    'Check account and password; for a site run `kedge sites adopt`.',
  ),
  DatabaseRefused: permanent(
    'the database server refused a statement',
    'Read its message; the admin account may lack a privilege.',
  ),
  DatabaseUnknown: permanent('the database does not exist', 'Check the settings of the site.'),
  AccountShared: permanent(
    'the database account of the site is used elsewhere too, so its writes cannot be fenced',
    'Give the site an account of its own, or use --no-fence.',
  ),
  DefinitionsChanged: passing(
    'tables of a site were made, dropped or altered while its dump was written',
    'Nothing has to be done: the dump begins anew. Let jobs that rebuild tables rest where it goes on.',
  ),
  RootNotServed: permanent(
    'the web server serves another folder than the `root` of the site',
    'Set `root` of the site to the folder that is served, or to the link that leads to it.',
  ),
  LoginElsewhere: permanent(
    'files of the site besides its settings hold the login to the database, which a restore changes',
    'Name them under `furtherSettings:` of the site, or restore with --yes.',
  ),
  TableUnreadable: permanent(
    'the database server cannot read tables of the site',
    'Repair them (`REPAIR TABLE`), or restore a backup: a restore keeps aside what it cannot save.',
  ),
  DumpInvalid: permanent('a dump is empty or incomplete', 'Choose another backup.'),
  DumpIncompatible: permanent(
    'the database server cannot import the dump',
    'Restore it on a server that knows what the message names.',
  ),
  ImportFailed: permanent(
    'the dump could not be imported',
    'Read the message of the database server; the site is unchanged.',
  ),
  ImportStalled: permanent(
    'the database server took nothing more of a dump for ten minutes',
    'Look at the statement that the message names.',
  ),
  // archives and the catalogue
  ArchiveInvalid: permanent('an archive is empty, cut short or corrupt', 'Choose another backup.'),
  ArchiveRefused: permanent(
    'an archive holds something that no site backup holds',
    'Do not restore it. The message names the member.',
  ),
  BackupDamaged: permanent('a backup does not match its record', 'Choose another backup; look at the disk.'),
  PathsDiffer: permanent(
    'a backup does not hold the declared paths that the configuration names',
    'Let `paths:` of the site name what the backup holds, then try again.',
  ),
  RecordInvalid: permanent('the record of a backup cannot be read', 'Choose another backup.'),
  // sites
  SiteNotAdopted: permanent('Kedge does not know the database of the site yet', 'Run `kedge sites adopt <site>`.'),
  AdoptionRefused: permanent(
    'the site cannot be adopted as it is',
    'Correct what the message names, then adopt it again.',
  ),
  SiteFolderRefused: permanent(
    'the site folder, or a declared path, cannot be restored as it is laid out',
    'Correct what the message names.',
  ),
  SettingsInvalid: permanent('the settings of the site cannot be read or rewritten', 'Correct the named file.'),
  HookFailed: permanent(
    'a hook of the site failed',
    'Read its message; run the program by hand as the owner of the site.',
  ),
  // web
  VhostTestFailed: permanent(
    'the web server refuses its configuration',
    'Run its configuration test, correct what it names.',
  ),
  VhostEdited: permanent(
    'a managed vhost or a snippet was edited by hand',
    'Move the edits to a file of `vhostInclude` or `vhostTemplate`, then remove the named file and run `kedge verify <site>`.',
  ),
  VhostUnfit: permanent(
    "server blocks that are not Kedge's do not do what the site's vhost mode asks of them",
    'Correct what the message names, reload the web server, then run `kedge sites adopt <site>`.',
  ),
  MaintenanceFailed: passing(
    'the maintenance page does not show, or does not go away',
    'Run `kedge verify <site>`; is the vhost loaded?',
  ),
  ProbeFailed: passing('the site does not answer as it should', 'Look at the error log of the web server and of PHP.'),
  AnswerWrong: permanent(
    'the site answers as it should not, in the same way again and again',
    'Look at the error log of the web server and of PHP; a restore that failed so may need another backup.',
  ),
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** True for a string that is a code of the table. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}

/** Codes that no later attempt can mend: Temporal's `nonRetryableErrorTypes` of forward steps. */
export const PERMANENT_ERROR_CODES: ErrorCode[] = (Object.keys(ERROR_CODES) as ErrorCode[]).filter(
  (code) => ERROR_CODES[code].permanent,
);
