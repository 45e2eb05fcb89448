<?php
// One run of a cron job: starts WordPress, writes a row. Usage: php cron.php ROOT LOG NUMBER
[, $root, $log, $number] = $argv;
$_SERVER += ['HTTP_HOST' => basename($root), 'REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
$told = false;
$tell = function (string $what) use ($log, $number, &$told): void {
    $told = true;
    file_put_contents($log, sprintf("%s %d %.0f\n", $what, $number, microtime(true) * 1000), FILE_APPEND);
};
// WordPress ends by itself where it is shut.
register_shutdown_function(function () use ($tell, &$told): void {
    if (!$told) $tell('refused');
});
ob_start(fn () => '');
require "$root/wp-load.php";
$tell($wpdb->insert('wp_desk', ['writer' => 'cron', 'number' => $number]) === 1 ? 'done' : 'refused');
