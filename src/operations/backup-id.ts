import { KedgeError } from '../contract/errors';

/** The site a backup id begins with. @throws KedgeError BackupUnknown */
export function siteOfBackup(id: string): string {
  const site = /^(.+)-\d{8}\.\d{6}(_\d+)?$/.exec(id)?.[1];
  if (site === undefined) throw new KedgeError('BackupUnknown', `${JSON.stringify(id)} is no backup id`);
  return site;
}
