import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { taskJsonSchemas } from '../../src/contract/task-schemas';

/*
 * Services of other languages make their types of these. What is asked for may become less, what is answered more: a diff of the kept file
 * shows what changes for them, and belongs into CHANGELOG.md. `KEDGE_WRITE_SCHEMAS=1` writes it anew.
 */
const KEPT = join(__dirname, '../../docs/schemas.json');

it('docs/schemas.json is what `kedge schema` prints', () => {
  const schemas = taskJsonSchemas();
  if (process.env['KEDGE_WRITE_SCHEMAS'] || !existsSync(KEPT))
    writeFileSync(KEPT, `${JSON.stringify(schemas, null, 2)}\n`);
  expect(schemas).toEqual(JSON.parse(readFileSync(KEPT, 'utf8')));
});
