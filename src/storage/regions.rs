//! Memory for the tables' buckets: pages cut from regions that the system may map as one huge page each.
//!
//! A look-up goes to a random bucket, and with pages of the system's ordinary size it mostly also misses the
//! processor's cache of page addresses (TLB). The buckets of a quarter million keys fit one huge page. Entries
//! stay in ordinary memory: what is freed among them goes back to the system in small pieces, and a huge page
//! is given back whole or not at all.
//!
//! The first `ORDINARY_PAGES` pages of the process are ordinary memory: a region is 2 MiB at once, for which a
//! small cache shall not pay. Regions are filled from the lowest address on, and one that is empty is given back.
//! Tables shrink from their last page, which was cut last, so it is the later regions that empty.
//!
//! One lock for the process, as an allocator has; it is held for some fifty instructions, once in 136 insertions.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::mm::{Advice, madvise};

use super::bucket::Bucket;

/// Buckets of a page: a table grows by a page, so that growing copies nothing.
pub(super) const PAGE: usize = 16;
/// Bytes of a region, and what its address is a multiple of: a huge page of x86-64, and of ARM with 4 KiB pages.
const REGION_BYTES: usize = 2 << 20;
const REGION_PAGES: usize = REGION_BYTES / size_of::<Buckets>();
/// Pages in ordinary memory before the first region is made: those of some 140,000 keys.
const ORDINARY_PAGES: usize = REGION_PAGES / 2;

const REGION: Layout = match Layout::from_size_align(REGION_BYTES, REGION_BYTES) {
    Ok(layout) => layout,
    Err(_) => panic!("not a power of two"),
};
const ORDINARY: Layout = Layout::new::<Buckets>();

type Buckets = [Bucket; PAGE];

/// The pages of the process.
static REGIONS: Mutex<Regions> = Mutex::new(Regions::none());

struct Regions {
    /// By its address, so that low ones are filled first.
    all: BTreeMap<usize, Region>,
    /// Those with a page to give.
    with_room: BTreeSet<usize>,
    /// Pages taken that are ordinary memory.
    ordinary: usize,
}

struct Region {
    begin: NonNull<u8>,
    /// A bit for each page that is taken.
    taken: [u64; REGION_PAGES / 64],
}

// SAFETY: a region owns its memory; what is cut from it belongs to the `Page` it was given to.
unsafe impl Send for Region {}

/// Sixteen buckets, empty at first; as a `Box` of them is, but for where they lie.
pub(super) struct Page(NonNull<Buckets>);

// SAFETY: a page owns its buckets, and hands them out as a `Box` would.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// Takes a page, from a region if the process has many. Cost: that of an allocation; with a new region, that of
    /// clearing 2 MiB.
    pub(super) fn new() -> Page {
        let at = lock().take();
        // SAFETY: `take` gives memory for a page, aligned for it, that nothing else refers to.
        unsafe { at.write(std::array::from_fn(|_| Bucket::default())) };
        Page(at)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Buckets own nothing, so there is nothing to drop in them.
        lock().give_back(self.0);
    }
}

impl Deref for Page {
    type Target = Buckets;

    #[inline]
    fn deref(&self) -> &Buckets {
        // SAFETY: written in `new`, and this page's own.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for Page {
    #[inline]
    fn deref_mut(&mut self) -> &mut Buckets {
        // SAFETY: written in `new`, and this page's own.
        unsafe { self.0.as_mut() }
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn lock() -> MutexGuard<'static, Regions> {
    REGIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Regions {
    const fn none() -> Regions {
        Regions { all: BTreeMap::new(), with_room: BTreeSet::new(), ordinary: 0 }
    }

    fn take(&mut self) -> NonNull<Buckets> {
        if self.ordinary < ORDINARY_PAGES {
            self.ordinary += 1;
            return allocate(ORDINARY).cast();
        }
        let begin = self.with_room.first().copied();
        let begin = begin.unwrap_or_else(|| {
            let region = Region::new();
            let begin = region.begin.addr().get();
            self.all.insert(begin, region);
            self.with_room.insert(begin);
            begin
        });
        let Some(region) = self.all.get_mut(&begin) else {
            unreachable!("`with_room` names regions of `all`")
        };
        let page = region.take();
        if region.is_full() {
            self.with_room.remove(&begin);
        }
        page
    }

    fn give_back(&mut self, page: NonNull<Buckets>) {
        let begin = page.addr().get() / REGION_BYTES * REGION_BYTES;
        let Some(region) = self.all.get_mut(&begin) else {
            self.ordinary -= 1;
            // SAFETY: a region owns the whole of its 2 MiB, so this page was allocated alone, with this layout.
            return unsafe { dealloc(page.as_ptr().cast(), ORDINARY) };
        };
        region.give_back(page);
        if region.is_empty() {
            self.with_room.remove(&begin);
            self.all.remove(&begin);
        } else {
            self.with_room.insert(begin);
        }
    }
}

impl Region {
    fn new() -> Region {
        let begin = allocate(REGION);
        advise(begin, Advice::LinuxHugepage);
        Region { begin, taken: [0; _] }
    }

    fn is_full(&self) -> bool {
        self.taken.iter().all(|word| *word == u64::MAX)
    }

    fn is_empty(&self) -> bool {
        self.taken.iter().all(|word| *word == 0)
    }

    /// The first free page; there must be one.
    fn take(&mut self) -> NonNull<Buckets> {
        let word = self.taken.iter().position(|word| *word != u64::MAX).unwrap_or_default();
        let bit = self.taken[word].trailing_ones() as usize;
        self.taken[word] |= 1 << bit;
        // SAFETY: page `word * 64 + bit` lies within the region; the shift above refuses a 64th bit.
        unsafe { self.begin.cast::<Buckets>().add(word * 64 + bit) }
    }

    fn give_back(&mut self, page: NonNull<Buckets>) {
        let at = (page.addr().get() - self.begin.addr().get()) / size_of::<Buckets>();
        self.taken[at / 64] &= !(1 << (at % 64));
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // What is allocated there next shall give memory back in small pieces again.
        advise(self.begin, Advice::LinuxNoHugepage);
        // SAFETY: allocated in `new` with this layout, and no page of it is taken.
        unsafe { dealloc(self.begin.as_ptr(), REGION) };
    }
}

/// Memory of a layout that is not empty. Ends the process where there is none, as every allocation does.
fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: both layouts have a size.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Tells the system how to map a region. Advice only: a system without huge pages refuses it, and all works as well.
fn advise(begin: NonNull<u8>, advice: Advice) {
    // SAFETY: the range is allocated, and neither advice changes what lies there.
    let _refused = unsafe { madvise(begin.as_ptr().cast(), REGION_BYTES, advice) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn pages_are_apart_and_all_memory_is_given_back() {
        let mut regions = Regions::none();
        let count = ORDINARY_PAGES + REGION_PAGES * 2 + 1;
        let mut pages: Vec<_> = (0..count).map(|_| regions.take()).collect();
        assert_eq!(pages.iter().map(|page| page.addr()).collect::<HashSet<_>>().len(), count);
        assert_eq!((regions.ordinary, regions.all.len(), regions.with_room.len()), (ORDINARY_PAGES, 3, 1));

        // One page in each region keeps it; the hole it leaves is taken before a new region is made.
        let hole = pages.remove(ORDINARY_PAGES + 7);
        regions.give_back(hole);
        let lowest = regions.with_room.first().copied();
        let again = regions.take();
        assert!(lowest.is_some_and(|begin| again.addr().get() - begin < REGION_BYTES));
        pages.push(again);

        fastrand::Rng::with_seed(1).shuffle(&mut pages);
        pages.into_iter().for_each(|page| regions.give_back(page));
        assert_eq!((regions.ordinary, regions.all.len(), regions.with_room.len()), (0, 0, 0));
    }

    #[test]
    fn a_page_is_empty_whoever_had_it_before() {
        for _ in 0..3 {
            let mut page = Page::new();
            assert!(
                page.iter().all(|bucket| bucket.slots.iter().all(|slot| *slot == 0) && bucket.next() == 0)
            );
            page.iter_mut().for_each(|bucket| bucket.slots.fill(u32::MAX));
        }
    }
}
