import { type FSWatcher, watch } from 'node:fs';

export interface FolderWatch {
  close(): void;
}

/**
 * Calls `changed` with each name that comes into a folder of this machine, or goes out of it, until it is closed. Where the kernel gives no
 * watch, or takes it back, nothing is called: whoever relies on it looks at the folder too. Keeps no process alive.
 */
export function watchFolder(path: string, changed: (name: string) => void): FolderWatch {
  let watcher: FSWatcher;
  try {
    watcher = watch(path, { persistent: false });
  } catch {
    return { close: () => undefined };
  }
  watcher.on('change', (_event, name) => {
    if (name !== null) changed(String(name));
  });
  watcher.on('error', () => watcher.close());
  return { close: () => watcher.close() };
}
