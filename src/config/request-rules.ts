import { type TaskType, WORKFLOW_TYPES } from '../contract/names';
import type { SecretReference } from '../contract/target';
import type { Configuration } from './schema';

/** What leaves everything as it was, and so needs no signature unless the configuration says so. */
const HARMLESS: readonly TaskType[] = ['backup', 'verify'];

/** What the configuration demands of requests. */
export function requestRulesOf({ requests, backups }: Configuration): {
  keys: SecretReference[];
  signed: TaskType[];
  archiveFolders: string[];
} {
  const { key, previousKey, sign, deployFrom } = requests;
  return {
    keys: [key, previousKey].filter((reference) => reference !== undefined),
    signed: WORKFLOW_TYPES.filter((type) => !HARMLESS.includes(type) || sign.includes(type)),
    archiveFolders: [backups, ...deployFrom],
  };
}
