import type { BackupRecord } from '../../contract/backup-record';
import { NEWER_WROTE_IT } from '../../contract/documents-on-disk';
import { ERROR_CODES } from '../../contract/error-codes';
import type { Complaint } from '../../contract/findings';
import { type SiteLocation, rootsOf } from '../../contract/target';
import type { Stray } from '../catalog/catalog';
import { safeStagingParent } from '../hosts/staging';
import type { Operation } from '../operation';
import { weaknessOf } from '../secrets/weak-password';
import { describeWeakness } from '../sites/adoption';
import { checkSiteFolder } from '../sites/folder-check';
import { describeLoginElsewhere, hintOfLoginElsewhere, loginElsewhere } from '../sites/login-elsewhere';
import { describeOtherDatabases, findOtherDatabases } from '../sites/other-databases';
import { readableByAll } from '../sites/site-files';
import { assertServed } from '../sites/served-root';
import type { SiteAtWork } from '../sites/site-at-work';
import { seenPath } from '../sites/site-folder';
import { tellReach } from '../preflight/accounts';
import type { Journal } from '../tasks/journal';
import { describeKept, keptDatabases } from '../kept/kept-databases';
import { describeKept as describeKeptOf } from '../kept/let-go';
import type { SiteStates } from '../tasks/site-state';
import { shutFor } from '../tasks/maintenance-limit';
import { findShutters } from '../recovery/shut-sites';
import { needsOfBackup } from '../preflight/safety-room';
import { seenSettings } from '../preflight/settings';
import { needsOfDatabase } from '../preflight/database-room';
import { type SpaceNeed, checkSpace } from '../preflight/space';
import { proofOf } from '../web/proof';
import type { FileFault, ProbeAnswer } from '../web/web-server';
import type { ConfiguredSite } from './installation';
import { type Check, complaintOf } from './run-checks';

const OPEN_TASKS: Check<ConfiguredSite> = { check: 'open-tasks', run: checkOpenTasks };

/** Checks of a site that a task runs on. */
export const BUSY_SITE_CHECKS: readonly Check<ConfiguredSite>[] = [OPEN_TASKS];

/** Checks of one site no task runs on. */
export const SITE_CHECKS: readonly Check<ConfiguredSite>[] = [
  { check: 'site-owner', run: checkOwner },
  { check: 'site-adopted', run: checkAdopted },
  { check: 'site-folder', after: ['site-owner'], limitMs: 600_000, run: checkFolder },
  { check: 'site-served', after: ['site-owner'], run: checkServed },
  { check: 'site-staging', after: ['site-owner', 'site-folder'], run: checkStaging },
  { check: 'site-settings', after: ['site-owner', 'site-folder'], run: checkSettings },
  {
    check: 'site-databases',
    after: ['site-owner', 'site-folder', 'site-adopted', 'site-settings'],
    run: checkDatabases,
  },
  { check: 'site-kept', after: ['site-owner', 'site-adopted'], run: checkKept },
  { check: 'site-php', after: ['site-owner'], run: checkPhp },
  { check: 'site-vhost', after: ['site-owner'], run: checkVhost },
  OPEN_TASKS,
  { check: 'maintenance', after: ['site-owner', 'open-tasks'], run: checkMaintenance },
  { check: 'site-answer', after: ['site-owner', 'site-folder', 'site-php', 'site-vhost'], run: checkAnswer },
  { check: 'catalogue', run: checkCatalogue },
];

/** True while a task runs on the site, which then is in no state to be judged. */
export async function isBusy(site: ConfiguredSite): Promise<boolean> {
  // What is wrong with journals, their own check says.
  for (const journal of await site.journals.open(site.uri).catch(() => []))
    if (await site.isRunning(journal.workflowId, journal.runId)) return true;
  return false;
}

async function checkOwner({ uri, resolve }: ConfiguredSite): Promise<readonly Complaint[]> {
  const { location, host } = await resolve();
  const { owner } = location;
  const account = await host.account();
  if (account.privileged || owner.uid === account.uid) return [];
  return [
    {
      level: 'error',
      message: `${uri} belongs to ${owner.user}, and the worker, which is not root, cannot act as another account`,
      hint: `Run the worker as root, or as ${owner.user}.`,
    },
  ];
}

async function checkAdopted({ uri, states }: ConfiguredSite): Promise<readonly Complaint[]> {
  await states.get(uri);
  return [];
}

/** What a backup or restore would stumble over, and whether either would fit. */
async function checkFolder(
  { resolve, master, mirrors, states }: ConfiguredSite,
  operation: Operation,
): Promise<readonly Complaint[]> {
  const site = await resolve();
  const { target, uri, host } = site;
  const { warnings, bytes, folders } = await checkSiteFolder(site.folder, operation);
  const hint = `Declare what belongs to the site by \`paths:\` of ${uri}, or save it by other means.`;
  const complaints = warnings.map((message): Complaint => ({ level: 'warning', message, hint }));
  const database = await databaseNeeds(states, site, operation);
  const needs = [
    ...(await needsOfBackup({ master, host, mirrors }, target, { files: bytes, database: database.bytes })),
    ...folders.map((folder) => ({ place: 'web staging', host, ...folder })),
    ...database.needs,
  ];
  try {
    await checkSpace(needs, uri);
  } catch (error) {
    complaints.push({ ...complaintOf(error), message: `a restore has no room: ${complaintOf(error).message}` });
  }
  return complaints;
}

/** The folder is the one that visitors are served from. */
async function checkServed({ resolve }: ConfiguredSite, operation: Operation): Promise<readonly Complaint[]> {
  const { location, host, webServer: web } = await resolve();
  if (location.vhost !== 'include') return [];
  // Where the web server's configuration cannot be read, its own check says so.
  const readable = {
    name: web.name,
    documentRoots: (...asked: Parameters<typeof web.documentRoots>) => web.documentRoots(...asked).catch(() => []),
  };
  await assertServed(host, readable, location, operation);
  return [];
}

/** Nothing where the server cannot be asked: its own checks say why. */
async function databaseNeeds(
  states: SiteStates,
  { uri, databaseServer }: SiteAtWork,
  operation: Operation,
): Promise<{ bytes: number; needs: readonly SpaceNeed[] }> {
  try {
    const state = await states.get(uri);
    const server = await databaseServer();
    const { bytes, tables } = await server.describe(state.current.database);
    return { bytes, needs: await needsOfDatabase(server, { bytes, tables: tables.length }, operation) };
  } catch {
    return { bytes: 0, needs: [] };
  }
}

async function checkStaging({ resolve }: ConfiguredSite): Promise<readonly Complaint[]> {
  const { location, host } = await resolve();
  for (const { path } of rootsOf(location)) await safeStagingParent(host, path);
  return [];
}

/** They can be read and given another login, name the database Kedge knows, and log the site in; no other file has the login. */
async function checkSettings({ resolve, states }: ConfiguredSite, operation: Operation): Promise<readonly Complaint[]> {
  const site = await resolve();
  const { uri, location, host, folder, kind, databaseServer } = site;
  const known = (await states.find(uri).catch(() => undefined))?.current.database;
  const { settings, refusals, otherDatabase } = await seenSettings(site, known, operation);
  const complaints: Complaint[] = refusals.map(complaintOf);
  const elsewhere = await loginElsewhere(folder, kind, settings, operation);
  if (elsewhere.length > 0)
    complaints.push({
      level: 'warning',
      message: describeLoginElsewhere(uri, elsewhere),
      hint: hintOfLoginElsewhere(uri),
    });
  if (otherDatabase !== null) {
    complaints.push({
      level: 'error',
      message: `the settings of ${uri} name the database ${otherDatabase}, Kedge knows ${known}`,
      hint: `When the settings are right, run \`kedge sites adopt ${uri}\`; else correct them.`,
    });
  }
  const path = kind.settingsFile(location);
  if (await readableByAll({ folder, path }, operation)) {
    complaints.push({
      level: 'warning',
      message: `every account of ${host.name} may read ${path} of ${uri}, password included`,
      hint: `Run \`chmod o-r ${seenPath(folder, path)}\`.`,
    });
  }
  const weakness = weaknessOf(settings.password);
  if (weakness !== null) {
    complaints.push({
      level: 'warning',
      message: describeWeakness(uri, weakness),
      hint: `Give its account a long random password, in its settings too, then run \`kedge sites adopt ${uri}\`.`,
    });
  }
  const server = await databaseServer().catch(() => null);
  const answers = await server?.facts().catch(() => null);
  if (!server || !answers) return complaints;
  const refused = await server.proveLogin(settings, host, operation).then(
    () => null,
    (error: unknown) => complaintOf(error),
  );
  return refused ? [...complaints, refused] : complaints;
}

/** A site may use more databases than the one that backups hold. */
async function checkDatabases(
  { resolve, states }: ConfiguredSite,
  operation: Operation,
): Promise<readonly Complaint[]> {
  const { uri, folder, kind, databaseServer } = await resolve();
  const { current } = await states.get(uri);
  const server = await databaseServer();
  // Where the server does not answer, its own checks say so.
  if ((await server.facts().catch(() => null)) === null) return [];
  const reach = await tellReach(server, current);
  const complaints: Complaint[] =
    reach === null
      ? []
      : [
          {
            level: 'warning',
            message: reach,
            hint: `Give ${current.account.user} privileges on ${current.database} alone: REVOKE ALL PRIVILEGES ON *.*, then GRANT on the database.`,
          },
        ];
  const known = { folder, kind, server, current };
  const message = describeOtherDatabases(
    uri,
    current.database,
    server.name,
    await findOtherDatabases(known, operation),
  );
  if (message === null) return complaints;
  const hint = `Save the others by other means, or take from ${current.account.user} what ${uri} does not need.`;
  return [...complaints, { level: 'warning', message, hint }];
}

/** Databases that restores replaced and Kedge had not made, and the originals of what safety backups do not hold. */
async function checkKept(site: ConfiguredSite): Promise<readonly Complaint[]> {
  const originals = (await site.catalog.list(site.uri)).backups.filter(({ kept }) => kept !== undefined);
  return [...(await keptByState(site)), ...originals.map((record) => keptByBackup(site.uri, record))];
}

function keptByBackup(uri: string, record: BackupRecord): Complaint {
  return {
    level: 'note',
    message: `the safety backup ${record.id} does not hold all that ${uri} had; kept for it: ${describeKeptOf(record).join('; ')}`,
    hint: `When nobody needs it any more, run \`kedge sites let-go ${uri} ${record.id}\`, which asks before it removes it.`,
  };
}

async function keptByState(site: ConfiguredSite): Promise<readonly Complaint[]> {
  const state = await site.states.find(site.uri);
  if (state === undefined || state.kept.length === 0) return [];
  const server = await (await site.resolve()).databaseServer();
  // Where the server does not answer, its own checks say so.
  if ((await server.facts().catch(() => null)) === null) return [];
  const kept = await keptDatabases(state, server);
  return kept.map((one) => ({
    level: 'note',
    message: `a restore of ${site.uri} replaced the database ${describeKept(one, new Date())}; it is kept`,
    hint: `When nobody needs it any more, run \`kedge sites let-go ${site.uri}\`, which asks before it drops it.`,
  }));
}

async function checkPhp({ uri, resolve }: ConfiguredSite, operation: Operation): Promise<readonly Complaint[]> {
  const { location, webServer } = await resolve();
  if (await webServer.phpListens(location, operation))
    return location.phpSocket.startsWith('/') ? [] : [openPort(location)];
  return [
    {
      level: 'error',
      message: `PHP of ${uri} does not listen at ${location.phpSocket}`,
      hint: `Start PHP-FPM, or correct \`php.socket\` of ${uri} in the configuration.`,
    },
  ];
}

/** The owner of a port is checked whenever PHP is asked; who asks it FPM cannot know. */
function openPort({ uri, phpSocket, owner }: SiteLocation): Complaint {
  return {
    level: 'note',
    message: `PHP of ${uri} listens at ${phpSocket}, where every account of the machine, other sites too, may have it run files as ${owner.user}`,
    hint: 'Have its pool listen at a socket, with `listen.owner` and `listen.group` of the web server and `listen.mode = 0660`; then name that by `php.socket`.',
  };
}

/** The files are what the vhost mode asks for, and what runs shows the maintenance page. */
async function checkVhost({ resolve }: ConfiguredSite, operation: Operation): Promise<readonly Complaint[]> {
  const { uri, location, webServer: web } = await resolve();
  const complaints = (await web.faultsOfFiles(location)).map((fault) => complaintOfFile(uri, fault));
  if (complaints.some(({ level }) => level === 'error')) return complaints;
  try {
    await web.proveMaintenance(location, operation);
  } catch (error) {
    // A snippet of another configuration answers another stamp.
    if (complaints.length === 0) complaints.push(complaintOf(error));
  }
  return complaints;
}

function complaintOfFile(uri: string, { file, fault }: FileFault): Complaint {
  const what = `${file === 'vhost' ? 'managed vhost' : file} of ${uri}`;
  const verify = `Run \`kedge verify ${uri}\`, which`;
  switch (fault) {
    case 'missing':
      return {
        level: 'error',
        message: `the ${what} is not written`,
        hint: `Run \`kedge sites adopt ${uri}\`, or \`kedge verify ${uri}\`: each writes it.`,
      };
    case 'edited by hand':
    case 'written by somebody else':
      return {
        level: 'error',
        message: `the ${what} was ${fault === 'edited by hand' ? fault : 'not written by Kedge'}`,
        hint: `Keep what you changed elsewhere, remove the ${file}, then run \`kedge verify ${uri}\`.`,
      };
    case 'outdated':
      return {
        level: 'warning',
        message: `the ${what} is not what the configuration asks for now`,
        hint: `${verify} writes it.`,
      };
    case 'left from another mode':
      return { level: 'warning', message: `a ${what} is left from another vhost mode`, hint: `${verify} removes it.` };
  }
}

async function checkOpenTasks({ uri, journals, isRunning }: ConfiguredSite): Promise<readonly Complaint[]> {
  const complaints: Complaint[] = [];
  for (const journal of await journals.open(uri)) {
    const { task, workflowId, runId } = journal;
    complaints.push(...complaintsOfLimit(journal));
    const running = await isRunning(workflowId, runId);
    if (running === false)
      complaints.push({
        level: 'error',
        message: `${task} was left open by a workflow that is no more`,
        hint: `Restart the worker, or run \`kedge verify ${uri}\`: both undo it first.`,
      });
    if (running === null)
      complaints.push({
        level: 'warning',
        message: `${task} is open, and Temporal cannot be asked whether it still runs`,
        hint: 'Bring Temporal back: the task goes on then, or is undone.',
      });
  }
  return complaints;
}

/** A task that keeps its site shut for longer than it may is held by something. */
function complaintsOfLimit(journal: Journal): Complaint[] {
  const { site, task, givenBack, maintenance } = journal;
  if ((shutFor(journal) ?? 0) >= 0) return [];
  const abandon = `See what holds it by \`kedge log ${task}\`; \`kedge abandon ${task}\` gives it up.`;
  if (givenBack !== null)
    return [
      {
        level: 'warning',
        message: `${site} was given back to its visitors at ${givenBack}, and ${task}, which may only undo since, has not ended`,
        hint: abandon,
      },
    ];
  return [
    {
      level: 'error',
      message: `${task} keeps ${site} from its visitors although it was to be open by ${maintenance?.deadline}`,
      hint: `A worker that runs opens it two minutes past that; \`kedge sites online ${site}\` does so now. ${abandon}`,
    },
  ];
}

/** What shuts the site although no task is open. */
async function checkMaintenance(
  { uri, resolve, journals, states }: ConfiguredSite,
  operation: Operation,
): Promise<readonly Complaint[]> {
  const site = await resolve();
  if ((await journals.open(uri)).length > 0) return [];
  const server = await site.databaseServer().catch(() => null);
  const answers = (await server?.facts().catch(() => null)) ?? null;
  const found = (await findShutters({ journals, states }, site, operation)).filter(
    // Where the server does not answer, its own checks say so.
    ({ part, unseen }) => answers !== null || part !== 'account' || unseen !== true,
  );
  return found.map(({ what, hint }) => ({
    level: 'warning',
    message: `${uri} is shut to its visitors, and no task is open: ${what}`,
    hint,
  }));
}

/** A visitor is answered, if only by the maintenance page. */
async function checkAnswer({ resolve }: ConfiguredSite, operation: Operation): Promise<readonly Complaint[]> {
  const { uri, location, webServer: web } = await resolve();
  if (location.vhost === 'none') return [];
  const answer = await web.request(location, location.healthPath, operation);
  if (await web.maintenanceIsOn(uri)) return [];
  const { mark, advice } = await proofOf(web, location, answer, operation);
  const { status } = mark;
  if (status < 500 && advice === null && isRefused(answer))
    return [
      {
        level: 'warning',
        message: `visitors of ${uri} are answered ${answer.status} at ${location.healthPath}, though its application works`,
        hint: `See what the web server refuses there: its rules, and whether it may read the files. Else set \`healthPath\` of ${uri} to a page that every visitor gets.`,
      },
    ];
  if (status < 500)
    return advice === null
      ? []
      : [
          {
            level: 'warning',
            message: advice,
            hint: `Until then probes of ${uri} may not tell a site that works from one that does not.`,
          },
        ];
  return [
    {
      level: 'warning',
      message: `${uri} answers ${status} at ${location.healthPath}`,
      hint: 'Look at the error log of the web server and of PHP.',
    },
  ];
}

/** A password at the door is meant; that whoever comes is told of no page, or of no right to it, is not. */
function isRefused({ status }: ProbeAnswer): boolean {
  return status >= 400 && status < 500 && status !== 401;
}

async function checkCatalogue({ uri, catalog }: ConfiguredSite): Promise<readonly Complaint[]> {
  const { strays } = await catalog.list(uri);
  return strays.map(complaintAbout);
}

function complaintAbout({ file, problem }: Stray): Complaint {
  const message = `${file}: ${problem}`;
  if (problem === 'foreign file')
    return { level: 'warning', message, hint: 'Move it out of the backups folder, which is the catalogue.' };
  if (problem === 'archive without record')
    return { level: 'warning', message, hint: 'It is no backup that was finished: move it away or delete it.' };
  if (problem === 'record without archive')
    return { level: 'error', message, hint: 'Bring the archive back from a copy, or delete the record.' };
  if (problem.endsWith(NEWER_WROTE_IT)) return { level: 'warning', message, hint: ERROR_CODES.NewerVersion.hint };
  return {
    level: 'error',
    message,
    hint: 'Bring the record back from a copy, or move it and its archive away: it cannot be restored as it is.',
  };
}
