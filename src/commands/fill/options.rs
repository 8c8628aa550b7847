//! The options of the FILL commands, with their ranges.

use std::num::NonZeroU64;

use crate::base::int::parse_i64;
use crate::base::limits::{
    FILL_KEYS_MAX, FILL_MS_MAX, FILL_TEXT_BYTES_MAX, GRACE_MS_MAX, LEASE_MS_MAX, LEASE_MS_MIN, WAIT_MS_MAX,
};
use crate::commands::strings::lifetime::idle_ms;
use crate::dispatch::args::Args;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::fill::Nonce;
use crate::keyspace::FillAsk;

/// Reads the options of FILL.GET and FILL.MGET up to the end of the request.
pub fn ask_options(ctx: &Ctx<'_>, args: &mut Args<'_>) -> Result<FillAsk, CommandError> {
    let settings = ctx.settings;
    let mut asked = FillAsk {
        client: ctx.session.client.id,
        nonce: None,
        lease_ms: u32::try_from(settings.fill_lease_ms).unwrap_or(u32::MAX),
        detached: false,
        is_last_try: false,
        wait_ms: settings.fill_wait_ms,
        stale_ms: None,
        beta: settings.fill_beta,
        may_lead: true,
    };
    let mut says_wait = false;
    while !args.is_done() {
        if !says_wait && args.skip("WAIT") {
            asked.wait_ms = ms_between(args, "WAIT", 0, WAIT_MS_MAX)?;
            says_wait = true;
        } else if !says_wait && args.skip("NOWAIT") {
            asked.wait_ms = 0;
            says_wait = true;
        } else if args.skip("LEASE") {
            asked.lease_ms = lease_ms(args)?;
        } else if args.skip("STALE") {
            asked.stale_ms = Some(ms_between(args, "STALE", 0, FILL_MS_MAX)?);
        } else if args.skip("BETA") {
            asked.beta = beta(args.take()?)?;
        } else if args.skip("AS") {
            let text = short_text(args.take()?, "nonce")?;
            asked.nonce = Some(Nonce::new(text, &ctx.keys.keyspace.fills.held));
        } else if args.skip("DETACHED") {
            asked.detached = true;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok(asked)
}

/// How long a leader's answer is good for.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Wall-clock ms at which it expires.
    pub expire_at: Option<i64>,
    /// The longest time without an access.
    pub idle_ms: Option<NonZeroU64>,
    pub grace_ms: u32,
}

/// Reads EX, PX, EXAT, PXAT and, for a value, IDLE, GRACE and JITTER, up to the end of the request.
pub fn keep_options(
    ctx: &Ctx<'_>,
    args: &mut Args<'_>,
    command: &'static str,
    for_value: bool,
) -> Result<Keep, CommandError> {
    let now_ms = ctx.now().wall_ms;
    let (mut expire_at, mut idle, mut grace_ms, mut jitter) = (None, None, ctx.settings.fill_grace_ms, 0);
    while !args.is_done() {
        let form = expire_form(args).filter(|(_, absolute)| for_value || !absolute);
        if let Some((unit_ms, absolute)) = form {
            if expire_at.is_some() {
                return Err(CommandError::Syntax);
            }
            let base = if absolute { 0 } else { now_ms };
            expire_at = Some(expire_time(args.integer()?, unit_ms, base, command)?);
        } else if for_value && idle.is_none() && args.skip("IDLE") {
            idle = Some(idle_ms(args.take()?, now_ms, command)?);
        } else if for_value && args.skip("GRACE") {
            grace_ms = grace(args)?.into();
        } else if for_value && args.skip("JITTER") {
            jitter = number_between(args, "JITTER", 0, 100)?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let expire_at = expire_at.map(|at| jittered(at, now_ms, jitter));
    Ok(Keep { expire_at, idle_ms: idle, grace_ms: u32::try_from(grace_ms).unwrap_or(u32::MAX) })
}

/// (milliseconds per unit, absolute) of an expiry option, if one comes next.
fn expire_form(args: &mut Args<'_>) -> Option<(i64, bool)> {
    let forms = [("EX", 1000, false), ("PX", 1, false), ("EXAT", 1000, true), ("PXAT", 1, true)];
    forms.into_iter().find(|(word, ..)| args.skip(word)).map(|(_, unit_ms, absolute)| (unit_ms, absolute))
}

fn expire_time(value: i64, unit_ms: i64, base_ms: i64, command: &'static str) -> Result<i64, CommandError> {
    let at = Some(value)
        .filter(|value| *value > 0)
        .and_then(|value| value.checked_mul(unit_ms)?.checked_add(base_ms));
    at.ok_or_else(|| CommandError::invalid_expire(command))
}

/// Shortens a TTL by a random share of up to `percent` of it.
fn jittered(expire_at: i64, now_ms: i64, percent: u64) -> i64 {
    let ttl_ms = (expire_at - now_ms).max(0);
    let most = (ttl_ms as u128 * u128::from(percent) / 100) as i64;
    if most == 0 { expire_at } else { expire_at - fastrand::i64(0..=most) }
}

/// LEASE, whose word has been read.
pub fn lease_ms(args: &mut Args<'_>) -> Result<u32, CommandError> {
    let ms = ms_between(args, "LEASE", LEASE_MS_MIN, LEASE_MS_MAX)?;
    Ok(u32::try_from(ms).unwrap_or(u32::MAX))
}

/// GRACE, whose word has been read.
pub fn grace(args: &mut Args<'_>) -> Result<u32, CommandError> {
    let ms = ms_between(args, "GRACE", 0, GRACE_MS_MAX)?;
    Ok(u32::try_from(ms).unwrap_or(u32::MAX))
}

/// A number of milliseconds.
pub fn ms_between(args: &mut Args<'_>, name: &str, least: u64, most: u64) -> Result<u64, CommandError> {
    number_between(args, name, least, most)
}

fn number_between(args: &mut Args<'_>, name: &str, least: u64, most: u64) -> Result<u64, CommandError> {
    let number = args.integer()?;
    let within = u64::try_from(number).ok().filter(|number| (least..=most).contains(number));
    within.ok_or_else(|| CommandError::err(format!("{name} must be between {least} and {most}")))
}

fn beta(word: &[u8]) -> Result<f64, CommandError> {
    let number = std::str::from_utf8(word).ok().and_then(|text| text.parse::<f64>().ok());
    number.filter(|beta| beta.is_finite() && *beta >= 0.0).ok_or(CommandError::NotAFloat)
}

/// A client's text that is kept beside a flight, with a bound on its length.
pub fn short_text<'a>(text: &'a [u8], name: &str) -> Result<&'a [u8], CommandError> {
    if text.len() > FILL_TEXT_BYTES_MAX {
        return Err(CommandError::err(format!("{name} is longer than {FILL_TEXT_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Reads `numkeys` and checks that as many groups of `words` words follow.
pub fn key_count(args: &mut Args<'_>, words: usize) -> Result<usize, CommandError> {
    let count = parse_i64(args.take()?).ok_or(CommandError::NotAnInteger)?;
    if count <= 0 {
        return Err(CommandError::err("numkeys should be greater than 0"));
    }
    let fits = |count: &usize| count.checked_mul(words).is_some_and(|need| need <= args.left());
    let count =
        usize::try_from(count.min(FILL_KEYS_MAX + 1)).ok().filter(|count| *count as i64 <= FILL_KEYS_MAX);
    count.filter(fits).ok_or_else(|| CommandError::err("Number of keys can't be greater than number of args"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_shortens_by_at_most_its_share() {
        fastrand::seed(7);
        let drawn: Vec<i64> = (0..1000).map(|_| jittered(11_000, 1_000, 20)).collect();
        assert!(drawn.iter().all(|at| (9_000..=11_000).contains(at)));
        assert!(drawn.iter().any(|at| *at < 9_500) && drawn.iter().any(|at| *at > 10_500));
        assert_eq!(jittered(11_000, 1_000, 0), 11_000);
        assert_eq!(jittered(500, 1_000, 50), 500);
    }

    #[test]
    fn expire_times_beyond_the_clock_are_refused() {
        assert_eq!(expire_time(10, 1000, 5, "fill.put"), Ok(10_005));
        for (value, unit) in [(0, 1), (-1, 1), (i64::MAX, 1000), (i64::MAX, 1)] {
            assert_eq!(
                expire_time(value, unit, 5, "fill.put"),
                Err(CommandError::invalid_expire("fill.put"))
            );
        }
    }
}
