//! Helper threads: what takes long and needs no lock is made there, while the request that it is for is put off.
//!
//! There are two. One takes short tasks alone, so that they never stand behind long ones; the other takes long ones first.
//! Knows no key and no command. Invariant: a task runs once, or not at all where nobody wants it any more, and its
//! connection is woken when it is over, however it ended.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::thread::Builder;

use parking_lot::{Condvar, Mutex};

use crate::base::limits::{HELPED_SHORT_STEPS, HELPED_TASKS_MAX};
use crate::clients::Client;
use crate::keyspace::Watch;

/// What a task makes.
pub type Made = Box<dyn Any + Send>;

/// How it is made; `None` where that was given up.
pub type Work = Box<dyn FnOnce(&Task) -> Option<Made> + Send>;

/// The helper threads of a server, and what waits for them.
#[derive(Debug, Default)]
pub struct Helpers(Arc<Queues>);

#[derive(Debug, Default)]
struct Queues {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    /// Tasks that wait, run, or were not fetched yet.
    tasks: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Waiting {
    short: VecDeque<Arc<Task>>,
    long: VecDeque<Arc<Task>>,
    is_over: bool,
}

/// Something that a helper makes for a client.
pub struct Task {
    client: Arc<Client>,
    /// Until it runs.
    work: Mutex<Option<Work>>,
    made: Mutex<Option<Made>>,
    is_over: AtomicBool,
    is_left: AtomicBool,
    tasks: Arc<AtomicUsize>,
}

/// A request that is put off until a helper has made something for it.
#[derive(Debug)]
pub struct Helped {
    pub task: Arc<Task>,
    /// What it is made from: the result is good as long as none of these keys was touched.
    pub watch: Watch,
    /// How often a helper has begun, this time among them.
    pub tries: u32,
}

impl Helpers {
    /// Starts the threads. They end when this is dropped, one that works on a task behind that.
    pub fn start(&self) -> io::Result<()> {
        for (name, takes_long) in [("helper-short", false), ("helper-long", true)] {
            let queues = self.0.clone();
            Builder::new().name(name.to_owned()).spawn(move || {
                while let Some(task) = queues.wait(takes_long) {
                    task.run();
                }
            })?;
        }
        Ok(())
    }

    /// Takes on a task of about so many steps for a client; `None` where too many are there already.
    #[must_use]
    pub fn take_on(&self, client: &Arc<Client>, steps: usize, work: Work) -> Option<Arc<Task>> {
        let Queues { waiting, filled, tasks } = &*self.0;
        if tasks.fetch_add(1, Relaxed) >= HELPED_TASKS_MAX {
            tasks.fetch_sub(1, Relaxed);
            return None;
        }
        let task = Arc::new(Task {
            client: client.clone(),
            work: Mutex::new(Some(work)),
            made: Mutex::default(),
            is_over: AtomicBool::new(false),
            is_left: AtomicBool::new(false),
            tasks: tasks.clone(),
        });
        let mut waiting = waiting.lock();
        let queue = if steps <= HELPED_SHORT_STEPS { &mut waiting.short } else { &mut waiting.long };
        queue.push_back(task.clone());
        filled.notify_all();
        Some(task)
    }

    /// Runs the next task on the calling thread, for a server whose threads were not started; false without one.
    pub fn run_next(&self) -> bool {
        let task = self.0.waiting.lock().next(true);
        task.iter().for_each(|task| task.run());
        task.is_some()
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        *self.0.waiting.lock() = Waiting { is_over: true, ..Waiting::default() };
        self.0.filled.notify_all();
    }
}

impl Queues {
    /// Waits for a task; `None` when the server ends.
    fn wait(&self, takes_long: bool) -> Option<Arc<Task>> {
        let mut waiting = self.waiting.lock();
        loop {
            if waiting.is_over {
                return None;
            }
            if let Some(task) = waiting.next(takes_long) {
                return Some(task);
            }
            self.filled.wait(&mut waiting);
        }
    }
}

impl Waiting {
    fn next(&mut self, takes_long: bool) -> Option<Arc<Task>> {
        let long = if takes_long { self.long.pop_front() } else { None };
        long.or_else(|| self.short.pop_front())
    }
}

impl Task {
    /// Whether it is to go on, asked by what runs, which says how many bytes it has taken so far: they are the client's.
    #[must_use]
    pub fn goes_on(&self, bytes: usize) -> bool {
        self.client.seen.made_bytes.store(bytes, Relaxed);
        !self.is_left.load(Relaxed)
    }

    /// Whether it has ended: with a result, or without one.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over.load(Acquire)
    }

    /// Bytes that it has taken so far.
    #[must_use]
    pub fn made_bytes(&self) -> usize {
        self.client.seen.made_bytes.load(Relaxed)
    }

    /// Takes what was made.
    #[must_use]
    pub fn take(&self) -> Option<Made> {
        self.made.lock().take()
    }

    /// Nobody wants it any more.
    pub fn leave(&self) {
        self.is_left.store(true, Relaxed);
    }

    fn run(&self) {
        let Some(work) = self.work.lock().take() else { return };
        if !self.is_left.load(Relaxed) {
            let made = catch_unwind(AssertUnwindSafe(|| work(self)));
            *self.made.lock() = made.unwrap_or_else(|_| {
                tracing::error!(client = self.client.id, "a helper panicked; its request runs without it");
                None
            });
        }
        self.is_over.store(true, Release);
        self.client.post_box.wake();
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // Before it is counted no more.
        drop((self.work.get_mut().take(), self.made.get_mut().take()));
        self.client.seen.made_bytes.store(0, Relaxed);
        self.tasks.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task(client {}, over: {})", self.client.id, self.is_over())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Peer;

    fn client() -> Arc<Client> {
        Arc::new(Client::new(1, Peer::default(), 0))
    }

    fn work(number: usize) -> Work {
        Box::new(move |task| task.goes_on(number).then(|| Box::new(number) as Made))
    }

    fn number(task: &Task) -> Option<usize> {
        task.take().and_then(|made| made.downcast().ok()).map(|number| *number)
    }

    #[test]
    fn what_was_made_is_there_and_counted_until_it_is_dropped() {
        let (helpers, client) = (Helpers::default(), client());
        let task = helpers.take_on(&client, 1, work(7)).expect("there is room");
        assert!(!task.is_over() && helpers.run_next() && !helpers.run_next());
        assert_eq!((task.is_over(), client.seen.made_bytes.load(Relaxed)), (true, 7));
        assert_eq!((number(&task), number(&task)), (Some(7), None));
        drop(task);
        assert_eq!((client.seen.made_bytes.load(Relaxed), helpers.0.tasks.load(Relaxed)), (0, 0));
    }

    #[test]
    fn long_tasks_come_first_on_one_thread_and_never_on_the_other() {
        let (helpers, client) = (Helpers::default(), client());
        let steps = [1, HELPED_SHORT_STEPS + 1, 2];
        let tasks = steps.map(|steps| helpers.take_on(&client, steps, work(steps)).expect("there is room"));
        let next = |takes_long| helpers.0.waiting.lock().next(takes_long).map(|task| Arc::as_ptr(&task));
        assert_eq!(next(false), Some(Arc::as_ptr(&tasks[0])));
        assert_eq!(next(true), Some(Arc::as_ptr(&tasks[1])));
        assert_eq!(next(true), Some(Arc::as_ptr(&tasks[2])));
        assert_eq!(next(true), None);
    }

    #[test]
    fn task_that_is_left_or_panics_ends_without_a_result() {
        let (helpers, client) = (Helpers::default(), client());
        let left = helpers.take_on(&client, 1, work(1)).expect("there is room");
        let panics = helpers.take_on(&client, 1, Box::new(|_| panic!("planned"))).expect("there is room");
        left.leave();
        while helpers.run_next() {}
        assert!(left.is_over() && panics.is_over());
        assert_eq!((number(&left), number(&panics)), (None, None));
    }

    #[test]
    fn tasks_are_bounded() {
        let (helpers, client) = (Helpers::default(), client());
        let all: Vec<_> = (0..HELPED_TASKS_MAX).map_while(|n| helpers.take_on(&client, n, work(n))).collect();
        assert_eq!(all.len(), HELPED_TASKS_MAX);
        assert!(helpers.take_on(&client, 1, work(1)).is_none());
        drop(all);
        while helpers.run_next() {}
        assert!(helpers.take_on(&client, 1, work(1)).is_some());
    }

    #[test]
    fn threads_run_what_they_are_given_and_end_with_their_server() {
        let (helpers, client) = (Helpers::default(), client());
        helpers.start().expect("threads can be started");
        let (said, heard) = std::sync::mpsc::channel();
        for steps in [1, HELPED_SHORT_STEPS + 1] {
            let said = said.clone();
            let work: Work = Box::new(move |_| {
                said.send(steps).expect("somebody listens");
                None
            });
            drop(helpers.take_on(&client, steps, work));
        }
        drop(said);
        assert_eq!(heard.iter().sum::<usize>(), HELPED_SHORT_STEPS + 2);
        let queues = Arc::downgrade(&helpers.0);
        drop(helpers);
        while queues.strong_count() > 0 {
            std::thread::yield_now();
        }
    }
}
