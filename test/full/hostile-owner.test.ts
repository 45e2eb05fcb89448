import { describeHostileOwner } from '../helpers/hostile-owner-suite';

describeHostileOwner(150);
