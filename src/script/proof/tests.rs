//! What is narrow and what is wide.

use super::*;
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// A small table of commands, enough for the scripts below.
fn places(name: &[u8]) -> KeyPlaces {
    let range = |first, last, step| KeyPlaces::Range { first, last, step };
    match name.to_ascii_lowercase().as_slice() {
        b"get" | b"set" | b"incr" | b"incrby" | b"expire" | b"pexpire" | b"hset" | b"hget" | b"hmget" => {
            range(1, Last::At(1), 1)
        }
        b"zadd" | b"zcard" | b"zremrangebyscore" | b"lpush" | b"sort" | b"sort_ro" | b"hmset" => {
            range(1, Last::At(1), 1)
        }
        b"rename" | b"smove" | b"rpoplpush" => range(1, Last::At(2), 1),
        b"del" | b"exists" | b"mget" | b"sinter" => range(1, Last::FromEnd(0), 1),
        b"mset" => range(1, Last::FromEnd(0), 2),
        b"blpop" => range(1, Last::FromEnd(1), 1),
        b"zunion" | b"zinter" => KeyPlaces::Counted { at: 1 },
        b"blmpop" => KeyPlaces::Counted { at: 2 },
        b"ping" | b"time" | b"echo" => KeyPlaces::None,
        _ => KeyPlaces::Anywhere,
    }
}

fn shape(source: impl AsRef<[u8]>) -> Shape {
    prove(source.as_ref(), &places)
}

#[track_caller]
fn all(expected: Shape, sources: &[&str]) {
    for source in sources {
        assert_eq!(shape(source), expected, "{source}");
    }
}

#[track_caller]
fn narrow(sources: &[&str]) {
    all(Shape::Narrow, sources);
}

#[track_caller]
fn wide(sources: &[&str]) {
    all(Shape::Wide, sources);
}

const RELEASE: &str = r#"
if redis.call("get",KEYS[1]) == ARGV[1] then
    return redis.call("del",KEYS[1])
else
    return 0
end"#;

const EXTEND: &str = r#"
-- Extends a lock on every node that still holds it.
if redis.call("GET", KEYS[1]) == ARGV[1] then
    if redis.call("SET", KEYS[1], ARGV[2], "XX", "PX", ARGV[3]) then return 1 end
end
return redis.error_reply('LOCK_LOST')"#;

const BUCKET: &str = r#"#!lua flags=allow-stale
local key = KEYS[1]
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = tonumber(redis.call('TIME')[1])
local state = redis.call('HMGET', key, 'tokens', 'stamp')
local tokens = tonumber(state[1]) or burst
local stamp = tonumber(state[2]) or now
tokens = math.min(burst, tokens + (now - stamp) * rate)
local allowed = tokens >= 1
if allowed then tokens = tokens - 1 end
redis.call('HMSET', key, 'tokens', tokens, 'stamp', now)
redis.call('EXPIRE', key, math.ceil(burst / rate) * 2)
return { allowed and 1 or 0, tostring(tokens) }"#;

const WINDOW: &str = r#"
local key, member = KEYS[1], ARGV[4]
local now = tonumber(ARGV[1])
redis.call('zremrangebyscore', key, '-inf', now - ARGV[2])
local count = redis.call('zcard', key)
if count < tonumber(ARGV[3]) then
  redis.call('zadd', key, now, member)
  redis.call('pexpire', key, ARGV[2])
  return {1, count + 1}
end
return {0, count}"#;

const QUEUE: &str = r#"
local rcall = redis.call
local jobId = rcall("INCR", KEYS[1])
local jobIdKey = ARGV[1] .. jobId
rcall("HMSET", jobIdKey, "name", ARGV[2])
rcall("LPUSH", KEYS[2], jobId)
return jobId"#;

const REPORT: &str = r#"
local out = {}
for i, key in ipairs(KEYS) do
    local kind = redis.call('ECHO', 'x')
    if i % 2 == 0 then
        table.insert(out, {key = key, value = redis.pcall('GET', key)})
    elseif redis.call('exists', key) == 1 then
        out[#out + 1] = function() return redis.call('get', key) end
    else
        redis.call('SET', key, cjson.encode({key = key, n = #KEYS}))
    end
end
return #out"#;

#[test]
fn real_scripts() {
    narrow(&[RELEASE, EXTEND, BUCKET, WINDOW, REPORT]);
    narrow(&[
        "for i, key in ipairs(KEYS) do redis.call('DEL', key) end",
        "return redis.call('DEL', unpack(KEYS))",
        "for i = 1, #KEYS do redis.call('incrby', KEYS[i], ARGV[i]) end return #KEYS",
        "local c = redis.call('incr', KEYS[1]) if c == 1 then redis.call('expire', KEYS[1], 9) end",
        "local v = redis.call('get', KEYS[1]); if v then redis.call('rename', KEYS[1], KEYS[2]) end",
    ]);
    wide(&[
        QUEUE,
        "local k = KEYS[1] .. ':x' return redis.call('get', k)",
        "local ks = redis.call('keys', ARGV[1]) for _, k in ipairs(ks) do redis.call('del', k) end",
        "return redis.call('del', unpack(redis.call('keys', ARGV[1])))",
        "for _, k in ipairs(redis.call('smembers', KEYS[1])) do redis.call('del', k) end",
    ]);
}

#[test]
fn plain_sources() {
    narrow(&[
        "",
        "return 1",
        "return redis.call('ping')",
        "return redis.call('PING', 'get', 'x')",
        "return server.call('get', KEYS[1])",
        "return redis.pcall([[get]], KEYS[1])",
        "return redis.pcall([==[get]==], KEYS[ARGV[1]])",
        "return redis.call('get', KEYS[KEYS[1]])",
        "return redis.call('get', KEYS[#KEYS])",
        "return redis.call('get', KEYS[redis.call('incr', KEYS[1])])",
        "return redis --[[ x ]] . -- y\n call --[==[ ]] ]==] ('get', --[[z]] KEYS[1])",
        "return redis.call('get', KEYS [ [[1]] ])",
        "redis.log(redis.LOG_WARNING, 'x') redis.setresp(3) return redis.status_reply('OK')",
        "return redis.sha1hex(KEYS[1] .. 'x') .. redis.REDIS_VERSION",
        "return 'redis.call(\"get\", \"x\")' .. [[ redis KEYS load ]] -- loadstring\n",
        "return t.load, t.debug, redis.debug('x')",
    ]);
    wide(&[
        "return redis.call('get', 'x')",
        "return redis.call('get', ARGV[1])",
        "return redis.call(ARGV[1], KEYS[1])",
        "return redis.call('unknown', KEYS[1])",
        "return redis.call('ge' .. 't', KEYS[1])",
        "return redis.call(('get'), KEYS[1])",
        "return redis.call()",
        "return redis.call('rename', KEYS[1], 'x')",
        "return redis.call('del', KEYS[1], KEYS[2], 'x')",
        "return redis.call('get', (KEYS[1]))",
        "return redis.call('get', KEYS[1]:lower())",
        "return redis.call('get', KEYS[1].x)",
        "return redis.call('get', KEYS[1][1])",
        "return redis.call('get', KEYS[1]'x')",
        "return redis.call('get', KEYS[1] or 'x')",
        "return redis.call('get', not KEYS[1])",
        "return redis.call('get', #KEYS)",
        "return redis.call('get', KEYS[1])(redis.call('get', 'x'))",
    ]);
}

#[test]
fn uses_of_redis() {
    wide(&[
        "return redis.call'get'",
        "return redis.call{'get', 'x'}",
        "return redis.call[[get]]",
        "return redis['call']('get', 'x')",
        "return redis [ [[call]] ] ('get', 'x')",
        "return (redis).call('get', 'x')",
        "return (redis.call)('get', KEYS[1])",
        "local r = redis return r.call('get', 'x')",
        "local redis = redis return redis.call('get', KEYS[1])",
        "local t = {redis} return t[1].call('get', 'x')",
        "local t = {c = redis.call} return t.c('get', 'x')",
        "return pcall(redis.call, 'get', 'x')",
        "return redis:call('get', KEYS[1])",
        "redis.call = f",
        "redis.log, redis.call = redis.call, redis.log",
        "redis.log = redis.call redis.log('get', 'x')",
        "for k, v in pairs(redis) do v('get', 'x') end",
        "return x.redis.call('get', KEYS[1])",
        "return {redis = 1}",
        "function redis.call(a) end",
        "function f(redis) return redis.call('get', KEYS[1]) end",
        "function f(server) return server.call('get', KEYS[1]) end",
        "for redis in pairs(t) do redis.call('get', KEYS[1]) end",
        "local function redis() end",
        "redis = nil",
        "server.call'get'",
        "return redis.unknown",
        "return redis",
        "return redis.",
        "return _G.redis.call('get', 'x')",
    ]);
}

#[test]
fn aliases_of_call() {
    narrow(&[
        "local call = redis.call return call('get', KEYS[1])",
        "local c, p = redis.call, server.pcall; c('get', KEYS[1]) return p('get', KEYS[2])",
        "local call, key = redis.call, KEYS[1] local function f() return call('get', key) end return f()",
        "do local call = redis.call call('ping') end",
        "local call = redis.call\nt = {call = 1, x = t.call, y = t:call()} return call('get', KEYS[1])",
    ]);
    wide(&[
        "local call = redis.call return call('get', 'x')",
        "local call = redis.call return call'get'",
        "local call = redis.call return call{'get', 'x'}",
        "local call = redis.call return pcall(call, 'get', 'x')",
        "local call = redis.call local c = call return c('get', 'x')",
        "local call = redis.call call = f return call('get', KEYS[1])",
        "local call = redis.call call, x = f, 1 return call('get', KEYS[1])",
        "local call = redis.call x, call = f, 1 return call('get', KEYS[1])",
        "local call = redis.call local call = f return call('get', KEYS[1])",
        "local call = redis.call function call() end",
        "local call = redis.call local function call() end",
        "local call = redis.call function call.x() end",
        "local call = redis.call function f(call) return call('x') end",
        "local call = redis.call function f(a, call, ...) return call('get', KEYS[1]) end",
        "local call = redis.call for call = 1, 2 do end",
        "local call = redis.call for a, call in pairs(t) do end",
        "local call = redis.call return function() return call end",
        "local call = redis.call or f return call('get', KEYS[1])",
        "local call = redis.call local x, y = 1, redis.call return y('get', 'x')",
        "local call = f, redis.call",
        "call = redis.call return call('get', KEYS[1])",
        "local call call = redis.call return call('get', KEYS[1])",
        "local t = {} t.call = redis.call return t.call('get', 'x')",
        "local a, call (redis.call)('get', 'x')",
        "local call = redis.call call += 1",
        "local call = redis.call (call or f)('get', 'x')",
    ]);
    narrow(&["local call = redis.call, 1 return call('get', KEYS[1])"]);
}

#[test]
fn key_locals() {
    narrow(&[
        "local k = KEYS[1] return redis.call('get', k)",
        "local a, b = KEYS[1], KEYS[2] return redis.call('rename', a, b)",
        "local a, b = f(), KEYS[1] return redis.call('get', b)",
        "local a, b, c = KEYS[1], f() return redis.call('get', a)",
        "local k = KEYS[i + 1] do local f = function() return redis.call('get', k) end end",
        "local function f() local k = KEYS[1] return redis.call('get', k) end return f()",
        "local k = KEYS[1] if k == 'x' then return {k = k} end return redis.call('get', k)",
        "local k = KEYS[1] local x, y = 1, k return x, k, redis.call('get', k)",
        "local k = KEYS[1] t.k = 1 t.x, t[k] = k, k f(k, k)[k] = 1 return redis.call('get', k)",
        "local k = KEYS[1] k:lower() return redis.call('get', k)",
        "local k = KEYS[1]; (f or g)(k) return redis.call('get', k)",
        "local k, n = KEYS[1], function(a, b) local x = a return b end return redis.call('get', k)",
        "local k = KEYS[1] function t.k() end function t.a:k() end return redis.call('get', k)",
        "repeat local k = KEYS[1] redis.call('get', k) until f()",
        "if a then local k = KEYS[1] redis.call('get', k) else f() end",
        "while f() do local k = KEYS[1] redis.call('get', k) break end",
        // Bound more than once, always to one.
        "for i, key in ipairs(KEYS) do redis.call('get', key) end for i, key in ipairs(KEYS) do redis.call('get', key) end",
        "do local k = KEYS[1] redis.call('get', k) end do local k = KEYS[2] redis.call('get', k) end",
        "local k = KEYS[1] local k = KEYS[2] return redis.call('get', k)",
        "local k = KEYS[1] for _, k in ipairs(KEYS) do redis.call('get', k) end return redis.call('get', k)",
    ]);
}

#[test]
fn key_locals_that_may_be_something_else() {
    wide(&[
        "local k = KEYS[1] do local k = 'x' redis.call('get', k) end",
        "local k = KEYS[1] local k = k .. 'x' return redis.call('get', k)",
        "for i, k in ipairs(KEYS) do f(k) end for i, k in ipairs(ARGV) do redis.call('get', k) end",
        "for k in ipairs(KEYS) do end local k = KEYS[1] return redis.call('get', k)",
        "do local k = KEYS[1] end do local k = KEYS[2] end return redis.call('get', k)",
        "local k = KEYS[1] local function f(k) return redis.call('get', k) end local k = KEYS[2]",
        "local k = 'x' return redis.call('get', k)",
        "local a, k = KEYS[1] return redis.call('get', k)",
        "local a, k = KEYS[1], f() return redis.call('get', k)",
        "local a, b, k = KEYS[1], f() return redis.call('get', k)",
        "local a, k = KEYS[1], 'x' return redis.call('get', k)",
        "local a, k = 'x', KEYS[1] return redis.call('get', a)",
        "local k, k = KEYS[1], 'x' return redis.call('get', k)",
        "local k, k = 'x', KEYS[1] return redis.call('get', k)",
        "local k = KEYS[1] k = 'x' return redis.call('get', k)",
        "local k = KEYS[1] a, k = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] a, k, b = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] x = y k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] x = f() k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] x = {} k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] x = nil k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] x = ... k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] x = f'' k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] x = function() end k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] t.x, k, t.y = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] function f() end k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] local x k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] if a then k, a = 1, 2 end return redis.call('get', k)",
        "local k = KEYS[1] repeat until a k, a = 1, 2 return redis.call('get', k)",
        "local k = KEYS[1] f(function() k, a = 1, 2 end) return redis.call('get', k)",
        "local k = KEYS[1] local function f() k = 'x' end f() return redis.call('get', k)",
        "local k = KEYS[1] k ..= 'x' return redis.call('get', k)",
        "local k = KEYS[1] k //= 2 return redis.call('get', k)",
        "local k = KEYS[1] do local k = 'x' redis.call('get', k) end",
        "local k = KEYS[1] local k return redis.call('get', k)",
        "local k = KEYS[1] for k = 1, 2 do redis.call('get', k) end",
        "local k = KEYS[1] for k in f() do redis.call('get', k) end",
        "local k = KEYS[1] function k() end return redis.call('get', k)",
        "local k = KEYS[1] local function k() end return redis.call('get', k)",
        "local k = KEYS[1] return (function(k) return redis.call('get', k) end)('x')",
        "local k = KEYS[1] return (function(a, k) return redis.call('get', k) end)(1, 'x')",
        "local k <const> = KEYS[1] return redis.call('get', k)",
        "k = KEYS[1] return redis.call('get', k)",
        "local k; k = KEYS[1] return redis.call('get', k)",
        "local k = KEYS[1] .. '' return redis.call('get', k)",
        "local k = KEYS[1]:lower() return redis.call('get', k)",
        "local k = KEYS[1][1] return redis.call('get', k)",
        "local k = KEYS[1] (f) return redis.call('get', k)",
        "local k = KEYS[1] 'x' return redis.call('get', k)",
        "local k = KEYS[1] and f() return redis.call('get', k)",
        "local k = (KEYS[1]) return redis.call('get', k)",
        "local k = f(KEYS[1]) return redis.call('get', k)",
        "local k = {KEYS[1]} return redis.call('get', k)",
        "local k = KEYS[1] return redis.call('get', k .. 'x')",
        "local k = KEYS[1] return redis.call('get', t.k)",
    ]);
}

#[test]
fn scopes() {
    narrow(&[
        "local self = KEYS[1] function t.f() return redis.call('get', self) end t:f()",
        "local arg = KEYS[1] return redis.call('get', arg, ...)",
    ]);
    wide(&[
        "local self = KEYS[1] function t:f() redis.call('get', self) end t.f('x')",
        "local self = KEYS[1] function t.a:f() redis.call('get', self) end t.a.f('x')",
        "local self = redis.call function t:f() self('get', KEYS[1]) end",
        "local arg = KEYS[1] local function f(a, ...) redis.call('get', arg) end",
        "do local _VERSION = KEYS[1] end return redis.call('get', _VERSION)",
        "redis.call('get', _VERSION) local _VERSION = KEYS[1]",
        "local _VERSION = KEYS[redis.call('get', _VERSION)]",
        "local a, _VERSION = redis.call('get', _VERSION), KEYS[1]",
        "local function f() return redis.call('get', _VERSION) end local _VERSION = KEYS[1] f()",
        "if a then local _VERSION = KEYS[1] else redis.call('get', _VERSION) end",
        "if a then local _VERSION = KEYS[1] elseif redis.call('get', _VERSION) then end",
        "if a then else local _VERSION = KEYS[1] end redis.call('get', _VERSION)",
        "repeat local _VERSION = KEYS[1] until f() redis.call('get', _VERSION)",
        "while a do local _VERSION = KEYS[1] end redis.call('get', _VERSION)",
        "for _, _VERSION in ipairs(KEYS) do end redis.call('get', _VERSION)",
        "local f = function() local _VERSION = KEYS[1] end redis.call('get', _VERSION)",
    ]);
}

#[test]
fn loops_over_keys() {
    narrow(&[
        "for _, k in ipairs(KEYS) do redis.call('get', k) end",
        "for i, k, x in ipairs(KEYS) do redis.call('get', k) end",
        "for i in ipairs(KEYS) do redis.call('get', KEYS[i]) end",
        "for _, k in ipairs(KEYS) do for _, j in ipairs(KEYS) do redis.call('rename', k, j) end end",
    ]);
    wide(&[
        "for k in ipairs(KEYS) do redis.call('get', k) end",
        "for i, k, x in ipairs(KEYS) do redis.call('get', x) end",
        "for i, k in ipairs(KEYS) do redis.call('get', i) end",
        "for _, k in pairs(KEYS) do redis.call('get', k) end",
        "for _, k in KEYS do redis.call('get', k) end",
        "for _, k in ipairs(ARGV) do redis.call('get', k) end",
        "for _, k in ipairs(KEYS), f do redis.call('get', k) end",
        "for _, k in f, ipairs(KEYS) do redis.call('get', k) end",
        "for _, k in ipairs(KEYS)() do redis.call('get', k) end",
        "for _, k in t.ipairs(KEYS) do redis.call('get', k) end",
        "for _, k in ipairs(KEYS) do k = 'x' redis.call('get', k) end",
        "for k, k in ipairs(KEYS) do redis.call('get', k) end",
        "for _, k in ipairs(KEYS) do redis.call('get', k) end for _, k in ipairs(t) do end",
        "local f, t = ipairs(KEYS) t[1] = 'x' return redis.call('get', KEYS[1])",
        "g(ipairs(KEYS)) return redis.call('get', KEYS[1])",
        "local ipairs = f for _, k in ipairs(KEYS) do redis.call('get', k) end",
        "ipairs = f for _, k in ipairs(KEYS) do redis.call('get', k) end",
        "a, ipairs, b = f for _, k in ipairs(KEYS) do redis.call('get', k) end",
        "function ipairs() end for _, k in ipairs(KEYS) do redis.call('get', k) end",
        "local function f(ipairs) for _, k in ipairs(KEYS) do redis.call('get', k) end end",
        "for k: string in ipairs(KEYS) do end",
    ]);
}

#[test]
fn uses_of_keys() {
    narrow(&[
        "return #KEYS",
        "return {KEYS[1], KEYS[2]}, KEYS[1], #KEYS",
        "local x = {[KEYS[1]] = 1} x[KEYS[1]] = 2 f(KEYS[1], KEYS[2]).y = 3 return x",
        "return {unpack(KEYS)}, table.unpack(KEYS)",
        "if KEYS[1] then return end while KEYS[1] do end repeat until KEYS[1]",
        "return KEYS[1] == KEYS[2], KEYS[1]:lower()",
        "return table.unpack(KEYS), table.concat({'a'}, 'b')",
    ]);
    wide(&[
        "KEYS[1] = 'x' return redis.call('get', KEYS[1])",
        "KEYS [ f() ] = 'x'",
        "KEYS[1], x = 'x', 1",
        "x, KEYS[1] = 'x', 1",
        "x, KEYS[1], y = 'x', 1",
        "x = y KEYS[1], y = 'x', 1",
        "KEYS[1] ..= 'x'",
        "KEYS = {'x'}",
        "KEYS.x = 'x'",
        "local k = KEYS k[1] = 'x' return redis.call('get', KEYS[1])",
        "local KEYS = {'x'} return redis.call('get', KEYS[1])",
        "local function KEYS() end",
        "function KEYS() end",
        "function f(KEYS) return redis.call('get', KEYS[1]) end",
        "function unpack(KEYS) return redis.call('get', KEYS[1]) end",
        "function t.unpack(KEYS) return redis.call('get', KEYS[1]) end",
        "function f(a, KEYS) return redis.call('get', KEYS[1]) end",
        "for KEYS = 1, 2 do end",
        "for _, KEYS in ipairs(t) do redis.call('get', KEYS[1]) end",
        "return {KEYS = {'x'}}",
        "return t.KEYS[1]",
        "return redis.call('get', t.KEYS[1])",
        "return (KEYS)[1]",
        "(KEYS)[1] = 'x'",
        "f(KEYS)",
        "f{KEYS}",
        "table.insert(KEYS, 'x')",
        "table.sort(KEYS)",
        "return KEYS",
        "return #KEYS.x",
        "return x:unpack(KEYS)",
        "return x.unpack(KEYS)",
        "return x.table.unpack(KEYS)",
        "return next(KEYS)",
        "local unpack = f return {unpack(KEYS)}",
        "unpack = f return {unpack(KEYS)}",
        "table.unpack = f return {table.unpack(KEYS)}",
        "local t = table t.unpack = f return {table.unpack(KEYS)}",
        "table = f return {table.unpack(KEYS)}",
        "return KEYS'x'",
        "return KEYS[[x]]",
    ]);
}

#[test]
fn places_of_keys() {
    narrow(&[
        "redis.call('mset', KEYS[1], 'a', KEYS[2], 'b' .. f())",
        "redis.call('mset', KEYS[1], 'a', KEYS[2], (f()))",
        "redis.call('blpop', KEYS[1], KEYS[2], 0)",
        "redis.call('blpop', KEYS[1], -f())",
        "redis.call('zunion', 2, KEYS[1], KEYS[2])",
        "redis.call('zunion', '2', KEYS[1], KEYS[2], 'WITHSCORES')",
        "redis.call('zunion', 1, KEYS[1], f())",
        "redis.call('zunion', 0, 'x')",
        "redis.call('blmpop', ARGV[1], 1, KEYS[1], 'LEFT')",
        "redis.call('get', KEYS[1], f())",
        "redis.call('hmset', KEYS[1], unpack(ARGV))",
        "redis.call('ping', ...)",
        "redis.call('del', KEYS[1], unpack(KEYS))",
        "redis.call('del', table.unpack(KEYS))",
        "redis.call('sort', KEYS[1])",
        "redis.call('set', KEYS[1], function() return 1 + f() end, {f()}, f 'x')",
        "redis.call('del', KEYS[1], KEYS[f()])",
    ]);
    wide(&[
        "redis.call('mset', KEYS[1], 'a', KEYS[2], 'b', 'x')",
        "redis.call('mset', KEYS[1], 'a', 'x', f())",
        "redis.call('mset', KEYS[1], f())",
        "redis.call('mset', KEYS[1], 'a', KEYS[2], f())",
        "redis.call('mset', unpack(KEYS))",
        "redis.call('blpop', KEYS[1], 'x', 0)",
        "redis.call('blpop', unpack(KEYS))",
        "redis.call('blpop', KEYS[1], f())",
        "redis.call('zunion', 2, KEYS[1], 'x')",
        "redis.call('zunion', 3, KEYS[1], KEYS[2], 'x')",
        "redis.call('zunion', n, KEYS[1], KEYS[2])",
        "redis.call('zunion', #KEYS, unpack(KEYS))",
        "redis.call('zunion', 2.0, KEYS[1], KEYS[2])",
        "redis.call('zunion', 0x1, KEYS[1])",
        "redis.call('zunion', 01, KEYS[1])",
        "redis.call('zunion', -1, KEYS[1])",
        "redis.call('zunion', 1e0, KEYS[1])",
        "redis.call('zunion', 1 + 1, KEYS[1], 'x')",
        "redis.call('zunion', 99999999999999999999, KEYS[1])",
        "redis.call('zunion', '\\50', KEYS[1], 'x')",
        "redis.call('zunion', 1, f())",
        "redis.call('zunion', 2, KEYS[1], unpack(KEYS))",
        "redis.call('zunion', f())",
        "redis.call('del', f())",
        "redis.call('del', f'x')",
        "redis.call('del', f{})",
        "redis.call('del', f[[x]])",
        "redis.call('del', t:f())",
        "redis.call('del', ...)",
        "redis.call('get', unpack(ARGV))",
        "redis.call('get', unpack(KEYS))",
        "redis.call('del', unpack(KEYS), 'x')",
        "redis.call('del', unpack(KEYS)[1])",
        "redis.call('del', 'x', unpack(KEYS))",
        "redis.call('del', (f)())",
        "redis.call('del', unpack(KEYS, 2))",
        "redis.call('rename', KEYS[1], f())",
        "redis.call('sort', KEYS[1], 'BY', 'x')",
        "redis.call('Sort_RO', KEYS[1], x)",
        "redis.call('SORT', KEYS[1], f())",
        "redis.call('sort', f())",
        "redis.call('sort')",
    ]);
}

#[test]
fn banned_names() {
    wide(&[
        "load('x')",
        "loadstring('return redis')().call('get', 'x')",
        "return getfenv().redis",
        "setfenv(1, {})",
        "local g = _G",
        "return _ENV",
        "rawset(t, 1, 2)",
        "rawget(t, 1)",
        "setmetatable({}, t)",
        "getmetatable('').__index = f",
        "debug.getinfo(1)",
        "dofile()",
        "require 'x'",
        "newproxy(true)",
        "module('x')",
        "return {load = 1}",
        "x:load()",
        "return 1 .. load",
    ]);
    narrow(&["return 'load' .. x.load .. \"_G\" --[[ setfenv ]]"]);
}

#[test]
fn strings_and_comments() {
    narrow(&[
        r#"return "a\"b", 'a\'b', "\\", '\\', "\x41", "\u{41}", "\065""#,
        "return 'a\\\nb', 'a\\\r\nb', 'a\\z  \n  b'",
        "return [[ ' ]], [==[ ]] ]=] ' ]==], ']]'",
        "-- ' \" [[\nreturn 1 --[ x\n--[=[ ' \n ]] ]=] return 2",
        "#!lua '\nreturn redis.call('get', KEYS[1])",
        "# x",
        "return 1 //2, 0b11, 1_000, .5, 3., 0xA, 1e-5, 5 ..'x'",
        "--[==[ ]=]==] return 1",
        "a += 1 b //= 2 c ..= 'x'",
        "return a ~= b, a <= b, a >= b, a < b, a == b, a ^ b % c / d * e - f",
        "\t\x0b\x0c\r\nreturn 1",
    ]);
    wide(&[
        "return 'abc",
        "return 'abc\n'",
        "return \"abc",
        "return 'abc\\",
        "return [[ abc",
        "return [==[ abc ]=]",
        "return [=x",
        "--[[ x",
        "--[==[ x ]]",
        "return `x`",
        "return `{redis.call('get', 'x')}`",
        "return x?",
        "return a | b",
        "return a & b",
        "return ~a",
        "return a != b",
        "return x :: any",
        "local f: (number) -> number = g",
        "@native function f() end",
        "return \u{e9}",
        "\u{feff}return 1",
        "return 1 --\u{0} x",
        "\u{1b}Lua",
        "-- x\rreturn redis.call('get', KEYS[1])",
        "#!lua\rreturn redis.call('get', 'x')",
        "return redis.call('\\103et', KEYS[1])",
        "return redis.call('\\x67et', KEYS[1])",
        "return redis.call([[\nget]], KEYS[1])",
        "return --[[ ' ]] redis.call('get', 'x') -- '",
        "return --[==[ ]] redis. ]==] redis.call('get', 'x')",
        "return --[ [ \n redis.call('get', 'x')",
        "return '\\\\', redis.call('get', 'x'), '\\\\'",
        "return '\\'', redis.call('get', 'x'), '\\''",
        "return \"\\z \" .. redis.call('get', 'x') .. \" \"",
        "return [[\\]] .. redis.call('get', 'x') .. [[\\]]",
        "return [=[ ]]=] .. redis.call('get', 'x')",
    ]);
}

#[test]
fn luau_forms() {
    wide(&[
        "local k: string = KEYS[1] return redis.call('get', k)",
        "local k: typeof(x) = KEYS[1] return redis.call('get', k)",
        "local function f(k: string) return redis.call('get', KEYS[1]) end",
        "local function f(k): typeof(x) return redis.call('get', KEYS[1]) end",
        "local function f<T>(k) return k end",
        "local k = if a then KEYS[1] else 'x' return redis.call('get', k)",
        "return redis.call('get', if a then KEYS[1] else 'x')",
        "return if a then b else c",
        "type T = { x: string }",
        "local k = KEYS[1] const k, j = 1, 2 return redis.call('get', k)",
        "const k = KEYS[1] return redis.call('get', k)",
        "return redis.call<<string>>('get', KEYS[1])",
    ]);
    narrow(&["for _, k in ipairs(KEYS) do if f(k) then continue end redis.call('get', k) end"]);
}

#[test]
fn unbalanced_sources() {
    wide(&[
        "(",
        ")",
        "f(]",
        "do",
        "end",
        "if a then",
        "repeat",
        "until x",
        "function f(",
        "function f() (end)",
    ]);
    wide(&["then", "else", "in", "local", "local =", "for", "for x do end", "function", "f(local x = 1)"]);
    wide(&[
        "end redis.call('get', KEYS[1]) function f()",
        "x = {if a then b end}",
        "f(do end)",
        "if a else end)",
    ]);
}

/// A step of 0 would never get anywhere, so it is taken for 1.
#[test]
fn odd_rows() {
    let with = |row: KeyPlaces, source: &str| prove(source.as_bytes(), &|_| row);
    let range = |first, last, step| KeyPlaces::Range { first, last, step };
    let call = "redis.call('x', KEYS[1], 'a', KEYS[2])";
    assert_eq!(with(range(1, Last::At(3), 0), call), Shape::Wide);
    assert_eq!(with(range(1, Last::At(3), 2), call), Shape::Narrow);
    assert_eq!(with(range(0, Last::At(0), 1), call), Shape::Wide);
    assert_eq!(with(range(3, Last::At(usize::MAX), 1), call), Shape::Narrow);
    assert_eq!(with(range(9, Last::FromEnd(usize::MAX), usize::MAX), call), Shape::Narrow);
    assert_eq!(with(range(usize::MAX, Last::FromEnd(0), 1), call), Shape::Narrow);
    assert_eq!(with(range(3, Last::At(1), 1), call), Shape::Narrow);
    assert_eq!(with(KeyPlaces::Counted { at: usize::MAX }, call), Shape::Wide);
    assert_eq!(with(KeyPlaces::Counted { at: 0 }, "redis.call('1', KEYS[1])"), Shape::Narrow);
    assert_eq!(with(KeyPlaces::Anywhere, call), Shape::Wide);
    assert_eq!(with(KeyPlaces::None, call), Shape::Narrow);
}

/// Sources that would take very long if any step looked back or ahead too often, or that would overflow
/// the stack if any step were recursive.
#[test]
fn long_sources() {
    const LENGTH: usize = 1 << 20;
    let pieces = [
        "(",
        "{",
        "[",
        "[=",
        "--[=[",
        "]=",
        "do ",
        "function() ",
        "f(function() local a = ",
        "if a then ",
        "redis.call('get', ",
        "local k = KEYS[1] ",
        "local k = redis.call ",
        "a, ",
        "local a, b = ",
        "{{},",
        "KEYS[",
        "f(f,",
        "'\\z  ",
        "--\n",
        "x",
        "a ",
        "1.",
        "..",
        "-",
        "=",
        "]",
        "repeat ",
        "for a in ",
        "call('get', KEYS[1]) ",
        "for _, k in ipairs(KEYS) do ",
        "else ",
        "#",
        "KEYS[1], ",
        "[[]]",
    ];
    for piece in pieces {
        let start = Instant::now();
        shape(piece.repeat(LENGTH / piece.len()));
        shape(format!("local call = redis.call {}", piece.repeat(LENGTH / piece.len())));
        assert!(start.elapsed() < Duration::from_secs(20), "{piece}");
    }
    let deep = 200_000;
    let nested = format!("return {}KEYS[1]{}", "f(".repeat(deep), ")".repeat(deep));
    assert_eq!(shape(nested), Shape::Narrow);
    let nested = format!("{}redis.call('get', KEYS[1]){}", "do ".repeat(deep), " end".repeat(deep));
    assert_eq!(shape(nested), Shape::Narrow);
    let calls = "redis.call('get', KEYS[".repeat(deep) + "1" + &"])".repeat(deep);
    assert_eq!(shape(format!("return {calls}")), Shape::Narrow);
    let values = "local a".to_string()
        + &", a".repeat(deep)
        + " = 1"
        + &", f(function() local b = c end)".repeat(deep);
    assert_eq!(shape(values), Shape::Narrow);
}

/// Bits of sources that mean something to the proof, for soups.
const BITS: [&str; 76] = [
    "redis",
    "server",
    "KEYS",
    "ARGV",
    "call",
    "pcall",
    ".",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    "=",
    "==",
    "..",
    "...",
    "..=",
    "#",
    "-",
    "--",
    "--[[",
    "[[",
    "]]",
    "[=[",
    "]=]",
    "'",
    "\"",
    "'get'",
    "'del'",
    "'zunion'",
    "1",
    "2",
    "0x1",
    "local",
    "function",
    "end",
    "if",
    "then",
    "else",
    "elseif",
    "do",
    "while",
    "for",
    "in",
    "repeat",
    "until",
    "return",
    "break",
    "and",
    "not",
    "nil",
    "ipairs",
    "unpack",
    "table",
    "k",
    "j",
    "f",
    "load",
    "_G",
    "\\",
    "\\z",
    "`",
    "::",
    "\n",
    "\r",
    "\u{0}",
    "KEYS[1]",
    "redis.call(",
    "local k = KEYS[1]",
    "ipairs(KEYS)",
    "unpack(KEYS)",
    "local c = redis.call",
];

/// An expression that is no element of `KEYS`, whatever the rest of the program is.
fn other() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("'x'".to_string()),
        Just("ARGV[1]".to_string()),
        Just("x".to_string()),
        Just("nil".to_string()),
        Just("12".to_string()),
        Just("KEYS[1] .. ':x'".to_string()),
        Just("'x' .. KEYS[1]".to_string()),
        Just("KEYS[1]:lower()".to_string()),
        Just("t.KEYS1".to_string()),
        Just("[==[KEYS[1]]==]".to_string()),
        Just("#KEYS".to_string()),
        Just("...".to_string()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("({one})")),
            inner.clone().prop_map(|one| format!("f({one})")),
            inner.clone().prop_map(|one| format!("{{{one}}}")),
            inner.clone().prop_map(|one| format!("t[{one}]")),
            inner.clone().prop_map(|one| format!("KEYS[1] or {one}")),
            inner.clone().prop_map(|one| format!("function() return {one} end")),
            (inner.clone(), inner).prop_map(|(one, two)| format!("{one} == {two}")),
        ]
    })
}

/// A key the way the rule wants it: an element of `KEYS`, or a local that holds one.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..4).prop_map(|n| format!("KEYS[{n}]")),
        Just("KEYS[#KEYS]".to_string()),
        Just("KEYS[ARGV[1] --[[x]] + 1]".to_string()),
        Just("KEYS[redis.call('get', KEYS[1])]".to_string()),
        Just("k1".to_string()),
        Just("k2".to_string()),
        Just("k3".to_string()),
    ]
}

/// A call with the given keys in its places.
fn call_of(keys: [String; 2], which: usize, function: usize) -> String {
    let function = ["redis.call", "redis.pcall", "server.call", "c1", "c2"][function % 5];
    let [one, two] = keys;
    match which % 7 {
        0 => format!("{function}('rename', {one}, {two})"),
        1 => format!("{function}('DEL', {one}, {two}, unpack(KEYS))"),
        2 => format!("{function}(\"mset\", {one}, ARGV[1], {two}, (f()))"),
        3 => format!("{function}([[zunion]], 2, {one}, {two}, 'WITHSCORES')"),
        4 => format!("{function}('blpop', {one}, {two}, 0)"),
        5 => format!("{function}('blmpop', 0, 2, {one}, {two}, f())"),
        _ => format!("{function}('sinter' --[[,]], {one}, {two})"),
    }
}

/// Puts a call in the middle of a program in one of many ways.
fn wrap(inner: &str, way: usize) -> String {
    match way % 12 {
        0 => format!("local x = {inner}"),
        1 => format!("if {inner} then f() elseif a then x = 1 else g() end"),
        2 => format!("if a then {inner} else return end"),
        3 => format!("while a do {inner} break end"),
        4 => format!("for i = 1, #KEYS do {inner} end"),
        5 => format!("for i, v in ipairs(KEYS) do f(v) {inner} end"),
        6 => format!("repeat {inner} until f(x)"),
        7 => format!("local function g(a, ...) return {inner} end"),
        8 => format!("t.f = function() {inner} end"),
        9 => format!("do local y, z = 1, {{a = {inner}; b = 2, [{inner}] = 3}} end"),
        10 => format!("x, y = {inner}, {{{inner}}}"),
        _ => format!("f(a, {inner}):g('x', {inner})"),
    }
}

fn wrap_deep(call: String, ways: &[usize]) -> String {
    // A statement can only stand where the way above puts one, so it is put into a function first.
    ways.iter().enumerate().fold(call, |inner, (depth, &way)| {
        let inner = if depth == 0 { inner } else { format!("(function() {inner} end)()") };
        wrap(&inner, way)
    })
}

fn program(statements: &[String]) -> String {
    let head = "local k1, k2 = KEYS[1], KEYS[2]\nlocal c1, c2 = redis.call, redis.pcall\n";
    format!("{head}for _, k3 in ipairs(KEYS) do\n{}\nend\n", statements.join("\n"))
}

fn statement() -> impl Strategy<Value = String> {
    (key(), key(), 0..7usize, 0..5usize, prop::collection::vec(0..12usize, 1..4))
        .prop_map(|(one, two, which, function, ways)| wrap_deep(call_of([one, two], which, function), &ways))
}

/// The same with one key that is none.
fn stray_statement() -> impl Strategy<Value = String> {
    (key(), other(), any::<bool>(), 0..7usize, 0..5usize, prop::collection::vec(0..12usize, 1..4)).prop_map(
        |(one, other, swap, which, function, ways)| {
            let keys = if swap { [other, one] } else { [one, other] };
            wrap_deep(call_of(keys, which, function), &ways)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn bytes_never_panic(source in prop::collection::vec(any::<u8>(), 0..200)) {
        shape(source);
    }

    #[test]
    fn soups_never_panic(
        bits in prop::collection::vec(prop::sample::select(&BITS[..]), 0..60),
        tight: bool,
    ) {
        shape(bits.join(if tight { "" } else { " " }));
    }

    #[test]
    fn broken_programs_never_panic(
        statements in prop::collection::vec(statement(), 1..4),
        bit in prop::sample::select(&BITS[..]),
        cut in any::<prop::sample::Index>(),
        drop in 0..4usize,
    ) {
        let source = program(&statements);
        let at = cut.index(source.len());
        let rest = source.get(at + drop..).unwrap_or_default();
        shape(format!("{} {bit} {rest}", &source[..at]));
        shape(&source[..at]);
    }

    #[test]
    fn programs_within_the_rule_are_narrow(statements in prop::collection::vec(statement(), 0..4)) {
        prop_assert_eq!(shape(program(&statements)), Shape::Narrow);
    }

    #[test]
    fn one_stray_key_makes_a_program_wide(
        mut statements in prop::collection::vec(statement(), 0..3),
        stray in stray_statement(),
        at in any::<prop::sample::Index>(),
    ) {
        statements.insert(at.index(statements.len() + 1), stray);
        prop_assert_eq!(shape(program(&statements)), Shape::Wide);
    }

    #[test]
    fn one_assignment_to_a_local_in_use_makes_a_program_wide(
        name in prop::sample::select(&["k1", "k2", "k3", "c1", "c2"][..]),
        form in prop::sample::select(&[
            "@ = 1", "x, @ = 1, 2", "@, x = 1, 2", "x, @, y = 1", "t.x, @ = 1", "local @",
            "local x, @ = 1",
            "local function @() end", "function @() end", "local function f(x, @) end",
            "f(function(@, ...) end)",
            "for @ = 1, 2 do end", "for x, @ in f() do end", "@ ..= 'x'", "x = y @, z = 1, 2",
            "x = f() @, z = 1, 2", "local f = function() @ = 1 end",
            "x = {f = function() x, @ = 1, 2 end}",
        ][..]),
        ways in prop::collection::vec(0..12usize, 0..3),
    ) {
        let assignment = form.replace('@', name);
        let inner = if ways.is_empty() {
            assignment
        } else {
            wrap_deep(format!("f(function() {assignment} end)"), &ways)
        };
        let call = if name.starts_with('c') {
            format!("{name}('get', KEYS[1])")
        } else {
            format!("redis.call('get', {name})")
        };
        prop_assert_eq!(shape(program(&[inner.clone(), call.clone()])), Shape::Wide);
        prop_assert_eq!(shape(program(&[call, inner])), Shape::Wide);
    }
}

#[track_caller]
fn library(expected: Shape, sources: &[&str]) {
    for source in sources {
        assert_eq!(prove_library(source.as_bytes(), &places), expected, "{source}");
    }
}

#[test]
fn the_first_parameter_of_callbacks_stands_for_the_keys_of_a_library() {
    library(
        Shape::Narrow,
        &[
            "#!lua name=l\nredis.register_function('f', function(keys, args) return redis.call('get', keys[1]) end)",
            "redis.register_function('f', function(KEYS) return redis.call('mget', unpack(KEYS)) end)",
            "local function f(keys) local k = keys[1] redis.call('del', k) end redis.register_function('f', f)",
            "local f = function(keys) for _, k in ipairs(keys) do redis.call('incr', k) end end
             redis.register_function{function_name = 'f', callback = f, flags = {'no-writes'}}",
            "redis.register_function({callback = function(a) return redis.call('get', a[1]) end, function_name = 'a'})
             redis.register_function('b', function(b, args) return redis.call('get', b[2]) end)",
            "redis.register_function('f', function() return redis.call('ping') end)",
            "local function own(x) return x + 1 end
             redis.register_function('f', function(keys, args) return redis.call('incrby', keys[1], own(args[1])) end)",
            "local call = redis.call redis.register_function('f', function(k, a) return call('get', k[1], a.k) end)",
            "local function f(keys) return redis.call('get', keys[1]) end
             redis.register_function('f', f) redis.register_function('g', f)",
            "",
        ],
    );
    library(
        Shape::Wide,
        &[
            "redis.register_function('f', function(keys, args) return redis.call('get', args[1]) end)",
            "redis.register_function('f', function(keys) return redis.call('get', keys[1] .. 'x') end)",
            // What is not registered alone may be called with anything.
            "local function f(keys) return redis.call('get', keys[1]) end
             redis.register_function('f', f) redis.register_function('g', function() return f({'out'}) end)",
            "local function f(keys) return redis.call('get', keys[1]) end
             redis.register_function('f', function(keys) return f(keys) end)",
            "local function f(keys) return redis.call('get', keys[1]) end f = nil redis.register_function('f', f)",
            "local function f(keys) return redis.call('get', keys[1]) end
             local function f(keys) return redis.call('get', keys[1]) end redis.register_function('f', f)",
            "redis.register_function('f', (function(keys) return redis.call('get', keys[1]) end))",
            "redis.register_function('f', wrap(function(keys) return redis.call('get', keys[1]) end))",
            "redis.register_function{function_name = 'f', ['callback'] = function(keys) return redis.call('get', keys[1]) end}",
            "redis.register_function('f', function(...) local keys = ... return redis.call('get', keys[1]) end)",
            "local register = redis.register_function
             register('f', function(keys) return redis.call('get', keys[1]) end)",
            // Other tables under the same name.
            "redis.register_function('f', function(keys, args) keys = args return redis.call('get', keys[1]) end)",
            "redis.register_function('f', function(keys, args) local keys = args return redis.call('get', keys[1]) end)",
            "redis.register_function('f', function(keys, args) keys[1] = 'out' return redis.call('get', keys[1]) end)",
            "redis.register_function('f', function(a, keys) return redis.call('get', keys[1]) end)
             redis.register_function('g', function(keys) return redis.call('get', keys[1]) end)",
            "redis.register_function('f', function(keys, keys) return redis.call('get', keys[1]) end)",
            // What may run in a later call, with the keys of this one.
            "local late redis.register_function('f', function(keys)
                if late then late() end late = function() return redis.call('get', keys[1]) end end)",
            "local late redis.register_function('f', function(keys) local k = keys[1]
                if late then late() end late = function() return redis.call('get', k) end end)",
            "local old redis.register_function('f', function(keys) local k = old redis.call('get', k) old = keys[1] end)",
            "local old redis.register_function('f', function(keys) if old then redis.call('get', old[1]) end old = keys end)",
        ],
    );
}
