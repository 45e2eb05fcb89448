import { differences, fingerprint, type Fingerprint, get } from '../../scripts/lab/fingerprint';
import type { ActivityDependencies } from '../../src/activities/dependencies';
import type { ErrorCode } from '../../src/contract/error-codes';
import { KedgeError } from '../../src/contract/errors';
import { SAFETY_DESCRIPTION } from '../../src/contract/names';
import type { BackupResult } from '../../src/contract/tasks';
import { changingDatabaseServers, changingSites } from './changed-sites';
import { join } from 'node:path';
import {
  type Lab,
  type WordPressSite,
  cliFailure,
  cliJson,
  leftovers,
  recordsOf,
  shell,
  startLab,
  withWorkerInProcess,
} from './e2e';

type Fault = (real: ActivityDependencies) => ActivityDependencies;

/** Fails the n-th call of a method of one of the parts, for good. */
export function failing(
  part: 'databaseServer' | 'archives' | 'kind' | 'host' | 'webServer',
  method: string,
  code: ErrorCode,
  from = 1,
  to = Number.POSITIVE_INFINITY,
) {
  let calls = 0;
  const wrap = <T extends object>(real: T): T =>
    new Proxy(real, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== method) return (...args: unknown[]): unknown => Reflect.apply(value, target, args);
        return async (...args: unknown[]): Promise<unknown> => {
          calls += 1;
          if (calls >= from && calls <= to) throw new KedgeError(code, `${method} was made to fail`);
          return (await Reflect.apply(value, target, args)) as unknown;
        };
      },
    });
  return (real: ActivityDependencies): ActivityDependencies => {
    if (part === 'archives') return { ...real, archives: wrap(real.archives) };
    if (part === 'databaseServer') return changingDatabaseServers(real, wrap);
    return changingSites(real, (site) => ({ [part]: wrap(site[part]) }));
  };
}

/** A lab whose site has a backup and was changed since; and what a restore that fails must leave as it is. */
export class RestorableLab {
  private constructor(
    readonly lab: Lab,
    readonly site: WordPressSite,
    readonly backup: BackupResult,
    private before: Fingerprint,
    private leftBefore: Record<string, string[]>,
  ) {}

  static async start(): Promise<RestorableLab> {
    const lab = await startLab({ sites: ['gazette.example'] });
    const site = lab.sites[0] as WordPressSite;
    await cliJson(lab, 'sites', 'adopt', site.uri);
    const asIs: Fault = (real) => real;
    const backup = await withWorkerInProcess(lab, asIs, () => cliJson<BackupResult>(lab, 'backup', site.uri));
    // What the site is now is not what the backup holds.
    await lab.mariadb.query(`UPDATE \`${site.database}\`.wp_posts SET post_title = 'changed since' WHERE ID = 5`);
    shell('mkdir', '-p', join(lab.folder, 'srv/.kedge'));
    shell('chmod', '700', join(lab.folder, 'srv/.kedge'));
    shell('mkdir', '-p', join(lab.state, 'spool'));
    const before = await fingerprint(site, lab.nginx.port, lab.mariadb);
    return new RestorableLab(lab, site, backup, before, await leftovers(lab));
  }

  /** From here on `expectAsBefore` compares with what is now. */
  async look(): Promise<void> {
    this.before = await fingerprint(this.site, this.lab.nginx.port, this.lab.mariadb);
    this.leftBefore = await leftovers(this.lab);
  }

  async expectAsBefore(): Promise<void> {
    const { lab, site } = this;
    expect(differences(this.before, await fingerprint(site, lab.nginx.port, lab.mariadb))).toEqual([]);
    expect((await get(lab.nginx.port, site.uri, '/')).status).toBe(200);
    expect(await leftovers(lab)).toEqual(this.leftBefore);
  }

  /** A restore that fails for good changes nothing; `published` says whether it came to its safety backup, which stays. */
  async expectUndone(fault: Fault, code: ErrorCode, published: boolean): Promise<void> {
    const { lab, site, backup } = this;
    const known = new Set(recordsOf(lab, site.uri).map(({ id }) => id));
    const failure = await withWorkerInProcess(lab, fault, () =>
      cliFailure(lab, 'restore', site.uri, backup.backup.id, '--yes'),
    );
    expect(failure).toMatchObject({ code, exitCode: 1, site: site.uri, state: 'the site is as it was before' });
    await this.expectAsBefore();
    const made = recordsOf(lab, site.uri).filter(({ id }) => !known.has(id));
    expect(made.map(({ description }) => description)).toEqual(published ? [SAFETY_DESCRIPTION] : []);
    if (published) expect(failure.safetyBackup).toBe(made[0]?.id);
  }
}
