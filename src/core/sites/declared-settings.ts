import type { FurtherSettings, SettingsFormat as DeclaredFormat } from '../../contract/target';
import { environmentSettings } from './settings-formats/environment';
import { phpSettings } from './settings-formats/php';
import type { SettingsFile, SettingsFormat } from './settings-formats/settings-format';
import type { SiteFolder } from './site-folder';

const FORMATS: Record<DeclaredFormat['format'], SettingsFormat> = {
  constants: phpSettings(),
  variables: phpSettings(),
  env: environmentSettings,
};

/** Settings that the configuration describes, as they are looked at. In it a variable may stand without its dollar sign. */
export function declaredSettings<Names extends FurtherSettings['names']>(
  folder: SiteFolder,
  { file, format, names }: { readonly file: string; readonly format: DeclaredFormat['format']; readonly names: Names },
): { file: SettingsFile; format: SettingsFormat; names: Names } {
  const named = (name: string): string => (format === 'variables' ? name.replace(/^\$?/, '$$') : name);
  const entries = Object.entries(names).map(([part, name]) => [part, named(name)] as const);
  return { file: { folder, path: file }, format: FORMATS[format], names: Object.fromEntries(entries) as Names };
}
