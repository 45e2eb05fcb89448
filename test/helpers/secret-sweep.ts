import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Lab } from '../../scripts/lab/lab';
import { type Canary, type Place, leaks, spellings } from './canaries';

/** Where passwords have their place, relative to the lab's folder: files of the administrator, of sites, of the state. */
const OWN_PLACES = [
  /(^|\/)admin\.password$/,
  /(^|\/)(wp-config[^/]*\.php|settings[^/]*\.php|\.?env)$/,
  /(^|\/)state\/sites\//,
];
/** Sites, and what MariaDB keeps of them; archives are compressed. Its logs are looked through. */
const PASSED_OVER = [
  '--exclude-dir=srv',
  '--exclude-dir=.kedge',
  '--exclude=*.tar.*',
  '--exclude=ib*',
  '--exclude=*.MA?',
];

/**
 * Looks once, at the end of a lab, whether a password that it had is anywhere but in its place: in what its commands and
 * workers said, in files they and their servers wrote, Temporal's database among them, in journals.
 */
export class SecretSweep {
  private readonly secrets = new Map<string, string>();
  private readonly said: Place[] = [];

  constructor(
    private readonly lab: Lab,
    adminPassword: string | undefined,
  ) {
    for (const { uri, password } of lab.sites) this.secrets.set(password, `password of ${uri}`);
    if (adminPassword !== undefined) this.secrets.set(adminPassword, 'password of the admin');
  }

  /** Restores make passwords, and forget those of before: to be called now and then. */
  learn(): void {
    for (const folder of ['sites', 'tasks']) {
      for (const path of jsonFiles(join(this.lab.state, folder))) {
        JSON.stringify(read(path), (key, value: unknown) => {
          // A short one is what a test is about.
          if (key === 'password' && typeof value === 'string' && value.length >= 16 && !this.secrets.has(value))
            this.secrets.set(value, `generated password ${this.secrets.size}`);
          return value;
        });
      }
    }
  }

  hear(name: string, text: string): void {
    this.said.push({ name, text });
  }

  /** A line for each place and secret. Takes a fraction of a second. */
  leaks(): string[] {
    this.learn();
    const canaries: Canary[] = [...this.secrets].map(([secret, name]) => ({ name, secret }));
    if (canaries.length === 0) return [];
    const said = { name: 'what commands and workers said', text: this.said.map(({ text }) => text).join('\n') };
    const who = leaks([said], canaries).length === 0 ? [] : leaks(this.said, canaries);
    return [...who, ...leaks([...this.files(canaries), ...this.journals()], canaries)];
  }

  private files(canaries: readonly Canary[]): Place[] {
    const wanted = new Set(canaries.flatMap(({ secret }) => Object.values(spellings(secret))));
    const options = ['-rlaF', '-f', '-', '--devices=skip', ...PASSED_OVER, '--', this.lab.folder];
    return grep(options, `${[...wanted].join('\n')}\n`)
      .map((path) => ({ path, name: relative(this.lab.folder, path) }))
      .filter(({ name }) => !OWN_PLACES.some((own) => own.test(name)) && !/(^|\/)state\/tasks\/[^/]+\.json$/.test(name))
      .map(({ path, name }) => ({ name, text: readFileSync(Buffer.from(path, 'latin1'), 'latin1') }));
  }

  /** Without the fields that hold a password. */
  private journals(): Place[] {
    return jsonFiles(join(this.lab.state, 'tasks')).map((path) => ({
      name: relative(this.lab.folder, path),
      text: JSON.stringify(read(path), (key, value: unknown) => (key === 'password' ? undefined : value)) ?? '',
    }));
  }
}

function grep(options: readonly string[], input: string): string[] {
  try {
    const found = execFileSync('grep', options, { input, env: { ...process.env, LC_ALL: 'C' }, stdio: 'pipe' });
    return found.toString('latin1').split('\n').filter(Boolean);
  } catch (error) {
    // Nothing found; or a file that went away meanwhile.
    const { stdout } = error as { stdout?: Buffer };
    return (stdout?.toString('latin1') ?? '').split('\n').filter(Boolean);
  }
}

function jsonFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(folder, name));
}

function read(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // Tests tear journals, too.
    return null;
  }
}
