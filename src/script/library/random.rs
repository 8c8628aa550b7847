//! `math.random` as Redis has it: the 48-bit linear generator of drand48, so that a seed gives the same numbers there and
//! here. POSIX describes it: <https://pubs.opengroup.org/onlinepubs/9799919799/functions/drand48.html>.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Error, Lua, Result, Table, Variadic};

const FACTOR: u64 = 0x5_DEEC_E66D;
const ADDEND: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;
/// What lrand48 gives is taken modulo this, and divided by it.
const LRAND_MAX: u64 = 2_147_483_647;

/// The generator of one machine.
struct Generator(Cell<u64>);

impl Generator {
    fn seed(&self, seed: u32) {
        self.0.set(u64::from(seed) << 16 | 0x330E);
    }

    /// The next number in [0, 1).
    fn next(&self) -> f64 {
        self.0.set(self.0.get().wrapping_mul(FACTOR).wrapping_add(ADDEND) & MASK);
        ((self.0.get() >> 17) % LRAND_MAX) as f64 / LRAND_MAX as f64
    }
}

/// Adds `random` and `randomseed` to a table.
pub fn add(lua: &Lua, to: &Table) -> Result<()> {
    let generator = Rc::new(Generator(Cell::new(0)));
    generator.seed(0);
    let drawing = generator.clone();
    to.raw_set("random", lua.create_function(move |_, limits: Variadic<f64>| draw(&drawing, &limits))?)?;
    to.raw_set(
        "randomseed",
        lua.create_function(move |_, seed: f64| {
            generator.seed(seed as i64 as u32);
            Ok(())
        })?,
    )
}

fn draw(generator: &Generator, limits: &[f64]) -> Result<f64> {
    let fail = |text: &str| Err(Error::RuntimeError(text.to_owned()));
    let fraction = generator.next();
    let (low, high, number) = match *limits {
        [] => return Ok(fraction),
        [high] => (1.0, high.trunc(), 1),
        [low, high] => (low.trunc(), high.trunc(), 2),
        _ => return fail("wrong number of arguments"),
    };
    if low > high {
        return fail(&format!("bad argument #{number} to 'random' (interval is empty)"));
    }
    Ok((fraction * (high - low + 1.0)).floor() + low)
}
