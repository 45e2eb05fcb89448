// Bundles the program that a server runs for its master: one file, that Node alone is needed for.
import { chmodSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import webpack from 'webpack';

/** Writes the bundle of `src/core/hosts/remote/kedge-host.ts` to `file`. From the sources: of packages only what is used is taken. */
export async function bundleHostProgram(top, file) {
  const compiler = webpack({
    mode: 'production',
    target: 'node20',
    context: top,
    entry: join(top, 'src/core/hosts/remote/kedge-host.ts'),
    output: { path: dirname(file), filename: basename(file) },
    resolve: { extensions: ['.ts', '.js'] },
    module: {
      rules: [
        {
          test: /\.ts$/,
          use: { loader: 'swc-loader', options: { jsc: { target: 'es2023', parser: { syntax: 'typescript' } } } },
        },
      ],
    },
    performance: { hints: false },
    plugins: [new webpack.BannerPlugin({ banner: '#!/usr/bin/env node', raw: true })],
  });
  const stats = await new Promise((resolve, reject) =>
    compiler.run((error, stats) => (error ? reject(error) : compiler.close(() => resolve(stats)))),
  );
  if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString({ preset: 'errors-warnings' }));
  chmodSync(file, 0o755);
}
