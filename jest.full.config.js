/** What takes too long for every `npm test`. */
module.exports = {
  ...require('./jest.config.js'),
  testMatch: ['<rootDir>/test/full/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testSequencer: '<rootDir>/test/full/longest-first.js',
};
