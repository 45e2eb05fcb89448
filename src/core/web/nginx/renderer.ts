import type { VhostRenderer } from '../vhost-renderer';
import { fileNames, renderSnippet } from './snippet';
import { renderVhost } from './vhost';
import { readTemplate } from './vhost-template';

/** nginx as a {@link VhostRenderer}. */
export const nginxRenderer: VhostRenderer = { renderVhost, renderSnippet, fileNames, readTemplate };
