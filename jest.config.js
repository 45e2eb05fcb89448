/** Tests run from TypeScript source through swc; workflows are bundled once, by the build. */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // Takes long: npm run test:full.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/full/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  testTimeout: 120_000,
  maxWorkers: 2,
};
