<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'wordpress');
define('DB_PASSWORD', '@DATABASE_PASSWORD@');
define('DB_HOST', 'mariadb');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');

define('AUTH_KEY', '@KEY@');
define('SECURE_AUTH_KEY', '@KEY@');
define('LOGGED_IN_KEY', '@KEY@');
define('NONCE_KEY', '@KEY@');
define('AUTH_SALT', '@KEY@');
define('SECURE_AUTH_SALT', '@KEY@');
define('LOGGED_IN_SALT', '@KEY@');
define('NONCE_SALT', '@KEY@');

$table_prefix = 'wp_';

if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
