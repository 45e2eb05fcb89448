import type { HostileDump } from '../../helpers/hostile-dumps';
import { type DatabaseLab, TRAILER, openLab } from './lab';

/** With its trailer. As bytes: some are no text in UTF-8. */
export const bytesOf = (sql: string): Buffer => Buffer.from(sql + TRAILER, 'latin1');

/** Imports dumps by the real client, as if preflight had let them pass: each ends the import. */
export function describeImportsOf(dumps: readonly HostileDump[]): void {
  describe('an import ends at a dump that', () => {
    let lab: DatabaseLab;
    beforeAll(async () => void (lab = await openLab()));
    afterAll(() => lab?.close());

    it.each(dumps.map(({ name, ...dump }, index) => [name, index, dump] as const))(
      '%s',
      async (_name, index, { sql, says }) => {
        const path = await lab.writeDump(bytesOf(sql));
        await expect(lab.restore(path, `hostile${index}`)).rejects.toMatchObject({
          code: 'DumpIncompatible',
          message: expect.stringMatching(says) as string,
          server: 'lab',
        });
      },
    );
  });
}
