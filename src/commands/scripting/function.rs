//! FUNCTION: the libraries that the server has, and the functions that run. Their rows are in `function_rows`.

use std::sync::Arc;

use super::kill::kill;
use crate::base::glob;
use crate::commands::help;
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::script::functions::{self, Function, Library, Policy};

/// The one engine there is.
const ENGINE: &[u8] = b"LUA";

const HELP: &[&str] = &[
    "LOAD [REPLACE] <FUNCTION CODE>",
    "    Create a new library with the given library name and code.",
    "DELETE <LIBRARY NAME>",
    "    Delete the given library.",
    "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    "    Return general information on all the libraries:",
    "    * Library name",
    "    * The engine used to run the Library",
    "    * Library description",
    "    * Functions list",
    "    * Library code (if WITHCODE is given)",
    "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
    "STATS",
    "    Return information about the current function running:",
    "    * Function name",
    "    * Command used to run the function",
    "    * Duration in MS that the function is running",
    "    If no function is running, return nil",
    "    In addition, returns a list of available engines.",
    "KILL",
    "    Kill the current running function.",
    "FLUSH [ASYNC|SYNC]",
    "    Delete all the libraries.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the libraries.",
    "    * SYNC: Synchronously flush the libraries.",
    "DUMP",
    "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
    "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
    "    control how to handle existing libraries (default APPEND):",
    "    * FLUSH: delete all existing libraries.",
    "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
    "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
    "      libraries with the new libraries (notice that even on this option there is a chance of failure",
    "      in case of functions name collision with another library).",
];

pub(super) fn load(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let mut is_replacing = false;
    while args.left() > 1 {
        if !args.skip("REPLACE") {
            return Err(CommandError::text([b"ERR Unknown option given: ", args.take()?].concat()));
        }
        is_replacing = true;
    }
    let name = ctx.load_library(args.take()?, is_replacing)?;
    ctx.reply.bulk(name.as_bytes());
    Ok(())
}

pub(super) fn delete(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if !ctx.shared.functions.delete(args.take()?) {
        return Err(CommandError::err("Library not found"));
    }
    ctx.reply.ok();
    Ok(())
}

pub(super) fn list(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let (mut pattern, mut with_code) = (None, false);
    while !args.is_done() {
        if !with_code && args.skip("WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && args.skip("LIBRARYNAME") {
            let given =
                args.try_take().ok_or_else(|| CommandError::err("library name argument was not given"))?;
            pattern = Some(given);
        } else {
            return Err(CommandError::text([b"ERR Unknown argument ", args.take()?].concat()));
        }
    }
    let libraries = ctx.shared.functions.current();
    let is_asked = |library: &&Arc<Library>| {
        pattern.is_none_or(|pattern| glob::matches(pattern, library.name.as_bytes(), true))
    };
    let asked: Vec<&Arc<Library>> = libraries.iter().filter(is_asked).collect();
    ctx.reply.array(asked.len());
    asked.into_iter().for_each(|library| write_library(ctx, library, with_code));
    Ok(())
}

fn write_library(ctx: &mut Ctx<'_>, library: &Library, with_code: bool) {
    let reply = &mut ctx.reply;
    reply.map(3 + usize::from(with_code));
    reply.bulk(b"library_name");
    reply.bulk(library.name.as_bytes());
    reply.bulk(b"engine");
    reply.bulk(ENGINE);
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for Function { name, description, flags } in &library.functions {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(name.as_bytes());
        reply.bulk(b"description");
        match description {
            Some(text) => reply.bulk(text),
            None => reply.null(),
        }
        reply.bulk(b"flags");
        reply.set(flags.names().count());
        flags.names().for_each(|name| reply.simple(name));
    }
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.text);
    }
}

pub(super) fn dump(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let payload = functions::dump(&ctx.shared.functions.current());
    ctx.reply.bulk_shared(payload.into());
    Ok(())
}

pub(super) fn restore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if args.left() > 2 {
        return Err(not_understood(args));
    }
    let payload = args.take()?;
    let policy = if args.is_done() || args.skip("APPEND") {
        Policy::Append
    } else if args.skip("REPLACE") {
        Policy::Replace
    } else if args.skip("FLUSH") {
        Policy::Flush
    } else {
        return Err(CommandError::err(
            "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
        ));
    };
    ctx.restore_libraries(payload, policy)?;
    ctx.reply.ok();
    Ok(())
}

pub(super) fn flush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    if args.left() > 1 {
        return Err(not_understood(args));
    }
    if !(args.is_done() || args.skip("ASYNC") || args.skip("SYNC")) {
        return Err(CommandError::err("FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    ctx.flush_libraries();
    ctx.reply.ok();
    Ok(())
}

/// More words than the subcommand takes.
fn not_understood(args: &Args<'_>) -> CommandError {
    let text = [
        b"ERR unknown subcommand or wrong number of arguments for '",
        args.word(1),
        b"'. Try FUNCTION HELP.",
    ];
    CommandError::text(text.concat())
}

pub(super) fn function_kill(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let shared = ctx.shared;
    kill(ctx, &shared.functions.machines, &shared.scripts.machines, "SCRIPT KILL")
}

pub(super) fn stats(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    let (shared, now_ms) = (ctx.shared, ctx.now().mono_ms);
    let libraries = shared.functions.current();
    let reply = &mut ctx.reply;
    reply.map(2);
    reply.bulk(b"running_script");
    match shared.functions.machines.longest_call() {
        None => reply.null(),
        Some(called) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(called.name.as_bytes());
            reply.bulk(b"command");
            reply.array(called.words.len());
            called.words.iter().for_each(|word| reply.bulk(word));
            reply.bulk(b"duration_ms");
            reply.int(now_ms.saturating_sub(called.begun_ms) as i64);
        }
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(ENGINE);
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.int(libraries.iter().len() as i64);
    reply.bulk(b"functions_count");
    reply.int(libraries.functions() as i64);
    Ok(())
}

pub(super) fn function_help(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    help::write(ctx, "FUNCTION", HELP);
    Ok(())
}
