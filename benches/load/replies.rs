//! Replies: counts them as they come in, cut anywhere, without keeping their values.

use crate::options::Options;
use crate::requests::{Command, Protocol};

/// What was answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub replies: u64,
    /// Values that were not there.
    pub nulls: u64,
    /// Replies `0` to commands that say whether a key was there.
    pub zeros: u64,
    /// Replies of FILL.GET other than HIT.
    pub no_hits: u64,
    pub errors: u64,
    pub first_error: Option<String>,
}

impl Tally {
    fn error(&mut self, line: &[u8]) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| String::from_utf8_lossy(line).into_owned());
    }

    /// How many keys a run of `command` did not find.
    pub fn misses(&self, command: Command) -> u64 {
        match command {
            Command::Get | Command::Mget => self.nulls,
            Command::Exists | Command::Del | Command::Expire => self.zeros,
            Command::FillGet => self.no_hits,
            Command::Ping | Command::Set | Command::Mset | Command::Incr => 0,
        }
    }
}

/// Reads the replies of one connection.
pub struct Reader {
    protocol: Protocol,
    /// Values asked for per request.
    many: u64,
    /// Bytes of a value that are still to come, its line end included.
    skip: usize,
    /// Elements that the current reply still lacks.
    open: u64,
    /// Elements of the current reply that were seen, headers of arrays not counted.
    seen: u64,
}

impl Reader {
    pub fn new(options: &Options) -> Reader {
        Reader { protocol: options.protocol, many: options.many, skip: 0, open: 0, seen: 0 }
    }

    /// Takes in whole lines and pieces of values. Returns how many of the bytes are used up.
    pub fn read(&mut self, bytes: &[u8], tally: &mut Tally) -> usize {
        let mut at = 0;
        loop {
            if self.skip > 0 {
                let here = self.skip.min(bytes.len() - at);
                at += here;
                self.skip -= here;
                if self.skip > 0 {
                    return at;
                }
                self.value_read(tally);
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', &bytes[at..]) else { return at };
            let line = &bytes[at..at + end];
            at += end + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match self.protocol {
                Protocol::Resp => self.resp_line(line, tally),
                Protocol::Memcached => self.memcached_line(line, tally),
            }
        }
    }

    fn value_read(&mut self, tally: &mut Tally) {
        match self.protocol {
            Protocol::Resp => self.element(tally),
            // Values of a `get` are followed by END.
            Protocol::Memcached if self.open > 0 => self.seen += 1,
            Protocol::Memcached => tally.replies += 1,
        }
    }

    fn element(&mut self, tally: &mut Tally) {
        self.seen += 1;
        self.open -= 1;
        if self.open == 0 {
            tally.replies += 1;
        }
    }

    fn resp_line(&mut self, line: &[u8], tally: &mut Tally) {
        if self.open == 0 {
            self.open = 1;
            self.seen = 0;
        }
        let (mark, rest) = line.split_first().unwrap_or((&b'-', b"empty line"));
        match mark {
            b'*' if !rest.starts_with(b"-") => {
                self.open += number(rest);
                self.open -= 1;
                if self.open == 0 {
                    tally.replies += 1;
                }
                return;
            }
            b'$' if !rest.starts_with(b"-") => {
                self.skip = number(rest) as usize + 2;
                return;
            }
            b'*' | b'$' => tally.nulls += 1,
            b':' if rest == b"0" => tally.zeros += 1,
            // FILL.GET says first what it found.
            b'+' if self.seen == 0 && rest != b"HIT" => tally.no_hits += 1,
            b':' | b'+' => {}
            _ => tally.error(line),
        }
        self.element(tally);
    }

    fn memcached_line(&mut self, line: &[u8], tally: &mut Tally) {
        let mut words = line.split(|byte| *byte == b' ');
        match words.next().unwrap_or_default() {
            b"VA" => self.skip = number(words.next().unwrap_or_default()) as usize + 2,
            b"VALUE" => {
                self.open = 1;
                self.skip = number(words.nth(2).unwrap_or_default()) as usize + 2;
            }
            b"END" => {
                tally.nulls += self.many - self.seen;
                tally.replies += 1;
                (self.open, self.seen) = (0, 0);
            }
            b"EN" | b"NF" => {
                tally.nulls += 1;
                tally.zeros += 1;
                tally.no_hits += 1;
                tally.replies += 1;
            }
            b"HD" | b"MN" => tally.replies += 1,
            _ => {
                tally.error(line);
                tally.replies += 1;
            }
        }
    }
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit.wrapping_sub(b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `bytes` in two pieces, cut at every place in turn.
    fn expect(words: &str, bytes: &[u8], expected: &Tally) {
        let options = Options::parse(words.split_whitespace().map(str::to_owned)).unwrap();
        for cut in 0..=bytes.len() {
            let (mut reader, mut tally) = (Reader::new(&options), Tally::default());
            let used = reader.read(&bytes[..cut], &mut tally);
            let used = used + reader.read(&bytes[used..], &mut tally);
            assert_eq!(used, bytes.len(), "cut at {cut}");
            assert_eq!(&tally, expected, "cut at {cut}");
        }
    }

    #[test]
    fn resp_replies_are_counted_wherever_they_are_cut() {
        let replies = b"+OK\r\n$4\r\na\r\nb\r\n$-1\r\n:0\r\n:12\r\n-ERR no\r\n*2\r\n$1\r\nx\r\n$-1\r\n*0\r\n";
        let first_error = Some("-ERR no".to_owned());
        // An empty array ends where its header ends.
        expect(
            "--command mget",
            replies,
            &Tally { replies: 8, nulls: 2, zeros: 1, no_hits: 1, errors: 1, first_error },
        );
    }

    #[test]
    fn fill_get_counts_what_is_no_hit() {
        let replies = b"*4\r\n+HIT\r\n$1\r\nx\r\n$-1\r\n:5\r\n*4\r\n+LEAD\r\n$-1\r\n$1\r\nt\r\n:5\r\n";
        expect(
            "--command fill.get",
            replies,
            &Tally { replies: 2, nulls: 2, no_hits: 1, ..Tally::default() },
        );
    }

    #[test]
    fn memcached_replies_are_counted_wherever_they_are_cut() {
        let replies =
            b"HD\r\nVA 4 f\r\nEND\n\r\nEN\r\nMN\r\nVALUE k 0 2\r\nab\r\nVALUE l 0 1\r\nc\r\nEND\r\nEND\r\n\
            SERVER_ERROR x\r\n";
        let first_error = Some("SERVER_ERROR x".to_owned());
        expect(
            "--protocol memcached --many 3",
            replies,
            &Tally { replies: 7, nulls: 1 + 1 + 3, zeros: 1, no_hits: 1, errors: 1, first_error },
        );
    }
}
