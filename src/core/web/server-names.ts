import type { SiteLocation } from '../../contract/target';
import { hostName } from '../flags/host-name';

/** Every name a site answers to. @throws KedgeError ConfigurationInvalid */
export function serverNames(site: Pick<SiteLocation, 'uri' | 'aliases' | 'redirects'>): string[] {
  return [...new Set([site.uri, ...site.aliases, ...(site.redirects?.names ?? [])])].map(hostName);
}
