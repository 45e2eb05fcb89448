/** True for `10.11.6-MariaDB` and `[10, 11]`. */
export function isAtLeast(version: string, wanted: readonly number[]): boolean {
  const numbers = version.split(/[.-]/).map(Number);
  for (const [index, number] of wanted.entries()) {
    const has = numbers[index] ?? 0;
    if (has !== number) return has > number;
  }
  return true;
}
