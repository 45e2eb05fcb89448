import { isKedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import { matchingFiles } from '../hosts/file-pattern';

/** A vhost of Apache, which Kedge names and cannot handle yet. */
export interface ApacheVhost {
  readonly name: string;
  readonly root: string | null;
  readonly file: string;
}

/** Where the packages of Debian and Fedora keep the vhosts of Apache. */
export const APACHE_VHOSTS: readonly string[] = ['/etc/apache2/sites-enabled', '/etc/httpd/conf.d'];

/** The vhosts of Apache that have a name, from the `*.conf` of these folders. */
export async function readApacheVhosts(host: Host, folders: readonly string[]): Promise<ApacheVhost[]> {
  const vhosts: ApacheVhost[] = [];
  for (const folder of folders)
    for (const file of await matchingFiles(host, `${folder}/*.conf`))
      vhosts.push(...vhostsOf(file, await textOf(host, file)));
  return vhosts;
}

function vhostsOf(file: string, text: string): ApacheVhost[] {
  return text
    .split(/^\s*<VirtualHost\b/im)
    .slice(1)
    .flatMap((body) => {
      const value = (name: string): string | undefined =>
        new RegExp(`^\\s*${name}\\s+(?:"([^"\\n]*)"|(\\S+))`, 'im')
          .exec(body)
          ?.slice(1)
          .find((part) => part !== undefined);
      const name = value('ServerName');
      return name === undefined ? [] : [{ name: name.replace(/:\d+$/, ''), root: value('DocumentRoot') ?? null, file }];
    });
}

/** Links as in sites-enabled lead to the admin's own files; what cannot be read is passed over. */
async function textOf(host: Host, path: string): Promise<string> {
  const status = await host.status(path);
  const real = status?.type === 'link' ? path.replace('/sites-enabled/', '/sites-available/') : path;
  try {
    return (await host.readFile(real)).toString('utf8');
  } catch (error) {
    if (isKedgeError(error) || (error instanceof Error && 'code' in error)) return '';
    throw error;
  }
}
