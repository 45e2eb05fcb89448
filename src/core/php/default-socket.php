<?php
$found = null;
foreach (['pdo_mysql.default_socket', 'mysqli.default_socket'] as $name) {
    if ($found === null && is_string(ini_get($name)) && ini_get($name) !== '') $found = ini_get($name);
}
echo "\n" . $_SERVER['KEDGE_ANSWER'] . json_encode(['socket' => $found]) . "\n";
