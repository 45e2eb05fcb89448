import type { Complaint } from '../../contract/findings';
import { isKedgeError } from '../../contract/errors';
import type { Operation } from '../operation';
import type { ConfiguredWebServer } from './installation';
import type { Check } from './run-checks';

/** Checks of one web server. */
export const WEB_SERVER_CHECKS: readonly Check<ConfiguredWebServer>[] = [
  { check: 'web-test', run: checkTest },
  { check: 'web-reload', run: checkReload },
  { check: 'vhosts-folder', run: checkVhostsFolder },
  { check: 'flags-folder', run: checkFlagsFolder },
];

async function checkTest(web: ConfiguredWebServer, operation: Operation): Promise<readonly Complaint[]> {
  try {
    await web.server.test(operation);
    return [];
  } catch (error) {
    if (isKedgeError(error) && error.code === 'ProgramMissing') return [notInstalled(web, 'test')];
    throw error;
  }
}

/** The program is there: to reload is no test's business. */
async function checkReload(web: ConfiguredWebServer, operation: Operation): Promise<readonly Complaint[]> {
  const [program = ''] = web.address.reload;
  const { exitCode } = await web.host.run({
    argv: ['sh', '-c', 'command -v -- "$1"', 'sh', program],
    acceptExitCodes: [0, 1, 127],
    operation,
  });
  return exitCode === 0 ? [] : [notInstalled(web, 'reload')];
}

async function checkVhostsFolder({ server }: ConfiguredWebServer): Promise<readonly Complaint[]> {
  await server.assertVhosts();
  return [];
}

async function checkFlagsFolder({ server }: ConfiguredWebServer): Promise<readonly Complaint[]> {
  await server.assertFlags();
  return [];
}

function notInstalled({ address, host, server }: ConfiguredWebServer, command: 'test' | 'reload'): Complaint {
  const program = address[command][0] ?? '';
  const name = server.packageOf(program);
  return {
    level: 'error',
    message: `${program}, by which ${address.name} is to be ${command}ed, is not installed on ${host.name}`,
    hint:
      name !== null
        ? `Install the package ${name} (Debian and Fedora).`
        : `Install it, or correct \`${command}:\` of the web server ${address.name} in the configuration.`,
  };
}
