<?php
// Offsets are summed up because token_get_all knows none, and PhpToken is missing before PHP 8. What is evaluated is one
// literal, by what PHP's own tokenizer says.
function kedgeValue($literal) {
    try {
        return bin2hex((string) @eval("return $literal\n;"));
    } catch (Throwable $error) {
        return null;
    }
}
$offset = 0; $line = 1; $tokens = [];
foreach (token_get_all(stream_get_contents(STDIN)) as $token) {
    $text = is_array($token) ? $token[1] : $token;
    $name = is_array($token) ? token_name($token[0]) : $token;
    if (!is_array($token) || !in_array($token[0], [T_WHITESPACE, T_COMMENT, T_DOC_COMMENT], true)) {
        $literal = in_array($name, ['T_CONSTANT_ENCAPSED_STRING', 'T_LNUMBER'], true) ? $text : null;
        $start = $offset;
        $first = $line;
        $open = end($tokens);
        if ($name === 'T_END_HEREDOC') {
            $parts = 1;
            if ($open && $open[0] === 'T_ENCAPSED_AND_WHITESPACE') $parts = 2;
            $opening = $parts === 1 ? $open : prev($tokens);
            if ($opening && $opening[0] === 'T_START_HEREDOC') {
                $name = 'T_HEREDOC';
                $literal = $opening[5] . ($parts === 1 ? '' : $open[5]) . $text;
                $start = $opening[1];
                $first = $opening[3];
                array_splice($tokens, -$parts);
            }
        }
        $tokens[] = [$name, $start, $offset + strlen($text), $first, $literal === null ? null : kedgeValue($literal), $text];
    }
    $offset += strlen($text);
    $line += substr_count($text, "\n");
}
foreach ($tokens as &$token) unset($token[5]);
fwrite(fopen('php://fd/4', 'w'), json_encode($tokens));
