import { type NoticeEvent, noticeOf } from '../../contract/notices';
import type { NoticeStates } from './notice-states';

/** Something that is wrong. */
export interface Condition {
  readonly event: NoticeEvent;
  readonly site: string | null;
  readonly task: string | null;
  readonly code: string | null;
  readonly message: string;
  readonly hint: string | null;
  /** ISO 8601. */
  readonly since: string;
  /** While it stays the same it is one state, and told once. */
  readonly identity: string;
}

/** What a look saw of one state: that something is wrong, or that it is not, in words for who was told that it was. */
export type Seen = { readonly key: string } & (
  { readonly condition: Condition } | { readonly over: string; readonly task?: string }
);

export interface Telling {
  readonly master: string;
  readonly now: Date;
  /** 24 hexadecimal digits that nobody has had. */
  readonly newId: () => string;
  /** Names of those who want to be told. */
  readonly receiversOf: (about: { event: NoticeEvent; site: string | null }) => readonly string[];
}

/**
 * What is told because of what was seen: that something is wrong, once; that it is over, to who may have been told. What nobody wants to
 * be told counts as not told, so that who wants it later is. What was not looked at stays as it is. Returns the same object when nothing changes.
 */
export function settle(states: NoticeStates, seen: readonly Seen[], telling: Telling): NoticeStates {
  let { standing, recorded } = states;
  const time = telling.now.toISOString();
  for (const one of seen) {
    const { key } = one;
    const stood = standing[key];
    if ('condition' in one) {
      const { event, site, task, code, message, hint, since, identity } = one.condition;
      const receivers = telling.receiversOf({ event, site });
      if (stood?.identity === identity || receivers.length === 0) continue;
      standing = { ...standing, [key]: { event, site, task, code, since, identity } };
      const what = {
        event,
        state: 'firing',
        master: telling.master,
        site,
        task,
        code,
        message,
        hint,
        since,
        time,
      } as const;
      recorded = [...recorded, { ...record(noticeOf({ id: telling.newId(), ...what })), receivers: [...receivers] }];
    } else if (stood !== undefined) {
      standing = Object.fromEntries(Object.entries(standing).filter(([other]) => other !== key));
      const { event, site, code, since } = stood;
      const receivers = telling.receiversOf({ event, site });
      if (receivers.length === 0) continue;
      const task = one.task ?? stood.task;
      const what = { event, state: 'resolved', master: telling.master, site, task, code, since, time } as const;
      const notice = noticeOf({ id: telling.newId(), ...what, message: one.over, hint: null });
      recorded = [...recorded, { ...record(notice), receivers: [...receivers] }];
    }
  }
  return standing === states.standing && recorded === states.recorded ? states : { ...states, standing, recorded };
}

function record(notice: NoticeStates['recorded'][number]['notice']) {
  return { notice, delivered: [], started: null };
}
