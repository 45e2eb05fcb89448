import { monthOfSchedules } from '../helpers/month-suite';

jest.setTimeout(30 * 60_000);

monthOfSchedules(50);
