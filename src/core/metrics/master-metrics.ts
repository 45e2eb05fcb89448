import { join } from 'node:path';
import { WORKFLOW_TYPES } from '../../contract/names';
import type { Catalog } from '../catalog/catalog';
import type { Host } from '../hosts/host';
import { nearestExisting } from '../preflight/space';
import type { Journal } from '../tasks/journal';
import type { Journals } from '../tasks/journals';
import type { LeaseKind, Leases } from '../tasks/leases';
import { shutFor } from '../tasks/maintenance-limit';
import { BackupsOfSites } from './backups-of-sites';
import { Collector } from './collector';
import type { Family, Labels, Sample } from './exposition';

/** What the configuration names now. */
export interface MeasuredConfiguration {
  readonly sites: readonly string[];
  /** Where the backups of the sites lie. */
  readonly backups: string;
  /** Folders of the master by their names, `backups` among them. */
  readonly folders: Readonly<Record<string, string>>;
}

export interface MeasuredParts {
  readonly master: Host;
  readonly journals: Pick<Journals, 'open' | 'openTasks' | 'unreadable'>;
  readonly leases: Pick<Leases, 'count'>;
  readonly catalog: () => Promise<Catalog>;
  readonly configuration: () => Promise<MeasuredConfiguration>;
}

const FRESH_MS = 10_000;
/** Prometheus waits ten seconds, where it was not told otherwise. */
const PATIENCE_MS = 5_000;

export interface MasterMetricsOptions {
  /** Told why a part could not be read. */
  readonly onProblem: (text: string) => void;
  /** Default 10 s, see {@link CollectorOptions}. */
  readonly freshMs?: number;
  /** Default 5 s. */
  readonly patienceMs?: number;
}

/**
 * How a master stands, as its disks tell: backups of sites, open tasks, leases, space. The same whoever asks, and in whatever worker, for nothing
 * of it is counted. `kedge_collector_success` says which parts could be read.
 */
export class MasterMetrics {
  private readonly backups: BackupsOfSites;
  private readonly collectors: readonly Collector[];

  constructor(
    private readonly parts: MeasuredParts,
    { onProblem, freshMs = FRESH_MS, patienceMs = PATIENCE_MS }: MasterMetricsOptions,
  ) {
    this.backups = new BackupsOfSites(parts.master);
    const options = { onProblem, freshMs, patienceMs };
    this.collectors = [
      new Collector('backups', () => this.ofBackups(), options),
      new Collector('tasks', () => this.ofTasks(), options),
      new Collector('leases', () => this.ofLeases(), options),
      new Collector('disks', () => this.ofDisks(), options),
    ];
  }

  /** Read lately, or now, as far as that ends soon. */
  async families(): Promise<Family[]> {
    const collected = await Promise.all(
      this.collectors.map(async (collector) => ({ of: collector.name, ...(await collector.collect()) })),
    );
    const help = 'Whether this part of the metrics could be read, and in time.';
    return [
      ...collected.flatMap(({ families }) => families),
      gauge(
        'kedge_collector_success',
        help,
        collected.map(({ of, success }) => ({ labels: { collector: of }, value: success ? 1 : 0 })),
      ),
    ];
  }

  private async ofBackups(): Promise<Family[]> {
    const { sites, backups: folder } = await this.parts.configuration();
    const catalog = await this.parts.catalog();
    const made: Sample[] = [];
    const bytes: Sample[] = [];
    const counts: Sample[] = [];
    const sizes: Sample[] = [];
    for (const site of sites) {
      const labels: Labels = { site };
      const of = await this.backups.of(site, catalog, join(folder, site));
      made.push({ labels, value: (of.good?.madeMs ?? 0) / 1000 });
      if (of.good) bytes.push({ labels, value: of.good.bytes });
      counts.push({ labels, value: of.count });
      sizes.push({ labels, value: of.bytes });
    }
    this.backups.keepOnly(new Set(sites.map((site) => join(folder, site))));
    return [
      gauge(
        'kedge_last_good_backup_timestamp_seconds',
        'When the newest good backup of a site that somebody or a schedule asked for was made; 0 where there is none.',
        made,
      ),
      gauge('kedge_last_good_backup_bytes', 'Size of the archive of that backup.', bytes),
      gauge('kedge_backups', 'Backups of a site in the catalogue, safety backups too.', counts),
      gauge('kedge_backups_bytes', 'Size of the archives of a site in the catalogue.', sizes),
    ];
  }

  private async ofTasks(): Promise<Family[]> {
    const { journals } = this.parts;
    const open = await journals.open();
    // Each of them is read for that: only where some are missing above.
    const unreadable = (await journals.openTasks()).length > open.length ? (await journals.unreadable()).size : 0;
    const shut = open.flatMap((journal): Sample[] => {
      const value = shutSince(journal);
      return value === null ? [] : [{ labels: { site: journal.site }, value }];
    });
    return [
      gauge(
        'kedge_tasks_open',
        'Tasks that have begun and not ended, by type.',
        WORKFLOW_TYPES.map((type) => ({
          labels: { type },
          value: open.filter((journal) => journal.type === type).length,
        })),
      ),
      alone('kedge_tasks_undoing', 'Open tasks that are being undone.', open.filter(({ undoing }) => undoing).length),
      alone('kedge_tasks_unreadable', 'Open tasks whose journals this Kedge cannot read.', unreadable),
      gauge(
        'kedge_site_shut_since_timestamp_seconds',
        'Since when a task keeps a site in maintenance; absent for sites that are open.',
        shut,
      ),
    ];
  }

  private async ofLeases(): Promise<Family[]> {
    const kinds: readonly LeaseKind[] = ['backups', 'restores'];
    const counts = await Promise.all(
      kinds.map(async (kind) => ({ labels: { kind }, ...(await this.parts.leases.count(kind)) })),
    );
    return [
      gauge(
        'kedge_queue_length',
        'Tasks that have begun and wait for their turn to do heavy work, by the limit that holds them.',
        counts.map(({ labels, waiting: value }) => ({ labels, value })),
      ),
      gauge(
        'kedge_leases_held',
        'Tasks that have leave to do heavy work.',
        counts.map(({ labels, held: value }) => ({ labels, value })),
      ),
    ];
  }

  private async ofDisks(): Promise<Family[]> {
    const { folders } = await this.parts.configuration();
    const samples = await Promise.all(
      Object.entries(folders).map(async ([folder, path]): Promise<Sample> => {
        const existing = (await nearestExisting(this.parts.master, path)) ?? '/';
        return { labels: { folder }, value: (await this.parts.master.freeSpace(existing)).bytes };
      }),
    );
    return [gauge('kedge_disk_free_bytes', 'Free on the file system of a folder of the master.', samples)];
  }
}

/** By the clock of the calendar, s; null while the task keeps nobody out. */
function shutSince(journal: Pick<Journal, 'maintenance' | 'target'>): number | null {
  const { maintenance, target } = journal;
  if (!maintenance || shutFor(journal) === null) return null;
  const entered = Date.parse(maintenance.deadline) - (target?.maintenanceLimitMs ?? 0);
  return (maintenance.seen === null ? entered : Date.parse(maintenance.seen)) / 1000;
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: 'gauge', help, samples };
}

function alone(name: string, help: string, value: number): Family {
  return gauge(name, help, [{ labels: {}, value }]);
}
