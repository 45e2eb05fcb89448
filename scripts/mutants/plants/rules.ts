import type { Plant } from '../plant';

const RULED = ['test/core/hosts/rules/ruled-host.test.ts'];
const CONFINEMENT = 'src/core/hosts/rules/confinement.ts';
const HOST = 'src/core/hosts/rules/ruled-host.ts';

/** In what a server lets its master do. */
export const RULES: readonly Plant[] = [
  {
    name: 'a program runs as any account',
    file: CONFINEMENT,
    text: '  if (command.owner && !owner) throw refuse(`running ${command.argv[0]} as ${command.owner.user}`);\n',
    instead: '',
    caughtBy: RULED,
  },
  {
    name: 'root keeps setuid bits in the folder of a site',
    file: CONFINEMENT,
    text: '    setsSpecialBits: written.length > 0 && !isLive,\n',
    instead: '    setsSpecialBits: written.length > 0,\n',
    caughtBy: RULED,
  },
  {
    name: 'a sandbox shows something in the place of the system’s programs',
    file: CONFINEMENT,
    text: '  if (!isAbsolute(to) || normalize(to) !== to || SANDBOXES_OWN.some((place) => overlap(place, to)))\n',
    instead: '  if (!isAbsolute(to) || normalize(to) !== to)\n',
    caughtBy: RULED,
  },
  {
    name: 'what was there before is written to',
    file: CONFINEMENT,
    text: "  if (writable && isOfBefore(names)) throw refuse(what, 'what was there before stays as it is');\n",
    instead: '',
    caughtBy: RULED,
  },
  {
    name: 'a sandbox shows one thing within another',
    file: CONFINEMENT,
    text: '    if (!isFileOfTask) throw refuse(`showing ${inner.from} within ${outer.from}`);\n',
    instead: '',
    caughtBy: RULED,
  },
  {
    name: 'the network is for every program',
    file: CONFINEMENT,
    text: '  if (sandbox.network && !(owner && written.length > 0 && hooksAllowed))\n',
    instead: '  if (sandbox.network && !hooksAllowed)\n',
    caughtBy: RULED,
  },
  {
    name: 'files are opened by their numbers',
    file: 'src/core/hosts/rules/system-calls.ts',
    text: '...[304, 41, 42,',
    instead: '...[41, 42,',
    caughtBy: RULED,
  },
  {
    name: 'pairs of sockets are of any type',
    file: 'src/core/hosts/rules/system-calls.ts',
    text: '  on(calls.socketpair, oneOf(1, STREAMS));\n',
    instead: '',
    caughtBy: RULED,
  },
  {
    name: 'files are given to any account',
    file: 'src/core/hosts/rules/system-calls.ts',
    text: '    owners: [\n      [92, 1],\n      [93, 1],\n      [94, 1],\n      [260, 2],\n    ],\n',
    instead: '    owners: [],\n',
    caughtBy: RULED,
  },
  {
    name: 'what was restored is not looked through',
    file: HOST,
    text: "      if (target.kind === 'site') await assertHarmless(this.machine, from, owners, guard, operation);\n",
    instead: '',
    caughtBy: RULED,
  },
  {
    name: 'what has another name elsewhere is put in its place',
    file: 'src/core/hosts/rules/exposure.ts',
    text: 'if (here !== all) throw',
    instead: 'if (here > all) throw',
    caughtBy: RULED,
  },
  {
    name: 'what a program still writes to is put in its place',
    file: 'src/core/hosts/rules/staging-locks.ts',
    text: "    await machine.run({ argv: ['flock', `--${how}`, '0'], inputFile: file, operation });\n",
    instead: '',
    caughtBy: RULED,
  },
  {
    name: 'others get into the staging folder',
    file: HOST,
    text: '    for (const staging of confinement.stagingFolders) await this.folders.assertShut(staging);\n',
    instead: '',
    caughtBy: RULED,
  },
  {
    name: 'a link that root laid is followed',
    file: 'src/core/hosts/open-path.ts',
    text: "  if (found === null || !('link' in found)) return found?.handle ?? null;\n",
    instead:
      "  if (found !== null && 'link' in found) return openPath(path, server);\n  if (found === null || !('link' in found)) return found?.handle ?? null;\n",
    caughtBy: RULED,
  },
  {
    name: 'marks of other masters are ended',
    file: HOST,
    text: '  return `of-${rules.master}/${mark}`;\n',
    instead: '  return rules.master === mark ? mark : mark;\n',
    caughtBy: RULED,
  },
  {
    name: 'a command runs with any environment',
    file: 'src/core/hosts/rules/known-commands.ts',
    text: '  if (!isPlain) return false;\n',
    instead: '',
    caughtBy: RULED,
  },
  {
    name: 'a variable is loaded by who may become anybody',
    file: 'src/core/hosts/sandbox.ts',
    text: 'environmentOf(switches ? {} : command.environment)',
    instead: 'environmentOf(command.environment)',
    caughtBy: RULED,
  },
  {
    name: 'keys of the system are shown to programs of root',
    file: 'src/core/hosts/sandbox.ts',
    text: '  if (privileged && command.owner === undefined) argv.push(...hiddenConfiguration());\n',
    instead: '',
    caughtBy: RULED,
  },
  {
    name: 'a vhost holds whatever text was asked for',
    file: 'src/core/hosts/rules/vhost-files.ts',
    text: '  await assertValues(machine, rules, web, site);\n',
    instead: '',
    caughtBy: ['test/core/hosts/rules/ruled-host.test.ts'],
  },
];
