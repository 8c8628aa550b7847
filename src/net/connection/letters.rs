//! What other threads send to a connection: answers to parked requests, messages, orders to end.

use std::sync::atomic::Ordering::Relaxed;

use super::super::bounds::End;
use super::Connection;
use crate::base::metrics::Counter;
use crate::dispatch::answer::error_of;
use crate::dispatch::bench::Bench;
use crate::dispatch::messages::write_push;
use crate::keyspace::Effects;
use crate::parking::{Answer, Letter};
use crate::protocol::reply::Reply;

impl Connection {
    /// A batch may have answered slots of its own connection; their replies go out with it.
    pub(super) fn deliver_own_letters(&mut self, effects: &mut Effects) {
        if self.session.slots.open > 0 {
            let letters = self.session.post_box().take_letters();
            self.read_letters(letters, effects);
        }
    }

    pub(super) fn take_letters(&mut self) -> Result<(), End> {
        let letters = self.session.post_box().take_letters();
        if !letters.is_empty() {
            self.read_letters(letters, &mut Effects::default());
            self.publish(0);
            self.check_limits()?;
        }
        if self.session.client.seen.close_asap.load(Relaxed) { Err(End::Killed) } else { Ok(()) }
    }

    fn read_letters(&mut self, letters: Vec<Letter>, effects: &mut Effects) {
        let worker = self.worker.clone();
        for letter in letters {
            match letter {
                Letter::Push(push) if self.session.wants(&push) => {
                    let proto = self.session.proto;
                    write_push(&mut Reply::new(self.outflow.replies.aside(proto), proto), &push);
                }
                Letter::Push(_) => {}
                Letter::Overrun => self.is_overrun = true,
                letter => worker.at_bench(effects, |bench| self.read_letter(letter, bench)),
            }
        }
        if self.session.slots.open > 0 {
            worker.at_bench(effects, |bench| self.shed_overfull(bench));
        }
    }

    fn read_letter(&mut self, letter: Letter, bench: &mut Bench<'_>) {
        match letter {
            Letter::Answer { seq, answer } => {
                let error = error_of(&answer);
                if let Some(line) = error {
                    bench.counters.add(Counter::ErrorReplies, 1);
                    bench.meter.calls().note_error(line);
                }
                bench.unblock(&mut self.session, seq, error.is_some());
                self.session.closes |= matches!(answer, Answer::Gone);
                if let Some(slot) = self.outflow.replies.slot(seq).cloned() {
                    bench.handed(&mut self.session, &slot, &answer);
                }
                bench.answered_tracker(&self.session, self.outflow.replies.tracked(seq), &answer);
                self.outflow.replies.answer(seq, &answer);
                self.session.slots.open = self.outflow.replies.unanswered();
            }
            Letter::Line(line) => {
                self.session.client.seen.posted_bytes.fetch_sub(line.len(), Relaxed);
                self.outflow.replies.tail().extend(&line);
            }
            Letter::Rights => bench.meet_rights(&mut self.session, self.outflow.replies.parked()),
            // `close_asap` is set before the letter is sent; the letter only wakes us.
            Letter::Close | Letter::Push(_) | Letter::Overrun => {}
            Letter::Finish => {
                self.finishes = true;
                bench.answer_parked(&self.session);
            }
        }
    }
}
