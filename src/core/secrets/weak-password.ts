/** From this length on a password is looked for in any text; a shorter one would blank out words. */
export const STRONG_LENGTH = 8;

/** Words of logs, of this field and of lists of passwords in use, of {@link STRONG_LENGTH} letters or more. */
const COMMON_WORDS = new Set(
  `administrator archive backup1234 changeme changeme1 complete connection database database1 deployed directory
  disabled discarded download dragon12 enabled1 failed-to football function hostname iloveyou information internal
  kedgekedge letmein1 localhost maintenance mariadb1 mariadb123 master123 message messages mysql1234 mysqlroot notfound
  operation owner123 p@ssw0rd p4ssw0rd pa$$word passw0rd password password! password1 password12 password123 passwort
  permission phpmyadmin postgres princess published qwerty12 qwertyui qwertyuiop reloaded restored restoring root1234
  rootroot secret12 secret123 secretsecret security server12 sunshine superman switched temporal terminated testtest
  timestamp transaction trustno1 undefined unchanged unreachable username verified warning warnings webmaster welcome1
  welcome123 wordpress wordpress1 workflow 11111111 12341234 12345678 123456789 1234567890 87654321 00000000 88888888`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

/** Whether a text is a word, or a number, date or address, rather than a secret. */
export function isCommonWord(text: string): boolean {
  return COMMON_WORDS.has(text.toLowerCase()) || /^\d{1,12}$|^\d{1,4}([.:/-]\d{1,5}){1,8}$/.test(text);
}

/** What keeps a password from being taken out of texts wherever it stands, said of it; null for one that can be. */
export function weaknessOf(password: string): string | null {
  if (password.length < STRONG_LENGTH) return `is shorter than ${STRONG_LENGTH} characters`;
  return isCommonWord(password) ? 'is a common word or number' : null;
}
