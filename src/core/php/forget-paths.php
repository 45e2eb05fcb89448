<?php
// The time for which one request waits for the others ends by itself: another pool's may have taken their workers.
ini_set('display_errors', '0');
clearstatcache(true);
$asked = json_decode($_SERVER['KEDGE_REQUEST'], true)['workers'];
$until = hrtime(true) + 500000000;
do {
    $workers = [];
    $idle = false;
    foreach (fpm_get_status()['procs'] as $process) {
        $workers[] = $process['pid'];
        if ($process['state'] === 'Idle' && in_array($process['pid'], $asked, true)) $idle = true;
    }
} while ($idle && hrtime(true) < $until && usleep(5000) === null);
echo "\n", $_SERVER['KEDGE_ANSWER'], json_encode(['worker' => getmypid(), 'workers' => $workers]), "\n";
