<?php
// An object cache in Redis, as plugins bring one: the least that shows what a cache that outlives a database does. Its keys
// are those of Redis Object Cache, and so are its settings. Without Redis it is a cache for one request.
require_once ABSPATH . WPINC . '/class-wp-object-cache.php';
final class Redis_Object_Cache extends WP_Object_Cache {
    private $stream;
    private $own = [];

    function __construct() {
        parent::__construct();
        $this->stream = @stream_socket_client('unix://' . WP_REDIS_PATH, $number, $message, 2);
    }
    private function redis(string ...$words) {
        $text = '*' . count($words) . "\r\n";
        foreach ($words as $word) $text .= '$' . strlen($word) . "\r\n$word\r\n";
        fwrite($this->stream, $text);
        $line = rtrim((string) fgets($this->stream));
        if (($line[0] ?? '') !== '$') return substr($line, 1);
        return $line === '$-1' ? null : substr(stream_get_contents($this->stream, (int) substr($line, 1) + 2), 0, -2);
    }
    private function name($key, $group): ?string {
        $group = $group ?: 'default';
        if (!$this->stream || isset($this->own[$group])) return null;
        return WP_REDIS_PREFIX . $GLOBALS['table_prefix'] . ":$group:$key";
    }
    function keep(array $groups): void { $this->own += array_fill_keys($groups, true); }
    function get($key, $group = 'default', $force = false, &$found = null) {
        $value = parent::get($key, $group, $force, $found);
        $name = $this->name($key, $group);
        if ($found || $name === null || ($text = $this->redis('GET', $name)) === null) return $value;
        parent::set($key, unserialize($text), $group);
        return parent::get($key, $group, $force, $found);
    }
    function set($key, $data, $group = 'default', $expire = 0) {
        if (($name = $this->name($key, $group)) !== null) $this->redis('SET', $name, serialize($data));
        return parent::set($key, $data, $group, $expire);
    }
    function add($key, $data, $group = 'default', $expire = 0) {
        $this->get($key, $group, false, $found);
        return $found ? false : $this->set($key, $data, $group, $expire);
    }
    function delete($key, $group = 'default', $deprecated = false) {
        if (($name = $this->name($key, $group)) !== null) $this->redis('DEL', $name);
        return parent::delete($key, $group);
    }
}
function wp_cache_init() { $GLOBALS['wp_object_cache'] = new Redis_Object_Cache(); }
function wp_cache_add($key, $data, $group = '', $expire = 0) { return $GLOBALS['wp_object_cache']->add($key, $data, $group, (int) $expire); }
function wp_cache_set($key, $data, $group = '', $expire = 0) { return $GLOBALS['wp_object_cache']->set($key, $data, $group, (int) $expire); }
function wp_cache_get($key, $group = '', $force = false, &$found = null) { return $GLOBALS['wp_object_cache']->get($key, $group, $force, $found); }
function wp_cache_delete($key, $group = '') { return $GLOBALS['wp_object_cache']->delete($key, $group); }
function wp_cache_replace($key, $data, $group = '', $expire = 0) { return wp_cache_get($key, $group) !== false && wp_cache_set($key, $data, $group, $expire); }
function wp_cache_incr($key, $by = 1, $group = '') { return $GLOBALS['wp_object_cache']->incr($key, $by, $group); }
function wp_cache_decr($key, $by = 1, $group = '') { return $GLOBALS['wp_object_cache']->decr($key, $by, $group); }
function wp_cache_flush() { return $GLOBALS['wp_object_cache']->flush(); }
function wp_cache_close() { return true; }
function wp_cache_add_global_groups($groups) { $GLOBALS['wp_object_cache']->add_global_groups($groups); }
function wp_cache_add_non_persistent_groups($groups) { $GLOBALS['wp_object_cache']->keep((array) $groups); }
function wp_cache_switch_to_blog($blog) {}
