import { dirname } from 'node:path';
import type { Host } from '../../hosts/host';
import type { Operation } from '../../operation';
import { wasManaged } from '../stamp';
import type { Served } from '../web-server-kind';
import { readConfiguration } from './configuration';
import { includedFolder, readNginxSites } from './discovered-sites';

const LIMITS = { captureBytes: 64 * 1024 * 1024, timeoutMs: 30_000 };

/** What nginx serves, as `nginx -T` has it. @throws KedgeError as Host.run; Error, with file and line, for what is not understood */
export async function discoverNginx(host: Host, file: string | null, operation: Operation): Promise<Served> {
  const named = file === null ? [] : ['-c', file];
  const systemd = file === null && (await host.status('/run/systemd/system')) !== undefined;
  const { stdout } = await host.run({ argv: ['nginx', '-T', ...named], limits: LIMITS, operation });
  const configuration = readConfiguration(stdout);
  const sites = readNginxSites(configuration);
  const files = [...configuration.files];
  return {
    server: {
      test: ['nginx', '-t', ...named],
      reload: systemd ? ['systemctl', 'reload', 'nginx'] : ['nginx', '-s', 'reload', ...named],
      vhosts: includedFolder(configuration),
      folder: dirname(files[0]?.[0] ?? '/etc/nginx/nginx.conf'),
      listen: [...new Set(sites.flatMap(({ listen }) => listen))],
    },
    sites,
    managedFiles: files.filter(([, text]) => wasManaged(text)).map(([path]) => path),
    notes: configuration.imitations,
  };
}
