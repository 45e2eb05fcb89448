import { readFileSync, writeFileSync } from 'node:fs';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { createParts } from '../../src/composition';
import { loadConfiguration } from '../../src/config/load';
import { type JournalView, type Lab, journalsOf } from './e2e';
import { testOperation } from './operation';

/** A small PHP application with a database of its own. */
export interface SmallSite {
  readonly uri: string;
  readonly root: string;
}

export interface SmallSites {
  readonly count: number;
  /** What else the configuration of a site says. */
  readonly settings?: (index: number) => object;
}

/** Adds small adopted sites to a lab: as quickly as a hundred take, without a command for each. */
export async function addSmallSites(lab: Lab, { count, settings = () => ({}) }: SmallSites): Promise<SmallSite[]> {
  const sites = Array.from({ length: count }, (_, index) => ({
    uri: `small${index}.example`,
    root: join(lab.folder, 'srv', `small${index}.example`),
    database: `small${index}`,
    password: `pw-small-${index}-${process.pid}`,
    index,
  }));
  const document = parse(readFileSync(lab.configuration, 'utf8')) as { sites: Record<string, { owner: string }> };
  const [like] = Object.values(document.sites);
  if (!like) throw new Error('the lab has no site to begin with');
  for (const { uri, root, index } of sites)
    document.sites[uri] = {
      ...like,
      ...{ kind: 'php', root, vhost: 'managed', settings: SETTINGS, healthPath: '/index.php' },
      ...settings(index),
    };
  writeFileSync(lab.configuration, stringify(document, { aliasDuplicateObjects: false }));
  const configuration = await loadConfiguration(lab.configuration);
  const parts = createParts({ configuration, configurationPath: lab.configuration, environment: process.env });
  try {
    const { uid, gid } = await parts.master.lookUpOwner(like.owner);
    for (const { root, database, password } of sites) {
      await mkdir(root, { mode: 0o755 });
      const values = {
        DB: database,
        DB_USER: database,
        DB_PASSWORD: password,
        DB_HOST: `localhost:${lab.mariadb.socket}`,
      };
      const lines = Object.entries(values).map(([name, value]) => `define('${name}', '${value}');`);
      await writeFile(join(root, 'settings.php'), `<?php\n${lines.join('\n')}\n`);
      await writeFile(join(root, 'index.php'), "<?php require 'settings.php'; echo '<title>small</title>';\n");
      for (const path of [root, join(root, 'settings.php'), join(root, 'index.php')])
        if (process.getuid?.() === 0) await chown(path, uid, gid);
    }
    await lab.mariadb.query(
      sites
        .map(
          ({ database, password }) =>
            `CREATE DATABASE ${database}; CREATE TABLE ${database}.t (id INT PRIMARY KEY, text TEXT);
             INSERT INTO ${database}.t VALUES (1, 'one');
             CREATE USER '${database}'@'localhost' IDENTIFIED BY '${password}'; GRANT ALL ON ${database}.* TO '${database}'@'localhost';`,
        )
        .join('\n'),
    );
    for (const { uri, database, password } of sites) {
      const current = { database, password, address: `localhost:${lab.mariadb.socket}`, madeByKedge: false };
      const account = { user: database, hosts: ['localhost'] };
      await parts.states.save({ version: 1, site: uri, current: { ...current, account }, kept: [] });
      const target = await parts.resolveTarget(uri);
      await parts.webServer(target.web).writeVhost(target.site, testOperation());
    }
  } finally {
    await parts.close();
  }
  return sites.map(({ uri, root }) => ({ uri, root }));
}

/** Tasks that keep their site shut and have not begun to bring it back. */
export function keptShut(lab: Lab): number {
  const keepsShut = ({ outcome, undoing, maintenance }: JournalView): boolean =>
    outcome === null && !undoing && maintenance !== null;
  return journalsOf(lab).filter(keepsShut).length;
}

const SETTINGS = {
  file: 'settings.php',
  format: 'constants',
  names: { database: 'DB', user: 'DB_USER', password: 'DB_PASSWORD', host: 'DB_HOST' },
};
