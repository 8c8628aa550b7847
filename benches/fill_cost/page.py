"""The page docs/fill-cost.md, from the figures of one run."""

from markdown import table

FLIGHT_BYTES_MAX, CALLER_BYTES_MAX, CROWD_MS_MAX, P99_MS_MAX = 300, 400, 50, 2


def text(result):
    callers, kib = result["callers"], result["value_bytes"] // 1024
    crowd = result["crowd"]
    flights = [[f"{point['flights']:,} flights led by {point['connections']:,} connections",
                f"{point['used']:.0f}", f"{point['resident']:.0f}", f"{FLIGHT_BYTES_MAX}"]
               for point in result["flights"]]
    parked = [[f"{point['callers']:,} callers on {point['connections']:,} connections",
               f"{point['used']:.0f}", f"{point['resident']:.0f}", f"{CALLER_BYTES_MAX}"]
              for point in result["parked"]]
    times = [
        ["a loop that only sends these bytes", f"{crowd['floor_ms']:.0f}", ""],
        ["FILL.PUT answers all", f"{crowd['publish_ms']:.0f}", ""],
        ["**beyond the bytes' own cost**", f"**{crowd['beyond_ms']:.0f}**", f"{CROWD_MS_MAX}"],
        ["before: their FILL.GETs are read and parked", f"{crowd['park_ms']:.0f}", ""],
        ["for comparison: as many GETs of the value", f"{crowd['gets_ms']:.0f}", ""],
    ]
    feels = [
        ["**server CPU before its reply**", f"{crowd['cpu_p50_ms']:.2f}", f"**{crowd['cpu_p99_ms']:.2f}**",
         f"{crowd['cpu_max_ms']:.2f}", f"{P99_MS_MAX}"],
        ["by the clock since it was sent", f"{crowd['sent_p50_ms']:.2f}", f"{crowd['sent_p99_ms']:.2f}",
         f"{crowd['sent_max_ms']:.2f}", ""],
        ["by the clock since it was due", f"{crowd['p50_ms']:.2f}", f"{crowd['p99_ms']:.2f}", f"{crowd['max_ms']:.2f}", ""],
    ]
    return f"""# What FILL costs

Written by `python3 benches/fill_cost` ([how](../benches/fill_cost/README.md)). One worker on a core, load on another:
{result["machine"]}; {result["system"]}; commit {result["commit"]}.

## Memory

Bytes of `used_memory`, and of the resident size, that each flight or caller adds; keys of 16 bytes.

{table(["flight", "used_memory", "resident", "at most"], flights)}

{table(["parked caller, beyond its connection", "used_memory", "resident", "at most"], parked)}

## A crowd is answered

{callers:,} callers, each on a connection of its own, are parked for one key; its value of {kib} KiB is published. CPU
milliseconds of the server:

{table(["", "CPU ms", "at most"], times)}

Meanwhile ({crowd["seconds"]:.2f} s) another connection of the same worker asks each millisecond. Milliseconds of the
server's CPU that pass before its reply: what others are given first, as far as the kernel tells: it may be told 4 ms late,
so never more counts than passed by the clock. The clock itself says something only on an idle machine; here p99 since a
request was due was {crowd["rest_p99_ms"]:.2f} ms before anything was published.

{table(["ms", "p50", "p99", "longest", "p99 at most"], feels)}
"""
