import { KedgeError } from '../../../contract/errors';

/*
 * What the kernel refuses to programs that run with the rights of root for a master, whatever program that is. Their folders confine them, but a
 * few system calls lead past those, or leave behind what does: a file opened by its number instead of its name, or one with the setuid bit.
 */

/** What a program of the worker's user may not do beside that. */
export interface Forbidden {
  /** Accounts that files may be given to. Root is always among them. */
  readonly owners: readonly number[];
  /** Nothing gets the setuid or setgid bit. False only where nobody but root gets to what is made, and it is looked through before somebody does. */
  readonly specialBits: boolean;
}

/** Numbers of system calls on one architecture (asm/unistd.h). */
interface Calls {
  /** AUDIT_ARCH of linux/audit.h. */
  readonly audit: number;
  /** Never allowed. */
  readonly refused: readonly number[];
  /** As if the kernel were older: the C library then does it by another call, which can be looked into. */
  readonly unknown: readonly number[];
  readonly clone: number;
  /** Its second argument is the type. */
  readonly socketpair: number;
  /** Which argument is the mode. */
  readonly modes: readonly (readonly [call: number, argument: number])[];
  /** Which argument is the new owner. */
  readonly owners: readonly (readonly [call: number, argument: number])[];
}

/** Numbers that all architectures have in common, since Linux 5.1. */
const COMMON = {
  // io_uring makes files past this filter; open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr.
  refused: [425, 426, 427, 428, 429, 430, 431, 432, 433, 442],
  // clone3, openat2: their arguments lie in memory, where no filter looks.
  unknown: [435, 437],
  fchmodat2: 452,
};

const CALLS: Partial<Record<NodeJS.Architecture, Calls>> = {
  x64: {
    audit: 0xc000003e,
    refused: [
      // open_by_handle_at, socket, connect, accept, bind, listen, accept4.
      ...[304, 41, 42, 43, 49, 50, 288],
      // add_key, request_key, keyctl, bpf, perf_event_open, userfaultfd, syslog, unshare, setns, mount, umount2, pivot_root.
      ...[248, 249, 250, 321, 298, 323, 103, 272, 308, 165, 166, 155],
      ...COMMON.refused,
    ],
    unknown: COMMON.unknown,
    clone: 56,
    socketpair: 53,
    // open, creat, chmod, fchmod, mknod, openat, mknodat, fchmodat.
    modes: [
      [2, 2],
      [85, 1],
      [90, 1],
      [91, 1],
      [133, 1],
      [257, 3],
      [259, 2],
      [268, 2],
      [COMMON.fchmodat2, 2],
    ],
    // chown, fchown, lchown, fchownat.
    owners: [
      [92, 1],
      [93, 1],
      [94, 1],
      [260, 2],
    ],
  },
  arm64: {
    audit: 0xc00000b7,
    refused: [
      ...[265, 198, 203, 202, 200, 201, 242],
      ...[217, 218, 219, 280, 241, 282, 116, 97, 268, 40, 39, 41],
      ...COMMON.refused,
    ],
    unknown: COMMON.unknown,
    clone: 220,
    socketpair: 199,
    // fchmod, fchmodat, openat, mknodat.
    modes: [
      [52, 1],
      [53, 2],
      [56, 3],
      [33, 2],
      [COMMON.fchmodat2, 2],
    ],
    // fchown, fchownat.
    owners: [
      [55, 1],
      [54, 2],
    ],
  },
};

/** Opcodes of classic BPF (linux/bpf_common.h). */
const LOAD = 0x20;
const EQUALS = 0x15;
const JUMP = 0x05;
const AT_LEAST = 0x35;
const ANY_BIT = 0x45;
const RETURN = 0x06;
/** What becomes of a call (linux/seccomp.h). */
const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const ERROR = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;

/** `struct seccomp_data`. */
const NUMBER_AT = 0;
const ARCHITECTURE_AT = 4;
const ARGUMENTS_AT = 16;

/** Calls of the x32 interface have this bit: the same calls by other numbers. */
const X32 = 0x40000000;
const CLONE_NEWUSER = 0x10000000;
const SPECIAL_BITS = 0o6000;
/**
 * SOCK_STREAM, alone and with SOCK_NONBLOCK and SOCK_CLOEXEC: what only its other end speaks to. One of datagrams takes descriptors from anybody
 * once it is bound to a path, and so the folders of another namespace.
 */
const STREAMS = [0x1, 0x801, 0x80001, 0x80801];
/** "Leave the owner as it is." */
const NO_OWNER = 0xffffffff;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

/**
 * A program for the kernel's filter of system calls (seccomp), as bubblewrap takes it.
 * @throws KedgeError SandboxUnavailable on an architecture whose calls are not known
 */
export function systemCallFilter({ owners, specialBits }: Forbidden): Buffer {
  const calls = CALLS[process.arch];
  if (calls === undefined)
    throw new KedgeError('SandboxUnavailable', `what programs do cannot be limited on ${process.arch}`, {
      hint: 'Run kedge-host on x86_64 or aarch64, or as an ordinary account.',
    });
  const refuse = (error: number): Instruction => [RETURN, 0, 0, ERROR | error];
  const allow: Instruction = [RETURN, 0, 0, ALLOW];
  const argument = (at: number): Instruction => [LOAD, 0, 0, ARGUMENTS_AT + 8 * at];
  const oneOf = (at: number, values: readonly number[]): Instruction[] => [
    argument(at),
    ...values.flatMap((value): Instruction[] => [[EQUALS, 0, 1, value], allow]),
    refuse(EPERM),
  ];
  const program: Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE_AT],
    [EQUALS, 1, 0, calls.audit],
    [RETURN, 0, 0, KILL],
    [LOAD, 0, 0, NUMBER_AT],
    [AT_LEAST, 0, 1, X32],
    [RETURN, 0, 0, KILL],
  ];
  /** What is done for one call. */
  const on = (call: number, then: readonly Instruction[]): void => {
    // How far EQUALS skips is one byte.
    program.push([EQUALS, 1, 0, call], [JUMP, 0, 0, then.length], ...then);
  };
  for (const call of calls.refused) on(call, [refuse(EPERM)]);
  for (const call of calls.unknown) on(call, [refuse(ENOSYS)]);
  on(calls.clone, [argument(0), [ANY_BIT, 0, 1, CLONE_NEWUSER], refuse(EPERM), allow]);
  if (specialBits)
    for (const [call, at] of calls.modes) on(call, [argument(at), [ANY_BIT, 0, 1, SPECIAL_BITS], refuse(EPERM), allow]);
  on(calls.socketpair, oneOf(1, STREAMS));
  const allowed = [...new Set([0, NO_OWNER, ...owners])];
  for (const [call, at] of calls.owners) on(call, oneOf(at, allowed));
  program.push(allow);
  const bytes = Buffer.alloc(8 * program.length);
  for (const [at, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * at);
    bytes.writeUInt8(ifTrue, 8 * at + 2);
    bytes.writeUInt8(ifFalse, 8 * at + 3);
    bytes.writeUInt32LE(value >>> 0, 8 * at + 4);
  }
  return bytes;
}
