import { type Fingerprint, fingerprint } from '../../scripts/lab/fingerprint';
import { leftovers } from '../../scripts/lab/leftovers';
import { type HowPlaced, type PlacedLab, type Placement, placeOnMachines } from '../../scripts/lab/placed-lab';
import { ActivityLab } from './activity-lab';
import { DrivenTasks } from './driven-tasks';
import type { LabOptions } from './e2e';
import type { SiteElsewhere } from './restores-elsewhere';

/** A site whose servers are machines, for the tests of one suite: there from the first of them on. */
export class PlacedSite implements SiteElsewhere {
  private begun: { readonly ring: ActivityLab; readonly tasks: DrivenTasks } | null = null;
  private machines: PlacedLab | null = null;

  private constructor() {}

  /** Has the suite that is being described begin with it, end with it, and see behind each test that nothing lies on the wrong machine. */
  static of(placement: Placement, { lab = {}, ...how }: HowPlaced & { lab?: Partial<LabOptions> } = {}): PlacedSite {
    const site = new PlacedSite();
    beforeAll(async () => {
      const ring = await ActivityLab.start({}, (real) => real, {
        lab,
        place: async (begun) => {
          site.machines = await placeOnMachines(begun, placement, how);
          return site.machines.hosts;
        },
      });
      site.begun = { ring, tasks: new DrivenTasks(ring) };
    });
    afterEach(() => {
      expect(site.placed.misplaced()).toEqual([]);
    });
    afterAll(async () => {
      await site.begun?.ring.stop();
      await site.machines?.stop();
    });
    return site;
  }

  get ring(): ActivityLab {
    return there(this.begun).ring;
  }

  get tasks(): DrivenTasks {
    return there(this.begun).tasks;
  }

  get placed(): PlacedLab {
    return there(this.machines);
  }

  get root(): string {
    return there(this.placed.there.sites[0]).root;
  }

  readonly look = (): Promise<Fingerprint> =>
    fingerprint({ ...this.ring.site, root: this.root }, this.ring.lab.nginx.port, this.placed.there.mariadb);

  readonly left = (): Promise<Record<string, string[]>> => leftovers(this.placed.there);
}

function there<T>(part: T | null | undefined): T {
  if (part === null || part === undefined) throw new Error('the site is not there yet');
  return part;
}
