import type { ActivityDependencies } from '../../src/activities/dependencies';
import { createArchives } from '../../src/core/archive/archives';
import type { MasterCommand, MasterHost } from '../../src/core/hosts/master-host';
import type { SiteLocks } from '../../src/core/tasks/site-locks';
import { changingSites } from './changed-sites';

type Told = (name: string, ...args: unknown[]) => void | Promise<void>;

/** What visitors, other tasks or the next attempt notice, by the part that does it. */
const ACTS: Readonly<Record<'host' | 'webServer' | 'databaseServer' | 'catalog' | 'states', readonly string[]>> = {
  host: ['rename', 'makeFolder'],
  webServer: ['raiseMaintenance', 'lowerMaintenance', 'writeVhost', 'putVhostBack'],
  databaseServer: [
    ...['raiseFence', 'lowerFence', 'createDatabase', 'dropDatabase', 'createAccount', 'dropAccount', 'lockAccount'],
    ...['copyAccountOptions', 'enableEvents', 'importDump'],
  ],
  catalog: ['publish', 'amend'],
  states: ['save'],
};

/** The parts of a worker, of which a test is told what they are about to do, and in which it can be in the way. */
export class ToldActs {
  /** Is called before each act. When it throws, the act is not made. */
  before: Told = () => undefined;
  /** Is called when the lock of a site is asked for. */
  lockAsked: () => void = () => undefined;
  /** Is called while the lock of a site is held, before anything is done under it. */
  lockTaken: () => void | Promise<void> = () => undefined;
  /** Packs in the place of tar. */
  packing: ((command: MasterCommand, run: MasterHost['run']) => ReturnType<MasterHost['run']>) | null = null;

  change(real: ActivityDependencies): ActivityDependencies {
    const told = <T extends object>(part: T, acts: readonly string[]): T =>
      replacing(part, (name, act) =>
        acts.includes(name)
          ? async (...args) => {
              await this.before(name, ...args);
              return act(...args);
            }
          : undefined,
      );
    const changed = changingSites(real, ({ host, webServer, databaseServer }) => ({
      host: told(host, ACTS.host),
      webServer: told(webServer, ACTS.webServer),
      databaseServer: async (...asked) => told(await databaseServer(...asked), ACTS.databaseServer),
    }));
    const { packing } = this.packer(real.master);
    return {
      ...changed,
      master: told(real.master, ['makeFolder']),
      archives: createArchives(packing),
      states: told(real.states, ACTS.states),
      catalogOf: (target) => told(real.catalogOf(target), ACTS.catalog),
      locks: this.tapped(real.locks),
    };
  }

  private packer(master: MasterHost): { packing: MasterHost } {
    const run: MasterHost['run'] = (command) => master.run(command);
    const packing = replacing(master, (name) =>
      name === 'run'
        ? (command) => {
            const { argv } = command as MasterCommand;
            const packs = this.packing !== null && argv[0] === 'tar' && argv.includes('--create');
            return packs ? this.packing?.(command as MasterCommand, run) : run(command as MasterCommand);
          }
        : undefined,
    );
    return { packing };
  }

  private tapped(locks: SiteLocks): SiteLocks {
    return replacing(locks, (name) =>
      name === 'hold'
        ? (...given) => {
            const [site, operation, work, wait] = given as Parameters<SiteLocks['hold']>;
            this.lockAsked();
            return locks.hold(
              site,
              operation,
              async (hold) => {
                await this.lockTaken();
                return work(hold);
              },
              wait,
            );
          }
        : undefined,
    );
  }
}

type Method = (...args: unknown[]) => unknown;

/** The same part, with another method where one is given. */
function replacing<T extends object>(part: T, instead: (name: string, real: Method) => Method | undefined): T {
  return new Proxy(part, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const real = value.bind(target) as Method;
      return instead(String(name), real) ?? real;
    },
  });
}
