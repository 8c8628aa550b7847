//! How many files this process may have open, and how many clients that is enough for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside those of clients, workers and listeners: log, configuration, and some for connections that are refused
/// (as many as Redis keeps back).
const OTHERS: u64 = 32;
/// Files that one worker's runtime needs.
const PER_WORKER: u64 = 4;

/// What a server of this shape needs.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    pub clients: u32,
    pub workers: usize,
    pub listeners: usize,
}

/// Fewer files are allowed than a server without any client needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFew {
    pub allowed: u64,
    pub needed: u64,
}

impl Need {
    fn beside_clients(self) -> u64 {
        OTHERS + self.workers as u64 * PER_WORKER + self.listeners as u64
    }

    /// Files for all of it.
    #[must_use]
    pub fn files(self) -> u64 {
        self.beside_clients() + u64::from(self.clients)
    }

    /// The clients that `allowed` files are enough for, at most those that are wanted.
    fn clients_within(self, allowed: u64) -> Result<u32, TooFew> {
        let needed = self.beside_clients() + 1;
        let left = allowed.checked_sub(needed).ok_or(TooFew { allowed, needed })? + 1;
        Ok(u32::try_from(left).unwrap_or(u32::MAX).min(self.clients))
    }

    /// Raises the limit on open files to what is needed, as far as the system allows. Returns how many clients can be
    /// served.
    pub fn raise_limit(self) -> Result<u32, TooFew> {
        let limit = getrlimit(Resource::Nofile);
        let needed = self.files();
        let Some(current) = limit.current.filter(|current| *current < needed) else {
            return Ok(self.clients);
        };
        let wanted = limit.maximum.map_or(needed, |most| most.min(needed));
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
        self.clients_within(if raised.is_ok() { wanted } else { current })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_what_is_left_of_the_files() {
        let need = Need { clients: 10_000, workers: 4, listeners: 2 };
        assert_eq!(need.files(), 10_050);
        assert_eq!(need.clients_within(1_000_000), Ok(10_000));
        assert_eq!(need.clients_within(64), Ok(14));
        assert_eq!(need.clients_within(51), Ok(1));
        assert_eq!(need.clients_within(50), Err(TooFew { allowed: 50, needed: 51 }));
    }
}
