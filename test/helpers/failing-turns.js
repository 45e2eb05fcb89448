// A queue none of whose tasks is ever done: test/temporal/submit.test.ts
exports.turns = async () => {
  throw new Error('made to fail');
};
