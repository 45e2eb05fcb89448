import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { backupIdSchema, contentMarkSchema } from '../../contract/backup-record';
import { type DocumentKind, type Raw, withDefaults } from '../../contract/documents-on-disk';
import { WORKFLOW_TYPES } from '../../contract/names';
import { TARGET, siteUriSchema, targetSchema } from '../../contract/target';
import { compressionSchema } from '../../contract/tasks';
import { bootMomentSchema } from '../clock';
import { siteDatabaseSchema } from './site-state';
import { workerProcessSchema } from './worker-process';

const instant = z.iso.datetime();
const accountSchema = z.strictObject({ user: z.string(), hosts: z.array(z.string()) });

/**
 * The journal of one task: what it means to do, written before it is done, and what undo needs to take it back. It
 * outlives workers and Temporal's history: undo and recovery read nothing else.
 */
export const journalSchema = z.strictObject({
  version: z.literal(5),
  task: z.string(),
  site: siteUriSchema,
  type: z.enum(WORKFLOW_TYPES),
  who: z.string(),
  description: z.string().nullable(),
  requestKey: z.string().nullable(),
  /** Of the signed request that the task is; null when none was needed. */
  nonce: z.string().nullable(),
  /** Stands in the name of everything the task makes, which others can see. */
  token: z.string().regex(/^[a-z0-9]{10}$/),
  /** Known to nobody else: its processes are found by it. Null in journals of before, whose processes carry the token. */
  mark: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .nullable(),
  workflowId: z.string(),
  /** The run that may act. A reset gives a workflow a new run id: then only undo remains. */
  runId: z.string(),
  /** The site's epoch when the task began: an older task may only undo. */
  epoch: z.int(),
  started: instant,
  target: targetSchema.nullable(),
  /** What a visitor saw when the task began; null when the site was broken. */
  contentMark: contentMarkSchema.nullable(),
  /** Status that visitors were answered then; absent in journals of before it was kept. */
  answered: z.int().nullable().optional(),
  /** What a backup of the site does not hold, as preflight found: a sentence each. */
  notBackedUp: z.array(z.string()),
  /** What steps that make a backup warned of, by their names: its record says it too. */
  warned: z.record(z.string(), z.array(z.string())),
  /** From the first undo on no forward step may write here any more. */
  undoing: z.boolean(),
  /** The worker that began the newest step, or undo. Null in journals of a Kedge that did not note it. */
  worker: workerProcessSchema.nullable(),
  /** Newest forward step that began. */
  step: z.string().nullable(),
  /** What the accepted request asks of its steps; null in journals of a Kedge that did not note it. */
  accepted: z
    .strictObject({
      quiesce: z.boolean(),
      noFence: z.boolean(),
      compression: compressionSchema,
      replaceText: z.boolean().optional(),
    })
    .nullable(),
  /**
   * Steps that have begun, by their names in the table of steps: the attempt that may write here on behalf of the step, and
   * whether it is done. Null in journals of a Kedge that did not note it.
   */
  steps: z.record(z.string(), z.strictObject({ attempt: z.string(), done: z.boolean() })).nullable(),
  /** Undos that have ended. Null in journals of a Kedge that did not note it. */
  undone: z.array(z.string()).nullable(),
  maintenance: z
    .strictObject({
      foundOn: z.boolean(),
      /** From here on no attempt begins: as people read it. */
      deadline: instant,
      /** The same by the boot's clock, which counts. Null in journals of a Kedge that did not note it. */
      limit: bootMomentSchema.nullable(),
      /** When a request was first answered by the maintenance page. */
      seen: instant.nullable(),
      ended: instant.nullable(),
    })
    .nullable(),
  fence: z
    .strictObject({
      account: accountSchema,
      database: z.string(),
      lockedBefore: z.array(z.string()),
      eventPrivilegeAt: z.array(z.string()),
      lowered: z.boolean(),
    })
    .nullable(),
  /** The backup the task makes: its own, or the safety backup of a restore. */
  backup: z
    .strictObject({
      id: backupIdSchema,
      created: instant,
      /** Final file name. */
      archive: z.string(),
      temporaryArchive: z.string(),
      packed: z
        .strictObject({
          bytes: z.int(),
          warnings: z.array(z.string()),
          codeVersion: z.string().nullable(),
        })
        .nullable(),
      published: z.boolean(),
    })
    .nullable(),
  /**
   * What of the site the safety backup of a restore does not hold though it was there, a sentence each: of its database, and of
   * its folders by their names. These originals are kept.
   */
  notSaved: z.strictObject({ database: z.array(z.string()), folders: z.record(z.string(), z.array(z.string())) }),
  /** What the safety backup does without for want of room, and why, as preflight found; null for what it holds. */
  setAside: z.strictObject({ files: z.string().nullable(), database: z.string().nullable() }),
  /** The backup a restore goes back to, or a deploy unpacks, as it was checked by preflight. */
  source: z
    .strictObject({
      id: backupIdSchema,
      path: z.string(),
      sha256: z.string(),
      /** Null in journals of before these were kept. */
      members: z.int().nullable(),
      contentBytes: z.int().nullable(),
      charset: z.string(),
      collation: z.string(),
      contentMark: contentMarkSchema.nullable(),
      /** What of other databases its definitions name. */
      elsewhere: z.array(
        z.strictObject({
          database: z.string(),
          object: z.string(),
          named: z.enum(['table', 'key', 'function', 'procedure', 'anything']),
        }),
      ),
    })
    .nullable(),
  /** Folders of the site that were not there before: empty ones were made for the new site. */
  madeFolders: z.array(z.string()),
  /** The folders of the site that are replaced, in the order of the switch, `.kedge/<token>` of each, and where those of before wait. */
  staged: z.array(
    z.strictObject({
      name: z.string(),
      live: z.string(),
      staging: z.string(),
      attempt: z.string().optional(),
      previous: z.string().optional(),
    }),
  ),
  /** The attempts of steps whose folders of the spool are used from then on, by their steps; none where a Kedge had none yet. */
  spooled: z.record(z.string(), z.string()),
  /** What the site used when the task began. Its password is blank once the task is closed. */
  before: siteDatabaseSchema.nullable(),
  /** The database and account the task made, newest attempt last. */
  created: z
    .strictObject({
      databases: z.array(z.string()),
      importBegan: z.boolean(),
      account: accountSchema,
      password: z.string(),
      enabledEvents: z.array(z.string()),
      /** Of the server, as the settings of a new site name it; left out before that was proved. */
      address: z.string().optional(),
    })
    .nullable(),
  /** The database and account in which the definitions of a backup were proved, noted before they were there. */
  scratch: z.strictObject({ database: z.string(), account: accountSchema }).nullable(),
  /** What proving said before the site was shut for its backup, and by which digest. */
  proof: z.strictObject({ definitions: z.string(), warning: z.string().nullable() }).nullable(),
  /** Set before the first rename. */
  switched: z.boolean(),
  /** When the site was given back to its visitors without the workflow of the task, all of it. */
  givenBack: instant.nullable(),
  /** What Kedge had in the folder of vhosts, and which stamps ran at which addresses; null where its Kedge did not look. */
  vhostBefore: z
    .strictObject({
      vhost: z.string().nullable(),
      snippet: z.string().nullable(),
      ran: z.record(z.string(), z.string()).nullable(),
    })
    .nullable(),
  committed: z.boolean(),
  outcome: z
    .strictObject({
      status: z.enum(['done', 'failed', 'cancelled', 'recovered', 'abandoned']),
      ended: instant,
      code: z.string().nullable(),
      message: z.string().nullable(),
      warnings: z.array(z.string()),
    })
    .nullable(),
});
export type Journal = z.infer<typeof journalSchema>;

/**
 * Journals as files. Version 1 had no key for what a Kedge of its time did not note yet; version 2 called what is not backed up
 * `notHeld`; version 3 did not know what ran before a vhost was written; up to version 4 all of a target was on one machine.
 */
export const JOURNAL: DocumentKind<Journal> = {
  name: 'journal',
  key: 'version',
  version: 5,
  schema: journalSchema,
  upgrades: { 1: fromVersion1, 2: fromVersion2, 3: fromVersion3, 4: (journal) => journal },
  parts: { target: TARGET },
};

function fromVersion1(document: Raw): Raw {
  const { maintenance, source, ...journal } = document;
  return {
    ...{ nonce: null, mark: null, worker: null, accepted: null, steps: null, undone: null },
    ...{ notHeld: [], warned: {}, notSaved: { database: [], folders: {} }, setAside: { files: null, database: null } },
    ...{ spooled: {}, scratch: null, proof: null, givenBack: null },
    ...journal,
    maintenance: withDefaults(maintenance, { limit: null }),
    source: withDefaults(source, { members: null, contentBytes: null, elsewhere: [] }),
  };
}

function fromVersion2({ notHeld, ...journal }: Raw): Raw {
  return { ...journal, notBackedUp: notHeld };
}

function fromVersion3({ vhostBefore, ...journal }: Raw): Raw {
  return { ...journal, vhostBefore: withDefaults(vhostBefore, { ran: null }) };
}

/** A journal in which nothing has happened yet. */
export function newJournal(
  begin: Pick<
    Journal,
    | 'task'
    | 'site'
    | 'type'
    | 'who'
    | 'description'
    | 'requestKey'
    | 'token'
    | 'workflowId'
    | 'runId'
    | 'epoch'
    | 'started'
    | 'accepted'
  > &
    Partial<Pick<Journal, 'nonce'>>,
): Journal {
  return {
    version: 5,
    nonce: null,
    ...begin,
    mark: randomBytes(16).toString('hex'),
    target: null,
    contentMark: null,
    notBackedUp: [],
    warned: {},
    undoing: false,
    worker: null,
    step: null,
    steps: {},
    undone: [],
    maintenance: null,
    fence: null,
    backup: null,
    notSaved: { database: [], folders: {} },
    setAside: { files: null, database: null },
    source: null,
    madeFolders: [],
    staged: [],
    spooled: {},
    before: null,
    created: null,
    scratch: null,
    proof: null,
    switched: false,
    givenBack: null,
    vhostBefore: null,
    committed: false,
    outcome: null,
  };
}

/** What the marks of a task's processes begin with; undo and what follows the commit have their own, see `Operation.mark`. */
export function markOf({ mark, token }: Pick<Journal, 'mark' | 'token'>): string {
  return mark ?? token;
}
