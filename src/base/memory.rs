//! What the allocator and the system say about this process's memory.

/// Figures of one moment, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Handed out by the allocator.
    pub allocated: usize,
    /// In pages that the allocator uses for that.
    pub active: usize,
    /// Mapped by the allocator and resident.
    pub resident: usize,
}

/// Reads the allocator's figures anew. Cost: some microseconds. Zeros without jemalloc.
#[must_use]
pub fn read() -> Memory {
    use tikv_jemalloc_ctl::{epoch, stats};
    // The figures are snapshots that only a new epoch refreshes.
    if epoch::advance().is_err() {
        return Memory::default();
    }
    Memory {
        allocated: stats::allocated::read().unwrap_or(0),
        active: stats::active::read().unwrap_or(0),
        resident: stats::resident::read().unwrap_or(0),
    }
}
