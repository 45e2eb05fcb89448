import type { Readable, Writable } from 'node:stream';
import type { KedgeClient } from '../client';
import type { MasterParts } from '../composition';
import { findSite, unknownSite } from '../config/inventory';
import { findConfiguration, loadConfiguration } from '../config/load';
import type { Configuration } from '../config/schema';
import { isRoot } from '../trust/trusted-path';
import type { TaskType } from '../contract/names';
import type { GlobalOptions, Io } from './io';
import { Printer } from './render/printer';

export type { GlobalOptions, Io };

/**
 * What every command works with. Everything is loaded and opened when first asked for, for loading Temporal's client takes as
 * long as all the rest of many a command; and closed at the end.
 */
export class CommandContext {
  readonly printer: Printer;
  private loaded: Promise<Configuration> | null = null;
  private openParts: MasterParts | null = null;
  private openClient: KedgeClient | null = null;
  private readonly closers: (() => void)[] = [];
  exitCode = 0;

  constructor(
    readonly io: Io,
    readonly options: GlobalOptions,
  ) {
    this.printer = new Printer(io, options);
  }

  configurationPath(): string {
    return findConfiguration({
      ...(this.options.config === undefined ? {} : { path: this.options.config }),
      environment: this.io.environment,
      workingFolder: this.io.workingFolder,
      isRoot: isRoot(),
    });
  }

  async configuration(): Promise<Configuration> {
    return (this.loaded ??= loadConfiguration(this.configurationPath()));
  }

  /** The URI of the site that is meant by a name, see `findSite`. @throws KedgeError SiteUnknown, with the names that come near */
  async site(name: string): Promise<string> {
    const configuration = await this.configuration();
    const uri = findSite(configuration, name);
    if (uri === null) throw unknownSite(configuration, name);
    return uri;
  }

  /** What is done on the master is done through; for commands that run on it. */
  async parts(): Promise<MasterParts> {
    if (this.openParts) return this.openParts;
    const { createParts } = await import('../composition.js');
    this.openParts = createParts({
      configuration: await this.configuration(),
      configurationPath: this.configurationPath(),
      environment: this.io.environment,
    });
    return this.openParts;
  }

  /** Says at once that somebody may not read the key his task has to be signed with. @throws KedgeError SecretUnavailable, OwnerRefused */
  async assertMayAsk(type: TaskType): Promise<void> {
    const { configuredSigningKey } = await import('../operations/configured-signing-key.js');
    await configuredSigningKey(await this.configuration(), this.io.environment)(type);
  }

  async client(): Promise<KedgeClient> {
    if (this.openClient) return this.openClient;
    const configuration = await this.configuration();
    const { KedgeClient } = await import('../client.js');
    const { configuredSigningKey } = await import('../operations/configured-signing-key.js');
    this.openClient = await KedgeClient.connect(configuration.master, this.io.environment, {
      signingKey: configuredSigningKey(configuration, this.io.environment),
    });
    return this.openClient;
  }

  /** Where questions are asked: on standard error, for standard output may be somebody's pipe. */
  get prompts(): { input: Readable; output: Writable } {
    return { input: this.io.stdin, output: this.io.stderr };
  }

  /** Who asks, for records and for those who find the site busy. */
  who(): string {
    return (
      this.io.environment['SUDO_USER'] ??
      this.io.environment['USER'] ??
      this.io.environment['LOGNAME'] ??
      `uid ${process.getuid?.() ?? '?'}`
    );
  }

  /** What a program or a server said, without the secrets this command has met. */
  redact(text: string): string {
    return this.openParts?.redact(text) ?? text;
  }

  /** As {@link redact}, of an error: what it says, not what it is. */
  redacted(error: unknown): unknown {
    if (!(error instanceof Error)) return error;
    const copy: object = Object.create(Object.getPrototypeOf(error) as object) as object;
    const said = Object.entries({ ...error, message: error.message, stack: error.stack });
    for (const [name, value] of said)
      Reflect.set(copy, name, isSaid(name) && typeof value === 'string' ? this.redact(value) : value);
    return copy;
  }

  /** Has `close` called when the command ends. */
  onClose(close: () => void): void {
    this.closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.closers) close();
    await this.openClient?.close();
    await this.openParts?.close();
  }
}

function isSaid(name: string): boolean {
  return ['message', 'stack', 'hint', 'state'].includes(name);
}
