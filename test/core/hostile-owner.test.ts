import { describeHostileOwner } from '../helpers/hostile-owner-suite';

// The same as in test/full, for a short while.
describeHostileOwner(6);
