//! Positions on the earth as 52-bit numbers, so that what is near mostly has a near number: the scores behind GEOADD.
//!
//! ```text
//! number      of each 26 bits: longitude 51, 49, ... 1   latitude 50, 48, ... 0
//! longitude   ±180°     latitude ±85.05112878°, the square of EPSG:3857
//! ```
//! A search asks for the numbers of up to nine cells around its centre, then for each position's distance. Cells,
//! their order and the sphere are Redis's, because replies that are not sorted show them. Pure; knows no set.
//! Interleaved positions: Niemeyer's geohash, 2008. Distances: the haversine formula.

use std::ops::Range;

/// Radius of the earth as Redis has it, metres.
const EARTH_RADIUS_M: f64 = 6_372_797.560_856;
/// The greatest longitude and latitude of a position, degrees.
pub const LONGITUDE_MAX: f64 = 180.0;
pub const LATITUDE_MAX: f64 = 85.051_128_78;
/// Halvings of either side of the map down to a position.
const STEPS: u32 = 26;
/// Bits of a number.
const BITS: u32 = 2 * STEPS;
/// Half the map's width at the equator, metres.
const MAP_HALF_M: f64 = 20_037_726.37;
/// Degrees from which a cell is so much narrower than at the equator that a step less, and one more, is needed.
const NARROW_LATITUDES: [f64; 2] = [66.0, 80.0];
/// The digits of a geohash.
const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// Digits of a text; the last one has no bits left and is 0.
const TEXT_DIGITS: usize = 11;

/// Units of distance: name and metres.
pub const UNITS: [(&str, f64); 4] = [("m", 1.0), ("km", 1_000.0), ("ft", 0.3048), ("mi", 1_609.34)];

/// A position, degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    pub longitude: f64,
    pub latitude: f64,
}

impl Position {
    /// A position on the map; `None` beyond its edges.
    #[must_use]
    pub fn new(longitude: f64, latitude: f64) -> Option<Position> {
        let is_within = longitude.abs() <= LONGITUDE_MAX && latitude.abs() <= LATITUDE_MAX;
        is_within.then_some(Position { longitude, latitude })
    }

    /// Its number. Of positions at the very edge of the map it has a bit more.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.bits_within(LATITUDE_MAX)
    }

    /// The centre of the cell that a number names.
    #[must_use]
    pub fn of_bits(bits: u64) -> Position {
        let cell = Cell { x: odd_bits(bits >> 1), y: odd_bits(bits), steps: STEPS };
        let (longitudes, latitudes) = (cell.longitudes(), cell.latitudes());
        let middle = |range: Range<f64>, max: f64| ((range.start + range.end) / 2.0).clamp(-max, max);
        Position { longitude: middle(longitudes, LONGITUDE_MAX), latitude: middle(latitudes, LATITUDE_MAX) }
    }

    /// The common geohash of a position, eleven digits: there latitudes end at 90°.
    #[must_use]
    pub fn text(self) -> [u8; TEXT_DIGITS] {
        let bits = self.bits_within(90.0);
        std::array::from_fn(|number| {
            let shift = BITS.checked_sub(5 * (number as u32 + 1));
            DIGITS[shift.map_or(0, |shift| bits >> shift & 31) as usize]
        })
    }

    /// Metres to another position.
    #[must_use]
    pub fn distance_m(self, other: Position) -> f64 {
        let half_sine = |a: f64, b: f64| ((b.to_radians() - a.to_radians()) / 2.0).sin();
        let across = half_sine(self.longitude, other.longitude);
        if across == 0.0 {
            return self.distance_along_m(other);
        }
        let along = half_sine(self.latitude, other.latitude);
        let cosines = self.latitude.to_radians().cos() * other.latitude.to_radians().cos();
        2.0 * EARTH_RADIUS_M * (along * along + cosines * across * across).sqrt().asin()
    }

    /// Metres between the latitudes.
    fn distance_along_m(self, other: Position) -> f64 {
        EARTH_RADIUS_M * (other.latitude.to_radians() - self.latitude.to_radians()).abs()
    }

    fn bits_within(self, latitude_max: f64) -> u64 {
        let (x, y) = (part(self.longitude, LONGITUDE_MAX, STEPS), part(self.latitude, latitude_max, STEPS));
        spread(y) | spread(x) << 1
    }
}

/// A text of degrees as GEOPOS writes it: 17 digits behind the point, without zeros at the end.
#[must_use]
pub fn degrees_text(degrees: f64) -> String {
    let text = format!("{degrees:.17}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What is searched for around a position, metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Circle { radius_m: f64 },
    Box { width_m: f64, height_m: f64 },
}

/// A search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    pub centre: Position,
    pub shape: Shape,
}

impl Search {
    /// Metres from the centre to a position, if it is within the shape.
    #[must_use]
    pub fn distance_m(&self, position: Position) -> Option<f64> {
        let distance_m = || self.centre.distance_m(position);
        match self.shape {
            Shape::Circle { radius_m } => Some(distance_m()).filter(|distance_m| *distance_m <= radius_m),
            Shape::Box { width_m, height_m } => {
                let across = Position { longitude: self.centre.longitude, ..position };
                let is_within = self.centre.distance_along_m(position) <= height_m / 2.0
                    && position.distance_m(across) <= width_m / 2.0;
                is_within.then(distance_m)
            }
        }
    }

    /// The numbers that positions within the shape have, and others near: the cell of the centre first, then those
    /// around it as far as they are needed. Up to nine ranges.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let (west, east, south, north) = self.edges();
        let mut cell = Cell::around(self.centre, self.steps());
        let reaches = |cell: Cell| {
            cell.moved(0, 1).latitudes().end >= north
                && cell.moved(0, -1).latitudes().start <= south
                && cell.moved(1, 0).longitudes().end >= east
                && cell.moved(-1, 0).longitudes().start <= west
        };
        if cell.steps > 1 && !reaches(cell) {
            cell = Cell::around(self.centre, cell.steps - 1);
        }
        // Whether the shape goes on beyond the centre's own cell; where cells are halves of the map, it may always.
        let (longitudes, latitudes) = (cell.longitudes(), cell.latitudes());
        let is_coarse = cell.steps < 2;
        let goes_on = move |x: i32, y: i32| {
            let is_needed = match x {
                1 => longitudes.end <= east,
                -1 => longitudes.start >= west,
                _ => true,
            } && match y {
                1 => latitudes.end <= north,
                -1 => latitudes.start >= south,
                _ => true,
            };
            is_coarse || is_needed
        };
        let cells =
            AROUND.into_iter().filter(move |(x, y)| goes_on(*x, *y)).map(move |(x, y)| cell.moved(x, y));
        // Of so few cells that the one in the east is the one in the west as well, neither is told twice.
        let mut last = None;
        cells.filter(move |cell| last.replace(*cell) != Some(*cell)).map(Cell::range)
    }

    /// Metres from the centre to what is farthest from it.
    fn radius_m(&self) -> f64 {
        match self.shape {
            Shape::Circle { radius_m } => radius_m,
            Shape::Box { width_m, height_m } => (width_m / 2.0).hypot(height_m / 2.0),
        }
    }

    /// How finely the map is to be halved, so that nine cells cover the shape.
    fn steps(&self) -> u32 {
        let mut reach_m = self.radius_m();
        let mut steps = -1;
        // Two more than there are: so many are taken off near a pole.
        while reach_m < MAP_HALF_M && steps < STEPS as i32 + 2 {
            reach_m *= 2.0;
            steps += 1;
        }
        let latitude = self.centre.latitude.abs();
        steps -= NARROW_LATITUDES.iter().filter(|from| latitude > **from).count() as i32;
        steps.clamp(1, STEPS as i32) as u32
    }

    /// West, east, south and north of the shape, degrees; beyond the map's edges where it reaches so far.
    fn edges(&self) -> (f64, f64, f64, f64) {
        let (half_width_m, half_height_m) = match self.shape {
            Shape::Circle { radius_m } => (radius_m, radius_m),
            Shape::Box { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
        };
        let Position { longitude, latitude } = self.centre;
        let along = (half_height_m / EARTH_RADIUS_M).to_degrees();
        // Meridians are closest where the shape is nearest to a pole.
        let nearest = if latitude < 0.0 { latitude - along } else { latitude + along };
        let across = (half_width_m / EARTH_RADIUS_M / nearest.to_radians().cos()).to_degrees();
        (longitude - across, longitude + across, latitude - along, latitude + along)
    }
}

/// The cells of a search, as steps to the east and to the north.
const AROUND: [(i32, i32); 9] =
    [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// A part of the map, by its number from the west and from the south.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    x: u32,
    y: u32,
    /// How often either side of the map was halved.
    steps: u32,
}

impl Cell {
    fn around(position: Position, steps: u32) -> Cell {
        let x = part(position.longitude, LONGITUDE_MAX, steps);
        let y = part(position.latitude, LATITUDE_MAX, steps);
        // The very edge of the map belongs to its last cell. (Redis takes the one behind it, which is empty.)
        let last = (1 << steps) - 1;
        Cell { x: x.min(last), y: y.min(last), steps }
    }

    /// The cell so many to the east and to the north; behind an edge of the map comes the other one.
    fn moved(self, x: i32, y: i32) -> Cell {
        let mask = (1 << self.steps) - 1;
        Cell { x: self.x.wrapping_add_signed(x) & mask, y: self.y.wrapping_add_signed(y) & mask, ..self }
    }

    fn longitudes(self) -> Range<f64> {
        self.degrees(self.x, LONGITUDE_MAX)
    }

    fn latitudes(self) -> Range<f64> {
        self.degrees(self.y, LATITUDE_MAX)
    }

    fn degrees(self, number: u32, max: f64) -> Range<f64> {
        let cells = f64::from(1u32 << self.steps);
        let edge = |number: f64| -max + number / cells * (2.0 * max);
        edge(f64::from(number))..edge(f64::from(number) + 1.0)
    }

    /// The numbers of positions within.
    fn range(self) -> Range<u64> {
        let shift = BITS - 2 * self.steps;
        let bits = spread(self.y) | spread(self.x) << 1;
        bits << shift..(bits + 1) << shift
    }
}

/// The number of the part of the map, halved so often, that is so many degrees from its middle.
fn part(degrees: f64, max: f64, steps: u32) -> u32 {
    ((degrees + max) / (2.0 * max) * f64::from(1u32 << steps)) as u32
}

/// The bits of a word, each at twice its place. Warren, "Hacker's Delight", 7-2.
fn spread(word: u32) -> u64 {
    let mut bits = u64::from(word);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Every second bit of a number, from the lowest on: what `spread` made of them.
fn odd_bits(bits: u64) -> u32 {
    let mut bits = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Some places: name, longitude and latitude.
    const PLACES: [(&str, f64, f64); 12] = [
        ("Palermo", 13.361389, 38.115556),
        ("Catania", 15.087269, 37.502669),
        ("Rome", 12.492231, 41.890210),
        ("Milan", 9.189982, 45.464204),
        ("Paris", 2.352222, 48.856613),
        ("London", -0.127758, 51.507351),
        ("Athens", 23.727539, 37.983810),
        ("Taveuni", 179.9, -16.5),
        ("Lau", -179.9, -16.6),
        ("Nordkapp", 25.748151, 71.0),
        ("Horn", -70.0, -55.0),
        ("Cairo", 31.235712, 30.044420),
    ];

    fn at(longitude: f64, latitude: f64) -> Position {
        Position::new(longitude, latitude).unwrap()
    }

    fn place(name: &str) -> Position {
        let (_, longitude, latitude) = PLACES.into_iter().find(|place| place.0 == name).unwrap();
        Position::of_bits(at(longitude, latitude).to_bits())
    }

    /// The names that a search finds, range by range and by number within.
    fn found(search: Search) -> String {
        let mut numbers = PLACES.map(|(name, longitude, latitude)| (at(longitude, latitude).to_bits(), name));
        numbers.sort_unstable();
        let mut names = Vec::new();
        for range in search.ranges() {
            let within = numbers.iter().filter(|(bits, _)| range.contains(bits));
            let near = within.filter(|(bits, _)| search.distance_m(Position::of_bits(*bits)).is_some());
            names.extend(near.map(|(_, name)| *name));
        }
        names.join(" ")
    }

    // What redis-server 7.0.15 answers.
    #[test]
    fn numbers_positions_and_texts_are_those_of_redis() {
        for (longitude, latitude, bits, longitude_text, latitude_text, text) in [
            (
                13.361389,
                38.115556,
                3479099956230698,
                "13.36138933897018433",
                "38.11555639549629859",
                "sqc8b49rny0",
            ),
            (
                15.087269,
                37.502669,
                3479447370796909,
                "15.08726745843887329",
                "37.50266842333162032",
                "sqdtr74hyu0",
            ),
            (
                -179.9,
                -16.6,
                353287392064082,
                "-179.89999920129776001",
                "-16.59999913288122286",
                "2j01d60cfp0",
            ),
            (-70.0, -55.0, 650434077246888, "-69.99999850988388062", "-55.0000006695179593", "4qnpp5e9cb0"),
            (0.0, 0.0, 3377699720527872, "0.00000268220901489", "0.00000126736058093", "s0000000000"),
            (180.0, 85.05112878, 13510798882111488, "180", "85.0511287799999991", "bp05b5048p0"),
            (180.0, -85.05112878, 9007199254740992, "180", "-85.05112751263942528", "00bh0hbj200"),
            (-180.0, -85.05112878, 0, "-179.99999731779098511", "-85.05112751263942528", "00bh0hbj200"),
        ] {
            assert_eq!(at(longitude, latitude).to_bits(), bits);
            let centre = Position::of_bits(bits);
            assert_eq!(
                [centre.longitude, centre.latitude].map(degrees_text),
                [longitude_text, latitude_text]
            );
            assert_eq!(centre.text(), text.as_bytes());
        }
    }

    #[test]
    fn distances_are_those_of_redis() {
        for (a, b, metres) in [
            ("Palermo", "Catania", "166274.1516"),
            ("Taveuni", "Lau", "24050.3337"),
            ("London", "Nordkapp", "2527643.1827"),
            ("Palermo", "Palermo", "0.0000"),
        ] {
            assert_eq!(format!("{:.4}", place(a).distance_m(place(b))), metres);
        }
    }

    #[test]
    fn searches_find_what_redis_finds_in_its_order() {
        let sicily = at(15.0, 37.0);
        let circle = |radius_km: f64| Shape::Circle { radius_m: radius_km * 1_000.0 };
        let square = |width_km: f64, height_km: f64| Shape::Box {
            width_m: width_km * 1_000.0,
            height_m: height_km * 1_000.0,
        };
        let nine_thousand = "Palermo Catania Rome Cairo Athens Milan Paris Nordkapp London";
        let all = "Palermo Catania Rome Cairo Athens Milan Paris Nordkapp Taveuni London Lau Horn";
        for (centre, shape, names) in [
            (sicily, circle(200.0), "Palermo Catania"),
            (sicily, circle(1_000.0), "Palermo Catania Rome Athens"),
            (sicily, circle(9_000.0), nine_thousand),
            (sicily, circle(30_000.0), all),
            (sicily, square(400.0, 400.0), "Palermo Catania"),
            (at(10.0, 45.0), square(3_000.0, 1_000.0), "Milan Paris Rome"),
            (at(20.0, 80.0), circle(1_200.0), "Nordkapp"),
            (place("Palermo"), circle(0.0), "Palermo"),
            // From the very edge of the map Redis finds only what is on one side of it.
            (at(180.0, -16.5), circle(50.0), "Taveuni Lau"),
            (at(179.999_999, -16.5), circle(50.0), "Taveuni Lau"),
        ] {
            assert_eq!(found(Search { centre, shape }), names, "{shape:?}");
        }
    }

    #[test]
    fn positions_beyond_the_map_are_none() {
        for (longitude, latitude, is_there) in [
            (180.0, LATITUDE_MAX, true),
            (-180.0, -LATITUDE_MAX, true),
            (180.000_001, 0.0, false),
            (0.0, 85.051_129, false),
            (0.0, -90.0, false),
            (f64::NAN, 0.0, false),
            (0.0, f64::NAN, false),
            (f64::INFINITY, 0.0, false),
        ] {
            assert_eq!(Position::new(longitude, latitude).is_some(), is_there, "{longitude} {latitude}");
        }
    }

    proptest! {
        #[test]
        fn number_of_a_cell_is_that_of_its_centre(bits in 0u64..1 << BITS) {
            prop_assert_eq!(Position::of_bits(bits).to_bits(), bits);
        }

        #[test]
        fn ranges_hold_all_that_is_within(
            longitude in -100.0..100.0, latitude in -60.0..60.0, size_m in 1.0..2_000_000.0, x in -1.0..1.0, y in -1.0..1.0, is_box: bool,
        ) {
            let shape = if is_box { Shape::Box { width_m: size_m, height_m: size_m } } else { Shape::Circle { radius_m: size_m } };
            let search = Search { centre: at(longitude, latitude), shape };
            let degrees = size_m / 100_000.0;
            let near = at(longitude + x * degrees, f64::clamp(latitude + y * degrees, -LATITUDE_MAX, LATITUDE_MAX));
            if search.distance_m(near).is_some() {
                prop_assert!(search.ranges().any(|range| range.contains(&near.to_bits())));
            }
        }

        #[test]
        fn any_search_ends(longitude in -180.0..=180.0, latitude in -LATITUDE_MAX..=LATITUDE_MAX, a: f64, b: f64, bits: u64) {
            let centre = at(longitude, latitude);
            for shape in [Shape::Circle { radius_m: a }, Shape::Box { width_m: a, height_m: b }] {
                let search = Search { centre, shape };
                prop_assert!(search.ranges().count() <= 9);
                prop_assert!(search.ranges().all(|range| range.start < range.end && range.end <= 1 << BITS));
                let _ = search.distance_m(Position::of_bits(bits));
            }
            let _ = Position::of_bits(bits).text();
        }
    }
}
