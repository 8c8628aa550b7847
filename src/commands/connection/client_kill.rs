//! CLIENT KILL: which clients are meant, and their end.

use std::sync::Arc;

use crate::acl::User;
use crate::base::int::parse_i64;
use crate::clients::Client;
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::session::shown_user;

/// Which clients CLIENT KILL is for.
#[derive(Default)]
struct KillFilter<'a> {
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    id: Option<u64>,
    /// As `client_type` says.
    kind: Option<Option<bool>>,
    user: Option<Arc<User>>,
    keeps_me: bool,
    age_s_min: u64,
}

impl KillFilter<'_> {
    fn takes(&self, client: &Client, me: u64, mono_ms: u64) -> bool {
        self.addr.is_none_or(|addr| addr == client.addr.as_bytes())
            && self.laddr.is_none_or(|laddr| laddr == client.laddr.as_bytes())
            && self.id.is_none_or(|id| id == client.id)
            && self.kind.is_none_or(|kind| kind == Some(client.is_subscriber()))
            && self.user.as_ref().is_none_or(|user| client.is_user(shown_user(user.name())))
            && mono_ms.saturating_sub(client.connected_at) / 1000 >= self.age_s_min
            && !(self.keeps_me && client.id == me)
    }
}

/// CLIENT KILL, in its old form (an address) and in its new one.
pub fn client_kill(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let old_form = args.left() == 1;
    let filter = if old_form {
        KillFilter { addr: Some(args.take()?), ..KillFilter::default() }
    } else {
        kill_filter(ctx, args)?
    };
    let (me, now) = (ctx.session.client.id, ctx.now().mono_ms);
    let victims: Vec<Arc<Client>> =
        ctx.shared.clients.list().into_iter().filter(|client| filter.takes(client, me, now)).collect();
    for client in &victims {
        if client.id == me {
            // After the reply, as Redis does.
            ctx.session.closes = true;
        } else {
            client.kill();
            // A caller that is told it is dead finds it nowhere any more, though its worker may have yet to close it.
            ctx.shared.clients.remove(client);
        }
    }
    match (old_form, victims.len()) {
        (true, 0) => return Err(CommandError::err("No such client")),
        (true, _) => ctx.reply.ok(),
        (false, count) => ctx.reply.int(count as i64),
    }
    Ok(())
}

fn kill_filter<'a>(ctx: &Ctx<'_>, args: &mut Args<'a>) -> Result<KillFilter<'a>, CommandError> {
    let mut filter = KillFilter { keeps_me: true, ..KillFilter::default() };
    while let Some(option) = args.try_take() {
        let value = args.take()?;
        let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
        if is("ID") {
            let positive = parse_i64(value).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
            filter.id =
                Some(positive.ok_or_else(|| CommandError::err("client-id should be greater than 0"))?);
        } else if is("TYPE") {
            filter.kind = Some(client_type(value)?);
        } else if is("ADDR") {
            filter.addr = Some(value);
        } else if is("LADDR") {
            filter.laddr = Some(value);
        } else if is("USER") {
            let user = ctx.shared.users.load().get(value).cloned();
            let unknown = || CommandError::text([b"ERR No such user '", value, b"'"].concat());
            filter.user = Some(user.ok_or_else(unknown)?);
        } else if is("MAXAGE") {
            let age_s = parse_i64(value)
                .ok_or_else(|| CommandError::err("maxage is not an integer or out of range"))?;
            let positive = u64::try_from(age_s).ok().filter(|age_s| *age_s > 0);
            filter.age_s_min =
                positive.ok_or_else(|| CommandError::err("maxage should be greater than 0"))?;
        } else if is("SKIPME") && value.eq_ignore_ascii_case(b"yes") {
            filter.keeps_me = true;
        } else if is("SKIPME") && value.eq_ignore_ascii_case(b"no") {
            filter.keeps_me = false;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok(filter)
}

/// Whether clients of this type are subscribers or ordinary ones; `None` for types that this server lacks.
pub fn client_type(word: &[u8]) -> Result<Option<bool>, CommandError> {
    let known = |names: &[&[u8]]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    if known(&[b"normal"]) {
        Ok(Some(false))
    } else if known(&[b"pubsub"]) {
        Ok(Some(true))
    } else if known(&[b"master", b"slave", b"replica"]) {
        Ok(None)
    } else {
        Err(CommandError::text([b"ERR Unknown client type '", word, b"'"].concat()))
    }
}
