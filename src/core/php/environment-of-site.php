<?php
$names = array_keys(getenv() + $_ENV + $_SERVER);
echo "\n" . $_SERVER['KEDGE_ANSWER'] . json_encode(['names' => array_slice($names, 0, 1000)], JSON_PARTIAL_OUTPUT_ON_ERROR) . "\n";
