<?php
// phpredis doing a day's work: `php phpredis.php HOST PORT`. Prints what redis-compat/clients.rs reads.

[, $host, $port] = $argv;

function connect(array $options = []): Redis
{
    global $host, $port;
    $redis = new Redis();
    $redis->connect($host, (int) $port, 5.0);
    foreach ($options as $option => $value) $redis->setOption($option, $value);
    return $redis;
}

function equal(mixed $actual, mixed $expected, string $what): void
{
    if ($actual !== $expected) {
        throw new Exception("$what: " . substr(var_export($actual, true), 0, 200) . ' instead of ' . substr(var_export($expected, true), 0, 200));
    }
}

$checks = [
    'strings' => function (Redis $redis) {
        equal($redis->set('k', 'v'), true, 'SET');
        equal([$redis->get('k'), $redis->get('none')], ['v', false], 'GET');
        equal($redis->set('k', 'w', ['nx', 'ex' => 10]), false, 'SET NX');
        equal($redis->mSet(['a' => '1', 'b' => '2']), true, 'MSET');
        equal($redis->mGet(['a', 'none', 'b']), ['1', false, '2'], 'MGET');
        equal([$redis->incr('n'), $redis->incrBy('n', 5), $redis->decr('n')], [1, 6, 5], 'INCR');
        equal($redis->incrByFloat('f', 0.5), 0.5, 'INCRBYFLOAT');
        equal([$redis->append('k', 'x'), $redis->strlen('k'), $redis->getRange('k', 0, 0)], [2, 2, 'v'], 'APPEND');
        equal([$redis->setBit('bits', 7, true), $redis->bitCount('bits')], [0, 1], 'SETBIT');
        equal([$redis->exists('a', 'b', 'none'), $redis->del('a', 'b', 'none'), $redis->unlink('n')], [2, 2, 1], 'DEL');
        equal($redis->type('f'), Redis::REDIS_STRING, 'TYPE');
        equal($redis->rawCommand('GETDEL', 'k'), 'vx', 'GETDEL');
    },
    'serialized_values' => function () {
        $redis = connect([Redis::OPT_SERIALIZER => Redis::SERIALIZER_PHP, Redis::OPT_PREFIX => 'app:']);
        equal($redis->set('user', ['id' => 7, 'tags' => [true, null]]), true, 'SET');
        equal($redis->get('user'), ['id' => 7, 'tags' => [true, null]], 'GET');
        equal(connect()->keys('*'), ['app:user'], 'KEYS');
    },
    'transaction' => function (Redis $redis) {
        equal($redis->multi()->set('k', '1')->incr('k')->get('k')->get('none')->exec(), [true, 2, '2', false], 'EXEC');
    },
    'watch_sees_a_write' => function (Redis $redis) {
        $redis->watch('k');
        connect()->set('k', 'theirs');
        equal($redis->multi()->set('k', 'mine')->exec(), false, 'EXEC');
        equal($redis->get('k'), 'theirs', 'GET');
    },
    'deep_pipeline' => function (Redis $redis) {
        $pipe = $redis->multi(Redis::PIPELINE);
        for ($n = 0; $n < 500; $n++) $pipe->set("key:$n", (string) $n)->get("key:$n");
        $replies = $pipe->exec();
        equal(array_values(array_filter($replies, 'is_string')), array_map('strval', range(0, 499)), 'replies in order');
    },
    'expiry' => function (Redis $redis) {
        equal($redis->setEx('k', 100, 'v'), true, 'SETEX');
        equal(in_array($redis->ttl('k'), [99, 100], true), true, 'TTL');
        equal([$redis->persist('k'), $redis->ttl('k'), $redis->pExpire('k', 20)], [true, -1, true], 'PERSIST');
        for ($end = microtime(true) + 10; $redis->exists('k'); usleep(2000)) equal(microtime(true) < $end, true, 'expired in time');
        equal($redis->ttl('k'), -2, 'TTL of nothing');
    },
    'scan' => function (Redis $redis) {
        $redis->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
        $redis->mSet(array_combine(array_map(fn ($n) => "key:$n", range(0, 999)), range(0, 999)));
        $seen = [];
        for ($cursor = null; ($keys = $redis->scan($cursor, null, 50)) !== false; ) $seen += array_flip($keys);
        equal([count($seen), $redis->dbSize(), count($redis->keys('key:99?'))], [1000, 1000, 10], 'SCAN');
    },
    'select_and_name' => function (Redis $redis) {
        $redis->set('k', 'zero');
        $other = connect();
        equal([$other->select(5), $other->set('k', 'five'), $redis->get('k')], [true, true, 'zero'], 'SELECT');
        equal([$other->client('setname', 'worker-7'), $other->client('getname')], [true, 'worker-7'], 'CLIENT SETNAME');
        equal(in_array('worker-7', array_column($redis->client('list'), 'name'), true), true, 'CLIENT LIST');
    },
    'server_information' => function (Redis $redis) {
        equal(str_starts_with($redis->info()['redis_version'], '7.'), true, 'INFO');
        equal($redis->config('GET', 'appendonly'), ['appendonly' => 'no'], 'CONFIG GET');
        equal($redis->config('GET', 'no-such-parameter'), [], 'CONFIG GET of what is unknown');
    },
    'large_and_binary_values' => function (Redis $redis) {
        $value = str_repeat(implode('', array_map('chr', range(0, 255))), 20 * 4096);
        equal($redis->set("\0\xff\r\n", $value), true, 'SET');
        equal($redis->get("\0\xff\r\n") === $value, true, '20 MiB come back whole');
    },
    'errors_are_mapped' => function (Redis $redis) {
        $redis->set('s', 'text');
        // The library keeps a NUL byte behind the message.
        equal([$redis->incr('s'), rtrim($redis->getLastError(), "\0")], [false, 'ERR value is not an integer or out of range'], 'INCR');
        $redis->clearLastError();
        equal([$redis->rawCommand('NONSENSE'), str_starts_with($redis->getLastError(), "ERR unknown command 'NONSENSE'")], [false, true], 'unknown');
    },
    'password' => function (Redis $redis) {
        $redis->config('SET', 'requirepass', 'secret');
        try {
            equal(connect()->auth('secret'), true, 'AUTH');
            equal(connect()->auth(['default', 'secret']), true, 'AUTH with a user');
            try {
                connect()->get('k');
            } catch (RedisException $error) {
                equal($error->getMessage(), 'NOAUTH Authentication required.', 'without a password');
                return;
            }
            throw new Exception('answered without a password');
        } finally {
            $redis->config('SET', 'requirepass', '');
        }
    },
    'reconnects_after_kill' => function (Redis $redis) {
        $victim = connect();
        $id = $victim->rawCommand('CLIENT', 'ID');
        equal($redis->rawCommand('CLIENT', 'KILL', 'ID', (string) $id), 1, 'CLIENT KILL');
        // The killed socket ends a moment after the reply; a request that meets it there fails, and the next connects anew.
        try {
            $victim->ping();
        } catch (RedisException $gone) {
        }
        equal([$victim->set('k', 'v'), $victim->rawCommand('CLIENT', 'ID') !== $id], [true, true], 'on a new connection');
    },
    'fill_leader_puts_and_others_hit' => function (Redis $redis) {
        // Without this every status reply is `true`, whatever it says.
        $redis->setOption(Redis::OPT_REPLY_LITERAL, true);
        [$status, $value, $token, $lease] = $redis->rawCommand('FILL.GET', 'page', 'WAIT', '200');
        equal([$status, $value, is_string($token), $lease > 0], ['LEAD', false, true, true], 'a miss');
        equal($redis->rawCommand('FILL.PUT', 'page', $token, 'made', 'EX', '100'), 'OK', 'FILL.PUT');
        equal($redis->rawCommand('FILL.PUT', 'page', $token, 'made', 'EX', '100'), 'DUP', 'FILL.PUT again');
        equal(array_slice(connect([Redis::OPT_REPLY_LITERAL => true])->rawCommand('FILL.GET', 'page'), 0, 3), ['HIT', 'made', false], 'the next caller');
    },
];

[$passed, $failed] = [0, 0];
$redis = connect();
foreach ($checks as $name => $check) {
    try {
        $redis->flushAll();
        $check($redis);
        $passed++;
        echo "ok $name\n";
    } catch (Throwable $error) {
        $failed++;
        echo "FAIL $name: ", preg_replace('/\s+/', ' ', get_class($error) . ': ' . $error->getMessage()), "\n";
    }
}
echo 'report phpredis ', phpversion('redis'), " $passed $failed\n";
exit($failed === 0 ? 0 : 1);
