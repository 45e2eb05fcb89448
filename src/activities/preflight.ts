import { dirname } from 'node:path';
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import type { ContentMark, PackedRecord } from '../contract/backup-record';
import { KedgeError } from '../contract/errors';
import { DEFAULT_DESCRIPTION, type TaskType, siteWorkflowId } from '../contract/names';
import { TASK_INPUT_SCHEMAS, deployInputSchema, restoreInputSchema } from '../contract/tasks';
import { siteUriSchema, type Target } from '../contract/target';
import type { Inspection } from '../core/archive/archive';
import { checkImportable, checkRestorable } from '../core/archive/restorable';
import type { ServerFacts } from '../core/databases/database-server';
import { assertTrustedFile } from '../core/hosts/trusted-path';
import type { Operation } from '../core/operation';
import { checkSiteFolder } from '../core/sites/folder-check';
import type { Journal } from '../core/tasks/journal';
import { type SpaceNeed, checkSpace } from '../core/tasks/space';
import type { ActivityDependencies } from './dependencies';
import { type Reported, reported } from './step';

export interface PreflightRequest {
  type: TaskType;
  /** Id the task has, or is to have. */
  task: string;
  /** The workflow's input as it came; decoded here. */
  input: unknown;
}

/** What later decisions of the workflow rest on. */
export interface PreflightResult {
  site: string;
  description: string;
  attentionAfterMs: number;
  /** Id of the backup that a restore goes back to or a deploy unpacks. */
  backup: string | null;
}

/** Activities that come before a task does anything. */
export function createPreflightActivities(deps: ActivityDependencies) {
  return {
    /**
     * Tasks of the site that were begun and never closed, and whose run is no more: their undo comes first.
     * @throws KedgeError SiteBusy when the run still lives
     */
    async findAbandonedTasks(request: { site: unknown }): Promise<string[]> {
      const site = decodeInput(siteUriSchema, request.site);
      const mine = Context.current().info.workflowExecution?.runId;
      const abandoned: string[] = [];
      for (const journal of await deps.journals.open(site)) {
        if (journal.runId === mine) continue;
        if (await deps.isRunning(journal.workflowId, journal.runId)) {
          throw new KedgeError(
            'SiteBusy',
            `${site} is busy: ${journal.task} by ${journal.who} since ${journal.started}`,
            { site },
          );
        }
        abandoned.push(journal.task);
      }
      return abandoned;
    },

    /**
     * Decodes the input, begins the journal, resolves the target, and looks at everything that can be known to go wrong
     * before anything is changed. The target is kept in the journal.
     */
    async preflight(request: PreflightRequest): Promise<Reported<PreflightResult>> {
      const { info, cancellationSignal } = Context.current();
      const execution = info.workflowExecution;
      const input = decodeInput(TASK_INPUT_SCHEMAS[request.type], request.input);
      if (execution?.workflowId !== siteWorkflowId(input.site)) {
        throw new KedgeError(
          'WorkflowIdRefused',
          `a ${request.type} of ${input.site} was started as ${execution?.workflowId}, not as ${siteWorkflowId(input.site)}`,
          { site: input.site },
        );
      }
      // Before the journal: an unknown site gets none.
      const target = await deps.resolveTarget(input.site);
      const description =
        'description' in input && typeof input.description === 'string' ? input.description : undefined;
      const begun = await deps.journals.begin({
        task: request.task,
        site: input.site,
        type: request.type,
        who: input.who ?? 'unknown',
        description: description ?? null,
        requestKey: input.requestKey ?? null,
        workflowId: execution.workflowId,
        runId: execution.runId,
        epoch: await deps.epochs.current(input.site),
      });
      const ref = { task: request.task };
      const attempt = { name: 'preflight', mark: `${begun.token}/preflight`, revokes: 'step' } as const;
      return reported(deps, ref, attempt, cancellationSignal, async (operation) => {
        const record = (change: Partial<Journal>): Promise<Journal> =>
          deps.journals.record(request.task, execution.runId, change);
        const needs: SpaceNeed[] = [];
        if (request.type === 'deploy') {
          const { archive } = decodeInput(deployInputSchema, request.input);
          await record({ target });
          await checkNewSite(deps, target, operation);
          const checked = await checkArchive(deps, target, archive, operation);
          needs.push(...checked.needs);
          await record({ source: checked.source });
        } else {
          const state = await deps.states.get(input.site);
          const journal = await record({ target, before: state.current });
          needs.push(...(await checkSite(deps, target, journal, operation)));
          await record({ contentMark: await contentMarkOf(deps, target, operation) });
        }
        if (request.type === 'restore') {
          const { backup } = decodeInput(restoreInputSchema, request.input);
          const checked = await checkBackup(deps, target, backup, operation);
          needs.push(...checked.needs);
          await record({ source: checked.source });
        }
        await checkSpace(deps.master, needs, target.site.uri);
        return {
          site: input.site,
          description: description ?? DEFAULT_DESCRIPTION,
          attentionAfterMs: deps.attentionAfterMs,
          backup: (await deps.journals.get(request.task)).source?.id ?? null,
        };
      });
    },
  };
}

/** Looks at the live site, and says what a backup of it needs. */
async function checkSite(
  deps: ActivityDependencies,
  target: Target,
  journal: Journal,
  operation: Operation,
): Promise<SpaceNeed[]> {
  const { site } = target;
  const folder = { host: deps.webHost(target), path: site.root, site };
  const content = await checkSiteFolder(folder, operation);
  for (const warning of content.warnings) operation.log.warn(warning);
  const database = await deps.databaseServer(target.database);
  const current = journal.before;
  if (!current) throw new KedgeError('SiteNotAdopted', `the database of ${site.uri} is not known`, { site: site.uri });
  const facts = await database.describe(current.database);
  if (site.vhost !== 'none') await deps.webServer(target.web).test(operation);
  await warnAboutOtherDatabase(deps, target, current.database, operation);
  return [
    { place: 'backups', path: target.backups, bytes: content.bytes + facts.bytes },
    { place: 'spool', path: target.spool, bytes: facts.bytes },
  ];
}

/** What a visitor sees now; null when the site is broken or behind its maintenance page. */
async function contentMarkOf(
  deps: ActivityDependencies,
  target: Target,
  operation: Operation,
): Promise<ContentMark | null> {
  if (target.site.vhost === 'none') return null;
  try {
    const { mark } = await deps.webServer(target.web).request(target.site, target.site.healthPath, operation);
    return mark.status < 400 ? mark : null;
  } catch (error) {
    operation.signal.throwIfAborted();
    operation.log.warn(`${target.site.uri} does not answer: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

/** A site whose settings name another database than Kedge knows would be backed up with the wrong one. */
async function warnAboutOtherDatabase(
  deps: ActivityDependencies,
  target: Target,
  known: string,
  operation: Operation,
): Promise<void> {
  const { site } = target;
  const settings = await deps
    .kindOf(target)
    .readSettings({ host: deps.webHost(target), path: site.root, site }, operation)
    .catch((error: unknown) => {
      operation.signal.throwIfAborted();
      operation.log.warn(
        `the settings of ${site.uri} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
      return null;
    });
  if (settings && settings.database !== known) {
    throw new KedgeError(
      'AdoptionRefused',
      `the settings of ${site.uri} name the database ${settings.database}, Kedge knows ${known}`,
      {
        site: site.uri,
        hint: `Run \`kedge sites adopt ${site.uri}\` when the settings are right.`,
        state: 'the site is unchanged',
      },
    );
  }
}

/** A backup as it was checked, and the room it needs. */
interface CheckedSource {
  source: NonNullable<Journal['source']>;
  needs: SpaceNeed[];
}

/** Checks the backup a restore goes back to: whole, what its record says, and something this server can import. */
async function checkBackup(
  deps: ActivityDependencies,
  target: Target,
  id: string,
  operation: Operation,
): Promise<CheckedSource> {
  const record = await deps.catalog.get(target.site.uri, id);
  const path = deps.catalog.pathOf(record);
  await assertTrustedFile(deps.master, path);
  const inspection = await deps.archives.inspect(path, operation);
  const database = await deps.databaseServer(target.database);
  const facts = await database.facts();
  checkRestorable(record, inspection, facts, target.site);
  return checkedSource(target, record, path, inspection, facts, operation);
}

/** Checks an archive that a site is deployed from: one that Kedge packed, of this site, and importable here. */
async function checkArchive(
  deps: ActivityDependencies,
  target: Target,
  path: string,
  operation: Operation,
): Promise<CheckedSource> {
  const context = { site: target.site.uri, state: 'nothing was changed' };
  await assertTrustedFile(deps.master, path);
  const inspection = await deps.archives.inspect(path, operation);
  const { record } = inspection;
  if (!record) throw new KedgeError('ArchiveInvalid', `${path} was not packed by Kedge: it holds no record`, context);
  if (record.site !== target.site.uri) {
    throw new KedgeError('ArchiveRefused', `${path} is a backup of ${record.site}, not of ${target.site.uri}`, {
      ...context,
      hint: 'Deploy it under the URI it was made of.',
    });
  }
  const facts = await (await deps.databaseServer(target.database)).facts();
  checkImportable(record, inspection, facts, target.site);
  return checkedSource(target, record, path, inspection, facts, operation);
}

function checkedSource(
  target: Target,
  record: PackedRecord,
  path: string,
  inspection: Inspection,
  facts: ServerFacts,
  operation: Operation,
): CheckedSource {
  for (const link of inspection.leavingLinks)
    operation.log.warn(`a link of the backup leads out of the site folder: ${link}`);
  const dumpBytes = inspection.dump?.bytes ?? 0;
  const { charset, collation } = record.database;
  return {
    source: { id: record.id, path, sha256: inspection.sha256, charset, collation, contentMark: record.contentMark },
    needs: [
      { place: 'web staging', path: target.site.root, bytes: inspection.contentBytes },
      { place: 'spool', path: target.spool, bytes: dumpBytes },
      { place: 'database server', path: facts.dataFolder, bytes: dumpBytes },
      ...(facts.binaryLogFolder === null
        ? []
        : [{ place: 'binary log', path: facts.binaryLogFolder, bytes: dumpBytes }]),
    ],
  };
}

/** A site is deployed where there is none: neither files nor a database that would be lost. */
async function checkNewSite(deps: ActivityDependencies, target: Target, operation: Operation): Promise<void> {
  const { uri, root, vhost } = target.site;
  const host = deps.webHost(target);
  const exists = (what: string): KedgeError =>
    new KedgeError('SiteFolderRefused', `${uri} exists already: ${what}`, {
      site: uri,
      state: 'the site is unchanged',
      hint: 'To go back to a backup use `kedge restore`; to deploy anew move folder and database of the site away first.',
    });
  const status = await host.status(root);
  if (status && (status.type !== 'folder' || (await host.list(root)).length > 0)) throw exists(root);
  if ((await host.status(dirname(root)))?.type !== 'folder') {
    throw new KedgeError('SiteFolderRefused', `the folder above ${root} on ${host.name} does not exist`, {
      site: uri,
      server: host.name,
      state: 'nothing was changed',
      hint: `Make ${dirname(root)}, owned by root.`,
    });
  }
  const state = await deps.states.find(uri);
  const server = await deps.databaseServer(target.database);
  if (state && (await server.databaseExists(state.current.database)))
    throw exists(`its database ${state.current.database}`);
  if (vhost !== 'none') await deps.webServer(target.web).test(operation);
}

/** Decodes what a workflow was given. @throws KedgeError InputInvalid */
export function decodeInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const decoded = schema.safeParse(input);
  if (decoded.success) return decoded.data;
  throw new KedgeError(
    'InputInvalid',
    `the input is not valid: ${z.prettifyError(decoded.error).replaceAll('\n', '; ')}`,
  );
}
