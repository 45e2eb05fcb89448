import type { Plant } from '../plant';

/** What is done with the files of a web server, and what an answer proves. */
export const WEB: readonly Plant[] = [
  {
    name: 'a vhost that was edited by hand is overwritten',
    file: 'src/core/web/vhost-decisions.ts',
    text: '    if (content === null || stampOf(content) !== null) continue;\n    return',
    instead: "    if (content === null || content !== '') continue;\n    return",
    caughtBy: ['test/core/web/vhost-decisions.test.ts'],
  },
  {
    name: 'a site that nobody serves then loses its vhost',
    file: 'src/core/web/vhost-decisions.ts',
    text: "    else if (!others.serve) return { action: 'refuse', file: 'vhost', because: 'served by nobody then' };\n",
    instead: '',
    caughtBy: ['test/core/web/vhost-decisions.test.ts'],
  },
  {
    name: 'a snippet that is still included is removed',
    file: 'src/core/web/vhost-decisions.ts',
    text: '    if (others.inclusions.length > 0) {',
    instead: '    if (others.inclusions.length < 0) {',
    caughtBy: ['test/core/web/vhost-decisions.test.ts'],
  },
  {
    name: 'undo overwrites what somebody edited meanwhile',
    file: 'src/core/web/vhost-decisions.ts',
    text: '    if (content === null || content === earlier || stampOf(content) !== null) return earlier;\n',
    instead: '    if (content !== undefined) return earlier;\n',
    caughtBy: ['test/core/web/vhost-decisions.test.ts'],
  },
  {
    name: 'a stamp at one address counts for all',
    file: 'src/core/web/vhost-decisions.ts',
    text: 'return addresses.every((each) =>',
    instead: 'return addresses.some((each) =>',
    caughtBy: ['test/core/web/vhost-decisions.test.ts'],
  },
  {
    name: 'an edited file has its stamp still',
    file: 'src/core/web/stamp.ts',
    text: "return hashOf(content.slice(firstLine.length).replaceAll(stamp, '')) === stamp ? stamp : null;",
    instead: "return hashOf(content.slice(firstLine.length)) === '' ? null : stamp;",
    caughtBy: ['test/core/web/vhost-decisions.test.ts', 'test/core/web/vhost-folder.test.ts'],
  },
  {
    name: 'another status is as good',
    file: 'src/core/web/content-mark.ts',
    text: "  if (found.status !== expected.status) return 'broken';\n",
    instead: '',
    caughtBy: ['test/core/web/compare-marks.test.ts'],
  },
  {
    name: 'a page without its title is as good',
    file: 'src/core/web/content-mark.ts',
    text: "return found.title === null ? 'broken' : 'other title';",
    instead: "return 'other title';",
    caughtBy: ['test/core/web/compare-marks.test.ts'],
  },
  {
    name: 'a vhost that the server refuses stays',
    file: 'src/core/web/vhost-folder.ts',
    text: '        await this.put(site, decision.otherwise);\n',
    instead: '',
    caughtBy: ['test/core/web/vhost-folder.test.ts'],
  },
  {
    name: 'two tasks write vhosts of a server at once',
    file: 'src/core/web/vhost-folder.ts',
    text: '    return this.alone(operation, async () => {\n      const before = await this.read(site);',
    instead:
      '    return (async (_operation: Operation, work: () => Promise<VhostChange>) => work())(operation, async () => {\n      const before = await this.read(site);',
    caughtBy: ['test/core/web/vhost-folder.test.ts'],
  },
  {
    name: 'a page that asks for a password proves a site',
    file: 'src/core/web/proof.ts',
    text: '  const proven = behind.status < 300;\n',
    instead: '  const proven = behind.status < 500;\n',
    caughtBy: ['test/core/web/proof.test.ts'],
  },
  {
    name: 'a site that turns visitors away since the restore is as before',
    file: 'src/core/web/proof.ts',
    text: 'return isRefusal(status) && status !== 401 && status !== before;',
    instead: 'return isRefusal(status) && status !== 401 && before === null;',
    caughtBy: ['test/core/web/proof.test.ts'],
  },
];
