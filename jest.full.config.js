/** What takes too long for every `npm test`. */
module.exports = {
  ...require('./jest.config.js'),
  testMatch: ['<rootDir>/test/full/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  // Suites that wait, for limits and for servers that are down, leave two processors idle for a third of the time.
  maxWorkers: 3,
  testSequencer: '<rootDir>/test/full/longest-first.js',
};
