import type { Configuration } from '../config/schema';
import type { Host } from '../core/hosts/host';
import { filesOfCommand } from '../core/hosts/trusted-command';
import { filesOfVhost } from '../core/web/vhost-files';

/**
 * Files of this machine that the configuration names and that the worker or the web server reads or runs with rights that sites do not have.
 * Hooks run as the owner of their site, and may be his.
 */
export async function configuredFiles(
  { notify, requests, servers, sites }: Configuration,
  host: Host,
): Promise<string[]> {
  const files: string[] = [];
  for (const key of [requests.key, requests.previousKey]) if (key && 'file' in key) files.push(key.file);
  for (const { command, webhook } of notify) {
    files.push(...filesOfCommand(command ?? []));
    for (const value of webhook ? [webhook.url, ...Object.values(webhook.headers)] : [])
      if (typeof value !== 'string' && 'file' in value) files.push(value.file);
  }
  for (const { ssh, web, db } of Object.values(servers)) {
    for (const path of [ssh?.identityFile, ssh?.knownHosts]) if (path !== undefined) files.push(path);
    // What another machine uses lies there, and is looked at by it.
    if (web && ssh === undefined) {
      files.push(...filesOfCommand(web.test), ...filesOfCommand(web.reload));
      if (web.vhostTemplate !== undefined) files.push(web.vhostTemplate);
    }
    const password = db?.admin.password;
    if (password && 'file' in password) files.push(password.file);
  }
  for (const site of Object.values(sites)) {
    if (servers[site.server]?.ssh === undefined) {
      files.push(...filesOfCommand(site.php.reload ?? []), ...(await filesOfVhost(host, site)));
      if (site.vhostTemplate !== undefined) files.push(site.vhostTemplate);
    }
    if (site.probe && 'file' in site.probe.password) files.push(site.probe.password.file);
  }
  return files;
}
