import { z } from 'zod';
import { backupAllInputSchema, backupAllResultSchema } from './fleet';
import { NOTICE } from './notices';
import {
  TASK_INPUT_SCHEMAS,
  backupResultSchema,
  deployResultSchema,
  listBackupsInputSchema,
  listBackupsResultSchema,
  progressSchema,
  requestInputSchema,
  restoreResultSchema,
  runStatusSchema,
  taskFailureSchema,
  verifyResultSchema,
} from './tasks';

/** What services exchange with the workflows, each by the name under which `kedge schema` prints it. */
const EXCHANGED = {
  'backup.input': TASK_INPUT_SCHEMAS.backup,
  'backup.result': backupResultSchema,
  'restore.input': TASK_INPUT_SCHEMAS.restore,
  'restore.result': restoreResultSchema,
  'deploy.input': TASK_INPUT_SCHEMAS.deploy,
  'deploy.result': deployResultSchema,
  'verify.input': TASK_INPUT_SCHEMAS.verify,
  'verify.result': verifyResultSchema,
  'request.input': requestInputSchema,
  'backupAll.input': backupAllInputSchema,
  'backupAll.result': backupAllResultSchema,
  'listBackups.input': listBackupsInputSchema,
  'listBackups.result': listBackupsResultSchema,
  /** First of the details of a failed task. */
  failure: taskFailureSchema,
  /** What the query `status` answers. */
  status: runStatusSchema,
  /** Details of the heartbeats of a step. */
  progress: progressSchema,
  /** What programs and webhooks of `notify` are given. */
  notice: NOTICE.schema,
} as const satisfies Record<string, z.ZodType>;

/** JSON Schemas, by their names, of what services exchange with the workflows: they change by additions alone. */
export function taskJsonSchemas(): Record<string, object> {
  return Object.fromEntries(
    Object.entries(EXCHANGED).map(([name, schema]) => [name, z.toJSONSchema(schema, { unrepresentable: 'any' })]),
  );
}
