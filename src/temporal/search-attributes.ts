import type { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { KedgeError } from '../contract/errors';
import { SEARCH_ATTRIBUTES } from '../contract/names';

/**
 * Checks that the namespace knows Kedge's search attributes: an unregistered one would stop a workflow in mid-task.
 * @throws KedgeError ConfigurationInvalid with the commands that register what is missing
 */
export async function checkSearchAttributes(
  connection: Pick<Connection, 'operatorService'>,
  namespace: string,
): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const keyword = temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD;
  const missing = Object.values(SEARCH_ATTRIBUTES).filter((name) => customAttributes[name] !== keyword);
  if (missing.length === 0) return;
  throw new KedgeError(
    'ConfigurationInvalid',
    `the Temporal namespace ${namespace} lacks the search attributes ${missing.join(', ')}`,
    {
      hint: `Run \`temporal operator search-attribute create --namespace ${namespace} ${missing.map((name) => `--name ${name} --type Keyword`).join(' ')}\`.`,
    },
  );
}
