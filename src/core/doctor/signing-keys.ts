import type { Complaint } from '../../contract/findings';
import type { SecretReference } from '../../contract/target';
import type { Host } from '../hosts/host';
import type { Installation } from './installation';
import { complaintOf } from './run-checks';

const GROUP = 0o070;

/** Who holds a key may have every site restored; without one, whoever reaches Temporal may. */
export async function checkSigningKeys({
  master,
  configurationPath,
  signingKeys: { references, read },
}: Pick<Installation, 'master' | 'configurationPath' | 'signingKeys'>): Promise<readonly Complaint[]> {
  if (references.length === 0) return [withoutKey(configurationPath)];
  const complaints: Complaint[] = [];
  for (const reference of references) {
    const unreadable = await read(reference).then(() => null, complaintOf);
    if (unreadable) complaints.push(unreadable);
    else if ('file' in reference) complaints.push(...(await checkGroup(master, reference)));
  }
  return complaints;
}

function withoutKey(configurationPath: string): Complaint {
  return {
    level: 'warning',
    message:
      'there is no signing key: whoever reaches Temporal, PHP of each site where it listens on this machine, can restore and deploy every site',
    hint: `Add \`requests: { key: { file: /etc/kedge/signing.key } }\` to ${configurationPath}; \`kedge up\` makes the file, or \`(umask 077; head -c 32 /dev/urandom | base64 >/etc/kedge/signing.key)\`.`,
  };
}

/** Reading it has judged who can change it, or put another in its place. */
async function checkGroup(
  master: Host,
  { file }: Extract<SecretReference, { file: string }>,
): Promise<readonly Complaint[]> {
  const status = await master.status(file);
  if (status?.type !== 'file' || (status.mode & GROUP) === 0) return [];
  return [
    {
      level: 'warning',
      message: `the group of the signing key ${file} may read it, and so have every site restored`,
      hint: `Run \`chmod 600 ${file}\`.`,
    },
  ];
}
