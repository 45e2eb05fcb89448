import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './until';

const run = promisify(execFile);

/** A network with nothing but a loopback, so that servers have the ports they have in real life. */
export class PrivateNetwork {
  private readonly servers: ChildProcess[] = [];

  private constructor(readonly name: string) {}

  static async open(): Promise<PrivateNetwork> {
    const name = `kedge-${process.pid}`;
    await run('ip', ['netns', 'add', name]);
    const network = new PrivateNetwork(name);
    await network.run(['ip', 'link', 'set', 'lo', 'up']);
    return network;
  }

  /** Runs a program of this machine in the network. @throws when it fails */
  async run(argv: readonly string[], environment: NodeJS.ProcessEnv = process.env): Promise<string> {
    const { stdout } = await run('ip', ['netns', 'exec', this.name, ...argv], { env: environment });
    return stdout;
  }

  /** Starts a server of this machine in the network, and waits for its port. It dies with this process. */
  async serve(argv: readonly string[], port: number, folder: string): Promise<void> {
    const path = join(folder, `server-${port}.log`);
    const log = openSync(path, 'w');
    const command = ['--pdeathsig', 'KILL', '--', 'ip', 'netns', 'exec', this.name, ...argv];
    const child = spawn('setpriv', command, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.servers.push(child);
    await until(`something listens at ${port}`, async () => {
      if (child.exitCode !== null) throw new Error(`${argv[0]} ended: ${readFileSync(path, 'utf8').slice(-2000)}`);
      return (await this.run(['ss', '-Hltn', `sport = :${port}`])) !== '';
    });
  }

  /** Ends the servers, and takes the network away. */
  async close(): Promise<void> {
    for (const server of this.servers.reverse()) {
      const gone = new Promise((resolve) => server.once('close', resolve));
      if (server.exitCode === null && server.signalCode === null && server.kill('SIGTERM')) await gone;
    }
    await run('ip', ['netns', 'delete', this.name]);
  }
}
