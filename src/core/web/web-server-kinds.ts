import type { WebServerAddress } from '../../contract/target';
import { nginx } from './nginx/nginx';
import type { WebServerKind } from './web-server-kind';

const KINDS: Record<WebServerAddress['kind'], WebServerKind> = { nginx };

/** What is known about web servers of this kind. */
export function webServerKindOf({ kind }: Pick<WebServerAddress, 'kind'>): WebServerKind {
  return KINDS[kind];
}
