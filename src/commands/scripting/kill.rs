//! SCRIPT KILL and FUNCTION KILL: each ends its own kind, and tells of the other.

use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::script::{Killed, Machines};

/// Ends what runs on machines of one kind. `other`: those of the other kind, `others_command`: what ends those.
pub(super) fn kill(
    ctx: &mut Ctx<'_>,
    own: &Machines,
    other: &Machines,
    others_command: &str,
) -> Result<(), CommandError> {
    match own.kill() {
        Killed::Told => {
            ctx.reply.ok();
            Ok(())
        }
        Killed::Nothing if other.is_any_running() => Err(CommandError::text(format!(
            "BUSY Redis is busy running a script. You can only call {others_command} or SHUTDOWN NOSAVE."
        ))),
        Killed::Nothing => Err(CommandError::text("NOTBUSY No scripts in execution right now.")),
        Killed::Unkillable => Err(CommandError::text(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the \
             script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        )),
    }
}
