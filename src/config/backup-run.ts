import type { BackupAllInput, PlannedBackups, Selection } from '../contract/fleet';
import { KedgeError } from '../contract/errors';
import { unknownSite } from './inventory';
import { keepRuleOf } from './keep-rules';
import { leaseLimitsOf } from './limits';
import type { Configuration, ScheduleConfiguration } from './schema';
import { selectSites, selectionText, unknownNames } from './selection';

/** What the backups are described by that a schedule makes, where it says nothing else. */
export const AUTOMATED_DESCRIPTION = 'Automated backup';

/** Backups of many sites, by the configuration of the moment: all the sites, in the order of their names. */
export type BackupRun = Omit<PlannedBackups, 'more'>;

/**
 * What is to be backed up, and how: what is asked, or what the schedule says that is named.
 * @throws KedgeError ConfigurationInvalid for a schedule that there is not, for pruning without a rule, and where each backup has to be signed;
 *   SiteUnknown for a name that is no site, and where no site is meant
 */
export function planBackupRun(configuration: Configuration, input: BackupAllInput): BackupRun {
  if (isSigned(configuration))
    throw new KedgeError('ConfigurationInvalid', 'backups have to be signed, each, and those of many sites are not', {
      hint: 'Take `backup` out of `requests.sign`, or back up site by site.',
      state: 'no site was touched',
    });
  const run = backupRunOf(configuration, input);
  const selection = selectionOf(configuration, input);
  const [unknown] = unknownNames(configuration, selection);
  if (unknown !== undefined) throw unknownSite(configuration, unknown);
  if (run.sites.length === 0)
    throw new KedgeError('SiteUnknown', `no site of the configuration is meant by: ${selectionText(selection)}`);
  if (run.prune && run.sites.every((site) => keepRuleOf(configuration, site) === null))
    throw new KedgeError('ConfigurationInvalid', 'nothing says which backups to keep, so none can be pruned', {
      hint: 'Add `keep: { last: 3, daily: 7, weekly: 4, monthly: 12 }` to kedge.yaml, for all sites or below one.',
    });
  return run;
}

/**
 * As {@link planBackupRun}, of a run that has begun: a site that was taken out of the configuration meanwhile is left out.
 * @throws KedgeError ConfigurationInvalid for a schedule that there is not any more
 */
export function backupRunOf(configuration: Configuration, input: BackupAllInput): BackupRun {
  const selected = selectSites(configuration, selectionOf(configuration, input));
  const atOnce = Math.max(2, 2 * leaseLimitsOf(configuration).backups);
  const { schedule } = input;
  if (schedule === undefined) {
    const { description, quiesce, compression, prune = false } = input;
    return { sites: selected, backup: asked({ description, quiesce, compression }), prune, atOnce };
  }
  const { description = AUTOMATED_DESCRIPTION, quiesce, compression, prune } = scheduleNamed(configuration, schedule);
  return {
    sites: selected,
    backup: asked({ description, quiesce: quiesce ? true : undefined, compression }),
    prune,
    atOnce,
  };
}

/** Whether whoever asks for a backup has to sign that he asks for this one. */
export function isSigned({ requests }: Pick<Configuration, 'requests'>): boolean {
  return requests.sign.includes('backup');
}

/** The sites a schedule means. */
export function selectionOfSchedule({ sites, kind, server }: ScheduleConfiguration): Selection {
  return {
    ...(sites === undefined ? {} : { sites }),
    ...(kind === undefined ? {} : { kind }),
    ...(server === undefined ? {} : { server }),
  };
}

function selectionOf(configuration: Configuration, { schedule, selection = {} }: BackupAllInput): Selection {
  return schedule === undefined ? selection : selectionOfSchedule(scheduleNamed(configuration, schedule));
}

function scheduleNamed({ schedules }: Configuration, name: string): ScheduleConfiguration {
  const schedule = Object.hasOwn(schedules, name) ? schedules[name] : undefined;
  if (schedule) return schedule;
  throw new KedgeError('ConfigurationInvalid', `there is no schedule ${JSON.stringify(name)} in the configuration`, {
    hint: 'If it was taken out, run `kedge schedules apply`: Temporal does not know that yet.',
  });
}

/** What is not said is left out. */
function asked({
  description,
  quiesce,
  compression,
}: {
  [Key in keyof BackupRun['backup']]: BackupRun['backup'][Key] | undefined;
}): BackupRun['backup'] {
  return {
    ...(description === undefined ? {} : { description }),
    ...(quiesce === undefined ? {} : { quiesce }),
    ...(compression === undefined ? {} : { compression }),
  };
}
