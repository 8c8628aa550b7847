<?php
// Plays a caller of the recipe in docs/clients/php.md, one at a time; redis-compat/recipes.rs says what the lines mean.

require getenv('RECIPE') . '/recipe.php';

$url = parse_url(getenv('REDIS_URL'));
$redis = new Redis();
$redis->connect($url['host'], $url['port']);

function read_words(): ?array
{
    $line = fgets(STDIN);
    return $line === false ? null : explode(' ', rtrim($line, "\n"), 3);
}

while ([, $number, $key] = read_words()) {
    $compute = function () use ($number) {
        echo "computing $number\n";
        [$kind, , $text] = read_words();
        if ($kind === 'fail') throw new RuntimeException($text);
        return $kind === 'value' ? $text : null;
    };
    try {
        $value = cached($redis, $key, $compute);
        echo "got $number ", $value === null ? 'none' : "value $value", "\n";
    } catch (RuntimeException $error) {
        echo "got $number error {$error->getMessage()}\n";
    }
}
