import { bringBackMatrix } from '../helpers/value-matrix-suite';

bringBackMatrix({ whole: true });
