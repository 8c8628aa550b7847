-- What scripts find in place before they begin. Runs once in each VM, with the natives of the server as its arguments,
-- and returns what gives errors their place, the metatable of a script's globals, where those globals are looked for, and what
-- functions.lua needs of it.
local native, libraries = ...

local error, getmetatable, next, rawget, rawset, select, setfenv, setmetatable, tonumber, tostring, type, xpcall =
    error, getmetatable, next, rawget, rawset, select, setfenv, setmetatable, tonumber, tostring, type, xpcall
local info, concat, freeze, find, floor, format, sub =
    debug.info, table.concat, table.freeze, string.find, math.floor, string.format, string.sub

-- What the sources of this VM are called: user_script or user_function.
local chunk = native.chunk

-- The line of the script that is `level` calls up, or nothing.
local function line_at(level)
    local source, line = info(level, "sl")
    while source ~= nil and source ~= chunk and source ~= "@" .. chunk do
        level += 1
        source, line = info(level, "sl")
    end
    return line
end

-- An error table as it leaves the script: with the place it was raised at last.
local function placed(reply, level)
    rawset(reply, "source", "@" .. chunk)
    local line = line_at(level + 1)
    rawset(reply, "line", line and tostring(line) or "-1")
    return reply
end

local function one_field(name)
    return function(...)
        local text = ...
        if select("#", ...) ~= 1 or type(text) ~= "string" then
            return { err = "ERR wrong number or type of arguments" }
        end
        if name == "err" then
            text = native.error_line(text)
        end
        return { [name] = text }
    end
end

-- An error of a library as a text, behind the place of the script that called it, `level` calls up, as Lua's own are. What
-- pcall and its kin called themselves has no place.
local function told(problem, level)
    if type(problem) ~= "userdata" then
        return problem
    end
    local source, line = info(level or 3, "sl")
    local is_script = source ~= nil and source ~= "[C]" and source ~= "prelude"
    return (is_script and format("%s:%d: ", source, line) or "") .. native.text(problem)
end

-- `pcall` and `xpcall` of scripts: an error table of redis.call becomes its text, as in Redis.
local function flat(done, ...)
    local problem = ...
    if not done and type(problem) == "table" and rawget(problem, "err") ~= nil then
        return false, rawget(problem, "err")
    end
    return done, ...
end

local api = {
    error_reply = one_field("err"),
    status_reply = one_field("ok"),
    sha1hex = function(...)
        if select("#", ...) ~= 1 then
            error("wrong number of arguments", 0)
        end
        return native.sha1hex(...)
    end,
    replicate_commands = function() return true end,
    set_repl = function(...)
        if select("#", ...) ~= 1 then
            error("redis.set_repl() requires one argument.", 0)
        end
        local flags = tonumber((...)) or 0
        if flags < 0 or flags >= 4 then
            error("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.", 0)
        end
    end,
    breakpoint = function() return false end,
    debug = function() end,
    LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
    REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
    REDIS_VERSION = native.version, REDIS_VERSION_NUM = native.version_number,
}

-- As string.find. A long text is sought in time that grows with the lengths of both, not with their product: meanwhile Luau
-- would let nobody else run.
local function find_text(text, wanted, init, plain)
    if type(wanted) == "string" and #wanted > 16 and type(text) == "string"
        and (plain or not find(wanted, "[%^%$%*%+%?%.%(%[%%%-]"))
    then
        local first, last = native.find(text, wanted, tonumber(init))
        if first then
            return first, last
        end
        return nil
    end
    return find(text, wanted, init, plain)
end

local globals = {
    assert = assert, collectgarbage = function(what)
        if what == nil or what == "collect" or what == "count" then
            return collectgarbage("count")
        end
        return 0
    end,
    error = error, getmetatable = getmetatable, ipairs = ipairs, next = next, pairs = pairs,
    pcall = function(f, ...) return flat(xpcall(f, told, ...)) end,
    xpcall = function(f, handler)
        return xpcall(f, function(problem) return handler(told(problem, 4)) end)
    end,
    rawequal = rawequal, rawget = rawget, rawset = rawset, select = select, setmetatable = setmetatable,
    tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, _VERSION = "Lua 5.1",
    table = {
        concat = table.concat, insert = table.insert, maxn = table.maxn, remove = table.remove, sort = table.sort,
        getn = function(of) return #of end, foreach = table.foreach, foreachi = table.foreachi, unpack = unpack,
    },
    string = {
        byte = string.byte, char = string.char, find = find_text, format = format, gmatch = string.gmatch,
        gfind = string.gmatch, gsub = string.gsub, len = string.len, lower = string.lower, match = string.match,
        rep = string.rep, reverse = string.reverse, sub = sub, upper = string.upper,
    },
    math = {
        abs = math.abs, acos = math.acos, asin = math.asin, atan = math.atan, atan2 = math.atan2, ceil = math.ceil,
        cos = math.cos, cosh = math.cosh, deg = math.deg, exp = math.exp, floor = math.floor, fmod = math.fmod,
        frexp = math.frexp, huge = math.huge, ldexp = math.ldexp, log = math.log, log10 = math.log10, max = math.max,
        min = math.min, mod = math.fmod, modf = math.modf, pi = math.pi, pow = math.pow, rad = math.rad,
        random = native.random, randomseed = native.randomseed, sin = math.sin, sinh = math.sinh, sqrt = math.sqrt,
        tan = math.tan, tanh = math.tanh,
    },
    coroutine = {
        create = coroutine.create, resume = coroutine.resume, running = coroutine.running,
        status = coroutine.status, wrap = coroutine.wrap, yield = coroutine.yield,
    },
    os = { clock = os.clock },
}
for name, library in libraries do
    globals[name] = library
end
-- The methods of texts are those, and not all that Luau has.
getmetatable("").__index = globals.string
for _, value in globals do
    if type(value) == "table" then
        freeze(value)
    end
end

-- The globals of the script that runs now, as `own`: set for each run.
local slots = {}

-- Asks the server for something beside commands: its answer, or an error without a place.
local function ask(...)
    local answer, problem = native.beside(...)
    if problem then
        error(problem, 0)
    end
    return answer
end

local function joined(reader)
    local parts, part = {}, reader()
    while part ~= nil and part ~= "" do
        parts[#parts + 1] = part
        part = reader()
    end
    return concat(parts)
end

local function load(text, name)
    if type(text) == "function" then
        local done, whole = xpcall(joined, told, text)
        if not done then
            return nil, whole
        end
        text = whole
    end
    local compiled, problem = native.compile(text, name)
    if compiled then
        return setfenv(compiled, slots.own)
    end
    return nil, problem
end

api.call, api.pcall = native.call, native.pcall
function api.setresp(...)
    if select("#", ...) ~= 1 then
        return ask("setresp", ...)
    end
    ask("setresp", floor(tonumber((...)) or 0))
end
function api.log(...) ask("log", ...) end
function api.acl_check_cmd(...) return ask("acl_check_cmd", ...) end
freeze(api)
globals.redis, globals.server, globals.load, globals.loadstring = api, api, load, load

-- What no script has set is found here: known globals, and nothing else.
freeze(setmetatable(globals, freeze({
    __index = function(_, name)
        error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
    end,
})))

-- The metatable of the globals of every run.
local environment = freeze({
    __index = globals,
    __newindex = function()
        error("Attempt to modify a readonly table", 2)
    end,
})

local function place_of(problem)
    if type(problem) == "table" then
        if rawget(problem, "err") == nil then
            return placed({ err = "ERR unknown error" }, 2)
        end
        return placed(problem, 2)
    end
    -- A text has its place in front already; the line is told once more behind it.
    return placed({ err = "ERR " .. native.text(told(problem, 4)) }, 2)
end

return place_of, environment, slots, {
    placed = placed, place_of = place_of, ask = ask, globals = globals, slots = slots,
}
