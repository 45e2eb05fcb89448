/** What says soon whether a change is sound: without end-to-end tests, replay, and the long attacks on one part. */
const everything = require('./jest.config.js');

module.exports = {
  ...everything,
  testMatch: [
    'core',
    'activities',
    'workflows',
    'cli',
    'operations',
    'config',
    'temporal',
    'contract',
    'trust',
    'chaos',
    'mutants',
  ].map((folder) => `<rootDir>/test/${folder}/**/*.test.ts`),
  testPathIgnorePatterns: [
    '/node_modules/',
    ...[
      'hostile-',
      'archive-fuzz',
      'foreign-archives',
      'step-by-state',
      'local-host',
      'ordinary-user',
      'workflows/input',
    ],
  ],
  // It waits more than it computes.
  maxWorkers: 3,
};
