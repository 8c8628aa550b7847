//! Families of figures on their way to the text: plain numbers by their labels, and histograms.

use hdrhistogram::Histogram;
use prometheus::TextEncoder;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};

use crate::ops::seen::Seen;

/// A family of one figure.
pub struct Single {
    pub name: &'static str,
    pub kind: MetricType,
    pub help: &'static str,
    pub read: fn(&Seen<'_>) -> f64,
}

/// A label and its value.
pub type Label<'l> = (&'static str, &'l str);

/// Upper bounds of the buckets of quick things' times, seconds: from 16 us to 1 s, each four times the one before.
pub const QUICK_S: &[f64] =
    &[0.000_016, 0.000_064, 0.000_256, 0.001_024, 0.004_096, 0.016_384, 0.065_536, 0.262_144, 1.048_576];
/// Of what takes milliseconds to a minute, seconds.
pub const LONG_S: &[f64] = &[0.001, 0.004, 0.016, 0.064, 0.256, 1.024, 4.096, 16.384, 65.536];
/// Of how many there are of something.
pub const CROWDS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0];

/// All families of a scrape.
#[derive(Default)]
pub struct Families(Vec<MetricFamily>);

impl Families {
    /// Adds figures of one value each.
    pub fn add_singles(&mut self, singles: &[Single], seen: &Seen<'_>) {
        for Single { name, kind, help, read } in singles {
            self.add(name, *kind, help, [(&[][..], read(seen))]);
        }
    }

    /// Adds a family of figures with labels; nothing where there are none.
    pub fn add<'l>(
        &mut self,
        name: &str,
        kind: MetricType,
        help: &str,
        samples: impl IntoIterator<Item = (impl AsRef<[Label<'l>]>, f64)>,
    ) {
        let metric = |(labels, value): (_, f64)| {
            let mut metric = labelled(AsRef::<[Label<'l>]>::as_ref(&labels));
            if kind == MetricType::COUNTER {
                let mut counter = proto::Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            } else {
                let mut gauge = proto::Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            metric
        };
        self.push(name, kind, help, samples.into_iter().map(metric).collect());
    }

    /// Adds a summary: quantiles, sum and count of values in a unit of which `scale` make one of the figure.
    pub fn add_quantiles<'l>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Label<'l>, f64, &'l Histogram<u64>, f64)>,
        percentiles: &[f64],
    ) {
        let metric = |(label, sum, times, scale): (Label<'l>, f64, &Histogram<u64>, f64)| {
            let mut summary = proto::Summary::default();
            summary.set_sample_count(times.len());
            summary.set_sample_sum(sum);
            let quantile = |percentile: &f64| {
                let mut quantile = proto::Quantile::default();
                quantile.set_quantile(*percentile);
                quantile.set_value(times.value_at_percentile(*percentile) as f64 / scale);
                quantile
            };
            summary.set_quantile(percentiles.iter().map(quantile).collect());
            let mut metric = labelled(&[label]);
            metric.set_summary(summary);
            metric
        };
        self.push(name, MetricType::SUMMARY, help, samples.into_iter().map(metric).collect());
    }

    /// Adds a histogram with these buckets, of values in a unit of which `scale` make one of theirs.
    pub fn add_histogram<'l>(
        &mut self,
        name: &str,
        help: &str,
        (bounds, scale): (&[f64], f64),
        samples: impl IntoIterator<Item = (Vec<Label<'l>>, &'l Histogram<u64>)>,
    ) {
        let metric = |(labels, values): (Vec<Label<'l>>, &Histogram<u64>)| {
            let mut metric = labelled(&labels);
            metric.set_histogram(buckets(values, bounds, scale));
            metric
        };
        self.push(name, MetricType::HISTOGRAM, help, samples.into_iter().map(metric).collect());
    }

    fn push(&mut self, name: &str, kind: MetricType, help: &str, metrics: Vec<Metric>) {
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }

    /// All of it as text.
    #[must_use]
    pub fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.0).unwrap_or_else(|error| {
            tracing::error!("metrics: {error}");
            String::new()
        })
    }
}

fn labelled(labels: &[Label<'_>]) -> Metric {
    let pair = |(name, value): &Label<'_>| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

/// The histogram in buckets up to `bounds`. A value counts in the bucket of its own upper end, within the histogram's two digits.
fn buckets(values: &Histogram<u64>, bounds: &[f64], scale: f64) -> proto::Histogram {
    let mut counts = vec![0; bounds.len()];
    let mut sum = 0.0;
    for recorded in values.iter_recorded() {
        let value = recorded.value_iterated_to() as f64 / scale;
        let count = recorded.count_since_last_iteration();
        sum += value * count as f64;
        if let Some(at) = bounds.iter().position(|bound| value <= *bound) {
            counts[at] += count;
        }
    }
    let mut histogram = proto::Histogram::default();
    histogram.set_sample_count(values.len());
    histogram.set_sample_sum(sum);
    let mut below = 0;
    let bucket = |(bound, count): (&f64, u64)| {
        below += count;
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(below);
        bucket
    };
    histogram.set_bucket(bounds.iter().zip(counts).map(bucket).collect());
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_all_below_their_bound() {
        let mut times = Histogram::new_with_bounds(1, 10_000_000_000, 2).unwrap();
        // Nanoseconds: 10 us, 50 us twice, 2 s.
        [10_000_u64, 50_000, 50_000, 2_000_000_000].into_iter().for_each(|ns| times.record(ns).unwrap());
        let mut families = Families::default();
        families.add_histogram("t_seconds", "times", (QUICK_S, 1e9), [(vec![("cmd", "a\"b")], &times)]);
        let text = families.text();
        for line in [
            "# TYPE t_seconds histogram",
            r#"t_seconds_bucket{cmd="a\"b",le="0.000016"} 1"#,
            r#"t_seconds_bucket{cmd="a\"b",le="0.000064"} 3"#,
            r#"t_seconds_bucket{cmd="a\"b",le="1.048576"} 3"#,
            r#"t_seconds_bucket{cmd="a\"b",le="+Inf"} 4"#,
            r#"t_seconds_count{cmd="a\"b"} 4"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn family_without_figures_is_left_out() {
        let mut families = Families::default();
        families.add("a", MetricType::GAUGE, "a", Vec::<([Label<'_>; 0], f64)>::new());
        families.add("b", MetricType::COUNTER, "b", [([("x", "y")], 1.0)]);
        assert_eq!(families.text(), "# HELP b b\n# TYPE b counter\nb{x=\"y\"} 1\n");
    }
}
