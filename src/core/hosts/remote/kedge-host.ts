import manifest from '../../../../package.json';
import { closeInheritedDescriptors } from '../inherited-descriptors';
import { createLocalHost } from '../local-host';
import { HOST_RULES_PATH } from '../rules/host-rules';
import { readHostRules } from '../rules/read-host-rules';
import { RuledHost } from '../rules/ruled-host';
import { serveStandardStreams } from './standard-streams';

/*
 * The program at the far end: serves this machine to the master that started it, over standard input and output, as far as the rules of
 * this machine let him. It ends when the master closes them, or says nothing any more, or by a signal; and with it ends all that it started.
 */

const USAGE = `kedge-host is started by Kedge, over SSH, and speaks to it alone; --version says which it is.
--rules <file> stands in the forced command of the key of a master: what that may touch here. Default: ${HOST_RULES_PATH}`;

function main(): void {
  const { version } = manifest;
  const [option, path, ...more] = process.argv.slice(2);
  closeInheritedDescriptors();
  if (option === '--version') {
    console.log(version);
    return;
  }
  const rules = option === '--rules' && path?.startsWith('/') ? path : HOST_RULES_PATH;
  const isUnderstood = option === undefined || (rules === path && more.length === 0);
  const serves =
    isUnderstood &&
    serveStandardStreams({
      version,
      makeHost: (name) => new RuledHost(createLocalHost({ name }), () => readHostRules(rules, name)),
    });
  if (serves) return;
  console.error(USAGE);
  process.exitCode = 2;
}

main();
