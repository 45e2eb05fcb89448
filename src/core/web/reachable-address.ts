/** Where a listener on all addresses is reached, from its own machine; other addresses as they are, without brackets. */
export function reachableAddress(address: string): string {
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (bare === '*' || bare === '0.0.0.0') return '127.0.0.1';
  return bare === '::' ? '::1' : bare;
}
