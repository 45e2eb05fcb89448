import { monthOfSchedules } from '../helpers/month-suite';

jest.setTimeout(20 * 60_000);

monthOfSchedules(8);
