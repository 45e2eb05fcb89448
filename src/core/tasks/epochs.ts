import { join } from 'node:path';
import { z } from 'zod';
import type { DocumentKind } from '../../contract/documents-on-disk';
import { KedgeError } from '../../contract/errors';
import { siteUriSchema } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Journal } from './journal';
import { decode } from './state-file';

const epochSchema = z.strictObject({
  version: z.literal(1),
  epoch: z.int().positive(),
  raised: z.iso.datetime(),
  /** Who took the site over, and why. */
  by: z.string(),
  why: z.string(),
});
export type Epoch = z.infer<typeof epochSchema>;

export const EPOCH: DocumentKind<Epoch> = { name: 'epoch', key: 'version', version: 1, schema: epochSchema };

/**
 * How often each site was taken over by hand, `<state>/epochs/<uri>.json`. A task that began in an older epoch may only
 * undo: it never switches a site that went on living.
 */
export class Epochs {
  constructor(
    private readonly folder: string,
    private readonly host: Host,
  ) {}

  /** Null for a site that nobody took over yet. @throws KedgeError StateInvalid, NewerVersion */
  async find(site: string): Promise<Epoch | null> {
    const path = this.pathOf(site);
    if ((await this.host.status(path)) === undefined) return null;
    return decode(EPOCH, (await this.host.readFile(path)).toString('utf8'), path);
  }

  /** 0 for a site that nobody took over yet. */
  async current(site: string): Promise<number> {
    return (await this.find(site))?.epoch ?? 0;
  }

  /** Ends the epoch of every task of the site that is open now. */
  async raise(site: string, by: string, why: string): Promise<Epoch> {
    const next: Epoch = {
      version: 1,
      epoch: (await this.current(site)) + 1,
      raised: new Date().toISOString(),
      by,
      why,
    };
    await this.host.makeFolder(this.folder, { mode: 0o700 });
    await this.host.writeFile(this.pathOf(site), `${JSON.stringify(next, null, 2)}\n`, { mode: 0o600 });
    return next;
  }

  /** @throws KedgeError TaskSuperseded when the site was taken over since the task began */
  async assertCurrent(journal: Journal): Promise<void> {
    const epoch = await this.find(journal.site);
    if (epoch === null || epoch.epoch <= journal.epoch) return;
    throw new KedgeError(
      'TaskSuperseded',
      `${journal.site} was brought online by ${epoch.by} at ${epoch.raised}: ${epoch.why}`,
      { site: journal.site },
    );
  }

  private pathOf(site: string): string {
    if (!siteUriSchema.safeParse(site).success)
      throw new KedgeError('SiteUnknown', `${JSON.stringify(site)} is no site`);
    return join(this.folder, `${site}.json`);
  }
}
