//! What a connection does with the bytes it read, without the connection: cut, fetch ahead, run, reply.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use onefill::base::clock::Clock;
use onefill::base::hash::HashSeed;
use onefill::clients::{Client, Names, Seen};
use onefill::commands::batch::{Batch, Bench, Cut};
use onefill::commands::calls::Meter;
use onefill::commands::session::Session;
use onefill::commands::shared::{Shared, fill_rules};
use onefill::config::Settings;
use onefill::fill::PostBox;
use onefill::keyspace::Effects;
use onefill::protocol::reply::Output;
use onefill::protocol::request::{Parser, RequestLimits};
use onefill::server::{Surroundings, share};

/// One connection's desk: everything that its requests need.
pub struct Desk {
    shared: Shared,
    session: Session,
    parser: Parser,
    batch: Batch,
    effects: Effects,
    out: Output,
    meter: Meter,
}

impl Desk {
    /// An empty server of one worker, always with the same hashes and the same time.
    pub fn new() -> Desk {
        let settings = Settings { io_threads: 1, hash_seed: Some(HashSeed(1, 2)), ..Settings::default() };
        let clock = Clock::manual(1_700_000_000_000);
        let surroundings = Surroundings { clock, config_file: None, apply: Box::new(|_| Ok(())) };
        let shared = share(settings, surroundings, 0, &Arc::default());
        Desk {
            meter: Meter::new(shared.clock.clone(), shared.calls[0].clone()),
            shared,
            session: Session::new(Arc::new(client()), true),
            parser: Parser::default(),
            batch: Batch::default(),
            effects: Effects::default(),
            out: Output::default(),
        }
    }

    /// Runs the whole requests in `bytes`; their replies take the place of the last ones. Panics if the bytes
    /// are not whole requests.
    pub fn run(&mut self, bytes: &mut [u8]) {
        self.out.clear(usize::MAX);
        let settings = self.shared.settings.load_full();
        let limits = RequestLimits { authenticated: true, bulk_bytes_max: settings.bulk_bytes_max };
        let mut bench = Bench {
            shared: &self.shared,
            settings_version: self.shared.settings_version(),
            rules: fill_rules(&settings),
            settings,
            counters: &self.shared.counters[0],
            now: self.shared.clock.now(),
            effects: &mut self.effects,
            deliveries: Vec::new(),
            meter: &mut self.meter,
        };
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
        let used = self.out.slices(0, &mut slices);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
    }
}

fn client() -> Client {
    Client {
        id: 1,
        addr: "127.0.0.1:1".to_owned(),
        laddr: "127.0.0.1:2".to_owned(),
        fd: 0,
        is_unix: false,
        connected_at: 0,
        post_box: Arc::new(PostBox::default()),
        names: parking_lot::Mutex::new(Names::default()),
        seen: Seen::default(),
    }
}
