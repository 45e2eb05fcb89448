import { type Configuration, type ScheduleConfiguration, configurationSchema } from '../../src/config/schema';
import { cronOf } from './cron';

export const KINDS = ['wordpress', 'php'] as const;
const SETTINGS = {
  file: 'c.php',
  format: 'constants',
  names: { database: 'D', user: 'U', password: 'P', host: 'H' },
};

/** A configuration with these sites. */
export function withSites(
  sites: Readonly<Record<string, { kind?: (typeof KINDS)[number]; server?: string }>>,
): Configuration {
  const db = { kind: 'mariadb', socket: '/run/x.sock', admin: { user: 'root' } };
  const server = { web: { kind: 'nginx', vhosts: '/etc/k', flags: '/var/k' }, db };
  const entries = Object.entries(sites).map(([uri, { kind = 'wordpress', server: on = 'one' }]) => [
    uri,
    {
      ...{ kind, server: on, db: on, root: `/srv/${uri}`, owner: 'nobody', php: { socket: '/run/p.sock' } },
      ...(kind === 'php' ? { settings: SETTINGS } : {}),
    },
  ]);
  return configurationSchema.parse({
    ...{ master: 'm', backups: '/b', state: '/s' },
    servers: { one: server, two: server },
    sites: Object.fromEntries(entries),
  });
}

/** A schedule with the defaults of the configuration. */
export function scheduleOf(changes: Partial<ScheduleConfiguration> = {}): ScheduleConfiguration {
  return { cron: cronOf('15 3 * * *'), timeZone: 'UTC', jitter: 0, quiesce: false, prune: false, ...changes };
}
