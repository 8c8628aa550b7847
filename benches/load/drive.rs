//! The loop of one thread: sends when something is due, reads when something is there.

use std::io;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::connection::Connection;
use crate::figures::Figures;
use crate::options::Options;
use crate::requests::Requests;

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// A server that answers nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// When bursts are due.
enum Pace {
    /// A connection's next burst as soon as its last one is answered.
    Closed,
    /// At fixed times, to the connections in turn.
    Open { due: Instant, interval: Duration, turn: usize },
}

struct Driver {
    connections: Vec<Connection>,
    requests: Requests,
    pace: Pace,
    deadline: Option<Instant>,
    figures: Figures,
    buffer: Vec<u8>,
}

/// Runs the share of thread `number`, beginning when all threads are connected.
pub fn drive(options: &Options, number: u64, barrier: &Barrier) -> Result<Figures, String> {
    let poll = Poll::new().map_err(|error| error.to_string());
    let connected = poll.and_then(|poll| Ok((connect(options, number, &poll)?, poll)));
    barrier.wait();
    let (connections, poll) = connected?;
    let started = Instant::now();
    let mut driver = Driver {
        connections,
        requests: Requests::new(options, number),
        pace: Pace::new(options, number, started),
        deadline: (options.seconds > 0.0).then(|| started + Duration::from_secs_f64(options.seconds)),
        figures: Figures::default(),
        buffer: vec![0; READ_BYTES],
    };
    driver.run(poll).map_err(|error| format!("{}: {error}", options.port))?;
    driver.figures.touched_bytes = driver.requests.touched_bytes;
    Ok(driver.figures)
}

fn connect(options: &Options, number: u64, poll: &Poll) -> Result<Vec<Connection>, String> {
    let part = |number| options.connections * number / options.threads;
    let open = |place: u64| -> io::Result<Connection> {
        let mut connection = Connection::open(options)?;
        let token = Token((place - part(number)) as usize);
        poll.registry().register(&mut connection.stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(connection)
    };
    let connections: io::Result<_> = (part(number)..part(number + 1)).map(open).collect();
    connections.map_err(|error| format!("port {}: {error}", options.port))
}

impl Pace {
    fn new(options: &Options, number: u64, started: Instant) -> Pace {
        if options.rate == 0.0 {
            return Pace::Closed;
        }
        let bursts_per_second = options.rate / options.pipeline as f64 / options.threads as f64;
        let interval = Duration::from_secs_f64(1.0 / bursts_per_second);
        // Threads take turns instead of sending at the same moment.
        let due = started + interval.mul_f64(number as f64 / options.threads as f64);
        Pace::Open { due, interval, turn: 0 }
    }
}

impl Driver {
    fn run(&mut self, mut poll: Poll) -> io::Result<()> {
        let mut events = Events::with_capacity(self.connections.len() * 2);
        let mut heard = Instant::now();
        if matches!(self.pace, Pace::Closed) {
            for connection in &mut self.connections {
                connection.send(&mut self.requests, heard)?;
            }
        }
        while !self.is_done() {
            // An appointed time is not slept towards: waking up takes longer than most replies.
            let wait = matches!(self.pace, Pace::Closed).then_some(SILENCE_MAX);
            poll.poll(&mut events, Some(wait.unwrap_or_default()))?;
            let now = Instant::now();
            if !events.is_empty() || self.connections.iter().all(Connection::is_idle) {
                heard = now;
            } else if now - heard >= SILENCE_MAX {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no reply for a minute"));
            }
            for event in &events {
                self.serve(event.token().0, event.is_readable(), event.is_writable())?;
            }
            self.send_due()?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_over() && self.connections.iter().all(Connection::is_idle)
    }

    /// Nothing more is to be sent.
    fn is_over(&self) -> bool {
        self.requests.are_done() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn serve(&mut self, place: usize, is_readable: bool, is_writable: bool) -> io::Result<()> {
        let connection = &mut self.connections[place];
        if is_writable {
            connection.flush(self.requests.body())?;
        }
        if is_readable {
            connection.receive(&mut self.buffer, &mut self.figures)?;
            if connection.is_idle() && matches!(self.pace, Pace::Closed) && !self.is_over() {
                self.connections[place].send(&mut self.requests, Instant::now())?;
            }
        }
        Ok(())
    }

    /// Open loop: sends what is due by now, however late.
    fn send_due(&mut self) -> io::Result<()> {
        while !self.is_over() {
            let Pace::Open { due, interval, turn } = &mut self.pace else { return Ok(()) };
            if Instant::now() < *due {
                return Ok(());
            }
            let place = *turn % self.connections.len();
            *turn += 1;
            let now_due = *due;
            *due += *interval;
            self.connections[place].send(&mut self.requests, now_due)?;
        }
        Ok(())
    }
}
