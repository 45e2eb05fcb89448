import type { Owner } from '../../../contract/target';
import type { HostRules, SiteFolders } from './host-rules';

/** The rules of this machine, with the accounts that they name. */
export class KnownRules {
  constructor(
    readonly rules: HostRules,
    /** By their names; those that the machine does not know are not among them, nor is root, whatever it is called. */
    private readonly accounts: ReadonlyMap<string, Owner>,
  ) {}

  /** The owner of that name and these numbers. */
  ownerOf({ user, uid, gid }: Owner): Owner | undefined {
    const known = this.accounts.get(user);
    return known?.uid === uid && known.gid === gid ? known : undefined;
  }

  named(user: string): Owner | undefined {
    return this.accounts.get(user);
  }

  all(): readonly Owner[] {
    return [...this.accounts.values()];
  }

  /** Who may own files of these folders. */
  ownersOf(sites: readonly SiteFolders[]): readonly Owner[] {
    const names = new Set(sites.flatMap(({ owners }) => owners));
    return [...this.accounts].flatMap(([name, owner]) => (names.has(name) ? [owner] : []));
  }

  /** All folders of sites that a staging folder serves. */
  servedBy(staging: string): readonly SiteFolders[] {
    return this.rules.sites.filter((site) => site.staging === staging);
  }
}
