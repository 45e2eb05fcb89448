import { keepRuleOf } from '../config/keep-rules';
import type { Configuration } from '../config/schema';
import { KedgeError } from '../contract/errors';
import { type PrunePlan, planPrune } from '../core/retention/prune';
import type { Parts } from './parts';

/**
 * Decides about every backup of the sites that were asked for, or of all that a rule is for, and changes nothing. `now`: ms since 1970.
 * @throws KedgeError ConfigurationInvalid where there is no rule for a site that was asked for
 */
export async function planPruning(
  parts: Pick<Parts, 'catalog' | 'journals' | 'master'>,
  configuration: Configuration,
  asked: readonly string[],
  now: number,
): Promise<PrunePlan[]> {
  const plans: PrunePlan[] = [];
  for (const site of sitesToPrune(configuration, asked))
    plans.push(await planPrune(parts, { site, rule: keepRuleOf(configuration, site) }, now));
  return plans;
}

/** Sites that a rule is for. @throws KedgeError ConfigurationInvalid where there is none for a site that was asked for */
export function sitesToPrune(configuration: Configuration, asked: readonly string[]): string[] {
  const ruled = Object.keys(configuration.sites).filter((site) => keepRuleOf(configuration, site) !== null);
  const without = asked.filter((site) => !ruled.includes(site));
  if (without.length > 0 || (configuration.keep === undefined && ruled.length === 0))
    throw new KedgeError(
      'ConfigurationInvalid',
      `nothing says which backups to keep${without.length > 0 ? ` of ${without.join(', ')}` : ''}`,
      {
        hint: 'Add `keep: { last: 3, daily: 7, weekly: 4, monthly: 12 }` to kedge.yaml, for all sites or below one.',
      },
    );
  return asked.length > 0 ? [...asked] : ruled;
}
