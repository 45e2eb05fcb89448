/** Tests run from TypeScript source through swc; workflows are bundled once, by the build. */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  // What takes minutes or a machine of its own: `npm run test:full`.
  testMatch: ['<rootDir>/test/!(full)/**/*.test.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  // What is loaded on demand is named as Node wants it, by the compiled file.
  moduleNameMapper: { '^(\\.{1,2}/.+)\\.js$': '$1' },
  testTimeout: 120_000,
  // Suites that wait for servers leave processors idle: three lanes for two of them.
  maxWorkers: 3,
};
