import { hostname } from 'node:os';
import manifest from '../../../../package.json';
import { endOverdue } from '../../flags/end-overdue';
import { unheard } from '../../operation';
import { closeInheritedDescriptors } from '../inherited-descriptors';
import { createLocalHost } from '../local-host';
import { HOST_RULES_PATH } from '../rules/host-rules';
import { readHostRules, rulesReader } from '../rules/read-host-rules';
import { RuledHost } from '../rules/ruled-host';
import { serveStandardStreams } from './standard-streams';

/*
 * The program at the far end: serves this machine to the master that started it, over standard input and output, as far as the rules of
 * this machine let him. It ends when the master closes them, or says nothing any more, or by a signal; and with it ends all that it started.
 */

const USAGE = `kedge-host is started by Kedge, over SSH, and speaks to it alone; --version says which it is.
--end-overdue opens sites whose maintenance is over: a timer of this machine has it done once a minute.
--rules <file> stands in the forced command of the key of a master: what that may touch here. Default: ${HOST_RULES_PATH}`;

function main(): void {
  const { version } = manifest;
  const given = process.argv.slice(2);
  const endsOverdue = given[0] === '--end-overdue';
  const [option, path, ...more] = given.slice(endsOverdue ? 1 : 0);
  closeInheritedDescriptors();
  if (option === '--version') {
    console.log(version);
    return;
  }
  const rules = option === '--rules' && path?.startsWith('/') ? path : HOST_RULES_PATH;
  const isUnderstood = option === undefined || (rules === path && more.length === 0);
  if (isUnderstood && endsOverdue) {
    openOverdueSites(rules).catch((error: unknown) => {
      console.error(error instanceof Error ? error.message : String(error));
      process.exitCode = 1;
    });
    return;
  }
  const serves =
    isUnderstood &&
    serveStandardStreams({
      version,
      makeHost: (name) => new RuledHost(createLocalHost({ name }), rulesReader(rules, name)),
    });
  if (serves) return;
  console.error(USAGE);
  process.exitCode = 2;
}

async function openOverdueSites(rulesFile: string): Promise<void> {
  const name = hostname();
  const rules = readHostRules(rulesFile, name);
  if (rules.web === undefined) return;
  const operation = unheard('end-overdue', AbortSignal.timeout(OVERDUE_LIMIT_MS));
  const machine = createLocalHost({ name });
  const sites = new RuledHost(machine, () => rules);
  const { opened, problems } = await endOverdue({ host: machine, flags: rules.web.flags, sites }, operation);
  for (const uri of opened)
    console.log(`${uri} is open again: its maintenance was over, and its master had not ended it`);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}

/** The next look comes a minute later, ms. */
const OVERDUE_LIMIT_MS = 50_000;

main();
