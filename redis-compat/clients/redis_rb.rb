# redis-rb doing a day's work: `ruby redis_rb.rb HOST PORT`. Prints what redis-compat/clients.rs reads.

require "redis"

HOST, PORT = ARGV

def connect(**options)
  Redis.new(host: HOST, port: PORT.to_i, **options)
end

def equal(actual, expected, what)
  raise "#{what}: #{actual.inspect[0, 200]} instead of #{expected.inspect[0, 200]}" unless actual == expected
end

def fails(kind, text)
  yield
rescue kind => error
  equal(error.message.include?(text), true, error.message)
else
  raise "no #{kind} with #{text}"
end

def eventually
  give_up = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 10
  until yield
    raise "still not so after 10 s" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > give_up
    sleep 0.002
  end
end

CHECKS = {
  strings: lambda do |redis|
    equal([redis.ping, redis.set("k", "v"), redis.get("k"), redis.get("none")], ["PONG", "OK", "v", nil], "GET")
    equal([redis.set("k", "w", nx: true), redis.set("k", "w", xx: true, get: true)], [false, "v"], "SET NX, XX GET")
    equal([redis.mset("a", 1, "b", 2), redis.mget("a", "none", "b")], ["OK", ["1", nil, "2"]], "MGET")
    equal(redis.mapped_mget("a", "b"), { "a" => "1", "b" => "2" }, "mapped MGET")
    equal([redis.incr("n"), redis.incrby("n", 5), redis.decr("n")], [1, 6, 5], "INCR")
    equal([redis.incrbyfloat("f", 0.5), redis.append("k", "x"), redis.strlen("k")], [0.5, 2, 2], "APPEND")
    equal([redis.getdel("k"), redis.exists("a", "b", "none"), redis.del("a", "b"), redis.type("f")], ["wx", 2, 2, "string"], "DEL")
  end,
  transaction: lambda do |redis|
    replies = redis.multi { |multi| multi.set("k", 1); multi.incr("k"); multi.get("k"); multi.get("none") }
    equal(replies, ["OK", 2, "2", nil], "EXEC")
    fails(Redis::CommandError, "not an integer") { redis.multi { |multi| multi.set("s", "text"); multi.incr("s") } }
  end,
  watch_retry_loop: lambda do |redis|
    4.times.map do
      Thread.new do
        own = connect
        20.times do
          done = nil
          until done
            done = own.watch("counter") do
              value = own.get("counter").to_i
              own.multi { |multi| multi.set("counter", value + 1) }
            end
          end
        end
      end
    end.each(&:join)
    equal(redis.get("counter"), "80", "counter after contended transactions")
  end,
  deep_pipeline: lambda do |redis|
    replies = redis.pipelined { |pipe| 500.times { |n| pipe.set("key:#{n}", n); pipe.get("key:#{n}") } }
    equal(replies.each_slice(2).map(&:last), (0...500).map(&:to_s), "replies in order")
  end,
  expiry: lambda do |redis|
    redis.set("k", "v", ex: 100)
    equal([99, 100].include?(redis.ttl("k")), true, "TTL")
    equal([redis.persist("k"), redis.ttl("k"), redis.pexpire("k", 20)], [true, -1, true], "PERSIST")
    eventually { redis.get("k").nil? }
    equal(redis.ttl("k"), -2, "TTL of nothing")
  end,
  scan_each: lambda do |redis|
    redis.mapped_mset((0...1000).to_h { |n| ["key:#{n}", n] })
    equal([redis.scan_each(count: 50).to_a.uniq.size, redis.scan_each(match: "key:99?").to_a.uniq.size], [1000, 10], "SCAN")
    equal([redis.dbsize, redis.keys("key:1*").size], [1000, 111], "KEYS")
  end,
  select_and_name: lambda do |redis|
    redis.set("k", "zero")
    other = connect(db: 5, id: "worker-7")
    other.set("k", "five")
    equal([redis.get("k"), other.get("k")], %w[zero five], "two databases")
    equal([other.call("CLIENT", "GETNAME"), redis.client(:list).any? { |entry| entry["name"] == "worker-7" }], ["worker-7", true], "CLIENT LIST")
  end,
  server_information: lambda do |redis|
    equal([redis.info["redis_version"][0, 2], redis.info("persistence")["loading"]], ["7.", "0"], "INFO")
    equal([redis.config(:get, "appendonly"), redis.config(:get, "no-such-parameter")], [{ "appendonly" => "no" }, {}], "CONFIG GET")
    equal([(redis.time[0] - Time.now.to_i).abs < 60, redis.echo("x")], [true, "x"], "TIME")
  end,
  large_and_binary_values: lambda do |redis|
    value = (0..255).to_a.pack("C*") * (20 * 4096)
    key = "\x00\xFF\r\n$-1\r\n".b
    redis.set(key, value)
    equal(redis.get(key).b == value, true, "20 MiB come back whole")
    equal(redis.keys.map(&:b), [key], "KEYS")
  end,
  errors_are_mapped: lambda do |redis|
    redis.set("s", "text")
    fails(Redis::CommandError, "ERR value is not an integer or out of range") { redis.incr("s") }
    fails(Redis::CommandError, "ERR unknown command") { redis.call("NONSENSE") }
    fails(Redis::CommandError, "ERR invalid expire time in 'set' command") { redis.set("k", "v", ex: 0) }
    fails(Redis::CommandError, "WRONGPASS") { connect(username: "nobody", password: "x", reconnect_attempts: 0).ping }
  end,
  many_threads: lambda do |redis|
    8.times.map { Thread.new { 50.times { redis.incr("shared") } } }.each(&:join)
    equal(redis.get("shared"), "400", "shared counter")
  end,
  reconnects_after_kill: lambda do |redis|
    victim = connect
    id = victim.call("CLIENT", "ID")
    equal(redis.call("CLIENT", "KILL", "ID", id), 1, "CLIENT KILL")
    equal([victim.ping, victim.call("CLIENT", "ID") != id], ["PONG", true], "on a new connection")
  end,
  fill_leader_puts_and_waiters_hit: lambda do |redis|
    status, value, token, lease = redis.call("FILL.GET", "page", "WAIT", 200)
    equal([status, value, token.class, lease.positive?], ["LEAD", nil, String, true], "a miss")
    waiters = 4.times.map { Thread.new { connect.call("FILL.GET", "page", "WAIT", 4000) } }
    eventually { Hash[*redis.call("FILL.INFO", "page")]["waiters"] == 4 }
    equal(redis.call("FILL.PUT", "page", token, "made", "EX", 100), "OK", "FILL.PUT")
    equal(redis.call("FILL.PUT", "page", token, "made", "EX", 100), "DUP", "FILL.PUT again")
    equal(waiters.map { |waiter| waiter.value[0, 3] }, [["HIT", "made", nil]] * 4, "what the waiters got")
  end,
}.freeze

passed = failed = 0
redis = connect
CHECKS.each do |name, check|
  redis.flushall
  check.call(redis)
  passed += 1
  puts "ok #{name}"
rescue StandardError => error
  failed += 1
  puts "FAIL #{name}: #{error.class}: #{error.message.gsub(/\s+/, ' ')}"
end
puts "report redis-rb #{Redis::VERSION} #{passed} #{failed}"
exit(failed.zero?)
