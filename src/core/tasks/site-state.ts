import { join } from 'node:path';
import { z } from 'zod';
import type { DocumentKind } from '../../contract/documents-on-disk';
import { KedgeError, isKedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import { decode } from './state-file';

/** The database a site uses now, with what logs it in, and whether Kedge made it or adopted it. */
export const siteDatabaseSchema = z.strictObject({
  database: z.string(),
  account: z.strictObject({ user: z.string(), hosts: z.array(z.string()) }),
  password: z.string(),
  /** As the site's settings write it: `localhost`, `127.0.0.1:3307`, `localhost:/run/mysqld/mysqld.sock`. */
  address: z.string(),
  madeByKedge: z.boolean(),
});
export type SiteDatabase = z.infer<typeof siteDatabaseSchema>;

const siteStateSchema = z.strictObject({
  version: z.literal(1),
  site: z.string(),
  current: siteDatabaseSchema,
  /** Databases and accounts a restore replaced and that Kedge had not made: kept, reported, never dropped. */
  kept: z.array(
    siteDatabaseSchema.omit({ password: true, madeByKedge: true }).extend({
      /** When it was replaced, ISO 8601; left out by a Kedge that did not note it. */
      since: z.iso.datetime().optional(),
    }),
  ),
});
export type SiteState = z.infer<typeof siteStateSchema>;

export const SITE_STATE: DocumentKind<SiteState> = {
  name: 'state of a site',
  key: 'version',
  version: 1,
  schema: siteStateSchema,
};

/** What the master remembers of each site, in `<state>/sites/<uri>.json`. */
export class SiteStates {
  constructor(
    private readonly folder: string,
    private readonly host: Host,
    /** Null: no site chose it. */
    private readonly onSecret: (secret: string, site: string | null) => void,
  ) {}

  /** Undefined for a site nobody adopted. @throws KedgeError StateInvalid, NewerVersion */
  async find(site: string): Promise<SiteState | undefined> {
    const path = this.pathOf(site);
    if ((await this.host.status(path)) === undefined) return undefined;
    const text = (await this.host.readFile(path)).toString('utf8');
    const state = decode(SITE_STATE, text, path);
    this.tellSecret(state);
    return state;
  }

  /** @throws KedgeError SiteNotAdopted, StateInvalid, NewerVersion */
  async get(site: string): Promise<SiteState> {
    const state = await this.find(site);
    if (!state) {
      throw new KedgeError('SiteNotAdopted', `the database of ${site} is not known`, {
        site,
        hint: `Run \`kedge sites adopt ${site}\`: it reads the credentials from the site's settings and proves them.`,
      });
    }
    return state;
  }

  async save(state: SiteState): Promise<void> {
    this.tellSecret(state);
    await this.host.makeFolder(this.folder, { mode: 0o700 });
    await this.host.writeFile(this.pathOf(state.site), `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  }

  private tellSecret({ site, current }: SiteState): void {
    this.onSecret(current.password, current.madeByKedge ? null : site);
  }

  /** Every site adopted so far. @throws KedgeError StateInvalid, NewerVersion */
  async all(): Promise<SiteState[]> {
    const states = await Promise.all((await this.sites()).map((site) => this.find(site)));
    return states.filter((state) => state !== undefined);
  }

  /** The states that can be read, and for each of the others its site and what is wrong with it. */
  async readable(): Promise<{ states: SiteState[]; unreadable: Map<string, string> }> {
    const states: SiteState[] = [];
    const unreadable = new Map<string, string>();
    for (const site of await this.sites()) {
      try {
        const state = await this.find(site);
        if (state) states.push(state);
      } catch (error) {
        if (!isKedgeError(error)) throw error;
        unreadable.set(site, error.message);
      }
    }
    return { states, unreadable };
  }

  private async sites(): Promise<string[]> {
    const names = (await this.host.list(this.folder)).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
    return names.map((name) => name.slice(0, -'.json'.length));
  }

  private pathOf(site: string): string {
    return join(this.folder, `${site}.json`);
  }
}
