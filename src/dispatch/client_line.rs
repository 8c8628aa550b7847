//! A client as one line of CLIENT LIST and CLIENT INFO.

use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;

use crate::acl::DEFAULT;
use crate::clients::{Client, Seen};
use crate::protocol::reply::Proto;
use crate::table::Table;

/// A client as one line of CLIENT LIST, in Redis 7.2's fields and order.
pub fn describe(client: &Client, table: &Table, mono_ms: u64) -> String {
    let names = client.names();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let user = if names.user.is_empty() { DEFAULT } else { &names.user };
    let seen = &client.seen;
    let tracks = seen.tracking.load(Relaxed) & Seen::TRACKING_ON != 0;
    let redirect = if tracks { seen.redirect.load(Relaxed) as i64 } else { -1 };
    let multi = seen.multi.load(Relaxed);
    let [sub, psub, ssub] = client.subscriptions();
    let flags = flags(client);
    let command =
        table.by_number(seen.last_command.load(Relaxed)).map_or("NULL", |row| row.full_name.as_str());
    let multi_bytes = seen.multi_bytes.load(Relaxed);
    let [query, free, reply] =
        [&seen.query_bytes, &seen.query_free_bytes, &seen.reply_bytes].map(|bytes| bytes.load(Relaxed));
    let mut line = String::with_capacity(400);
    // Writing to a string cannot fail.
    let _ = writeln!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub={sub} psub={psub} ssub={ssub} \
         multi={} qbuf={query} qbuf-free={free} argv-mem=0 multi-mem={multi_bytes} rbs=0 rbp=0 obl=0 oll=0 \
         omem={reply} tot-mem={} events=r cmd={command} user={} redir={redirect} resp={} lib-name={} \
         lib-ver={} watch={} tot-net-in={} tot-net-out={}",
        client.id,
        client.addr,
        client.laddr,
        client.fd,
        text(&names.name),
        mono_ms.saturating_sub(client.connected_at) / 1000,
        client.idle_ms(mono_ms) / 1000,
        seen.db.load(Relaxed),
        multi as i64 - 1,
        client.held_bytes(),
        text(user),
        if client.proto() == Proto::Resp3 { 3 } else { 2 },
        text(&names.lib_name),
        text(&names.lib_ver),
        seen.watched.load(Relaxed),
        seen.input_bytes.load(Relaxed),
        seen.output_bytes.load(Relaxed),
    );
    line
}

fn flags(client: &Client) -> String {
    let seen = &client.seen;
    let tracking = seen.tracking.load(Relaxed);
    let all = [
        (seen.is_monitor.load(Relaxed), 'O'),
        (client.is_subscriber(), 'P'),
        (seen.multi.load(Relaxed) > 0, 'x'),
        (client.is_blocked(), 'b'),
        (tracking & Seen::TRACKING_ON != 0, 't'),
        (tracking & Seen::TRACKING_BROKEN != 0, 'R'),
        (tracking & Seen::TRACKING_BCAST != 0, 'B'),
        (seen.close_asap.load(Relaxed), 'A'),
        (client.is_unix, 'U'),
        (seen.no_evict.load(Relaxed), 'e'),
        (seen.no_touch.load(Relaxed), 'T'),
    ];
    let flags: String = all.iter().filter(|(on, _)| *on).map(|(_, flag)| flag).collect();
    if flags.is_empty() { "N".to_owned() } else { flags }
}
