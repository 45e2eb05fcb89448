import { assertKnownSite } from './inventory';
import type { Configuration } from './schema';

type Keep = NonNullable<Configuration['keep']>;

/** What is kept of the backups of a site: days, weeks, … by their number, safety backups by their age, ms. */
export interface ConfiguredRule extends Omit<Keep, 'safety'> {
  readonly safetyMs: number;
}

/** The rule of a site, its own or that of all; null where nothing says what is kept. @throws KedgeError SiteUnknown */
export function keepRuleOf(configuration: Configuration, site: string): ConfiguredRule | null {
  const rule = assertKnownSite(configuration, site).keep ?? configuration.keep;
  if (rule === undefined) return null;
  const { safety: safetyMs, ...counts } = rule;
  return { ...counts, safetyMs };
}
