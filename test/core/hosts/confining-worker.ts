import { createLocalHost } from '../../../src/core/hosts/local-host';
import { testOperation } from '../../helpers/operation';

/* Runs one confined program, and prints why it could not be. Started by tests. */
void createLocalHost({ name: 'here' })
  .run({ argv: ['true'], sandbox: {}, operation: testOperation() })
  .then(
    () => console.log('confined'),
    (error: Error & { code?: string; hint?: string }) => console.log(`${error.code}: ${error.message}. ${error.hint}`),
  );
