import { KedgeError } from '../../contract/errors';
import type { Owner } from '../../contract/target';
import { unheard } from '../operation';
import type { Host } from './host';

/** Looks an account up as the system does (files, LDAP …), by getent. @throws KedgeError ConfigurationInvalid */
export async function lookUpAccount(host: Host, user: string): Promise<Owner> {
  const { stdout } = await host.run({
    argv: ['getent', 'passwd', user],
    acceptExitCodes: [0, 2],
    operation: unheard('lookup', AbortSignal.timeout(10_000)),
  });
  const [name, , uid, gid] = stdout.trim().split(':');
  if (name === user && uid !== undefined && gid !== undefined) return { user, uid: Number(uid), gid: Number(gid) };
  throw new KedgeError('ConfigurationInvalid', `there is no account ${JSON.stringify(user)} on ${host.name}`, {
    server: host.name,
  });
}
