import { configuredSigningKey } from '../../src/operations/configured-signing-key';
import { parseConfiguration } from '../../src/config/load';

const signingKey = (requests: string, environment: Record<string, string> = {}) =>
  configuredSigningKey(
    parseConfiguration(`master: a\nbackups: /b\nstate: /s\n${requests}\nservers: {}\nsites: {}\n`, 'kedge.yaml'),
    environment,
  );

it('without a key nothing is signed', async () => {
  expect(await signingKey('')('restore')).toBeNull();
});

it('what has a key signs with it, whatever is asked for', async () => {
  const key = 'x'.repeat(43);
  const sign = signingKey('requests: { key: { env: KEY }, previousKey: { env: OLD } }', { KEY: key });
  expect([await sign('restore'), await sign('backup')]).toEqual([key, key]);
});

it('who may not read the key is told by what needs it, and asks for the rest unsigned', async () => {
  const sign = signingKey('requests: { key: { file: /nowhere/signing.key }, sign: [verify] }');
  expect(await sign('backup')).toBeNull();
  for (const type of ['restore', 'deploy', 'verify'] as const)
    await expect(sign(type)).rejects.toMatchObject({
      code: 'SecretUnavailable',
      message: `a ${type} has to be signed, and the secret file /nowhere/signing.key does not exist`,
      state: 'the site is unchanged',
      hint: expect.stringMatching(/^Run it as the worker's user/) as unknown,
    });
});

it.each([
  ['requests: { sign: [backup] }', /sign: without a key nothing can be signed/],
  ['requests: { previousKey: { env: OLD } }', /there is a previousKey, and no key/],
  ['requests: { key: secret }', /requests\.key: a reference to a secret/],
  ['requests: { deployFrom: [archives] }', /requests\.deployFrom\.0/],
  ['requests: { deployForm: [/srv] }', /did you mean deployFrom/],
])('%s is refused', (requests, message) => {
  expect(() => signingKey(requests)).toThrow(message);
});
