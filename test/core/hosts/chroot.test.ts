import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { removePrivateFolder } from '../../../scripts/lab/private-folder';
import { canMount } from '../../../scripts/lab/small-disk';

/** A chroot with all that this machine has. One that is a mount point of its own is none to the kernel. */
const MAKE_AND_ENTER = `
cd "$1"
for each in /*; do
  if [ -L "$each" ]; then cp -P "$each" .
  elif [ -d "$each" ]; then mkdir ".$each" && mount --rbind "$each" ".$each"
  fi
done
exec chroot . "$2" -r "$3" "$4"
`;

(canMount ? it : it.skip)(
  'in a chroot, where no sandbox can be made, the error says what it is (needs leave to mount)',
  () => {
    const folder = mkdtempSync('/var/tmp/kedge-chroot-');
    try {
      const said = execFileSync(
        'unshare',
        [
          ...['--mount', 'sh', '-c', MAKE_AND_ENTER, 'sh', folder],
          ...[
            process.execPath,
            join(__dirname, '../../helpers/run-typescript.js'),
            join(__dirname, 'confining-worker.ts'),
          ],
        ],
        { encoding: 'utf8' },
      );
      expect(said).toMatch(
        /^SandboxUnavailable: true cannot be confined on here: no namespaces may be made there\. A chroot has none/,
      );
    } finally {
      removePrivateFolder(folder);
    }
  },
);
