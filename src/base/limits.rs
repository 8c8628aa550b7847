//! Every limit that is not a setting, in one place, with the relations that must hold between them.
//!
//! Limits an operator may change are rows of `config::SETTINGS`. Everything here is a property of the
//! protocol (Redis's own numbers) or of this implementation.

/// Longest inline request or `*count` line, bytes (Redis: `PROTO_INLINE_MAX_SIZE`).
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// Arguments a request may announce before AUTH (Redis 6.2 and later).
pub const UNAUTHENTICATED_ARGS_MAX: usize = 10;
/// Bytes an argument may announce before AUTH (Redis 6.2 and later).
pub const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16 * 1024;
/// Arguments a request may announce (Redis: `INT_MAX`).
pub const REQUEST_ARGS_MAX: i64 = i32::MAX as i64;
/// Replies that may wait to be read before AUTH, bytes (Redis 7.0 and later).
pub const UNAUTHENTICATED_REPLY_BYTES_MAX: u64 = 1024;

/// TLS handshakes in progress; one more makes another give way.
pub const HANDSHAKES_MAX: usize = 1024;
/// Of them, those of connections that are to be told that there is no room for them; more are closed without a word.
pub const REFUSED_HANDSHAKES_MAX: usize = 64;

/// Requests decoded and run as one batch before the next are cut out of the read buffer.
pub const BATCH_REQUESTS_MAX: usize = 64;
/// Bytes read from a socket in one system call, shared by all connections of a worker.
pub const READ_BYTES: usize = 128 * 1024;
/// Least room made for the rest of a request that is cut off, bytes.
pub const PARTIAL_ROOM_BYTES_MIN: usize = 16 * 1024;
/// A cut-off request of this size is run by itself, in a buffer that its value may stay in, bytes.
pub const KEPT_REQUEST_BYTES_MIN: usize = 32 * 1024;
/// Replies waiting beyond this pause reading from that connection until they drain, bytes.
pub const REPLY_BYTES_PAUSE: usize = 64 * 1024 * 1024;
/// Lines of MONITOR that may lie unread in the post of a connection, bytes; one that falls back further is closed.
pub const MONITOR_POST_BYTES_MAX: usize = 64 * 1024 * 1024;
/// An idle connection keeps at most this much buffer, bytes.
pub const IDLE_BUFFER_BYTES_MAX: usize = 16 * 1024;

/// Lock stripes of the keyspace; a power of two. Few where every lock is a step to be explored.
pub const SHARDS: usize = if cfg!(feature = "shuttle") { 4 } else { 256 };
/// Shards in use for each worker at least: two seldom want the same one. More cost time: what a request touches of a
/// shard beside the entry then lies in a farther cache.
pub const SHARDS_PER_WORKER: usize = 16;
/// The machine's memory for each shard in use, bytes: so much can be referred to, whatever the entries' sizes.
pub const SHARD_BYTES_MAX: u64 = 512 << 20;
/// Bytes of `maxmemory` for each shard in use: smaller ones lose memory and hits to what each has for itself.
pub const SHARD_BYTES_MIN: u64 = 4 << 20;
/// Values from this size on are shared (reference-counted), smaller ones lie inside their entry, bytes.
pub const SHARED_VALUE_BYTES_MIN: usize = 16 * 1024;
/// Values from this size on are freed by a thread of their own, bytes: their pages go back to the system at once
/// (jemalloc's `oversize_threshold`), which takes time. To free a smaller one takes less than to wake a thread.
pub const REAPED_VALUE_BYTES_MIN: usize = 8 * 1024 * 1024;
/// Replies of which this much is unread when their connection ends are freed by that thread too, bytes.
pub const REAPED_REPLY_BYTES_MIN: usize = 1024 * 1024;
/// Items that a command may draw at random with repetition: each goes into the reply.
pub const PICKS_MAX: usize = 1 << 24;
/// Collections from this size on are freed by that thread too, bytes: they are many blocks.
pub const REAPED_COLLECTION_BYTES_MIN: usize = 64 * 1024;
/// Collections from this size on are lent to replies of all of it, bytes: smaller ones are copied under the lock, which takes
/// some 50 microseconds at most, and leaves writers nothing to copy.
pub const LENT_COLLECTION_BYTES_MIN: usize = 64 * 1024;
/// A command of more steps than this is worked on by a helper thread, where it can be: under a lock that many take up to some
/// 0.5 ms.
pub const HELPED_STEPS_MIN: usize = 4096;
/// Steps up to which a helper's task is short: some milliseconds.
pub const HELPED_SHORT_STEPS: usize = 64 * 1024;
/// Items that a helper may look at for each step that it takes under the locks.
pub const HELPED_WALK_MAX: usize = 64;
/// Items that a helper may put in anew for each that a command changes where it lies.
pub const HELPED_REBUILD_MAX: usize = 16;
/// Items that it looks at between two looks whether it is to go on.
pub const HELPED_LOOK_STEPS: usize = 1024;
/// How often a helper begins anew because its sources have changed; then the command runs under the locks.
pub const HELPED_TRIES_MAX: u32 = 2;
/// Tasks of helpers that may be there at a time; what comes beyond them runs under the locks.
pub const HELPED_TASKS_MAX: usize = 256;
/// Expired entries reclaimed under one hold of a shard's lock.
pub const SWEEP_ENTRIES_MAX: usize = 64;
/// Fields of one large hash whose time is up that a command takes out when it meets them, or the sweeper at a time.
pub const SWEEP_FIELDS_MAX: usize = 64;
/// Entries moved together under one hold of a shard's lock, when deletions have left its memory scattered.
pub const COMPACT_ENTRIES_MAX: usize = 128;
/// Time between two portions of entries moved together in one shard, so that a stream of deletions does not lead to
/// one of copies, milliseconds.
pub const COMPACT_PERIOD_MS: u64 = 32;
/// How much longer they are left where they are while entries of the shard expire, milliseconds.
pub const COMPACT_EXPIRING_MS: u64 = 250;
/// Entries evicted under one hold of a shard's lock.
pub const EVICT_ENTRIES_MAX: usize = 8;
/// Entries moved together after each such hold, so that what they leave can be given back.
pub const EVICT_COMPACT_ENTRIES: usize = 16;
/// Records looked at for expired entries before one that is not is evicted.
pub const SWEEP_EXPIRED_FIRST: usize = 16;
/// Time that a command may spend on eviction for each step of `maxmemory-eviction-tenacity`, nanoseconds.
pub const EVICT_STEP_NS: u64 = 10_000;
/// How long a write without room waits before it is let in if the memory used has fallen since, milliseconds.
pub const ROOM_WAIT_MS: u64 = 50;
/// How long it waits at most; then it is refused, as room does not come as fast as it is taken, milliseconds.
pub const ROOM_WAIT_MS_MAX: u64 = 1_000;
/// How often it is looked whether it may be let in, between the two, milliseconds.
pub const ROOM_LOOK_MS: u64 = 10;
/// Least limit on what all clients hold together (Redis's own), and on what fills do, bytes.
pub const SHARE_BYTES_MIN: u64 = 128 * 1024;
/// Growth of what the stores hold after which the allocator is asked again, bytes.
pub const MEMORY_SAMPLE_BYTES: u64 = 4 << 20;
/// Time after which it is asked again, milliseconds.
pub const MEMORY_SAMPLE_MS: u64 = 100;
/// Tracked keys that are forgotten at a time after `tracking-table-max-keys` was lowered: ten times a second.
pub const TRACKING_TRIM_KEYS: usize = 10_000;
/// The sweeper looks at its shards at least this often, milliseconds.
pub const SWEEP_PERIOD_MS: u64 = 100;
/// The shards' entries are looked for at multiples of this time, so that the sweeper wakes once for all of them,
/// milliseconds; a power of two.
pub const SWEEP_BATCH_MS: u64 = 8;
/// A shard whose entries have deadlines is looked at this often even if none is near, milliseconds: the wall
/// clock may be set, and sweeping may be switched off and on again.
pub const SWEEP_LOOK_MS: u64 = 1_000;

/// Replies that may queue behind a parked reply slot before the slot is answered WAIT.
pub const SLOT_REPLIES_MAX: usize = 1024;
/// Reply bytes that may queue behind a parked reply slot before the slot is answered WAIT.
pub const SLOT_BYTES_MAX: usize = 1024 * 1024;
/// Longest time a caller may be parked, milliseconds.
pub const WAIT_MS_MAX: u64 = 60_000;
/// Shortest lease, milliseconds.
pub const LEASE_MS_MIN: u64 = 10;
/// Longest lease, milliseconds.
pub const LEASE_MS_MAX: u64 = 600_000;
/// Failed leaders in a row, within `FAILURES_WINDOW_MS`, after which a failure is shared as if with RETRY.
pub const FAILURES_IN_A_ROW_MAX: usize = 3;
/// Window in which failed leaders count as "in a row", and the RETRY they then imply, milliseconds.
pub const FAILURES_WINDOW_MS: u64 = 1_000;
/// Longest GRACE, milliseconds: what an entry has room for, 49 days.
pub const GRACE_MS_MAX: u64 = u32::MAX as u64;
/// Longest RETRY or STALE, milliseconds (100 years, so that sums cannot overflow).
pub const FILL_MS_MAX: u64 = 100 * 365 * 24 * 3_600_000;
/// PASS's ms for a caller that cannot lead because of a limit: it computes for itself, as without a cache.
pub const SHED_PASS_MS: i64 = 100;
/// PASS's ms for a caller that may not lead, where nobody does: it may ask again at once, somebody may lead then.
pub const LEADERLESS_PASS_MS: i64 = 0;
/// Kept flights that give way at a time.
pub const GIVE_WAY_MAX: usize = 1024;
/// Keys of parked requests that are taken out of flights, and leases that pass on, before a worker looks at its
/// connections again.
pub const LEAVE_PORTION: usize = 1024;
/// Keys per shard whose saved fills are counted (FILL.TOP).
pub const TOP_KEYS_PER_SHARD: usize = 16;
/// Longest key that FILL.TOP shows, bytes: what is remembered of hot keys is bounded.
pub const TOP_KEY_BYTES_MAX: usize = 1024;
/// Waiters woken before a worker looks at its other connections again.
pub const WAKE_PORTION: usize = 256;
/// Messages to subscribers that may wait in a worker before it stops to read from those who publish them.
pub const POST_SENDS_MAX: usize = 64 * 1024;
/// Payloads from this size on stay shared in the replies of everybody who gets them; copying smaller ones
/// costs less than the bookkeeping, bytes.
pub const PUSH_SHARED_BYTES_MIN: usize = 1024;
/// Replies of more than this wait for their turn where much is being written, bytes.
pub const LARGE_WRITE_BYTES: usize = 16 * 1024;
/// Bytes of large replies that a worker writes before it looks at its other connections again, and bytes of answers
/// after which a portion of waiters ends: writing them takes less than a tenth of a millisecond.
pub const TURN_BYTES: usize = 256 * 1024;
/// Bytes of a FILL.FAIL message or an AS nonce.
pub const FILL_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Keys one FILL.MGET or triples one FILL.MPUT may name.
pub const FILL_KEYS_MAX: i64 = 1024 * 1024;

/// Sources kept that only EVAL brought.
pub const SCRIPTS_EVALED_MAX: usize = 500;
/// The longest source, bytes.
pub const SCRIPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest source that is tried to be proved narrow, bytes: a longer one would keep its worker for long.
pub const SCRIPT_PROVED_BYTES_MAX: usize = 256 * 1024;
/// The stack that a script runs on, bytes; it is mapped as it is used. What Luau bounds (200 calls of its own in each other, and a
/// thousand levels of its compiler in the last) takes some 1.3 MiB, in a build for development three times that.
pub const SCRIPT_STACK_BYTES: usize = 8 * 1024 * 1024;
/// A script that runs this long gives the other connections of its worker their turn, nanoseconds.
pub const SCRIPT_SLICE_NS: u64 = 5_000_000;
/// The longest text that scripts make, and the longest reply that they give or get, bytes.
pub const SCRIPT_TEXT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Functions of all libraries together.
pub const FUNCTIONS_MAX: usize = 10_000;
/// What all libraries take together, bytes: a machine of the usual `script-memory-limit` that has loaded them all still has room
/// to run them.
pub const LIBRARIES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Time that a library may take to register its functions, milliseconds (Redis's own).
pub const LIBRARY_LOAD_MS: u64 = 500;
/// Time that all libraries of a payload may take together, milliseconds.
pub const LIBRARIES_RESTORE_MS: u64 = 5_000;

/// One rule of a user, and a user's name, bytes.
pub const ACL_RULE_BYTES_MAX: usize = 64 * 1024;
/// Patterns of keys and channels, and rules of commands, of all selectors of a user.
pub const ACL_RULES_MAX: usize = 1024;
/// Selectors of a user, the root one not counted.
pub const ACL_SELECTORS_MAX: usize = 64;
/// Passwords of a user: each AUTH compares them all.
pub const ACL_PASSWORDS_MAX: usize = 1024;
/// Users of a server: each change copies the list of them.
pub const ACL_USERS_MAX: usize = 65_536;
/// Errors that are told of an ACL file.
pub const ACL_FILE_ERRORS_MAX: usize = 100;
/// What an entry of ACL LOG keeps of the name of a key or channel, bytes.
pub const ACL_LOG_OBJECT_BYTES_MAX: usize = 1024;

const _: () = assert!(LIBRARIES_BYTES_MAX > SCRIPT_BYTES_MAX);
const _: () = assert!(SHARDS.is_power_of_two());
const _: () = assert!(KEPT_REQUEST_BYTES_MIN > SHARED_VALUE_BYTES_MIN);
const _: () = assert!(SWEEP_BATCH_MS.is_power_of_two());
const _: () = assert!(SHARED_VALUE_BYTES_MIN <= u16::MAX as usize);
const _: () = assert!(READ_BYTES >= INLINE_BYTES_MAX);
const _: () = assert!(LEASE_MS_MIN < LEASE_MS_MAX);
// Leases, waits and places are kept in 32 bits.
const _: () = assert!(LEASE_MS_MAX <= u32::MAX as u64);
const _: () = assert!(WAIT_MS_MAX <= u32::MAX as u64);
const _: () = assert!(FILL_KEYS_MAX <= u32::MAX as i64);
