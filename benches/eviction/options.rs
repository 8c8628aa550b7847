//! The words of the command line.

use std::path::PathBuf;

/// Cache sizes, as shares of a trace's keys.
pub const SHARES: [f64; 3] = [0.001, 0.01, 0.1];

const USAGE: &str = "usage: eviction TRACES [--trace NAME]... [--policy NAME]... [--servers]
  TRACES    folder with scarab-recs, orm-busy, w106 (.trace.xz), OLTP and P3 (.lis.zst); - for Zipf alone
  --trace   only this trace       --policy  only this policy
  --servers replay through redis-server, memcached and onefill over sockets, at an equal number of keys
       eviction --limit: ten million keys through a server that may hold 1 GiB";

/// What to measure.
#[derive(Debug, Default)]
pub struct Options {
    pub folder: Option<PathBuf>,
    pub servers: bool,
    pub limit: bool,
    traces: Vec<String>,
    policies: Vec<String>,
}

impl Options {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        let mut folder = None;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--limit" => options.limit = true,
                "--servers" => options.servers = true,
                "--trace" => options.traces.push(words.next().ok_or(USAGE)?),
                "--policy" => options.policies.push(words.next().ok_or(USAGE)?),
                word if word.starts_with("--") => return Err(USAGE.to_owned()),
                word => folder = Some(word.to_owned()),
            }
        }
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
