import type { WebServerAddress } from '../../../contract/target';
import type { Host } from '../../hosts/host';
import { ConfiguredWebServer, type WebServerOptions } from '../configured-web-server';
import type { Dialect } from '../dialect';
import type { WebServer } from '../web-server';
import type { WebServerKind } from '../web-server-kind';
import { DEFAULT_TEMPLATE } from './default-template';
import { discoverNginx } from './discover-nginx';
import { readForeignBlocks } from './foreign-blocks';
import { conflictsIn, reloadConfiguration, testConfiguration } from './reload';
import { fileNames, includeLine, renderSnippet } from './snippet';
import { renderVhost } from './vhost';
import { readTemplate } from './vhost-template';

/** nginx as a {@link WebServerKind}. */
export const nginx: WebServerKind = {
  create: createNginx,
  template: DEFAULT_TEMPLATE,
  readTemplate,
  discover: discoverNginx,
};

/** nginx as a {@link WebServer}. */
export function createNginx(options: WebServerOptions): WebServer {
  return new ConfiguredWebServer(options, nginxDialect(options.host, options.address));
}

function nginxDialect(host: Host, address: WebServerAddress): Dialect {
  return {
    packageOf: (program) => (program === 'nginx' ? 'nginx' : null),
    renderVhost: (site) => renderVhost(address, site),
    renderSnippet: (site) => renderSnippet(address, site),
    fileNames,
    includeLine,
    async test(operation) {
      const said = await testConfiguration(host, address, operation);
      return { conflicts: (site) => conflictsIn(said, site) };
    },
    reload: (operation) => reloadConfiguration(host, address, operation),
    readForeign: (site, operation) => readForeignBlocks(host, address, site, operation),
  };
}
