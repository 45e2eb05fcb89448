/* The bytes of SQL that dumps are read by. */

export const NEWLINE = 10;
export const SPACE = 32;
export const DOUBLE_QUOTE = 34;
export const HASH = 35;
export const SINGLE_QUOTE = 39;
export const OPEN = 40;
export const CLOSE = 41;
export const STAR = 42;
export const COMMA = 44;
export const DASH = 45;
export const SLASH = 47;
export const AT = 64;
export const BACKSLASH = 92;
export const BACKTICK = 96;
