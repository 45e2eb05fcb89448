import { basename, dirname, join } from 'node:path';
import type { Owner, SettingsFormat, SiteLocation } from '../../contract/target';
import { isKedgeError } from '../../contract/errors';
import type { Host } from '../hosts/host';
import type { Operation } from '../operation';
import { liveFolder } from '../sites/site-folder';
import { readSiteFile } from '../sites/site-files';
import { SITE_KINDS } from '../sites/site-kinds';
import { type FolderElsewhere, type SettingsText, findFoldersElsewhere } from './folders-elsewhere';
import { SETTINGS_FILES, guessSettings } from './settings-guess';

/** What lies below a document root, as far as names of files tell. */
export interface SiteTree {
  readonly kind: SiteLocation['kind'];
  readonly settings: SettingsFormat | null;
  /** Settings files that are there, those above the document root as `../…`. */
  readonly settingsFiles: readonly string[];
  /** Folders outside that it seems to use. */
  readonly elsewhere: readonly FolderElsewhere[];
}

/** Names of document roots that are a part of their application. */
const PUBLIC_FOLDERS = new Set(['public', 'web', 'htdocs', 'public_html', 'html', 'webroot', 'www']);
const LIMIT_MS = 10_000;

/**
 * Recognises what a document root holds. The folder is its owner's and hostile: names are looked up confined to it and no
 * link is followed; a settings file of plain PHP is read, as its owner, for the names it uses. Null where there is no PHP.
 */
export async function recogniseTree(
  host: Host,
  root: string,
  owner: Owner | null,
  operation: Operation,
): Promise<SiteTree | null> {
  const known = SITE_KINDS.flatMap(({ kind, traces }) => (traces === null ? [] : [{ kind, traces }]));
  const namesOfKinds = known.flatMap(({ traces }) => [...traces.code, traces.settings]);
  const present = await existing(host, root, [...namesOfKinds, 'index.php', ...SETTINGS_FILES], operation);
  const parent = dirname(root);
  const readsParent = parent !== '/' && (await host.status(parent))?.type === 'folder';
  const above = async (names: readonly string[]): Promise<string[]> =>
    readsParent ? [...(await existing(host, parent, names, operation))].map((name) => `../${name}`) : [];
  const elsewhere = async (settings: SettingsText | null): Promise<FolderElsewhere[]> =>
    owner === null ? [] : findFoldersElsewhere(host, root, owner.uid, settings, operation);
  for (const { kind, traces } of known) {
    if (!traces.code.every((name) => present.has(name))) continue;
    const { settings: file, folderConstants } = traces;
    const isInside = present.has(file);
    const text = owner !== null && isInside ? await textOf(host, root, owner, file, operation) : null;
    return {
      kind,
      settings: null,
      settingsFiles: isInside ? [file] : await above([file]),
      elsewhere: await elsewhere(text === null ? null : { text, folderConstants }),
    };
  }
  const inside = SETTINGS_FILES.filter((name) => present.has(name));
  const outside = inside.length === 0 && PUBLIC_FOLDERS.has(basename(root)) ? await above(SETTINGS_FILES) : [];
  if (!present.has('index.php') && inside.length === 0) return null;
  for (const file of inside) {
    if (owner === null) break;
    const text = await textOf(host, root, owner, file, operation);
    const settings = text === null ? null : guessSettings(file, text);
    if (settings !== null) return { kind: 'php', settings, settingsFiles: [file], elsewhere: await elsewhere(null) };
  }
  return { kind: 'php', settings: null, settingsFiles: [...inside, ...outside], elsewhere: await elsewhere(null) };
}

// $1 folder, then names. Links count as absent.
const EXISTING = `
cd -- "$1" || exit 0
shift
for name; do if [ -f "./$name" ] && [ ! -L "./$name" ]; then printf '%s\\0' "$name"; fi; done
exit 0
`;

async function existing(
  host: Host,
  folder: string,
  names: readonly string[],
  operation: Operation,
): Promise<ReadonlySet<string>> {
  const { stdout } = await host.run({
    argv: ['sh', '-c', EXISTING, 'sh', '/folder', ...names],
    sandbox: { readOnly: [{ from: folder, to: '/folder' }], capabilities: ['DAC_READ_SEARCH'] },
    limits: { timeoutMs: LIMIT_MS },
    operation,
  });
  return new Set(stdout.split('\0').filter((name) => name !== ''));
}

async function textOf(
  host: Host,
  root: string,
  owner: Owner,
  file: string,
  operation: Operation,
): Promise<string | null> {
  const site = {
    uri: 'unknown',
    aliases: [],
    kind: 'php' as const,
    root,
    owner,
    phpSocket: join(root, 'none'),
    vhost: 'none' as const,
    healthPath: '/',
    exclude: [],
  };
  try {
    return (await readSiteFile({ folder: liveFolder(host, site), path: file }, operation)).toString('latin1');
  } catch (error) {
    if (isKedgeError(error)) return null;
    throw error;
  }
}
