//! What the operating system says of this process, read from /proc; zero or empty where it says nothing.
//!
//! Parsing of small files, and a clock; no unsafe calls.

use std::fs::read_to_string;

use super::memory::field_bytes;

/// The kernel counts processor time in ticks of 1/100 s for user programs, whatever its own rate.
const TICKS_PER_S: f64 = 100.0;

/// Processor time since the process began, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    pub user_s: f64,
    pub system_s: f64,
    pub children_user_s: f64,
    pub children_system_s: f64,
}

/// The processor time of this process.
#[must_use]
pub fn cpu() -> Cpu {
    parse_cpu(&read_to_string("/proc/self/stat").unwrap_or_default())
}

/// Bytes of this process that lie in memory.
#[must_use]
pub fn resident_bytes() -> u64 {
    field_bytes(&read_to_string("/proc/self/status").unwrap_or_default(), "VmRSS:")
}

/// Processor time that the calling thread has used, nanoseconds.
#[must_use]
pub fn thread_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// The operating system, its release, and the machine's kind.
#[must_use]
pub fn system() -> String {
    let line = |path| read_to_string(path).unwrap_or_default().trim().to_owned();
    let (kind, release) = (line("/proc/sys/kernel/ostype"), line("/proc/sys/kernel/osrelease"));
    format!("{kind} {release} {}", std::env::consts::ARCH)
}

fn parse_cpu(stat: &str) -> Cpu {
    // The name in parentheses may hold blanks and parentheses; the figures stand behind the last one.
    let figures = stat.rfind(')').map_or("", |end| &stat[end + 1..]);
    let mut ticks = figures.split_ascii_whitespace().skip(11).map(|word| word.parse().unwrap_or(0.0));
    let mut next_s = || ticks.next().unwrap_or(0.0) / TICKS_PER_S;
    Cpu { user_s: next_s(), system_s: next_s(), children_user_s: next_s(), children_system_s: next_s() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_a_name_with_parentheses() {
        let stat = "7 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 150 25 3 4 20 0";
        let expected = Cpu { user_s: 1.5, system_s: 0.25, children_user_s: 0.03, children_system_s: 0.04 };
        assert_eq!(parse_cpu(stat), expected);
        assert_eq!(parse_cpu(""), Cpu::default());
    }

    #[test]
    fn this_process_has_memory() {
        assert!(resident_bytes() > 0 && super::super::memory::machine_bytes() > resident_bytes());
    }
}
