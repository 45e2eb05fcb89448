<?php
// Installs WordPress from the command line and fills it, then prints "installed". Run from the site folder, as its owner.
// Usage: php install-wordpress.php URI:PORT PASSWORD
[, $host, $password] = $argv;
[$uri] = explode(':', $host);
$_SERVER += ['HTTP_HOST' => $host, 'REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REMOTE_ADDR' => '127.0.0.1', 'SERVER_NAME' => $uri];
define('WP_INSTALLING', true);
require 'wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
function wp_new_blog_notification(...$unused): void {} // No mail leaves a private server.
wp_install('The ' . $uri . ' gazette', 'admin', 'admin@example.test', true, '', $password);
for ($n = 1; $n <= 20; $n++) {
    wp_insert_post([
        'post_title' => "Story $n: ünïcode & \"quotes\"",
        'post_content' => "<p>Paragraph $n with 'single', \"double\", \\backslash and emoji \u{1F6A2}.</p>" . str_repeat("<p>Line of text $n.</p>\n", 30),
        'post_status' => 'publish',
        'post_author' => 1,
        'post_date' => sprintf('2026-01-%02d 10:00:00', $n),
    ]);
}
for ($n = 1; $n <= 5; $n++) wp_insert_user(['user_login' => "author$n", 'user_pass' => "secret-$n", 'user_email' => "author$n@example.test", 'role' => 'author']);
update_option('binary_canary', "zero\0byte and /*!50013 DEFINER=`x`@`y` SQL SECURITY DEFINER */ in data");
wp_insert_post(['post_title' => 'About', 'post_name' => 'about', 'post_type' => 'page', 'post_content' => 'About us', 'post_status' => 'publish', 'post_author' => 1]);
echo "installed\n";
