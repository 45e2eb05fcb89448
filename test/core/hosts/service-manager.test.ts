import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLocalHost } from '../../../src/core/hosts/local-host';
import { ServiceManager } from '../../../src/core/hosts/service-manager';
import { testOperation } from '../../helpers/operation';
import { until } from '../../helpers/until';
import { works } from './machine';

/** Listens as systemd does, and prints what it is told, a datagram a line. */
const LISTENER = `
$socket = stream_socket_server('udg://' . $argv[1], $number, $message, STREAM_SERVER_BIND);
echo "listening\\n";
while (($told = stream_socket_recvfrom($socket, 65536)) !== false) echo str_replace("\\n", ' ', $told), "\\n";
`;

const hasNotify = works('systemd-notify', '--version');

(hasNotify ? describe : describe.skip)('a service of systemd (needs systemd-notify)', () => {
  let folder: string;
  let listener: ChildProcess;
  let told = '';

  beforeEach(async () => {
    folder = mkdtempSync('/var/tmp/kedge-notify-');
    told = '';
    listener = spawn('php', ['-r', LISTENER, '--', join(folder, 'socket')], { stdio: ['ignore', 'pipe', 'inherit'] });
    listener.stdout?.on('data', (chunk: Buffer) => (told += chunk.toString()));
    await until('systemd listens', () => told.includes('listening'));
  });
  afterEach(() => {
    listener.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  const manager = (environment: Record<string, string>): ServiceManager =>
    new ServiceManager(createLocalHost({ name: 'here' }), environment, testOperation());

  test('says that it is ready, that it goes on, and that it ends', async () => {
    const service = manager({ NOTIFY_SOCKET: join(folder, 'socket'), WATCHDOG_USEC: '200000' });
    await service.ready('takes tasks');
    await until('it is ready', () => told.includes('READY=1'));
    expect(told).toContain('STATUS=takes tasks');
    const stop = service.keepAlive();
    await until('it goes on', () => told.split('WATCHDOG=1').length > 3);
    stop();
    await service.stopping();
    await until('it ends', () => told.includes('STOPPING=1'));
  });

  test('without systemd, or a watchdog, nothing is told', async () => {
    const service = manager({});
    await service.ready('takes tasks');
    manager({ NOTIFY_SOCKET: join(folder, 'socket') }).keepAlive()();
    await manager({ NOTIFY_SOCKET: join(folder, 'socket') }).stopping();
    await until('it ends', () => told.includes('STOPPING=1'));
    expect(told).not.toMatch(/READY|WATCHDOG/);
  });

  test('a systemd that does not answer is a warning, and no more', async () => {
    const warnings: string[] = [];
    const operation = {
      ...testOperation(),
      log: { info: () => undefined, warn: (text: string) => void warnings.push(text) },
    };
    const environment = { NOTIFY_SOCKET: join(folder, 'nobody') };
    await new ServiceManager(createLocalHost({ name: 'here' }), environment, operation).ready('takes tasks');
    expect(warnings).toEqual([expect.stringContaining('systemd was not told READY=1')]);
  });
});
