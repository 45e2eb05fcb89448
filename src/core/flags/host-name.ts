import { KedgeError } from '../../contract/errors';
import { siteUriSchema } from '../../contract/target';

/** A site's URI, checked once more: it becomes a server name and a part of paths. @throws KedgeError ConfigurationInvalid */
export function hostName(uri: string): string {
  if (siteUriSchema.safeParse(uri).success) return uri;
  throw new KedgeError('ConfigurationInvalid', `${JSON.stringify(uri)} is no host name in lower case`, {
    hint: 'Name the site as its visitors do, in lower case and without port and path.',
  });
}
