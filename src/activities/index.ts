import { createBackupActivities } from './backup';
import { createDatabaseActivities } from './databases';
import type { ActivityDependencies } from './dependencies';
import { createDeployActivities } from './deploy';
import { createFleetActivities } from './fleet';
import { createHookActivities } from './hooks';
import { createLeaseActivities } from './leases';
import { createMaintenanceActivities } from './maintenance';
import { createNoticeActivities } from './notices';
import { createPreflightActivities } from './preflight';
import { createProofActivities } from './proof';
import { createTaskActivities } from './tasks';
import { createVerifyActivities } from './verify';

/** Every activity, over the given dependencies. */
export function createActivities(deps: ActivityDependencies) {
  return {
    ...createPreflightActivities(deps),
    ...createLeaseActivities(deps),
    ...createMaintenanceActivities(deps),
    ...createProofActivities(deps),
    ...createBackupActivities(deps),
    ...createDeployActivities(deps),
    ...createDatabaseActivities(deps),
    ...createVerifyActivities(deps),
    ...createHookActivities(deps),
    ...createTaskActivities(deps),
    ...createNoticeActivities(deps),
    ...createFleetActivities(deps),
  };
}

/** What workflows see of the activities: their types. */
export type Activities = ReturnType<typeof createActivities>;
