import { ACTIVITIES } from './plants/activities';
import { ARCHIVE } from './plants/archive';
import { DATABASES } from './plants/databases';
import { HOSTS } from './plants/hosts';
import { RULES } from './plants/rules';
import { TASKS } from './plants/tasks';
import { WEB } from './plants/web';
import { WORKFLOWS } from './plants/workflows';
import type { Plant } from './plant';

/** Every plant there is, by what it is planted in. */
export const PLANTS: readonly Plant[] = [
  ...ACTIVITIES,
  ...ARCHIVE,
  ...DATABASES,
  ...HOSTS,
  ...RULES,
  ...TASKS,
  ...WEB,
  ...WORKFLOWS,
];
