// Makes the package @kedge/client of the compiled client: the files that it loads, their types, and a manifest whose dependencies
// are those that these files name, in the versions of the whole.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';

/** What a compiled file, or its types, loads. */
const LOADED = /(?:\brequire\(|\bimport\(|\bfrom )["']([^"']+)["']/g;

/** `top`: the folder of the project, compiled. `folder`: where the package is made. */
export function makeClientPackage(top, folder) {
  const compiled = join(top, 'dist/src');
  const files = new Set();
  const packages = new Set();
  const visit = (file) => {
    if (files.has(file)) return;
    files.add(file);
    for (const [, name] of readFileSync(file, 'utf8').matchAll(LOADED)) {
      if (name.startsWith('.')) {
        const stem = resolve(dirname(file), name).replace(/\.js$/, '');
        for (const ending of file.endsWith('.d.ts') ? ['.d.ts'] : ['.js', '.d.ts'])
          if (existsSync(stem + ending)) visit(stem + ending);
      } else if (!name.startsWith('node:') && !builtinModules.includes(name)) {
        packages.add(
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        );
      }
    }
  };
  for (const ending of ['.js', '.d.ts']) visit(join(compiled, `client${ending}`));

  rmSync(folder, { recursive: true, force: true });
  for (const file of files) {
    const to = join(folder, relative(compiled, file));
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(file, to);
  }
  const { version, engines, dependencies } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8'));
  const { name, ...manifest } = JSON.parse(readFileSync(join(top, 'packaging/client/package.json'), 'utf8'));
  const needed = Object.fromEntries(
    [...packages]
      .sort((a, b) => a.localeCompare(b))
      .map((needs) => {
        if (!dependencies[needs]) throw new Error(`the client loads ${needs}, which is no dependency`);
        return [needs, dependencies[needs]];
      }),
  );
  const document = { name, version, ...manifest, engines, dependencies: needed };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(document, null, 2)}\n`);
  for (const file of ['packaging/client/README.md', 'LICENSE'])
    copyFileSync(join(top, file), join(folder, file.split('/').at(-1)));
}
