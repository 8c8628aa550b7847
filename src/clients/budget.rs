//! What clients hold, each by itself and all together, against the limit of `maxmemory-clients`.
//!
//! Two figures of each client: its own bytes, which the allocator gave for nobody else, so that they can be added up; and
//! what it holds, in which things shared with others count in full, as the client that holds the most is the one to go.
//! Shared things are counted once for all, where they lie (the keyspace, channels, tracking), and added to the sum.
//! Each connection notes its own bytes when they change, so that the sum costs nothing to know. Clients that asked
//! for CLIENT NO-EVICT are left out. Invariant: the sum is that of all `noted_bytes`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Clients;
use super::client::Client;

/// What others hold for a name that a client watches or subscribes to, bytes, about.
const NAME_BYTES: usize = 160;

impl Client {
    /// Bytes that the allocator gave for it alone.
    #[must_use]
    pub fn own_bytes(&self) -> usize {
        let seen = &self.seen;
        let parts = [
            &seen.query_bytes,
            &seen.query_free_bytes,
            &*seen.reply_held_bytes,
            &seen.multi_bytes,
            &seen.kept_bytes,
            &seen.made_bytes,
        ];
        let parts = parts.iter().map(|bytes| bytes.load(Relaxed)).sum::<usize>();
        self.base_bytes() + self.post_box.held_bytes() + parts
    }

    /// What it holds, bytes: what is its own, its parked requests, shared values in its replies, and what others keep for
    /// the names that it watches and subscribes to.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let seen = &self.seen;
        let names = self.subscriptions().iter().sum::<usize>()
            + seen.prefixes.load(Relaxed)
            + seen.watched.load(Relaxed);
        let shared = seen.reply_shared_bytes.load(Relaxed) + self.post_box.parked_bytes();
        self.own_bytes() + shared + names * NAME_BYTES
    }
}

impl Clients {
    /// Bytes that the allocator gave for each alone, of all of them. Cost: a look at each.
    #[must_use]
    pub fn own_bytes(&self) -> usize {
        self.by_id.lock().values().map(|client| client.own_bytes()).sum()
    }

    /// Notes a client's own bytes, and returns those of all. Cost: two atomic additions where they changed.
    pub fn note_bytes(&self, client: &Client) -> u64 {
        let seen = &client.seen;
        let is_out = seen.no_evict.load(Relaxed) || seen.close_asap.load(Relaxed);
        self.set_noted(client, if is_out { 0 } else { client.own_bytes() })
    }

    /// A client is gone.
    pub(super) fn forget_bytes(&self, client: &Client) {
        self.set_noted(client, 0);
    }

    fn set_noted(&self, client: &Client, bytes: usize) -> u64 {
        let before = client.seen.noted_bytes.swap(bytes, Relaxed);
        if before == bytes {
            return self.bytes.load(Relaxed);
        }
        let more = (bytes as u64).wrapping_sub(before as u64);
        self.bytes.fetch_add(more, Relaxed).wrapping_add(more)
    }

    /// Bytes that clients which were taken out share with others, and have not let go yet.
    #[must_use]
    pub fn leaving_bytes(&self) -> usize {
        self.leaving.bytes()
    }

    /// A client that was taken out has let go of everything.
    pub fn left(&self, client: &Client) {
        self.leaving.change(client.seen.leaving_bytes.swap(0, Relaxed), 0);
    }

    /// Takes the clients out that hold the most, until the others' own bytes and the `shared` ones are less than `limit`.
    /// The caller must close those that are returned, and say when they have `left`; nobody sees them any more. Cost: a
    /// look at each client.
    #[must_use]
    pub fn evict(&self, limit: u64, mut shared: u64) -> Vec<Arc<Client>> {
        let mut by_id = self.by_id.lock();
        for client in by_id.values() {
            self.note_bytes(client);
        }
        if self.bytes.load(Relaxed) + shared < limit {
            return Vec::new();
        }
        let counts = |client: &Client| client.seen.noted_bytes.load(Relaxed) > 0;
        let mut largest: Vec<(usize, Arc<Client>)> = by_id
            .values()
            .filter(|client| counts(client))
            .map(|client| (client.held_bytes(), client.clone()))
            .collect();
        largest.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let mut victims = Vec::new();
        for (bytes, client) in largest {
            if self.bytes.load(Relaxed) + shared < limit {
                break;
            }
            // What it shares is free once its connection has ended, if nobody else has it. How much that is shows only
            // then (tables that were made for it shrink too): until it has left nobody else goes for what is shared.
            let share = bytes.saturating_sub(client.own_bytes());
            if share > 0 {
                shared = 0;
            }
            self.leaving.change(client.seen.leaving_bytes.swap(share, Relaxed), share);
            client.seen.close_asap.store(true, Relaxed);
            self.forget_bytes(&client);
            by_id.remove(&client.id);
            victims.push(client);
        }
        victims
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Peer;

    fn client(id: u64, query_bytes: usize) -> Arc<Client> {
        let client = Client::new(id, Peer::default(), 0);
        client.seen.query_bytes.store(query_bytes, Relaxed);
        Arc::new(client)
    }

    fn ids(clients: &[Arc<Client>]) -> Vec<u64> {
        clients.iter().map(|client| client.id).collect()
    }

    #[test]
    fn the_largest_go_until_the_rest_is_below_the_limit() {
        let clients = Clients::default();
        let all: Vec<_> = [1_000, 30_000, 20_000, 2_000].into_iter().zip(1..).collect();
        all.iter().for_each(|(bytes, id)| clients.add(client(*id, *bytes)));
        let each = clients.get(1).map_or(0, |client| client.base_bytes()) as u64;
        assert_eq!(ids(&clients.evict(53_001 + each * 4, 0)), [0_u64; 0]);
        assert_eq!(ids(&clients.evict(53_000 + each * 4, 0)), [2], "what reaches the limit is too much");
        assert_eq!(ids(&clients.evict(23_000, 0)), [3]);
        assert_eq!(ids(&clients.list()), [1, 4]);
    }

    #[test]
    fn client_with_the_most_of_what_is_shared_goes_and_takes_it_along() {
        let clients = Clients::default();
        for (shared_bytes, id) in [(200_000, 1), (0, 2), (300_000, 3)] {
            let client = client(id, 1_000);
            client.seen.reply_shared_bytes.store(shared_bytes, Relaxed);
            clients.add(client);
        }
        let evicted = clients.evict(250_000, 300_000);
        assert_eq!((ids(&evicted), clients.leaving_bytes()), (vec![3], 300_000));
        assert_eq!(ids(&clients.list()), [1, 2]);
        clients.left(&evicted[0]);
        assert_eq!(clients.leaving_bytes(), 0);
    }

    #[test]
    fn who_asked_not_to_be_evicted_is_neither_counted_nor_closed() {
        let clients = Clients::default();
        let (large, small) = (client(1, 100_000), client(2, 10));
        large.seen.no_evict.store(true, Relaxed);
        clients.add(large.clone());
        clients.add(small.clone());
        assert_eq!(ids(&clients.evict(50_000, 0)), [0_u64; 0]);
        large.seen.no_evict.store(false, Relaxed);
        assert_eq!(clients.note_bytes(&large), (large.own_bytes() + small.own_bytes()) as u64);
        assert_eq!(ids(&clients.evict(50_000, 0)), [1]);
    }

    #[test]
    fn a_client_that_left_is_counted_no_more() {
        let clients = Clients::default();
        let one = client(1, 100);
        clients.add(one.clone());
        assert!(clients.note_bytes(&one) > 100);
        clients.remove(&one);
        assert_eq!(clients.bytes.load(Relaxed), 0);
        assert_eq!(clients.note_bytes(&one), 0, "what its connection still notes is nothing");
    }
}
