import { stat } from 'node:fs/promises';
import { KedgeError } from '../contract/errors';
import { loadConfiguration } from './load';
import type { Configuration } from './schema';

/**
 * The configuration of a process that runs for long, as its file says it now: what is changed there holds from the next time
 * somebody asks. What the process itself stands on, the name of the master and its state folder, cannot change under it.
 */
export class ConfigurationFile {
  private known: { readonly version: string; readonly configuration: Configuration } | null = null;

  /** `started`: as it was when the process began. */
  constructor(
    private readonly path: string,
    private readonly started: Configuration,
  ) {}

  /** As the file says it now. @throws KedgeError ConfigurationInvalid, OwnerRefused */
  async current(): Promise<Configuration> {
    const version = await this.version();
    if (this.known === null || this.known.version !== version)
      this.known = { version, configuration: await loadConfiguration(this.path) };
    return this.known.configuration;
  }

  /** As it was read last: for who cannot wait. Every task begins with {@link forNewTask}, which reads it. */
  get lastRead(): Configuration {
    return this.known?.configuration ?? this.started;
  }

  /** As the file says it now, or said it last: for what goes on while somebody writes in it. */
  async lastGood(): Promise<Configuration> {
    return this.current().catch(() => this.lastRead);
  }

  /** For a task that begins. @throws KedgeError ConfigurationChanged for another master or another state folder; as {@link current} */
  async forNewTask(): Promise<Configuration> {
    const configuration = await this.current();
    const change = this.changeOf(configuration);
    if (change === null) return configuration;
    throw new KedgeError('ConfigurationChanged', change, { state: 'the site is unchanged' });
  }

  /** What of the file's keeps this process from beginning tasks; null when nothing does, or the file cannot be read now. */
  async change(): Promise<string | null> {
    const configuration = await this.current().catch(() => null);
    return configuration === null ? null : this.changeOf(configuration);
  }

  private changeOf(now: Configuration): string | null {
    const changed = (['master', 'state'] as const).filter((key) => now[key] !== this.started[key]);
    if (changed.length === 0) return null;
    const what = changed.map(
      (key) => `${key} is ${now[key]} now, and was ${this.started[key]} when the worker started`,
    );
    return `${this.path} was changed: ${what.join('; ')}`;
  }

  /** Empty while there is no file: then reading it says so. */
  private async version(): Promise<string> {
    const status = await stat(this.path, { bigint: true }).catch(() => null);
    return status === null ? '' : [status.dev, status.ino, status.size, status.mtimeNs, status.ctimeNs].join(' ');
  }
}
