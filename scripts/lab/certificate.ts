import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** A self-signed certificate for host names, in files of `folder`. */
export async function makeCertificate(folder: string, names: readonly string[]): Promise<Certificate> {
  const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'certificate.key')];
  const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = [
    '-subj',
    `/CN=${names[0] ?? ''}`,
    '-addext',
    `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`,
  ];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-days', '2', ...algorithm, ...subject],
    ...['-keyout', key, '-out', certificate],
  ]);
  return { certificate, key };
}
