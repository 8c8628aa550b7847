//! What the allocator and the system say about this process's memory.

use tikv_jemalloc_ctl::{Access, AsName, Name, arenas, epoch, stats};

/// Figures of one moment, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Handed out by the allocator, and not in a cache of freed blocks that a thread keeps.
    pub allocated: usize,
    /// In pages that the allocator uses for that.
    pub active: usize,
    /// Mapped by the allocator and resident.
    pub resident: usize,
}

/// Bytes of memory the machine has. Linux: sysinfo(2), as a service may not be shown /proc/meminfo.
#[must_use]
pub fn machine_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram * u64::from(info.mem_unit)
}

/// Bytes that this process may use: its control group's limit, else the machine's memory. Linux: cgroups(7).
#[must_use]
pub fn allowed_bytes() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    group_limit(read).map_or_else(machine_bytes, |limit| limit.min(machine_bytes()))
}

/// The least limit of the process's control groups and of those above them, bytes.
fn group_limit(read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let groups = read("/proc/self/cgroup")?;
    let files = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        match controllers {
            "" => Some(("/sys/fs/cgroup", path, "memory.max")),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some(("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"))
            }
            _ => None,
        }
    });
    let limits = files.flat_map(|(root, path, file)| {
        // In a container the path may be the host's, which is not there: its root is the group itself.
        let above = path.trim_end_matches('/').match_indices('/').map(|(end, _)| &path[..end]);
        above.chain([path.trim_end_matches('/')]).map(move |group| format!("{root}{group}/{file}"))
    });
    // "max", and in the older version a number beyond any machine, mean none.
    limits.filter_map(|file| read(&file)?.trim().parse().ok()).filter(|limit| *limit < 1 << 60).min()
}

/// A field of the form `Name:   123 kB`, as in files of /proc; 0 where there is none.
#[must_use]
pub fn field_bytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib =
        line.and_then(|rest| rest.split_ascii_whitespace().next()).and_then(|word| word.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Gives the pages back that the allocator holds without use. Cost: up to milliseconds per arena.
pub fn purge() {
    for decay in ["dirty_decay_ms", "muzzy_decay_ms"] {
        each_arena(decay, |name, before| {
            // A decay of 0 purges at once.
            name.write(0_isize).ok();
            name.write(before).ok();
        });
    }
}

/// Visits one decay of every arena: its name, and what it is, milliseconds.
fn each_arena(decay: &str, visit: impl Fn(&Name, isize)) {
    for arena in 0..arenas::narenas::read().unwrap_or(0) {
        let name = format!("arena.{arena}.{decay}\0");
        let name = name.as_bytes().name();
        // An arena that was never used has none, which is not a fault.
        if let Ok(now_ms) = name.read() {
            visit(name, now_ms);
        }
    }
}

/// For how long freed pages are kept for the next values before they go back to the system, milliseconds. Large values
/// that follow each other find them still there; at a limit on memory they would add up to a 15th of it.
#[must_use]
pub fn freed_kept_ms(has_limit: bool) -> isize {
    if has_limit { 1_000 } else { 10_000 }
}

/// Sets that time, for all arenas that are and will be. Cost: some microseconds; where it gets shorter, what has been
/// kept for longer goes back at once. Nothing without jemalloc.
pub fn keep_freed_ms(kept_ms: isize) {
    const NEW_ARENAS: &[u8] = b"arenas.dirty_decay_ms\0";
    NEW_ARENAS.name().write(kept_ms).ok();
    each_arena("dirty_decay_ms", |name, before| {
        if before != kept_ms {
            name.write(kept_ms).ok();
        }
    });
}

/// Bytes of free blocks that the threads keep at hand, of all arenas (MALLCTL_ARENAS_ALL).
const CACHED: &[u8] = b"stats.arenas.4096.tcache_bytes\0";
/// Above this jemalloc rounds to pages (its option `disable_large_size_classes`, on by default).
const PAGED_BYTES: usize = 16 * 1024;
const PAGE_BYTES: usize = 4096;

/// What jemalloc takes for an allocation of `bytes` bytes. Its classes lie 16 apart up to 128, divide each doubling by
/// four from there, and are whole pages above `PAGED_BYTES`.
#[must_use]
pub fn class_bytes(bytes: usize) -> usize {
    match bytes {
        0..=8 => bytes.next_multiple_of(8),
        9..=128 => bytes.next_multiple_of(16),
        _ if bytes > PAGED_BYTES => bytes.next_multiple_of(PAGE_BYTES),
        _ => bytes.next_multiple_of(bytes.next_power_of_two() / 8),
    }
}

/// What jemalloc takes for the elements of a `Vec`, spare room and all.
#[must_use]
pub fn vec_bytes<T>(vec: &Vec<T>) -> usize {
    class_bytes(vec.capacity() * size_of::<T>())
}

/// What jemalloc takes for an `Arc` of `bytes` bytes, with its two counts.
#[must_use]
pub fn arc_bytes(bytes: usize) -> usize {
    class_bytes(2 * size_of::<usize>() + bytes)
}

/// The allocator's own report, for people. Empty without jemalloc.
#[must_use]
pub fn report() -> String {
    let mut text = Vec::new();
    let written = tikv_jemalloc_ctl::stats_print::stats_print(&mut text, Default::default());
    if written.is_ok() { String::from_utf8_lossy(&text).into_owned() } else { String::new() }
}

/// Reads the allocator's figures anew. Cost: some microseconds. Zeros without jemalloc.
#[must_use]
pub fn read() -> Memory {
    // The figures are snapshots that only a new epoch refreshes.
    if epoch::advance().is_err() {
        return Memory::default();
    }
    // What lies in the threads' caches is given out to nobody.
    let cached: usize = CACHED.name().read().unwrap_or(0);
    Memory {
        allocated: stats::allocated::read().unwrap_or(0).saturating_sub(cached),
        active: stats::active::read().unwrap_or(0),
        resident: stats::resident::read().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_limit_of_the_groups_counts() {
        let limit = |files: &[(&str, &str)]| {
            group_limit(|path| {
                files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned())
            })
        };
        assert_eq!(limit(&[]), None);
        let of_service = ("/proc/self/cgroup", "0::/system.slice/onefill.service\n");
        assert_eq!(limit(&[of_service]), None);
        let unlimited = ("/sys/fs/cgroup/system.slice/onefill.service/memory.max", "max\n");
        assert_eq!(limit(&[of_service, unlimited]), None);
        let slice = ("/sys/fs/cgroup/system.slice/memory.max", "2000\n");
        assert_eq!(limit(&[of_service, unlimited, slice]), Some(2000));
        let own = ("/sys/fs/cgroup/system.slice/onefill.service/memory.max", "1000\n");
        assert_eq!(limit(&[of_service, own, slice]), Some(1000));
        // A container sees its own group at the root.
        let contained = [("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", "3000\n")];
        assert_eq!(limit(&contained), Some(3000));
        let old = ("/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/x\n");
        let none = ("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit(&[old, none]), None);
        assert_eq!(limit(&[old, none, ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4000")]), Some(4000));
    }

    #[test]
    fn memory_fields_are_in_kib() {
        assert_eq!(field_bytes("VmPeak:\t 9 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), 12 * 1024);
        assert_eq!(field_bytes("", "VmRSS:"), 0);
    }

    #[test]
    fn classes_are_jemallocs() {
        let small = [0, 1, 8, 9, 17, 50, 128, 129, 161, 257, 1_025].map(class_bytes);
        assert_eq!(small, [0, 8, 8, 16, 32, 64, 128, 160, 192, 320, 1_280]);
        let large = [4_096, 16_384, 16_385, 20_481, 100_000, 1 << 20, 1_100_000].map(class_bytes);
        assert_eq!(large, [4_096, 16_384, 20_480, 24_576, 102_400, 1 << 20, 1_101_824]);
    }
}
