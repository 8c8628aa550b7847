//! The command line: pairs of `--name value`, each with a default.

use crate::requests::{Command, Order, Protocol};

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Options {
    pub port: u16,
    pub protocol: Protocol,
    pub command: Command,
    /// Keys per request, for the commands that take several.
    pub many: u64,
    /// Requests in all, over all threads.
    pub requests: u64,
    /// Ends earlier, after this many seconds; 0 = when the requests are done.
    pub seconds: f64,
    pub connections: u64,
    /// Requests per burst.
    pub pipeline: u64,
    /// Keys are `prefix` and fifteen digits below this.
    pub keys: u64,
    /// The number of the first key.
    pub first_key: u64,
    pub prefix: u8,
    pub order: Order,
    /// Least and most bytes of a value; which one follows from the key's number.
    pub value_bytes: (usize, usize),
    /// 0 = none.
    pub ttl_s: u64,
    /// Requests per second over all threads; 0 = closed loop.
    pub rate: f64,
    pub threads: u64,
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            port: 6379,
            protocol: Protocol::Resp,
            command: Command::Get,
            many: 1,
            requests: 100_000,
            seconds: 0.0,
            connections: 50,
            pipeline: 1,
            keys: 1_000_000,
            first_key: 0,
            prefix: b'k',
            order: Order::Random,
            value_bytes: (64, 64),
            ttl_s: 0,
            rate: 0.0,
            threads: 1,
            seed: 1,
        }
    }
}

impl Options {
    /// Reads the arguments. Errors name the option and what was wrong with it.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
            options.set(&name, &value).ok_or_else(|| format!("{name} {value}: no such option or value"))?;
        }
        options.check()?;
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "--port" => self.port = value.parse().ok()?,
            "--protocol" => self.protocol = Protocol::parse(value)?,
            "--command" => self.command = Command::parse(value)?,
            "--many" => self.many = value.parse().ok()?,
            "--requests" => self.requests = value.parse().ok()?,
            "--seconds" => self.seconds = value.parse().ok()?,
            "--connections" => self.connections = value.parse().ok()?,
            "--pipeline" => self.pipeline = value.parse().ok()?,
            "--keys" => self.keys = value.parse().ok()?,
            "--first-key" => self.first_key = value.parse().ok()?,
            "--prefix" => self.prefix = *value.as_bytes().first()?,
            "--order" => self.order = Order::parse(value)?,
            "--value-bytes" => {
                let (least, most) = value.split_once("..").unwrap_or((value, value));
                self.value_bytes = (least.parse().ok()?, most.parse().ok()?);
            }
            "--ttl-s" => self.ttl_s = value.parse().ok()?,
            "--rate" => self.rate = value.parse().ok()?,
            "--threads" => self.threads = value.parse().ok()?,
            "--seed" => self.seed = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }

    fn check(&self) -> Result<(), String> {
        let least = [self.many, self.connections, self.pipeline, self.keys, self.threads];
        if least.contains(&0) {
            return Err("numbers of keys, connections, threads and of a burst begin at 1".to_owned());
        }
        if self.connections < self.threads {
            return Err("each thread needs a connection".to_owned());
        }
        if self.value_bytes.0 > self.value_bytes.1 {
            return Err("--value-bytes is least..most".to_owned());
        }
        if self.sends_apart() && (self.pipeline > 1 || self.many > 1 || self.rate > 0.0) {
            return Err("large values are stored one per burst, in a closed loop".to_owned());
        }
        Ok(())
    }

    /// Whether values are so large that they are sent from one shared piece instead of being copied.
    pub fn sends_apart(&self) -> bool {
        self.command == Command::Set && self.value_bytes.1 >= crate::requests::VALUE_BYTES_APART
    }
}
