import { MockActivityEnvironment } from '@temporalio/testing';
import { WrongAnswers } from '../../src/activities/wrong-answers';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const SECOND = 1_000;
const wrongAnswers = new WrongAnswers();

/** Whether a wrong answer is final, to the probe of this id. */
const isFinal = (activityId: string, answer: string): Promise<boolean> =>
  new MockActivityEnvironment({ activityId }).run(async () => wrongAnswers.isFinal(answer));
const forget = (activityId: string): Promise<void> =>
  new MockActivityEnvironment({ activityId }).run(async () => wrongAnswers.forget());

test('the same wrong answer is final after twenty seconds, whatever the clock of the machine says', async () => {
  expect(await isFinal('1', '500')).toBe(false);
  jest.setSystemTime(Date.now() + 86_400_000);
  expect(await isFinal('1', '500')).toBe(false);
  jest.advanceTimersByTime(19 * SECOND);
  jest.setSystemTime(Date.now() - 2 * 86_400_000);
  expect(await isFinal('1', '500')).toBe(false);
  jest.advanceTimersByTime(SECOND);
  expect(await isFinal('1', '500')).toBe(true);
  // A probe of the same id counts from nothing.
  expect(await isFinal('1', '500')).toBe(false);
});

test('another wrong answer begins anew, as does one after which nobody answered', async () => {
  expect(await isFinal('2', '500')).toBe(false);
  jest.advanceTimersByTime(15 * SECOND);
  expect(await isFinal('2', '502')).toBe(false);
  jest.advanceTimersByTime(15 * SECOND);
  expect(await isFinal('2', '502')).toBe(false);
  await forget('2');
  jest.advanceTimersByTime(15 * SECOND);
  expect(await isFinal('2', '502')).toBe(false);
});

test('each probe counts by itself', async () => {
  expect(await isFinal('3', '500')).toBe(false);
  jest.advanceTimersByTime(30 * SECOND);
  expect(await isFinal('4', '500')).toBe(false);
  expect(await isFinal('3', '500')).toBe(true);
});
