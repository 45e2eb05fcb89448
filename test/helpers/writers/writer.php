<?php
// Writes without pause, and logs each write once it is done. Usage:
// php writer.php script|daemon|files ROOT LOG FIRST
// script: reads the settings and logs in anew for each row. daemon: logs in by the settings it began with, and keeps its
// connection as long as it lasts. files: writes no rows, but files.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
[, $kind, $root, $log, $first] = $argv;
function login(string $root): array {
    preg_match_all('/^define\(\s*["\'](DB_\w+)["\'],\s*(.*?)\s*\);/m', file_get_contents("$root/wp-config.php"), $found);
    $settings = array_combine($found[1], array_map(fn ($literal) => eval("return $literal;"), $found[2]));
    return [$settings['DB_USER'], $settings['DB_PASSWORD'], $settings['DB_NAME'], 0, explode(':', $settings['DB_HOST'])[1]];
}
$begun = login($root);
$connection = null;
for ($number = (int) $first; ; $number++) {
    try {
        if ($kind === 'files') {
            $path = "$root/wp-content/uploads/files-$number.bin";
            if (file_put_contents("$path.part", random_bytes(5000)) !== 5000 || !rename("$path.part", $path)) throw new Error('not written');
        } else {
            $connection ??= $kind === 'daemon' ? new mysqli('p:localhost', ...$begun) : new mysqli('localhost', ...login($root));
            $connection->query("INSERT INTO wp_desk VALUES ('$kind', $number)");
            if ($kind === 'script') $connection = null;
        }
        $what = 'done';
    } catch (Throwable) {
        [$what, $connection] = ['refused', null];
    }
    file_put_contents($log, sprintf("%s %d %.0f\n", $what, $number, microtime(true) * 1000), FILE_APPEND);
    usleep($what === 'done' ? 20000 : 50000);
}
