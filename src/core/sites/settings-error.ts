import { KedgeError } from '../../contract/errors';
import type { SettingsFile } from './settings-formats/settings-format';

/**
 * SettingsInvalid for a settings file. The message never quotes the file: a broken line of it may be a password.
 * `problem` continues "the settings in <file> of <site> …".
 */
export function settingsInvalid(file: SettingsFile, problem: string, hint?: string): KedgeError {
  const { site, host } = file.folder;
  return new KedgeError('SettingsInvalid', `the settings in ${file.path} of ${site.uri} ${problem}`, {
    site: site.uri,
    server: host.name,
    ...(hint === undefined ? {} : { hint }),
  });
}
