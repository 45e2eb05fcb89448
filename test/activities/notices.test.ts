import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { NOTHING_TOLD } from '../../src/core/notices/notice-states';
import { BareMaster } from '../helpers/bare-master';
import { someNotice } from '../helpers/notices';

const NOTICE = someNotice();
const RUN = { workflowId: `notice/${NOTICE.id}`, runId: 'run' };

let master: BareMaster;
beforeEach(async () => {
  master = await BareMaster.start();
});
afterEach(() => master.stop());

const at = (name: string): string => join(master.folder, name);
const deliver = (receiver: string, notice = NOTICE.id): Promise<unknown> =>
  master.call(RUN, 'deliverNotice', [{ notice, receiver }]);

function configure(notify: readonly object[]): void {
  const path = at('kedge.yaml');
  writeFileSync(path, stringify({ ...(parse(readFileSync(path, 'utf8')) as object), notify }));
}

/** A program that counts how often it was run, and does this. */
function program(body: string): string {
  writeFileSync(at('told'), `#!/bin/sh\ncat >> ${at('got')}\n${body}\n`, { mode: 0o700 });
  return at('told');
}

const timesRun = (): number => (existsSync(at('got')) ? readFileSync(at('got'), 'utf8').trim().split('\n').length : 0);

async function record(...receivers: string[]): Promise<void> {
  const recorded = [{ notice: NOTICE, receivers, delivered: [], started: null }];
  await master.parts.notices.file.change(() => ({ ...NOTHING_TOLD, recorded }));
}

it('tells a receiver what was recorded, once, whoever asks how often', async () => {
  configure([{ name: 'pager', command: [program('echo taken')] }]);
  await record('pager');
  expect(await deliver('pager')).toEqual({ answer: 'taken' });
  expect(JSON.parse(readFileSync(at('got'), 'utf8'))).toEqual(NOTICE);
  expect(await deliver('pager')).toEqual({ answer: null, passedOver: 'it took the notice before' });
  expect(timesRun()).toBe(1);
});

it('what a receiver did not take is told it again', async () => {
  configure([{ name: 'pager', command: [program(`test -e ${at('mended')}`)] }]);
  await record('pager');
  await expect(deliver('pager')).rejects.toMatchObject({ code: 'ProgramFailed' });
  writeFileSync(at('mended'), '');
  expect(await deliver('pager')).toEqual({ answer: '' });
  expect(timesRun()).toBe(2);
});

it('tells nothing that nobody recorded, and nobody whom it was not recorded for', async () => {
  configure([{ name: 'pager', command: [program('')] }]);
  await record('chat');
  await expect(deliver('pager')).rejects.toMatchObject({ code: 'InputInvalid' });
  await expect(deliver('chat', 'b'.repeat(24))).rejects.toMatchObject({ code: 'InputInvalid' });
  await expect(deliver('pager', '../../etc/passwd')).rejects.toMatchObject({ code: 'InputInvalid' });
  expect(timesRun()).toBe(0);
});

it('passes over a receiver that the configuration names no more', async () => {
  configure([]);
  await record('pager');
  expect(await deliver('pager')).toEqual({ answer: null, passedOver: 'the configuration names it no more' });
});

it('a secret of a webhook is known from its first use on, so that whatever else says it is filtered', async () => {
  writeFileSync(at('secret'), 'kwak-7Zq9-token\n', { mode: 0o600 });
  const headers = { Authorization: { file: at('secret') } };
  configure([{ name: 'hook', webhook: { url: 'http://127.0.0.1:1/', headers } }]);
  await record('hook');
  await expect(deliver('hook')).rejects.toMatchObject({ code: 'NoticeUndelivered' });
  configure([{ name: 'hook', command: [program(`cat ${at('secret')}`)] }]);
  expect(await deliver('hook')).toEqual({ answer: '[redacted]' });
});
