import { join } from 'node:path';
import type { MasterHost, OpenFile } from '../../../src/core/hosts/master-host';
import type { Machine } from './machine';
import { testOperation } from '../../helpers/operation';

/** A machine of whose files this process can open some. */
export interface MasterMachine extends Machine {
  readonly host: MasterHost;
  dispose(): void;
}

/** What a host promises that is this process's own machine. */
export function describeMaster(makeMachine: () => MasterMachine): void {
  let machine: MasterMachine;
  beforeAll(() => {
    machine = makeMachine();
  });
  afterAll(() => machine.dispose());
  const at = (name: string): string => join(machine.folder, name);
  const textOf = async (file: OpenFile): Promise<string> => {
    try {
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  };

  describe('open files', () => {
    test('are read, and written anew for nobody else', async () => {
      machine.sh('printf old-and-longer > "$1"; chmod 666 "$1"', at('there'));
      for (const name of ['there', 'new']) {
        const file = await machine.host.openForWriting(at(name));
        await file.write(name);
        await file.close();
        expect(await textOf(await machine.host.openForReading(at(name)))).toBe(name);
      }
      expect(machine.sh('stat -c %a "$1"', at('new'))).toBe('600\n');
    });

    test('are no links, and no pipe is waited for', async () => {
      machine.sh('echo secret > "$1/file"; ln -s file "$1/link"; mkfifo "$1/pipe"', machine.folder);
      await expect(machine.host.openForReading(at('link'))).rejects.toMatchObject({ code: 'ELOOP' });
      await expect(machine.host.openForReading(at('missing'))).rejects.toMatchObject({ code: 'ENOENT' });
      const pipe = await machine.host.openForReading(at('pipe'));
      expect((await pipe.stat()).isFIFO()).toBe(true);
      await pipe.close();
    });
  });

  test('a confined program has no descriptor of the worker', async () => {
    machine.sh('echo open > "$1"', at('open'));
    const file = await machine.host.openForReading(at('open'));
    try {
      const { stdout } = await machine.host.run({
        // The last one may be the shell's own, and closed by then.
        argv: ['sh', '-c', 'for fd in /proc/$$/fd/*; do readlink "$fd"; done; true'],
        sandbox: {},
        operation: testOperation(),
      });
      expect(stdout).toMatch(/^(pipe|socket):/m);
      expect(stdout).not.toContain(machine.folder);
    } finally {
      await file.close();
    }
  });

  test.each([
    ['confined', { sandbox: {} }],
    ['unconfined', {}],
  ])('open files are standard input and output of a program, from where they stand, %s', async (name, confinement) => {
    const path = at(`open-files-${name}`);
    machine.sh('printf 0123456789 > "$1"', path);
    const [input, output] = [await machine.host.openForReading(path), await machine.host.openForWriting(`${path}.out`)];
    try {
      await input.read(Buffer.alloc(4), 0, 4);
      await output.write('before ');
      const { stdout } = await machine.host.run({
        ...{ argv: ['cat'], inputFile: input, outputFile: output, operation: testOperation() },
        ...confinement,
      });
      expect(stdout).toBe('');
      expect(machine.sh('cat "$1"', `${path}.out`)).toBe('before 456789');
    } finally {
      await input.close();
      await output.close();
    }
  });
}
