/** Debian's, of openssh-server. */
export const SSHD = '/usr/sbin/sshd';

/** Lines of its configuration that every private one has: keys alone let in, and nothing is left on the machine. */
export const SSHD_RULES = [
  'PidFile none',
  'UsePAM no',
  'PasswordAuthentication no',
  'KbdInteractiveAuthentication no',
  'PermitRootLogin prohibit-password',
  'MaxStartups 100',
  'UseDNS no',
];
