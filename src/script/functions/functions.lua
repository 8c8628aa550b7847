-- What libraries find in place: while they are loaded, and when their functions run. Runs once in each VM of functions,
-- behind the prelude, and returns what loads a library.
local within, version, version_number, functions_max, bad_name = ...

local error, ipairs, next, rawget, select, setfenv, setmetatable, tostring, type, xpcall =
    error, ipairs, next, rawget, select, setfenv, setmetatable, tostring, type, xpcall
local freeze, find, lower = table.freeze, string.find, string.lower
local placed, place_of, ask, globals = within.placed, within.place_of, within.ask, within.globals

-- What the library that is being loaded has registered; nothing at any other time.
local registered, names

local function refuse(text)
    error(placed({ err = "ERR " .. text }, 3), 0)
end

-- A string, or a number as one, as Lua's own functions take them; nothing for anything else.
local function text_of(value)
    return (type(value) == "string" or type(value) == "number") and tostring(value) or nil
end

-- What may stand in a table of named arguments, and how it is read.
local named = {
    function_name = function(value)
        return text_of(value) or refuse("function_name argument given to redis.register_function must be a string")
    end,
    description = function(value)
        return text_of(value) or refuse("description argument given to redis.register_function must be a string")
    end,
    callback = function(value)
        if type(value) ~= "function" then
            refuse("callback argument given to redis.register_function must be a function")
        end
        return value
    end,
    flags = function(value)
        if type(value) ~= "table" then
            refuse("flags argument to redis.register_function must be a table representing function flags")
        end
        local flags = {}
        for at, flag in ipairs(value) do
            flags[at] = text_of(flag) or refuse("unknown flag given")
        end
        return flags
    end,
}

local function read_named(given)
    if type(given) ~= "table" then
        refuse("calling redis.register_function with a single argument is only applicable to Lua table (representing "
            .. "named arguments).")
    end
    local read = {}
    for name, value in next, given do
        if not text_of(name) then
            refuse("named argument key given to redis.register_function is not a string")
        end
        name = lower(tostring(name))
        local how = named[name] or refuse("unknown argument given to redis.register_function")
        read[name] = how(value)
    end
    if not read.function_name then
        refuse("redis.register_function must get a function name argument")
    elseif not read.callback then
        refuse("redis.register_function must get a callback argument")
    end
    return read
end

local function read_pair(name, callback)
    if not text_of(name) then
        refuse("first argument to redis.register_function must be a string")
    elseif type(callback) ~= "function" then
        refuse("second argument to redis.register_function must be a function")
    end
    return { function_name = text_of(name), callback = callback }
end

local function register_function(...)
    if not registered then
        refuse("redis.register_function can only be called on FUNCTION LOAD command")
    end
    local count = select("#", ...)
    if count < 1 or count > 2 then
        refuse("wrong number of arguments to redis.register_function")
    end
    local read = (count == 1 and read_named or read_pair)(...)
    if not find(read.function_name, "^[%w_]+$") then
        refuse(bad_name)
    elseif names[lower(read.function_name)] then
        refuse("Function already exists in the library")
    elseif #registered == functions_max then
        refuse("there are too many functions")
    end
    names[lower(read.function_name)] = true
    registered[#registered + 1] = read
end

local function nonexistent(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end
local function readonly()
    error("Attempt to modify a readonly table", 2)
end

-- While a library is loaded there is this and no more, so that it registers the same functions each time.
local api = freeze(setmetatable({
    register_function = register_function,
    log = function(...) ask("log", ...) end,
    LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
    REDIS_VERSION = version, REDIS_VERSION_NUM = version_number,
}, freeze({ __index = nonexistent, __newindex = readonly })))
local at_load = { redis = api, server = api }

-- The environment of all libraries.
local own = {}
freeze(setmetatable(own, freeze({
    __index = function(_, name)
        local value
        if registered then
            value = at_load[name]
        elseif name == "_G" then
            value = own
        else
            value = rawget(globals, name)
        end
        if value == nil then
            error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
        end
        return value
    end,
    __newindex = readonly,
})))

-- What is compiled by a library's functions finds what they find.
within.slots.own = own

-- Loads a compiled library: whether that went well, and what it registered or the error.
return function(library)
    registered, names = {}, {}
    local done, problem = xpcall(setfenv(library, own), place_of)
    local all = registered
    registered, names = nil, nil
    if done then
        return true, all
    end
    return false, problem
end
