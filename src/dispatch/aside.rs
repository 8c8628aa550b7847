//! Scripts, and transactions that hold some, run on a stack of their own: a script that takes long lets go of its worker, and
//! goes on from where it stood when the others have had their turn.
//!
//! What runs there is its connection's session itself, with keys, effects and a reply of its own: it borrows nothing of the
//! bench it began at. Almost all end at once, and what they had is put where the bench's own would be. Of one that does not,
//! its connection keeps a stand-in of the session until the end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

use super::args::Args;
use super::ctx::{Ctx, Handlers};
use super::error::CommandError;
use super::live::Current;
use super::session::{PutOff, Session, Transaction};
use super::stage::{Pause, Stage};
use super::station::{Finished, Kit, Station, Unfinished};
use crate::base::clock::Now;
use crate::base::metrics::Counter;
use crate::keyspace::{Busy, Effects, Keys, Scope};
use crate::protocol::range::ArgRange;
use crate::protocol::reply::Reply;
use crate::pubsub::Delivery;
use crate::table::{Role, Row};

/// A request that runs aside: what it takes along, and what it brings back.
struct Errand {
    station: Rc<Station>,
    current: Rc<Current>,
    now: Now,
    row: &'static Row,
    handlers: &'static Handlers,
    kit: Box<Kit>,
    session: Session,
    effects: Effects,
    deliveries: Vec<Delivery>,
    lacks_memory: bool,
    /// From when on others are refused what it keeps, monotonic ms.
    refuses_at_ms: u64,
    /// It did nothing: what it needs is not to be had now.
    refused: Option<Busy>,
    panic: Option<Box<dyn Any + Send>>,
}

/// A request that let go of its worker before its end.
struct Suspended {
    coroutine: Option<Coroutine<bool, Busy, Box<Errand>, DefaultStack>>,
    station: Rc<Station>,
}

impl Ctx<'_> {
    /// Whether a request runs scripts, if its row says that it may.
    pub(super) fn runs_scripts(&self, row: &Row) -> bool {
        let transaction = self.session.transaction.as_ref();
        row.role == Role::Script || transaction.is_some_and(Transaction::has_scripts)
    }

    /// Runs a request aside. Where it lets go before its end, the station has it.
    pub(super) fn run_aside(&mut self, row: &'static Row, args: &Args<'_>) -> Result<(), CommandError> {
        let Some(station) = self.station else { return Err(CommandError::err("no worker for scripts")) };
        station.shared.keyspace.note_scripts();
        let stack = station.take_stack()?;
        let mut kit = station.take_kit()?;
        copy_words(args, &mut kit.buffer, &mut kit.words);
        let current = station.current();
        // What runs goes on with the times of its batch.
        std::mem::swap(self.meter, &mut kit.meter);
        let refuses_at_ms = match current.settings.busy_reply_threshold_ms {
            0 => u64::MAX,
            ms => self.now().mono_ms.saturating_add(ms),
        };
        let errand = Box::new(Errand {
            station: station.clone(),
            current,
            now: self.now(),
            row,
            handlers: self.handlers,
            kit,
            session: self.session.leave_stand_in(),
            effects: std::mem::take(self.keys.effects),
            deliveries: Vec::new(),
            lacks_memory: self.lacks_memory,
            refuses_at_ms,
            refused: None,
            panic: None,
        });
        let coroutine = Coroutine::with_stack(stack, |pause, _| errand.run(pause));
        let mut aside = Suspended { coroutine: Some(coroutine), station: station.clone() };
        match aside.run_slice(true) {
            Some(errand) => self.settle(*errand),
            None => {
                self.counters().add(Counter::SlowScripts, 1);
                self.meter.apply(self.settings);
                self.meter.start();
                station.leave_unfinished(Box::new(aside));
                self.session.put_off = Some(PutOff::Script);
                Ok(())
            }
        }
    }

    /// Takes over what a request brings back that ended at once.
    fn settle(&mut self, errand: Errand) -> Result<(), CommandError> {
        let Errand { session, effects, mut deliveries, mut kit, refused, panic, station, .. } = errand;
        *self.session = session;
        *self.keys.effects = effects;
        self.deliveries.append(&mut deliveries);
        self.keys.db = self.session.db;
        self.reply.out.append(&mut kit.out);
        std::mem::swap(self.meter, &mut kit.meter);
        station.put_back(kit);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        refused.map_or(Ok(()), |busy| Err(CommandError::Busy(busy)))
    }
}

impl Errand {
    /// Runs the request to its end on the stack this is called on.
    fn run(mut self: Box<Errand>, pause: &Pause) -> Box<Errand> {
        let ended = catch_unwind(AssertUnwindSafe(|| self.run_caught(pause)));
        match ended {
            Ok(refused) => self.refused = refused,
            Err(panic) => self.panic = Some(panic),
        }
        self
    }

    fn run_caught(&mut self, pause: &Pause) -> Option<Busy> {
        let Errand { station, current, kit, session, effects, deliveries, .. } = self;
        let Kit { eval, functions, meter, buffer, words, out, called, returned } = &mut **kit;
        let (shared, now, row) = (&*station.shared, self.now, self.row);
        let by = session.client.id;
        let scope = Scope { now, rules: &current.rules, counters: &station.counters, by, touches: false };
        let keys = Keys::new(&shared.keyspace, session.db, scope, effects);
        let mut ctx = Ctx {
            shared,
            handlers: self.handlers,
            station: None,
            stage: Some(Stage {
                pause,
                eval,
                functions,
                called,
                returned,
                refuses_at_ms: self.refuses_at_ms,
            }),
            settings: &current.settings,
            keys,
            deliveries,
            reply: Reply::new(out, session.proto),
            session,
            in_transaction: false,
            in_script: None,
            lacks_memory: self.lacks_memory,
            meter,
            alike_follows: false,
        };
        let mark = ctx.reply.out.mark();
        let result = ctx.call_admitted(row, &mut Args::new(buffer, words));
        match result {
            Ok(()) => None,
            Err(CommandError::Busy(busy)) => Some(busy),
            Err(error) => {
                ctx.reply.out.truncate(mark);
                ctx.write_error(&error);
                None
            }
        }
    }

    /// Takes back what the worker lent to a request that let go of it, and gives the rest to its connection.
    fn finish(self) -> Finished {
        let Errand { session, effects, deliveries, mut kit, refused, panic, station, .. } = self;
        let out = std::mem::take(&mut kit.out);
        kit.meter.hand_over();
        station.put_back(kit);
        debug_assert!(refused.is_none(), "what cannot begin does not let go");
        Finished { session, effects, deliveries, out, panicked: panic.is_some() }
    }
}

impl Unfinished for Suspended {
    fn go_on(&mut self) -> Option<Finished> {
        Some(self.run_slice(true)?.finish())
    }
}

impl Suspended {
    /// Lets it run for a slice; what it brings back, when it has ended. What may not go on ends where it would let go the next
    /// time.
    fn run_slice(&mut self, may_go_on: bool) -> Option<Box<Errand>> {
        match self.coroutine.as_mut()?.resume(may_go_on) {
            CoroutineResult::Yield(busy) => {
                self.station.note_busy(busy);
                None
            }
            CoroutineResult::Return(errand) => {
                let ended = self.coroutine.take();
                ended.into_iter().for_each(|ended| self.station.put_stack(ended.into_stack()));
                Some(errand)
            }
        }
    }
}

impl Drop for Suspended {
    /// Nothing on its stack can be dropped before its end: it is told to end, and led there.
    fn drop(&mut self) {
        while self.coroutine.is_some() && self.run_slice(false).is_none() {}
    }
}

/// Copies a request's words, so that they outlive their buffer.
fn copy_words(args: &Args<'_>, buffer: &mut Vec<u8>, words: &mut Vec<ArgRange>) {
    for at in 0..args.words() {
        let word = args.word(at);
        words.push(ArgRange { start: buffer.len(), len: word.len() });
        buffer.extend_from_slice(word);
    }
}
