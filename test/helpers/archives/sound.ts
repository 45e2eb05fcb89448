import { folder } from './hostile-archive';
import { member } from './tar-blocks';

export const DUMP =
  'CREATE TABLE `t` (`a` int) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;\nINSERT INTO `t` VALUES\n(1);\n-- Dump completed on 2026-11-24\n';

/** Members of a small archive that nothing is wrong with, without its end. */
export const SOUND = Buffer.concat([
  member({ name: './database.sql', mode: 0o600 }, DUMP),
  member({ name: './.kedge/backup.json', mode: 0o600 }, '{}'),
  folder('./'),
  member({ name: './index.php' }, '<?php echo 1;\n'),
]);
