<?php
// Stands for the drop-in that a file of connections configures: HyperDB and LudicrousDB are given them as this is.
final class KedgeConnections {
    static $names = [];
    // What such a file expects to be set.
    static function variables() { return ['wpdb' => new self]; }
    function add_database($connection) {
        if (is_array($connection) && isset($connection['name']) && is_string($connection['name']) && count(self::$names) < 100) {
            self::$names[] = $connection['name'];
        }
    }
    function __call($name, $arguments) {}
    function __get($name) { return null; }
    function __set($name, $value) {}
}
