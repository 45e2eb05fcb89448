import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const TOP = join(__dirname, '../..');
const NAME = 'kedge-worker.service';
const UNIT = readFileSync(join(TOP, 'packaging/systemd', NAME), 'utf8');
/** Of 10, by systemd's own scale. What is left is what the work needs: see the comments of the unit. */
const EXPOSURE = '4.6';

describe(NAME, () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp('/var/tmp/kedge-systemd-');
    await writeFile(join(folder, 'kedge'), '#!/bin/sh\n');
    await chmod(join(folder, 'kedge'), 0o755);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is read by systemd without a complaint', async () => {
    expect(await analyze(['verify', '--man=no'], UNIT)).toEqual({ code: 0, said: '' });
    const spoiled = UNIT.replace('ProtectClock=yes', 'ProtectClok=yes');
    expect((await analyze(['verify', '--man=no'], spoiled)).said).toContain('ProtectClok');
  });

  it(`exposes ${EXPOSURE} of 10`, async () => {
    const { said } = await analyze(['security', '--offline=true', '--no-pager'], UNIT);
    expect(/Overall exposure level for \S+: (\S+)/.exec(said)?.[1]).toBe(EXPOSURE);
  });

  it('allows the capabilities that the container of the site has beside those the engine gives', () => {
    const { services } = z
      .object({ services: z.object({ site: z.object({ cap_add: z.array(z.string()) }) }) })
      .parse(parse(readFileSync(join(TOP, 'docker-compose.yml'), 'utf8')));
    const allowed = valuesOf('CapabilityBoundingSet');
    for (const capability of services.site.cap_add) expect(allowed).toContain(`CAP_${capability}`);
  });

  it('lets the worker write where the example configuration has it write', () => {
    const example = readFileSync(join(TOP, 'kedge.example.yaml'), 'utf8');
    const wanted = [...example.matchAll(/^ *(?:backups|state|vhosts|flags|root|paths: \{ \w+): (\/\S+)/gm)].map(
      ([, path]) => path ?? '',
    );
    const writable = valuesOf('ReadWritePaths').map((path) => path.replace(/^-/, ''));
    expect(wanted.length).toBeGreaterThan(4);
    expect(wanted.filter((path) => !writable.some((folder) => `${path}/`.startsWith(`${folder}/`)))).toEqual([]);
    // A site folder of its own mount could not be renamed.
    const roots = [...example.matchAll(/^ *(?:root|paths: \{ \w+): (\/\S+)/gm)].map(([, path]) => path ?? '');
    expect(writable.filter((folder) => roots.includes(folder))).toEqual([]);
  });

  it('does not kill a worker that gives up what does not end in time; nor does the container engine', () => {
    const worker = readFileSync(join(TOP, 'src/temporal/task-workers.ts'), 'utf8');
    const [grace, limit] = ['GRACE', 'LIMIT'].map((name) =>
      Number(new RegExp(`^const SHUTDOWN_${name} = '(\\d+) seconds';$`, 'm').exec(worker)?.[1]),
    );
    expect(UNIT).toContain(`# The worker alone is asked to stop. Steps that do not end within ${grace} s are told to`);
    expect(UNIT).toContain(`ended within ${limit} s is given up`);
    // `kedge up` ends its Temporal behind its worker; and all has to be closed then.
    const ofTemporal = /^const STOP_TIMEOUT_MS = ([\d_]+);$/m.exec(
      readFileSync(join(TOP, 'src/temporal/dev-server.ts'), 'utf8'),
    )?.[1];
    const needed = Number(limit) + Number(ofTemporal?.replaceAll('_', '')) / 1000 + 5;
    expect(needed).toBeGreaterThan(Number(limit) + 5);
    const compose = readFileSync(join(TOP, 'docker-compose.yml'), 'utf8');
    expect(compose).toContain(`# The worker gives steps up that do not end within ${limit} s.`);
    const later = /What runs (\d+) s later is killed/.exec(UNIT.replaceAll('\n# ', ' '))?.[1];
    expect(Number(valuesOf('TimeoutStopSec')[0])).toBe(Number(limit) + Number(later));
    const periods = [...compose.matchAll(/^ +stop_grace_period: (\d+)s$/gm)].map(([, seconds]) => Number(seconds));
    expect(periods.length).toBeGreaterThan(0);
    for (const seconds of [Number(valuesOf('TimeoutStopSec')[0]), ...periods])
      expect(seconds).toBeGreaterThanOrEqual(needed);
  });

  it('starts the program that the README links', () => {
    const program = /^ExecStart=(\S+) worker$/m.exec(UNIT)?.[1];
    expect(readFileSync(join(TOP, 'README.md'), 'utf8')).toContain(`main.js" ${program}`);
    expect(existsSync(join(TOP, 'src/cli/main.ts'))).toBe(true);
  });

  /** Runs systemd-analyze on a unit whose program is there. */
  async function analyze(options: readonly string[], unit: string): Promise<{ code: number; said: string }> {
    const path = join(folder, NAME);
    await writeFile(path, unit.replace('/usr/local/bin/kedge', join(folder, 'kedge')));
    return new Promise((resolve) => {
      execFile('systemd-analyze', [...options, path], (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, said: stdout + stderr }),
      );
    });
  }
});

/** All words given to a setting, whose lines add up. */
function valuesOf(setting: string): string[] {
  return [...UNIT.matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].flatMap(([, value]) => (value ?? '').split(' '));
}
