import { folder } from './hostile-archive';
import { END, member } from './tar-blocks';

export const DUMP =
  'CREATE TABLE `t` (`a` int) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;\nINSERT INTO `t` VALUES\n(1);\n-- Dump completed on 2026-11-24\n';

/** Members of a small archive that nothing is wrong with, without its end. */
export const SOUND = Buffer.concat([
  member({ name: './database.sql', mode: 0o600 }, DUMP),
  member({ name: './.kedge/backup.json', mode: 0o600 }, '{}'),
  folder('./'),
  member({ name: './index.php' }, '<?php echo 1;\n'),
]);

/** Members of a tar without the zeros it ends with. */
export function withoutEnd(tar: Buffer): Buffer {
  let end = tar.length;
  while (end >= END.length / 2 && tar.subarray(end - END.length / 2, end).every((byte) => byte === 0))
    end -= END.length / 2;
  return tar.subarray(0, end);
}
