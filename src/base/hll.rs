//! HyperLogLog in Redis's own bytes, since clients GET and SET them: how many different elements were added, about.
//!
//! ```text
//! HYLL | form 1: 0 dense, 1 sparse | - 3 | cached count 8, its top bit: no longer true | registers
//! dense    16,384 registers of 6 bits, the first in the lowest        sparse   runs (`sparse`)
//! ```
//! A register keeps the longest row of zeros among the hashes that fell to it. Estimator: Ertl, "New cardinality
//! estimation algorithms for HyperLogLog sketches", 2017. Hash: MurmurHash64A (Appleby), its seed Redis's. Pure;
//! knows no key. Of bytes that somebody SET, nothing is believed: what they are not is `Invalid`.

mod sparse;
#[cfg(test)]
mod tests;

/// Registers, each found by this many bits of a hash.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Bits of a hash that zeros are counted in.
const COUNTED_BITS: usize = (u64::BITS - INDEX_BITS) as usize;
/// Bytes in front of the registers.
pub const HEADER_BYTES: usize = 16;
const REGISTER_BITS: usize = 6;
/// Bytes of a dense value.
pub const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * REGISTER_BITS / 8;
const MAGIC: &[u8] = b"HYLL";
const FORM_AT: usize = 4;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const CACHE_AT: usize = 8;
const STALE: u64 = 1 << 63;
const SEED: u64 = 0xadc8_3b19;
/// 1 / (2 ln 2): what makes the estimator's mean the count.
const ALPHA: f64 = 0.5 / std::f64::consts::LN_2;

/// Why bytes are no HyperLogLog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// They don't begin as one, or have another length than one: Redis answers WRONGTYPE.
    Foreign,
    /// They begin as one, and then their runs are no registers: INVALIDOBJ.
    Corrupted,
}

/// Runs that are not exactly all registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupted;

impl From<Corrupted> for Invalid {
    fn from(_: Corrupted) -> Invalid {
        Invalid::Corrupted
    }
}

/// What an element does to a value: the register that is its, and what that must be at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    index: usize,
    count: u8,
}

impl Mark {
    /// The mark of an element. Cost: one hash.
    #[must_use]
    pub fn of(element: &[u8]) -> Mark {
        let hash = murmur64a(element);
        let index = hash as usize & (REGISTERS - 1);
        let counted = hash >> INDEX_BITS | 1 << COUNTED_BITS;
        Mark { index, count: counted.trailing_zeros() as u8 + 1 }
    }
}

/// A value without elements, sparse. Its count is not noted: Redis's is not once PFADD or PFMERGE has made it.
#[must_use]
pub fn empty() -> Vec<u8> {
    let mut value = vec![0; HEADER_BYTES];
    value[..MAGIC.len()].copy_from_slice(MAGIC);
    value[FORM_AT] = SPARSE;
    outdate(&mut value);
    value.extend_from_slice(&sparse::empty());
    value
}

/// Whether a value is dense. Cost: a look at the header.
///
/// # Errors
/// `Foreign` where it is no value.
pub fn is_dense(value: &[u8]) -> Result<bool, Invalid> {
    match value.get(FORM_AT) {
        Some(&SPARSE) if value.starts_with(MAGIC) && value.len() >= HEADER_BYTES => Ok(false),
        Some(&DENSE) if value.starts_with(MAGIC) && value.len() == DENSE_BYTES => Ok(true),
        _ => Err(Invalid::Foreign),
    }
}

/// Whether a mark would change a value: for nearly all elements of a large one it does not.
/// Cost: of a sparse one a step per run before the register.
///
/// # Errors
/// Where the value is none.
pub fn raises(value: &[u8], mark: Mark) -> Result<bool, Invalid> {
    let old = if is_dense(value)? {
        dense_register(&value[HEADER_BYTES..], mark.index)
    } else {
        sparse::find(&value[HEADER_BYTES..], mark.index)?.run.value
    };
    Ok(old < mark.count)
}

/// Puts a mark into a value; false where that changes nothing. A sparse value becomes dense where it would be longer
/// than `sparse_bytes_max`, or the mark is greater than runs can hold. The cached count is true no longer.
/// Cost: as `raises`; what is behind the run moves.
///
/// # Errors
/// Where the value is none; it is then as it was.
pub fn raise(value: &mut Vec<u8>, mark: Mark, sparse_bytes_max: usize) -> Result<bool, Invalid> {
    let Mark { index, count } = mark;
    if !is_dense(value)? {
        let place = sparse::find(&value[HEADER_BYTES..], index)?;
        if place.run.value >= count {
            return Ok(false);
        }
        if count <= sparse::VALUE_MAX && sparse::raise(value, place, index, count, sparse_bytes_max) {
            outdate(value);
            return Ok(true);
        }
        make_dense(value)?;
    }
    Ok(raise_dense(value, mark))
}

/// As `raise`, for a value known as dense, where it lies.
pub fn raise_dense(value: &mut [u8], mark: Mark) -> bool {
    let registers = &mut value[HEADER_BYTES..];
    let raises = dense_register(registers, mark.index) < mark.count;
    if raises {
        set_dense_register(registers, mark.index, mark.count);
        outdate(value);
    }
    raises
}

/// Makes a sparse value dense. Cost: a step per register.
///
/// # Errors
/// Where the value is none; it is then as it was.
pub fn make_dense(value: &mut Vec<u8>) -> Result<(), Invalid> {
    if is_dense(value)? {
        return Ok(());
    }
    let mut dense = vec![0; DENSE_BYTES];
    dense[..HEADER_BYTES].copy_from_slice(&value[..HEADER_BYTES]);
    dense[FORM_AT] = DENSE;
    sparse::each(&value[HEADER_BYTES..], |first, run| {
        for index in first..first + if run.value > 0 { run.len } else { 0 } {
            set_dense_register(&mut dense[HEADER_BYTES..], index, run.value);
        }
    })?;
    *value = dense;
    Ok(())
}

/// The count that was noted when it was last asked for, if nothing was added since.
#[must_use]
pub fn cached(value: &[u8]) -> Option<u64> {
    let count = u64::from_le_bytes(*value.get(CACHE_AT..)?.first_chunk()?);
    (count & STALE == 0).then_some(count)
}

/// Notes a count in a value.
pub fn set_cached(value: &mut [u8], count: u64) {
    if let Some(place) = value.get_mut(CACHE_AT..HEADER_BYTES) {
        place.copy_from_slice(&count.to_le_bytes());
    }
}

/// Says that the noted count is true no longer. The rest of it stays, as in Redis.
pub fn outdate(value: &mut [u8]) {
    if let Some(last) = value.get_mut(HEADER_BYTES - 1) {
        *last |= STALE.to_be_bytes()[0];
    }
}

/// How many elements a value has seen, about: 0.81 % is its standard error. Cost: a look at each register, or run.
///
/// # Errors
/// Where the value is none.
pub fn count(value: &[u8]) -> Result<u64, Invalid> {
    let mut histogram = Histogram::default();
    if is_dense(value)? {
        let registers = &value[HEADER_BYTES..];
        (0..REGISTERS).for_each(|index| histogram.add(dense_register(registers, index), 1));
    } else {
        sparse::each(&value[HEADER_BYTES..], |_, run| histogram.add(run.value, run.len))?;
    }
    Ok(histogram.estimate())
}

/// Visits the registers of a value, the first one first.
///
/// # Errors
/// Where the value is none.
pub fn each_register(value: &[u8], mut visit: impl FnMut(u8)) -> Result<(), Invalid> {
    if is_dense(value)? {
        (0..REGISTERS).for_each(|index| visit(dense_register(&value[HEADER_BYTES..], index)));
    } else {
        sparse::each(&value[HEADER_BYTES..], |_, run| (0..run.len).for_each(|_| visit(run.value)))?;
    }
    Ok(())
}

/// The runs of a sparse value in Redis's notation: `z:` few zeros, `Z:` many, `v:` a value and how often.
///
/// # Errors
/// Where the value is none, or dense.
pub fn written_runs(value: &[u8]) -> Result<String, Invalid> {
    if is_dense(value)? {
        return Err(Invalid::Foreign);
    }
    let mut runs = Vec::new();
    sparse::each(&value[HEADER_BYTES..], |_, run| runs.push(run.to_string()))?;
    Ok(runs.join(" "))
}

/// The registers of several values together, each the greatest of them.
#[derive(Clone, Debug)]
pub struct Union {
    registers: Box<[u8; REGISTERS]>,
    is_dense: bool,
}

impl Default for Union {
    fn default() -> Union {
        Union { registers: Box::new([0; REGISTERS]), is_dense: false }
    }
}

impl Union {
    /// Takes a value in. Cost: as `count`.
    ///
    /// # Errors
    /// Where the value is none; the union is then of no use.
    pub fn add(&mut self, value: &[u8]) -> Result<(), Invalid> {
        self.is_dense |= is_dense(value)?;
        let mut registers = self.registers.iter_mut();
        each_register(value, |count| {
            registers.next().into_iter().for_each(|register| *register = count.max(*register));
        })
    }

    /// How many elements they have seen together, about.
    #[must_use]
    pub fn count(&self) -> u64 {
        let mut histogram = Histogram::default();
        self.registers.iter().for_each(|count| histogram.add(*count, 1));
        histogram.estimate()
    }

    /// Puts the union into a value, which it should contain. Dense if one of them was.
    /// Cost: a step per register; in a sparse value a walk for each one set.
    ///
    /// # Errors
    /// Where the value is none.
    pub fn put_into(&self, value: &mut Vec<u8>, sparse_bytes_max: usize) -> Result<(), Invalid> {
        if self.is_dense {
            make_dense(value)?;
        }
        for (index, count) in self.registers.iter().enumerate().filter(|(_, count)| **count > 0) {
            raise(value, Mark { index, count: *count }, sparse_bytes_max)?;
        }
        outdate(value);
        Ok(())
    }
}

/// How many registers have each value.
struct Histogram([u32; 1 << REGISTER_BITS]);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram([0; 1 << REGISTER_BITS])
    }
}

impl Histogram {
    fn add(&mut self, value: u8, registers: usize) {
        self.0[usize::from(value)] += registers as u32;
    }

    /// Ertl's improved estimator, algorithm 6.
    fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let of = |value: usize| f64::from(self.0[value]);
        let full = registers * tau((registers - of(COUNTED_BITS + 1)) / registers);
        let halved = (1..=COUNTED_BITS).rev().fold(full, |sum, value| (sum + of(value)) * 0.5);
        let sum = halved + registers * sigma(of(0) / registers);
        // Of registers that no hash could have made, nothing may be left: that many is then all that fits a reply.
        (ALPHA * registers * registers / sum).round() as i64 as u64
    }
}

/// The part of registers that are full. Each step adds less than a bit of the sum's last place after some fifty.
fn tau(mut part: f64) -> f64 {
    if part == 0.0 || part == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - part);
    loop {
        let before = sum;
        part = part.sqrt();
        weight *= 0.5;
        sum -= (1.0 - part).powi(2) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

/// The part of registers that are empty: infinite where all are.
fn sigma(mut part: f64) -> f64 {
    if part == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, part);
    loop {
        let before = sum;
        part *= part;
        sum += part * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// A register of a dense value; the last one ends with the bytes.
fn dense_register(registers: &[u8], index: usize) -> u8 {
    let (byte, shift) = (index * REGISTER_BITS / 8, index * REGISTER_BITS % 8);
    let low = u16::from(registers[byte]);
    let high = registers.get(byte + 1).map_or(0, |byte| u16::from(*byte));
    ((low | high << 8) >> shift) as u8 & ((1 << REGISTER_BITS) - 1)
}

fn set_dense_register(registers: &mut [u8], index: usize, value: u8) {
    let (byte, shift) = (index * REGISTER_BITS / 8, index * REGISTER_BITS % 8);
    let mask = ((1u16 << REGISTER_BITS) - 1) << shift;
    let bits = u16::from(value) << shift;
    let [low_mask, high_mask] = mask.to_le_bytes();
    let [low, high] = bits.to_le_bytes();
    registers[byte] = registers[byte] & !low_mask | low;
    if let Some(next) = registers.get_mut(byte + 1) {
        *next = *next & !high_mask | high;
    }
}

fn murmur64a(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    for word in words {
        let word = u64::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash = (hash ^ (word ^ word >> SHIFT).wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let word = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}
