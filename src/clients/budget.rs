//! What all clients hold together, against the limit of `maxmemory-clients`.
//!
//! Each connection notes its own bytes when they change, so that the sum costs nothing to know. Clients that asked
//! for CLIENT NO-EVICT are left out. Invariant: the sum is that of all `noted_bytes`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Clients;
use super::client::Client;

/// Bytes of a watched key beside the key's own, about.
const WATCHED_BYTES: usize = 96;
/// Bytes of a subscription, or of a prefix that is tracked, beside the name's own, about.
const SUBSCRIBED_BYTES: usize = 64;

impl Client {
    /// Bytes of requests and replies that wait in its buffers, of room there, and of what it has queued in MULTI.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        let seen = &self.seen;
        let buffers = [&seen.query_bytes, &seen.query_free_bytes, &seen.reply_bytes, &seen.multi_bytes];
        buffers.iter().map(|bytes| bytes.load(Relaxed)).sum()
    }

    /// What the connection holds: requests and replies that wait, queued commands, what it watches and subscribes
    /// to. Names of keys and channels are not among it.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let seen = &self.seen;
        let names = self.subscriptions().iter().sum::<usize>() + seen.prefixes.load(Relaxed);
        size_of::<Client>()
            + self.buffer_bytes()
            + seen.watched.load(Relaxed) * WATCHED_BYTES
            + names * SUBSCRIBED_BYTES
    }
}

impl Clients {
    /// Notes what a client holds now and returns what all of them do. Cost: two atomic additions where it changed.
    pub fn note_bytes(&self, client: &Client) -> u64 {
        let seen = &client.seen;
        let is_out = seen.no_evict.load(Relaxed) || seen.close_asap.load(Relaxed);
        self.set_noted(client, if is_out { 0 } else { client.held_bytes() })
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

    /// Takes the largest clients out until the others hold less than `limit` bytes. The caller must close those that
    /// are returned; nobody sees them any more. Cost: a look at each client.
    #[must_use]
    pub fn evict(&self, limit: u64) -> Vec<Arc<Client>> {
        let mut by_id = self.by_id.lock();
        let mut sum = self.bytes.load(Relaxed);
        for client in by_id.values() {
            sum = self.note_bytes(client);
        }
        if sum < limit {
            return Vec::new();
        }
        let noted = |client: &Client| client.seen.noted_bytes.load(Relaxed);
        let mut largest: Vec<(usize, Arc<Client>)> =
            by_id.values().map(|client| (noted(client), client.clone())).collect();
        largest.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let mut victims = Vec::new();
        for (bytes, client) in largest {
            if bytes == 0 || self.bytes.load(Relaxed) < limit {
                break;
            }
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
        let each = size_of::<Client>() as u64;
        assert_eq!(ids(&clients.evict(53_001 + each * 4)), [0_u64; 0]);
        assert_eq!(ids(&clients.evict(53_000 + each * 4)), [2], "what reaches the limit is too much");
        assert_eq!(ids(&clients.evict(23_000)), [3]);
        assert_eq!(ids(&clients.list()), [1, 4]);
    }

    #[test]
    fn who_asked_not_to_be_evicted_is_neither_counted_nor_closed() {
        let clients = Clients::default();
        let (large, small) = (client(1, 100_000), client(2, 10));
        large.seen.no_evict.store(true, Relaxed);
        clients.add(large.clone());
        clients.add(small.clone());
        assert_eq!(ids(&clients.evict(50_000)), [0_u64; 0]);
        large.seen.no_evict.store(false, Relaxed);
        assert_eq!(clients.note_bytes(&large), (large.held_bytes() + small.held_bytes()) as u64);
        assert_eq!(ids(&clients.evict(50_000)), [1]);
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
