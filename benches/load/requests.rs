//! Requests: which keys, and how a request looks in each protocol. Knows no socket.

use std::ops::Range;

use crate::options::Options;

/// From this size on a value is sent from one shared piece of memory.
pub const VALUE_BYTES_APART: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Resp,
    /// memcached's text protocol, its meta commands where there is one.
    Memcached,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Ping,
    Get,
    Set,
    Incr,
    Exists,
    Del,
    Expire,
    FillGet,
    Mget,
    Mset,
}

/// In which order the keys come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Random,
    Sequential,
    /// Each key once, neighbours far apart.
    Scattered,
    /// In ascending order, this share of the keys in percent, always the same ones.
    Share(u64),
}

impl Protocol {
    pub fn parse(name: &str) -> Option<Protocol> {
        Some(match name {
            "resp" => Protocol::Resp,
            "memcached" => Protocol::Memcached,
            _ => return None,
        })
    }
}

impl Command {
    pub fn parse(name: &str) -> Option<Command> {
        Some(match name {
            "ping" => Command::Ping,
            "get" => Command::Get,
            "set" => Command::Set,
            "incr" => Command::Incr,
            "exists" => Command::Exists,
            "del" => Command::Del,
            "expire" => Command::Expire,
            "fill.get" => Command::FillGet,
            "mget" => Command::Mget,
            "mset" => Command::Mset,
            _ => return None,
        })
    }
}

impl Order {
    pub fn parse(name: &str) -> Option<Order> {
        Some(match name {
            "random" => Order::Random,
            "sequential" => Order::Sequential,
            "scattered" => Order::Scattered,
            _ => Order::Share(name.strip_prefix("share:")?.parse().ok()?),
        })
    }
}

/// Scrambles a number: the finalizer of splitmix64.
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The requests of one thread, in order.
pub struct Requests {
    options: Options,
    /// Numbers of the requests still to be made.
    left: Range<u64>,
    /// For `Order::Scattered`: how far neighbours lie apart; has no factor in common with the number of keys.
    stride: u64,
    random: u64,
    /// The longest value; shorter ones are its beginning.
    value: Vec<u8>,
    pub made: u64,
    /// Bytes of the keys and values that were stored; for DEL, that were deleted.
    pub touched_bytes: u64,
}

impl Requests {
    /// The share of thread `number`.
    pub fn new(options: &Options, number: u64) -> Requests {
        let part = |number| options.requests * number / options.threads;
        Requests {
            left: part(number)..part(number + 1),
            stride: stride(options.keys),
            random: mix(options.seed.wrapping_mul(1000).wrapping_add(number)),
            value: vec![b'x'; options.value_bytes.1],
            made: 0,
            touched_bytes: 0,
            options: options.clone(),
        }
    }

    pub fn are_done(&self) -> bool {
        self.left.is_empty()
    }

    /// What is sent from the shared piece behind each burst.
    pub fn body(&self) -> &[u8] {
        if self.options.sends_apart() { &self.value } else { &[] }
    }

    /// Writes up to a burst of requests to the end of `out`, without the shared piece. Returns how many.
    pub fn write_burst(&mut self, out: &mut Vec<u8>) -> u64 {
        let before = self.made;
        while self.made - before < self.options.pipeline
            && let Some(number) = self.left.next()
        {
            let is_left_out = match self.options.order {
                Order::Share(percent) => mix(number) % 100 >= percent,
                _ => false,
            };
            if !is_left_out {
                self.made += 1;
                match self.options.protocol {
                    Protocol::Resp => self.write_resp(number, out),
                    Protocol::Memcached => self.write_memcached(number, out),
                }
            }
        }
        self.made - before
    }

    /// The key of the request `number` at `place` among its keys.
    fn key(&mut self, number: u64, place: u64) -> [u8; 16] {
        let at = number * self.options.many + place;
        let index = match self.options.order {
            Order::Random => {
                self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
                // The high half of a product instead of a division.
                ((u128::from(mix(self.random)) * u128::from(self.options.keys)) >> 64) as u64
            }
            Order::Sequential | Order::Share(_) => at % self.options.keys,
            Order::Scattered => {
                (u128::from(at) * u128::from(self.stride) % u128::from(self.options.keys)) as u64
            }
        };
        self.spell(self.options.first_key + index)
    }

    fn spell(&self, mut number: u64) -> [u8; 16] {
        let mut key = [b'0'; 16];
        key[0] = self.options.prefix;
        for digit in key[1..].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        key
    }

    /// The length of the value under a key. The same key always has the same.
    fn value_len(&self, key: &[u8; 16]) -> usize {
        let (least, most) = self.options.value_bytes;
        if least == most {
            return least;
        }
        let number = key[1..].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        least + (mix(number) % (most - least + 1) as u64) as usize
    }

    fn write_resp(&mut self, number: u64, out: &mut Vec<u8>) {
        let (name, words): (&[u8], u64) = match self.options.command {
            Command::Ping => (b"PING", 1),
            Command::Get => (b"GET", 2),
            Command::Set if self.options.ttl_s > 0 => (b"SET", 5),
            Command::Set => (b"SET", 3),
            Command::Incr => (b"INCR", 2),
            Command::Exists => (b"EXISTS", 2),
            Command::Del => (b"DEL", 2),
            Command::Expire => (b"EXPIRE", 3),
            Command::FillGet => (b"FILL.GET", 2),
            Command::Mget => (b"MGET", 1 + self.options.many),
            Command::Mset => (b"MSET", 1 + 2 * self.options.many),
        };
        header(out, b'*', words);
        bulk(out, name);
        match self.options.command {
            Command::Ping => {}
            Command::Set | Command::Mset => {
                for place in 0..self.options.many {
                    let key = self.key(number, place);
                    bulk(out, &key);
                    let len = self.value_len(&key);
                    self.touched_bytes += (key.len() + len) as u64;
                    self.write_value(len, out);
                }
                if words == 5 {
                    bulk(out, b"EX");
                    bulk(out, itoa::Buffer::new().format(self.options.ttl_s).as_bytes());
                }
            }
            command => {
                for place in 0..self.options.many {
                    let key = self.key(number, place);
                    bulk(out, &key);
                    if command == Command::Del {
                        self.touched_bytes += (key.len() + self.value_len(&key)) as u64;
                    }
                }
                if command == Command::Expire {
                    bulk(out, itoa::Buffer::new().format(self.options.ttl_s).as_bytes());
                }
            }
        }
    }

    /// A value as a bulk string; of one that is sent apart only its head.
    fn write_value(&self, len: usize, out: &mut Vec<u8>) {
        header(out, b'$', len as u64);
        if !self.options.sends_apart() {
            out.extend_from_slice(&self.value[..len]);
            out.extend_from_slice(b"\r\n");
        }
    }

    fn write_memcached(&mut self, number: u64, out: &mut Vec<u8>) {
        let many = self.options.many;
        match self.options.command {
            Command::Ping => out.extend_from_slice(b"mn\r\n"),
            Command::Get => self.write_meta(number, b"mg ", b" v\r\n", out),
            // As Redis's, it makes the counter where there is none.
            Command::Incr => self.write_meta(number, b"ma ", b" N0 J1 v\r\n", out),
            Command::Exists => self.write_meta(number, b"mg ", b"\r\n", out),
            Command::Del => self.write_meta(number, b"md ", b"\r\n", out),
            // Its answer to a stampede: the first to miss is told that it won.
            Command::FillGet => self.write_meta(number, b"mg ", b" v N30\r\n", out),
            Command::Expire => {
                let flag = format!(" T{}\r\n", self.options.ttl_s);
                self.write_meta(number, b"mg ", flag.as_bytes(), out);
            }
            Command::Mget => {
                out.extend_from_slice(b"get");
                for place in 0..many {
                    out.push(b' ');
                    let key = self.key(number, place);
                    out.extend_from_slice(&key);
                }
                out.extend_from_slice(b"\r\n");
            }
            Command::Set => self.write_store(number, 0, false, out),
            Command::Mset => {
                // Quiet ones answer errors alone; the no-op behind them says that all are done.
                (0..many).for_each(|place| self.write_store(number, place, true, out));
                out.extend_from_slice(b"mn\r\n");
            }
        }
    }

    fn write_meta(&mut self, number: u64, name: &[u8], flags: &[u8], out: &mut Vec<u8>) {
        let key = self.key(number, 0);
        if self.options.command == Command::Del {
            self.touched_bytes += (key.len() + self.value_len(&key)) as u64;
        }
        for piece in [name, &key, flags] {
            out.extend_from_slice(piece);
        }
    }

    fn write_store(&mut self, number: u64, place: u64, is_quiet: bool, out: &mut Vec<u8>) {
        let key = self.key(number, place);
        let len = self.value_len(&key);
        self.touched_bytes += (key.len() + len) as u64;
        let mut digits = itoa::Buffer::new();
        for piece in [b"ms ", &key[..], b" ", digits.format(len).as_bytes()] {
            out.extend_from_slice(piece);
        }
        if self.options.ttl_s > 0 {
            out.extend_from_slice(b" T");
            out.extend_from_slice(digits.format(self.options.ttl_s).as_bytes());
        }
        out.extend_from_slice(if is_quiet { b" q\r\n" } else { b"\r\n" });
        if !self.options.sends_apart() {
            out.extend_from_slice(&self.value[..len]);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn header(out: &mut Vec<u8>, mark: u8, number: u64) {
    out.push(mark);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn bulk(out: &mut Vec<u8>, word: &[u8]) {
    header(out, b'$', word.len() as u64);
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

/// About 0.618 of `keys`, without a common factor.
fn stride(keys: u64) -> u64 {
    let golden = (keys as f64 * 0.618_033_988_75) as u64;
    (golden.max(1)..).find(|stride| gcd(*stride, keys) == 1).unwrap_or(1)
}

fn gcd(left: u64, right: u64) -> u64 {
    if right == 0 { left } else { gcd(right, left % right) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(words: &str) -> String {
        let options = Options::parse(words.split_whitespace().map(str::to_owned)).unwrap();
        let mut out = Vec::new();
        Requests::new(&options, 0).write_burst(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn requests_are_spelled_in_both_protocols() {
        assert_eq!(
            burst("--command set --order sequential --value-bytes 2 --ttl-s 9"),
            "*5\r\n$3\r\nSET\r\n$16\r\nk000000000000000\r\n$2\r\nxx\r\n$2\r\nEX\r\n$1\r\n9\r\n"
        );
        assert_eq!(
            burst("--command mget --many 2 --order sequential"),
            "*3\r\n$4\r\nMGET\r\n$16\r\nk000000000000000\r\n$16\r\nk000000000000001\r\n"
        );
        assert_eq!(
            burst("--protocol memcached --command mset --many 2 --order sequential --value-bytes 1"),
            "ms k000000000000000 1 q\r\nx\r\nms k000000000000001 1 q\r\nx\r\nmn\r\n"
        );
    }

    #[test]
    fn scattered_names_each_key_once() {
        let text = burst("--command get --order scattered --keys 1000 --requests 1000 --pipeline 1000");
        let mut keys: Vec<&str> = text.split("\r\n").filter(|word| word.starts_with('k')).collect();
        assert_ne!(keys[1], "k000000000000001");
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 1000);
    }

    #[test]
    fn threads_share_the_requests_and_a_share_of_the_keys_is_near_its_percentage() {
        let words = "--order share:80 --requests 100000 --keys 100000 --threads 3 --pipeline 100000";
        let options = Options::parse(words.split(' ').map(str::to_owned)).unwrap();
        let made = |number| Requests::new(&options, number).write_burst(&mut Vec::new());
        let total: u64 = (0..3).map(made).sum();
        assert!((79_000..81_000).contains(&total), "{total}");
    }

    #[test]
    fn value_sizes_follow_from_the_key() {
        let mixed = "--command set --value-bytes 1..100 --order sequential --requests 50 --pipeline 50";
        assert_eq!(burst(mixed), burst(mixed));
        let lengths: std::collections::HashSet<usize> =
            burst(mixed).split("\r\n").filter(|word| word.starts_with('x')).map(str::len).collect();
        assert!(lengths.len() > 20 && lengths.iter().all(|len| (1..=100).contains(len)), "{lengths:?}");
    }
}
