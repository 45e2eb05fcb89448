import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DUMP } from './sound';

const isRoot = process.getuid?.() === 0;

/** What a tree holds beyond short names, links and ordinary numbers; not every format of tar can keep it. */
export type Tree = 'short' | 'long' | 'extreme';

/** What every format can keep. A dump, hard and symbolic links, empty files and folders, every mode that is not refused. */
const SHORT = `
printf '%s' "$2" > database.sql; chmod 600 database.sql
mkdir -p content/empty private shared content/x/y
printf '<?php echo 1;\n' > index.php; printf x > content/one; : > content/nothing
printf 'ümläut' > 'content/ümläut mit Leerzeichen.txt'; printf '%s' '-' > ./-dash; printf '"' > 'a "quoted" one'
printf 'exactly one block' | head -c 512 > content/block; head -c 512 /dev/zero > content/zeros
ln -s index.php soft; ln -s ../content/one private/up; ln -s /nowhere/at/all dangling; ln -s content folder-link
ln content/one content/same; ln index.php private/index.php
chmod 700 private; chmod 2775 shared; chmod 755 index.php; chmod 444 content/one; chmod 0 content/nothing; chmod 1777 content/empty
printf 'own' > content/database.sql
if [ "$3" = root ]; then chown 33:33 content content/one; chown 1234:4321 private; chown -h 65534:65534 soft; chmod 2775 shared; fi
find . -exec touch --no-dereference --date=@1000000000 '{}' +
touch --date=@1234567890 content/one; touch --date=@0 content/zeros; touch --date=@1111111111 content`;

/** Names longer than the field of a header, that fit into it with the prefix, and that do not. */
const LONG = `${SHORT}
n50=$(printf 'n%.0s' $(seq 50)); n150=$(printf 'm%.0s' $(seq 150)); n250=$(printf 'l%.0s' $(seq 250))
mkdir -p "$n50/$n50/$n50" "$n150"; printf deep > "$n50/$n50/$n50/file"; printf 100 > "$(printf 'k%.0s' $(seq 98))"
printf 101 > "$(printf 'k%.0s' $(seq 99))"; printf long > "$n250"; ln "$n250" "$n150/$n250"; ln -s "$n250" "$n150/link"
ln -s "$n150/$n250" "s$n150"; mkdir "$n150/$n150"
find . -exec touch --no-dereference --date=@1000000000 '{}' +`;

/** Bytes that are no UTF-8, times and owners that octal digits cannot hold. */
const EXTREME = `${LONG}
printf latin > "content/$(printf 'caf\\351')"; ln -s "$(printf 'caf\\351')" content/latin-link
printf both > "content/$(printf '\\377')$n150"; printf lines > "content/$(printf 'a\\nb\\tc')"
printf early > early; printf late > late; printf large > large; printf larger > larger
if [ "$3" = root ]; then chown 3000000:3000001 large; chown 2147483650:4000000000 larger; fi
find . -exec touch --no-dereference --date=@1000000000 '{}' +
touch --date=@-86400 early; touch --date=@9000000000 late`;

const SCRIPTS: Record<Tree, string> = { short: SHORT, long: LONG, extreme: EXTREME };

/** Makes a folder such as a site may be. */
export function makeTree(path: string, tree: Tree): void {
  execFileSync('mkdir', ['--mode=755', path]);
  const script = `umask 022; cd "$1"; ${SCRIPTS[tree]}`;
  execFileSync('bash', ['-euc', script, 'bash', path, DUMP, isRoot ? 'root' : 'user']);
}

/** A file that compressors cut into several pieces. */
const LARGE = { name: 'content/large', bytes: 3 * 1024 * 1024 };
export function addLargeFile(path: string): void {
  // Half of it can be compressed.
  const input = Buffer.concat([randomBytes(LARGE.bytes / 2), Buffer.alloc(LARGE.bytes / 2, 'compressible ')]);
  execFileSync('tee', [join(path, LARGE.name)], { input, stdio: ['pipe', 'ignore', 'inherit'] });
}
