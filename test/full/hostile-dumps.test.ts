import { describeImportsOf } from '../core/databases/hostile-imports';
import { HOSTILE_DUMPS } from '../helpers/hostile-dumps';

describeImportsOf(HOSTILE_DUMPS);
