<?php
ini_set('display_errors', '0');
final class KedgeObjectCache {
    // One reply of Redis is no longer, and holds no more replies.
    const LONGEST = 16777216;

    private $stream;
    private $until;
    private $read = '';
    private $at = 0;

    function __construct($address, $seconds) {
        $this->until = microtime(true) + $seconds;
        if (!function_exists('stream_socket_client')) throw new RuntimeException('disable_functions keeps PHP from connecting');
        $this->stream = @stream_socket_client($address, $number, $message, min(3, $seconds));
        if (!$this->stream) throw new RuntimeException('cannot be reached: ' . $message);
    }

    // Nothing goes on behind the time limit, however busy the server keeps us; silence ends sooner.
    private function wait() {
        $left = $this->until - microtime(true);
        if ($left <= 0) throw new RuntimeException('takes too long');
        stream_set_timeout($this->stream, 0, (int) (min(3, $left) * 1000000));
    }

    // What has come. fgets would wait for the end of a line as long as single bytes come.
    private function more() {
        $this->wait();
        $now = fread($this->stream, 65536);
        if ($now === false || $now === '') throw new RuntimeException(microtime(true) + 0.05 < $this->until ? 'ended the connection, or does not answer' : 'takes too long');
        $this->read = substr($this->read, $this->at) . $now;
        $this->at = 0;
    }

    private function bytes($count) {
        while (strlen($this->read) - $this->at < $count) $this->more();
        $this->at += $count;
        return substr($this->read, $this->at - $count, $count);
    }

    function line() {
        while (($end = strpos($this->read, "\n", $this->at)) === false) {
            if (strlen($this->read) - $this->at > 65536) throw new RuntimeException('sends a line without an end');
            $this->more();
        }
        return rtrim($this->bytes($end + 1 - $this->at), "\r\n");
    }

    function send($text) {
        for ($sent = 0; $sent < strlen($text); $sent += $now) {
            $this->wait();
            $now = fwrite($this->stream, substr($text, $sent, 65536));
            if (!$now) throw new RuntimeException('ended the connection');
        }
    }

    // The first word of an error. What follows may be anything, a password among it.
    static function code($line) {
        return preg_match('/^[A-Z_]{1,30}/', $line, $found) ? $found[0] : 'an error';
    }

    function redis(...$words) {
        $text = '*' . count($words) . "\r\n";
        foreach ($words as $word) $text .= '$' . strlen($word) . "\r\n$word\r\n";
        $this->send($text);
        return $this->reply();
    }

    private function reply($depth = 0) {
        $line = $this->line();
        $rest = substr($line, 1);
        switch ($line[0] ?? '') {
            case '+': return $rest;
            case ':': return (int) $rest;
            case '-': throw new RuntimeException('answers ' . self::code($rest));
            case '$':
                if ($rest < 0) return null;
                if ($rest > self::LONGEST) throw new RuntimeException('sends more than was asked for');
                return substr($this->bytes($rest + 2), 0, -2);
            case '*':
                if ($rest > self::LONGEST || $depth > 2) throw new RuntimeException('sends more than was asked for');
                $replies = [];
                for ($left = (int) $rest; $left > 0; $left--) $replies[] = $this->reply($depth + 1);
                return $replies;
        }
        throw new RuntimeException('is no Redis');
    }
}

function kedge_redis($cache, $server, $begins) {
    if ($server['password'] !== null) {
        $cache->redis('AUTH', ...array_filter([$server['user'], $server['password']], 'is_string'));
    }
    if ($server['database'] !== 0) $cache->redis('SELECT', (string) $server['database']);
    $removed = 0;
    foreach ($begins as $begin) {
        $cursor = '0';
        do {
            list($cursor, $keys) = $cache->redis('SCAN', $cursor, 'MATCH', preg_replace('/[\\\\*?\[\]]/', '\\\\$0', $begin) . '*', 'COUNT', '1000');
            if ($keys) $removed += $cache->redis('DEL', ...$keys);
        } while ($cursor !== '0');
    }
    return ['removed' => $removed, 'left' => $cache->redis('DBSIZE')];
}

function kedge_memcached($cache, $pattern) {
    while (true) {
        $cache->send("lru_crawler metadump all\r\n");
        $line = $cache->line();
        if (strncmp($line, 'BUSY', 4) !== 0) break;
        usleep(100000);
    }
    $keys = [];
    $left = 0;
    for (; $line !== 'END'; $line = $cache->line()) {
        if (!preg_match('/^key=(\S+) /', $line, $found)) throw new RuntimeException('cannot list its keys: ' . KedgeObjectCache::code($line));
        $key = rawurldecode($found[1]);
        if (preg_match($pattern, $key)) $keys[] = $key; else $left++;
    }
    $removed = 0;
    foreach ($keys as $key) {
        $cache->send("delete $key\r\n");
        if ($cache->line() === 'DELETED') $removed++;
    }
    return ['removed' => $removed, 'left' => $left];
}

try {
    $request = json_decode($_SERVER['KEDGE_REQUEST'], true);
    $cache = new KedgeObjectCache($request['server']['address'], $request['seconds']);
    $prefixes = $request['prefixes'];
    if ($request['store'] === 'redis') {
        $answer = kedge_redis($cache, $request['server'], $prefixes ?: ["{$request['tablePrefix']}:"]);
    } else {
        // Some count their flushes before the prefix of the tables.
        $begin = $prefixes
            ? '(?:' . implode('|', array_map(function ($prefix) { return preg_quote($prefix, '/'); }, $prefixes)) . ')'
            : '(?:\d+:|_:)?' . preg_quote($request['tablePrefix'], '/') . ':';
        $answer = kedge_memcached($cache, "/^$begin/");
    }
} catch (Throwable $error) {
    $answer = ['problem' => substr(preg_replace('/[^\x20-\x7e]/', '?', $error->getMessage()), 0, 150)];
}
echo "\n", $_SERVER['KEDGE_ANSWER'], json_encode($answer), "\n";
