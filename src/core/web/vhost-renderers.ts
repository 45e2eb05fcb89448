import type { WebServerAddress } from '../../contract/target';
import { nginxRenderer } from './nginx/renderer';
import type { VhostRenderer } from './vhost-renderer';

const RENDERERS: Record<WebServerAddress['kind'], VhostRenderer> = { nginx: nginxRenderer };

/** How vhosts of a kind of web server are written. */
export function vhostRendererOf({ kind }: Pick<WebServerAddress, 'kind'>): VhostRenderer {
  return RENDERERS[kind];
}
