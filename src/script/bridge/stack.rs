//! A machine's stack of values, as C functions see it: the only calls into Luau that do not pass through mlua's safe interface.
//!
//! Where a call may fail for want of memory, Luau raises an error: it unwinds to the nearest protected call, and runs the
//! destructors it passes. Positions count from 1 at the bottom of the running function's part, or from -1 at the top.

#![allow(unsafe_code, reason = "each call upholds what Luau's C interface asks for; see `Stack::new`")]

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};

/// The stack of the function that runs.
#[derive(Clone, Copy)]
pub struct Stack(*mut lua_State);

/// What lies at a position, as far as replies and arguments need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nil,
    Boolean,
    Number,
    String,
    Table,
    Other,
}

/// A value that is kept from the collector until `forget`.
#[derive(Clone, Copy, Debug)]
pub struct Kept(c_int);

impl Kept {
    /// Stands for nil.
    pub const NOTHING: Kept = Kept(ffi::LUA_REFNIL);
}

impl Stack {
    /// # Safety
    /// The state is alive, this thread alone uses it, and Luau has called the function that asks (or it runs within a protected
    /// call): else an error ends the process. The stack must not outlive that call.
    pub unsafe fn new(state: *mut lua_State) -> Stack {
        Stack(state)
    }

    /// Makes room for so many more values; false where there is none.
    pub fn reserve(self, values: usize) -> bool {
        // SAFETY: any number is a valid request; it fails beyond Luau's limit.
        c_int::try_from(values).is_ok_and(|values| unsafe { ffi::lua_checkstack(self.0, values) != 0 })
    }

    /// How many values lie here: the arguments, when a function begins.
    pub fn len(self) -> usize {
        // SAFETY: reads alone.
        unsafe { ffi::lua_gettop(self.0) as usize }
    }

    pub fn kind(self, at: i32) -> Kind {
        // SAFETY: a position above the top has a type of its own.
        match unsafe { ffi::lua_type(self.0, at) } {
            ffi::LUA_TNIL | ffi::LUA_TNONE => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            _ => Kind::Other,
        }
    }

    /// The bytes of a string, for as long as it lies there; nothing for any other value.
    pub fn bytes(&self, at: i32) -> &[u8] {
        if self.kind(at) != Kind::String {
            return &[];
        }
        let mut len = 0;
        // SAFETY: of a string Luau gives its own bytes, which do not move while the value lies there; callers use them no
        // longer.
        unsafe {
            let bytes = ffi::lua_tolstring(self.0, at, &raw mut len);
            std::slice::from_raw_parts(bytes.cast(), len)
        }
    }

    /// A number's value; 0 for what is none.
    pub fn number(self, at: i32) -> f64 {
        // SAFETY: reads alone.
        unsafe { ffi::lua_tonumberx(self.0, at, std::ptr::null_mut()) }
    }

    /// False for nil and false alone.
    pub fn boolean(self, at: i32) -> bool {
        // SAFETY: reads alone.
        unsafe { ffi::lua_toboolean(self.0, at) != 0 }
    }

    pub fn push_nil(self) {
        // SAFETY: the caller reserved room.
        unsafe { ffi::lua_pushnil(self.0) }
    }

    pub fn push_boolean(self, value: bool) {
        // SAFETY: the caller reserved room.
        unsafe { ffi::lua_pushboolean(self.0, c_int::from(value)) }
    }

    pub fn push_number(self, value: f64) {
        // SAFETY: the caller reserved room.
        unsafe { ffi::lua_pushnumber(self.0, value) }
    }

    pub fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: the bytes are copied; the caller reserved room.
        unsafe { ffi::lua_pushlstring_(self.0, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes what lies at a position once more.
    pub fn push_again(self, at: i32) {
        // SAFETY: callers name a position that is in use, and reserved room.
        unsafe { ffi::lua_pushvalue(self.0, at) }
    }

    /// Pushes a new table with room for so many values in order, and so many by name.
    pub fn push_table(self, in_order: usize, named: usize) {
        let most = |count: usize| c_int::try_from(count).unwrap_or(c_int::MAX);
        // SAFETY: the caller reserved room.
        unsafe { ffi::lua_createtable(self.0, most(in_order), most(named)) }
    }

    /// Takes the value at the top into the table below it, at this number.
    pub fn set_at(self, number: usize) {
        // SAFETY: callers put a table of their own below the value.
        unsafe { ffi::lua_rawseti_(self.0, -2, c_int::try_from(number).unwrap_or(c_int::MAX)) }
    }

    /// Takes the value at the top into the table below it, under this name.
    pub fn set_field(self, name: &CStr) {
        // SAFETY: as `set_at`; the name is copied.
        unsafe { ffi::lua_rawsetfield(self.0, -2, name.as_ptr()) }
    }

    /// Takes the value at the top into the table two below it, under the key between them.
    pub fn set_pair(self) {
        // SAFETY: as `set_at`; callers give no key that is nil or not a number.
        unsafe { ffi::lua_rawset(self.0, -3) }
    }

    /// Pushes what the table at a position has at this number.
    pub fn push_at(self, at: i32, number: usize) -> Kind {
        // SAFETY: callers name a table, and reserved room.
        unsafe { ffi::lua_rawgeti_(self.0, at, c_int::try_from(number).unwrap_or(c_int::MAX)) };
        self.kind(-1)
    }

    /// Pushes what the table at a position has under this name.
    pub fn push_field(self, at: i32, name: &CStr) -> Kind {
        // SAFETY: as `push_at`.
        unsafe { ffi::lua_rawgetfield(self.0, at, name.as_ptr()) };
        self.kind(-1)
    }

    /// Takes a key from the top and pushes the next pair of the table at a position; false, and nothing, behind the last.
    /// Begins with nil.
    pub fn push_next(self, at: i32) -> bool {
        // SAFETY: callers name a table, give it back the key it gave, and change nothing in it meanwhile.
        unsafe { ffi::lua_next(self.0, at) != 0 }
    }

    pub fn pop(self, values: i32) {
        // SAFETY: callers take off what they pushed.
        unsafe { ffi::lua_settop(self.0, -values - 1) }
    }

    /// Makes the position count from the bottom, so that it holds whatever is pushed.
    pub fn absolute(self, at: i32) -> i32 {
        // SAFETY: reads alone.
        unsafe { ffi::lua_absindex(self.0, at) }
    }

    /// Gives the table below the top the table at the top as its metatable.
    pub fn set_metatable(self) {
        // SAFETY: callers put two tables there.
        unsafe { ffi::lua_setmetatable(self.0, -2) };
    }

    /// Nobody can change the table at the top any more.
    pub fn freeze(self) {
        // SAFETY: callers put a table there.
        unsafe { ffi::lua_setreadonly(self.0, -1, 1) }
    }

    /// Takes the table at the top as the environment of the function below it.
    pub fn set_environment(self) {
        // SAFETY: callers put a function of Lua there.
        unsafe { ffi::lua_setfenv(self.0, -2) };
    }

    /// Keeps the value at the top.
    pub fn keep(self) -> Kept {
        // SAFETY: the value stays where it is.
        Kept(unsafe { ffi::lua_ref(self.0, -1) })
    }

    pub fn push_kept(self, kept: Kept) {
        // SAFETY: its owner has not forgotten it; the caller reserved room.
        unsafe { ffi::lua_rawgeti_(self.0, ffi::LUA_REGISTRYINDEX, kept.0) };
    }

    pub fn forget(self, kept: Kept) {
        // SAFETY: whoever kept it gives it away here.
        unsafe { ffi::lua_unref(self.0, kept.0) };
    }

    /// Calls the function below so many arguments at the top: takes all of them off and pushes its value, or its error as the
    /// function at `handler` has it. False where it ended with an error.
    pub fn call_protected(self, arguments: i32, handler: i32) -> bool {
        // SAFETY: callers put functions at both positions, and the arguments.
        unsafe { ffi::lua_pcall(self.0, arguments, 1, handler) == ffi::LUA_OK }
    }

    /// Raises the value at the top as an error.
    pub fn raise(self) -> ! {
        // SAFETY: Luau unwinds to the nearest protected call, of which there is one: see `new`.
        unsafe { ffi::lua_error(self.0) }
    }
}
