<?php
ini_set('display_errors', '0');
clearstatcache(true);
$on = filter_var(ini_get('opcache.enable'), FILTER_VALIDATE_BOOLEAN);
$status = function_exists('opcache_get_status') ? @opcache_get_status(true) : false;
if (is_array($status) && !empty($status['opcache_enabled']) && function_exists('opcache_invalidate')) {
    $answer = ['invalidated' => 0];
    $folders = [];
    foreach (json_decode($_SERVER['KEDGE_REQUEST'], true)['roots'] as $root) {
        $root = rtrim($root, '/');
        array_push($folders, $root . '/', (realpath($root) ?: $root) . '/');
    }
    foreach (array_keys($status['scripts'] ?? []) as $script) {
        foreach ($folders as $folder) {
            // A link may lead to a single file.
            if (strncmp(preg_replace('~^phar://~', '', $script) . '/', $folder, strlen($folder)) !== 0) continue;
            if (opcache_invalidate($script, true)) $answer['invalidated']++;
            break;
        }
    }
} elseif (!$on) {
    $answer = ['off' => true];
} elseif (!function_exists('opcache_get_status') || !function_exists('opcache_invalidate')) {
    $answer = ['kept' => 'disable_functions'];
} else {
    // Full, or not started, it says so by its status; without one it was refused.
    $answer = is_array($status) ? ['off' => true] : ['kept' => 'opcache.restrict_api'];
}
$fpm = function_exists('fpm_get_status') && function_exists('getmypid') ? @fpm_get_status() : false;
$answer['workers'] = is_array($fpm) ? array_values(array_diff(array_column($fpm['procs'], 'pid'), [getmypid()])) : [];
echo "\n", $_SERVER['KEDGE_ANSWER'], json_encode($answer), "\n";
