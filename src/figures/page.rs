//! docs/watching.md: what INFO tells of fills and of the server, made from the tables of metrics.
//!
//! Invariant: no figure is described here that stands in a table; what to look out for is said here alone.

use std::fmt::Write;

use crate::base::metrics::{GAUGES, METRICS, Metric};

const HEAD: &str = "\
# Watching it

This page is generated from the tables in `src/base/metrics.rs`; a test fails when it is stale. Write it again with
`UPDATE_DOCS=1 cargo test docs`.

There are three ways to look: the page, for people; `/metrics`, for Prometheus; `INFO`, for all that watch a Redis.

## The page, the metrics and the probes

    onefill --metrics-port 9121        # then open http://127.0.0.1:9121/

![The page of a server under load](page.png)

| path | what it answers |
|---|---|
| `/` | the page: whether all is well, or what is wrong, in words; hit ratio, fills, memory, clients, slow commands, settings that differ. Figures move once a second; the last five minutes are kept in the browser |
| `/metrics` | everything below for Prometheus, and under the names of redis_exporter, so that its dashboards and alerts work with the server as their target |
| `/healthz` | 200 while every worker has come back from its command in the last five seconds; else 503 with the worker and the command. 200 while the server stops: killing it then helps nobody. A liveness probe |
| `/readyz` | 200 while requests are welcome; else 503 with the reason. A readiness probe. A full memory does not make it unready |

It runs on a thread of its own and waits for no command: it answers, and says so, while all workers are stuck. Nothing can be
changed there, and no value is shown. By default it listens on this machine alone; other addresses in `metrics-bind` need
`metrics-token` (`Authorization: Bearer TOKEN`; the page asks for it), or `metrics-open yes`, which shows everybody figures, and
keys, slow commands and addresses of clients to this machine alone. Behind a proxy on the same machine everybody is this machine:
set a token there. The probes ask for no token. Browsers and scrapers must ask
under an IP address, `localhost`, or a name of `metrics-hosts`.

Prometheus, the alarms and a dashboard for Grafana: [contrib/prometheus](../contrib/prometheus). Logs as JSON: `log-format json`,
one object per line with `timestamp`, `level`, `message` and the fields of the event.

## INFO

`INFO` answers as Redis does, so what watches a Redis watches Onefill: redis_exporter, RedisInsight, a script around
`redis-cli INFO`. What Redis does not have stands in the section `fill`. Counters are sums since the start or
`CONFIG RESETSTAT`; look at how much they grew since the last look. All of it is counted per worker and costs a request some
nanoseconds.

    redis-cli INFO fill                       # the figures below
    redis-cli FILL.LIST                       # the flights of now, oldest first, with leader and waiters
    redis-cli FILL.TOP                        # the keys that saved the most fills
    redis-cli --latency                       # how long a PING takes from here

## What to look out for

| you see | it means | do |
|---|---|---|
| `fill_handover_lease_end` grows | leaders take longer than their lease, and the next one computes again | a longer LEASE for those keys, or `FILL.RENEW` while computing; compare `fill_fill_ms` p99 with `fill-lease` |
| `fill_handover_disconnect` grows | leaders die or close their connection before they answer | look at the callers: time-outs that are too short, processes that are killed |
| `fill_handover_fail`, `fill_fail` grow | the origin fails | look at the origin. RETRY keeps callers away from it, GRACE serves old values meanwhile |
| `fill_wait_expired` / `fill_gets` above a few percent | callers wait longer than their WAIT and ask again | a WAIT above the p99 of the computation, where the client's time-out allows it ([choosing.md](choosing.md)) |
| `fill_puts_void` grows | values are written or deleted while they are computed | right, if that is so. If not, somebody deletes keys that he does not change |
| `fill_puts_late` grows | answers come after their lease ended, and are still good | a longer LEASE |
| `fill_kept` stands high, or `fill_kept_dropped` grows | callers lead and never answer | find who forgets `FILL.NONE` for what does not exist: `FILL.LIST` names the client |
| any `fill_shed_…` grows | a limit was reached: callers compute for themselves, or are told to stay away | find out who asks for so much (`FILL.LIST`, `CLIENT LIST`), or raise the limit |
| `fill_oldest_flight_ms` above the longest lease | somebody renews a lease for ever | `FILL.LIST` names the client |
| `fill_coalesced` stays 0 | nothing is saved: no two callers ever want the same missing key at once | FILL is not what you need there |
| `evicted_keys` grows with `keyspace_misses` | the working set is larger than `maxmemory` | `keyspace_hits_at_twice_maxmemory` says what twice as much would hold ([sizing.md](sizing.md)) |
| `used_memory` − `mem_not_counted_for_evict` stays above `maxmemory` (`current_eviction_exceeded_time`) | room is made more slowly than it is taken | wait, if the limit was lowered; else spread the load |
| `mem_clients_normal` is a good part of `used_memory` | clients do not read their replies | `CLIENT LIST` shows `omem` and `tot-mem`; set `maxmemory-clients` and `client-output-buffer-limit` |
| `rejected_connections`, `evicted_clients`, `client_output_buffer_limit_disconnections` grow | clients are turned away | the log says which, once in ten seconds |
| `tls_server_cert_expires_in_seconds` falls below a month | the certificate ends, and clients will refuse the server | put a new one in its place and send SIGHUP ([security.md](security.md)) |
| `tls_handshakes_failed`, `tls_plain_text` or `tls_on_plain_port` grow | clients are set up wrongly, or a CA is missing | the log says why, once in a while |
| `panics` is not 0 | a fault of this server | please report it, with the lines of the log |

A first alarm: `panics > 0`; `fill_handover_lease_end + fill_handover_disconnect` more than 1 % of `fill_leads`; any
`fill_shed_…` growing for five minutes; `current_eviction_exceeded_time` above a minute; `rejected_connections` growing.
";

/// The text of docs/watching.md.
#[must_use]
pub fn render() -> String {
    let mut page = HEAD.to_owned();
    table(&mut page, "INFO fill: as it is now", &mut GAUGES.iter());
    table(&mut page, "INFO fill: counters", &mut of("fill"));
    table(&mut page, "INFO stats: counters", &mut of("stats"));
    table(&mut page, "INFO tls: counters", &mut of("tls"));
    page
}

fn of(section: &str) -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().filter(move |metric| metric.section == section)
}

fn table(page: &mut String, title: &str, metrics: &mut dyn Iterator<Item = &'static Metric>) {
    // Writing to a String can't fail.
    let _ = writeln!(page, "\n## {title}\n\n| figure | unit | meaning |\n|---|---|---|");
    for Metric { name, unit, help, .. } in metrics {
        let _ = writeln!(page, "| `{name}` | {unit} | {help} |");
    }
}
