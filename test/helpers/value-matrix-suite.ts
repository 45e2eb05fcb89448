import { type DatabaseLab, openLab } from '../core/databases/lab';
import { matrixOf, portraitOf } from './value-matrix';
import { testOperation } from './operation';

/** The test that all a server can hold comes back, for both runs of it. */
export function bringBackMatrix({ whole }: { whole: boolean }): void {
  let lab: DatabaseLab;
  beforeAll(async () => void (lab = await openLab()));
  afterAll(() => lab?.close());

  test('every value and definition that the server can hold comes back', async () => {
    const { statements, warnings } = await matrixOf(lab, { whole });
    await lab.query(`CREATE DATABASE held CHARACTER SET utf8mb4; USE held; SET NAMES utf8mb4;\n${statements}`);
    const operation = testOperation();
    const { path } = await lab.dump('held', operation);
    expect(operation.warnings).toEqual(warnings.map((warning) => expect.stringMatching(warning) as unknown));
    const importing = testOperation();
    await lab.restore(path, 'brought', importing);
    expect(importing.warnings).toEqual([]);
    const before = await portraitOf(lab, 'held');
    const after = await portraitOf(lab, 'brought');
    expect(before.length).toBeGreaterThan(1000);
    expect(after.filter((line, at) => line !== before[at]).slice(0, 20)).toEqual([]);
    expect(after.length).toBe(before.length);

    // The comparison sees one bit.
    await lab.query("UPDATE brought.cs_latin1 SET v = x'80' WHERE n = 129");
    expect(await portraitOf(lab, 'brought')).not.toEqual(before);
  });
}
