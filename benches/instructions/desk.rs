//! What a connection does with the bytes it read, without the connection: cut, fetch ahead, run, reply.

use std::io::IoSlice;
use std::sync::atomic::Ordering::Relaxed;

use onefill::config::Settings;
use onefill::dispatch::batch::{Batch, Cut};
use onefill::dispatch::live::Current;
use onefill::dispatch::session::Session;
use onefill::dispatch::shared::Shared;
use onefill::figures::calls::Meter;
use onefill::keyspace::Effects;
use onefill::protocol::output::Output;
use onefill::protocol::request::{Parser, RequestLimits};

use super::support;

/// One connection's desk: everything that its requests need.
pub struct Desk {
    shared: Shared,
    session: Session,
    parser: Parser,
    batch: Batch,
    effects: Effects,
    out: Output,
    current: Current,
    meter: Meter,
}

impl Desk {
    /// An empty server of one worker, always with the same hashes and the same time.
    pub fn new() -> Desk {
        let shared = support::server(Settings { io_threads: 1, ..Settings::default() });
        let (current, meter) = support::watch(&shared, 0);
        Desk {
            current,
            meter,
            batch: Batch::new(shared.table),
            session: support::Desk::open(&shared).session,
            shared,
            parser: Parser::default(),
            effects: Effects::default(),
            out: Output::default(),
        }
    }

    /// Runs the whole requests in `bytes`; their replies take the place of the last ones. Panics if the bytes
    /// are not whole requests.
    pub fn run(&mut self, bytes: &mut [u8]) {
        self.out.clear(usize::MAX);
        let mut bench =
            support::bench(&self.shared, 0, &mut self.current, &mut self.effects, &mut self.meter);
        let bulk_bytes_max = bench.current.settings.bulk_bytes_max;
        let limits = RequestLimits { authenticated: true, bulk_bytes_max };
        let mut start = 0;
        loop {
            let (next, cut) = self.batch.cut(&mut self.parser, bytes, start, limits);
            start = next;
            self.batch.prefetch(bytes, &self.shared.keyspace, self.session.db);
            bench.meter.start();
            for index in 0..self.batch.len() {
                self.batch.run(index, bytes, &mut bench, &mut self.session, &mut self.out);
            }
            bench.meter.hand_over();
            self.session.client.seen.active_at.store(bench.now.mono_ms, Relaxed);
            match cut {
                Cut::Full => {}
                Cut::UsedUp => break,
                Cut::Malformed(error) => panic!("{error}"),
            }
        }
        assert_eq!(start, bytes.len(), "the bytes end inside a request");
    }

    /// The replies to the last bytes.
    pub fn replies(&self) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = self.out.slices(usize::MAX, &mut slices);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
    }
}
