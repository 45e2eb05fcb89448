<?php
// Runs in the global scope, as the application includes its settings. The site's code can forge what is reported; it
// could as well have set other values.
final class KedgeEvaluation {
    private static $request;
    private static $through = false;
    private static $failure = null;

    static function begin() {
        self::$request = $request = json_decode($_SERVER['argv'][1], true);
        $_SERVER['argv'] = [$request['file']];
        $_SERVER['argc'] = 1;
        $_SERVER['HTTP_HOST'] = $_SERVER['SERVER_NAME'] = $request['uri'];
        $_SERVER['DOCUMENT_ROOT'] = $request['root'];
        $_SERVER['REQUEST_METHOD'] = 'GET';
        $_SERVER['REQUEST_URI'] = '/';
        $_SERVER['REMOTE_ADDR'] = '127.0.0.1';
        $_SERVER['SCRIPT_FILENAME'] = $request['root'] . '/index.php';
        $_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = '/index.php';
        chdir($request['root']);
        foreach ($request['environment'] as $name => $value) {
            putenv("$name=$value");
            $_ENV[$name] = $_SERVER[$name] = $value;
        }
        if ($request['bootstrap']) self::withoutBootstrap($request['root'], $request['bootstrap']);
        $file = $request['file'];
        if (is_link($file)) self::report('link');
        if (!file_exists($file)) self::report('missing');
        if (!is_file($file)) self::report('no file');
        if (!is_readable($file)) self::report('unreadable');
        if (filesize($file) > $request['maximum']) self::report('large');
        register_shutdown_function([self::class, 'end']);
        if ($request['substitutes']) {
            KedgeSubstitutes::show(array_map('base64_decode', json_decode(stream_get_contents(STDIN), true)));
        }
        return $file;
    }

    // The folder as it is, but for the file that starts the application.
    private static function withoutBootstrap($root, $bootstrap) {
        $stub = '/tmp/application';
        mkdir($stub);
        foreach (array_diff(scandir($root), ['.', '..', $bootstrap['file'], $bootstrap['code']]) as $name) {
            symlink("$root/$name", "$stub/$name");
        }
        touch("$stub/{$bootstrap['file']}");
        define($bootstrap['constant'], "$stub/");
    }

    static function through() { self::$through = true; }

    static function failed($error) {
        self::$failure = [get_class($error), $error->getLine(), $error->getFile(), $error->getMessage()];
    }

    static function end() {
        $last = error_get_last();
        if (!self::$failure && $last && ($last['type'] & (E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR))) {
            self::$failure = ['fatal error', $last['line'], $last['file'], $last['message']];
        }
        $start = self::$request['bootstrap'] ? self::$request['root'] . '/' . self::$request['bootstrap']['file'] : null;
        if (self::$through || ($start && in_array($start, get_included_files(), true))) self::report('through');
        self::report(self::$failure ? 'failed' : 'ended');
    }

    private static function report($state) {
        $report = ['state' => $state];
        if ($state === 'failed') {
            list($report['error'], $report['line'], $report['file'], $message) = self::$failure;
            // Other messages quote the source.
            preg_match('/Call to undefined function [\\\\\w]+\(\)|Failed opening required \'[^\']+\'/', $message, $known);
            $report['detail'] = isset($known[0]) ? $known[0] : null;
        }
        if ($state === 'through') {
            $report['values'] = array_map([self::class, 'value'], self::$request['names']);
            $report['texts'] = self::$request['texts'] ? self::texts() : [];
            $report['structures'] = array_map([self::class, 'find'], self::$request['structures']);
            $report['words'] = self::$request['words'] ? self::words(self::$request['words']) : null;
            $report['included'] = self::$request['included'] ? array_map('bin2hex', array_slice(get_included_files(), 0, 1000)) : [];
        }
        $report = json_encode($report, JSON_PARTIAL_OUTPUT_ON_ERROR);
        fwrite(fopen('php://fd/4', 'w'), $report);
        exit;
    }

    // A file that the settings leave it to, to say where the application connects.
    static function connections() {
        self::$through = true;
        $request = self::$request['texts'] ? self::$request['connections'] : null;
        if (!$request || !is_file(self::$request['root'] . '/' . $request['drop-in'])) return [];
        $named = defined($request['constant']) ? constant($request['constant']) : null;
        $places = [is_string($named) ? $named : '', self::$request['root'] . '/' . $request['file']];
        return array_slice(array_filter($places, 'is_file'), 0, 1);
    }

    // What may say which databases there are: by its name, or by how it looks.
    private static function texts() {
        $found = [];
        $constants = get_defined_constants(true);
        self::collect('', isset($constants['user']) ? $constants['user'] : [], $found, 0);
        foreach ($GLOBALS as $name => $value) {
            if (!in_array($name, ['GLOBALS', 'argv', 'argc', '_SERVER', '_ENV', '_GET', '_POST', '_COOKIE', '_FILES', '_REQUEST'], true)) {
                self::collect("\$$name", $value, $found, 0);
            }
        }
        if (class_exists('KedgeConnections', false)) foreach (KedgeConnections::$names as $at => $name) $found[] = [bin2hex("connection {$at} database"), bin2hex($name)];
        return $found;
    }

    private static function collect($name, $value, &$found, $depth) {
        if (count($found) >= 200 || $depth > 6 || strlen($name) > 200) return;
        if (is_array($value)) {
            foreach ($value as $key => $inner) self::collect($name === '' ? $key : "{$name}['{$key}']", $inner, $found, $depth + 1);
        } elseif (is_string($value) && strlen($value) <= 500
            && (preg_match('/db|database|schema|dsn/i', $name) || preg_match('/^(mysql|mariadb)[a-z0-9]*:/i', $value))) {
            $found[] = [bin2hex($name), bin2hex($value)];
        }
    }

    // Which of the words a file of the application holds; null where there is no such file.
    private static function words($asked) {
        $folder = defined($asked['constant']) ? constant($asked['constant']) : null;
        $file = (is_string($folder) ? $folder : self::$request['root'] . '/' . $asked['folder']) . '/' . $asked['file'];
        if (!is_file($file)) return null;
        $text = (string) file_get_contents($file, false, null, 0, 1 << 20);
        return array_values(array_filter($asked['words'], function ($word) use ($text) { return stripos($text, $word) !== false; }));
    }

    private static function find($name) {
        if ($name['form'] === 'constant') return defined($name['constant']) ? constant($name['constant']) : null;
        $value = $GLOBALS;
        foreach ($name['path'] as $key) {
            if (!is_array($value) || !isset($value[$key])) return null;
            $value = $value[$key];
        }
        return $value;
    }

    private static function value($name) {
        $value = self::find($name);
        if ($value === null && !($name['form'] === 'constant' && defined($name['constant']))) return null;
        return is_string($value) || is_int($value) ? ['text', bin2hex((string) $value)] : ['other', gettype($value)];
    }
}
try {
    include KedgeEvaluation::begin();
    foreach (KedgeEvaluation::connections() as $kedgeConnections) {
        foreach (KedgeConnections::variables() as $kedgeName => $kedgeValue) $GLOBALS[$kedgeName] = $kedgeValue;
        include $kedgeConnections;
    }
    KedgeEvaluation::through();
} catch (Throwable $error) {
    KedgeEvaluation::failed($error);
}
