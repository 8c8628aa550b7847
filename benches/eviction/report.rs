//! The tables that are printed.

use crate::options::SHARES;

/// Hit ratios by trace, policy and size.
#[derive(Default)]
pub struct Table(Vec<Row>);

struct Row {
    trace: &'static str,
    policy: String,
    share: f64,
    percent: f64,
}

impl Table {
    pub fn note(&mut self, trace: &'static str, policy: &str, share: f64, percent: f64) {
        self.0.push(Row { trace, policy: policy.to_owned(), share, percent });
    }

    pub fn print_trace(&self, trace: &str, requests: usize, keys: usize) {
        println!("\n{trace}: {requests} requests, {keys} keys; hits in percent at 0.1, 1, 10 % of the keys");
        self.print(|row| row.trace == trace);
    }

    pub fn print_means(&self) {
        println!("\nmean of the traces");
        self.print(|_| true);
    }

    fn print(&self, which: impl Fn(&Row) -> bool) {
        let mut policies: Vec<&str> = Vec::new();
        for row in self.0.iter().filter(|row| which(row)) {
            if !policies.contains(&row.policy.as_str()) {
                policies.push(&row.policy);
            }
        }
        for policy in policies {
            let cells = SHARES.map(|share| {
                let percents =
                    self.0.iter().filter(|row| which(row) && row.policy == policy && row.share == share);
                let percents: Vec<f64> = percents.map(|row| row.percent).collect();
                let mean = percents.iter().sum::<f64>() / percents.len().max(1) as f64;
                if percents.is_empty() { "–".to_owned() } else { format!("{mean:.2}") }
            });
            println!("  {policy:20} {:>6} {:>6} {:>6}", cells[0], cells[1], cells[2]);
        }
    }
}
