//! The words of the command line.

use std::path::PathBuf;

/// Cache sizes, as shares of a trace's keys.
pub const SHARES: [f64; 3] = [0.001, 0.01, 0.1];

const USAGE: &str = "usage: eviction TRACES [--trace NAME]... [--policy NAME]... [WHAT]...
  TRACES    folder with scarab-recs, orm-busy, w106 (.trace.xz), OLTP and P3 (.lis.zst) and meta/*/; - for Zipf alone
  --trace   only this trace       --policy  only this policy
 what is measured:
  --engine        the policies of the storage by itself, at an equal number of keys (if nothing else is asked for)
  --servers       redis-server, memcached and onefill over sockets, at an equal number of keys
  --equal-memory  the same servers, at an equal limit on memory
  --meta          loads made from Meta's histograms: through the storage at equal bytes, through the servers at an equal
                  limit on memory; requests hit and bytes hit
  --all           all of these
       eviction --limit: ten million keys through a server that may hold 1 GiB";

/// What to measure.
#[derive(Debug, Default)]
pub struct Options {
    pub folder: Option<PathBuf>,
    pub engine: bool,
    pub servers: bool,
    pub equal_memory: bool,
    pub meta: bool,
    pub limit: bool,
    traces: Vec<String>,
    policies: Vec<String>,
}

impl Options {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        let mut folder = None;
        let mut all = false;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--limit" => options.limit = true,
                "--engine" => options.engine = true,
                "--servers" => options.servers = true,
                "--equal-memory" => options.equal_memory = true,
                "--meta" => options.meta = true,
                "--all" => all = true,
                "--trace" => options.traces.push(words.next().ok_or(USAGE)?),
                "--policy" => options.policies.push(words.next().ok_or(USAGE)?),
                word if word.starts_with("--") => return Err(USAGE.to_owned()),
                word => folder = Some(word.to_owned()),
            }
        }
        for one in [&mut options.servers, &mut options.equal_memory, &mut options.meta] {
            *one |= all;
        }
        options.engine |= all || !(options.servers || options.equal_memory || options.meta);
        let folder = if options.limit { "-".to_owned() } else { folder.ok_or(USAGE)? };
        if folder == "-" {
            options.traces.push("zipf".to_owned());
        } else {
            options.folder = Some(PathBuf::from(folder));
        }
        Ok(options)
    }

    pub fn wants(&self, trace: &str) -> bool {
        self.traces.is_empty() || self.traces.iter().any(|wanted| wanted == trace)
    }

    pub fn wants_policy(&self, policy: &str) -> bool {
        self.policies.is_empty() || self.policies.iter().any(|wanted| wanted == policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_measured_follows_from_the_words() {
        let what = |line| parse(line).map(|it| [it.engine, it.servers, it.equal_memory, it.meta]);
        assert_eq!(what("folder"), Ok([true, false, false, false]));
        assert_eq!(what("folder --servers --meta"), Ok([false, true, false, true]));
        assert_eq!(what("folder --engine --servers"), Ok([true, true, false, false]));
        assert_eq!(what("--all folder"), Ok([true; 4]));
        assert!(parse("--servers").is_err() && parse("folder --what").is_err());
    }
}
