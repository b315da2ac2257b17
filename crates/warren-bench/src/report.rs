//! What is reported: figures and how they came about, never a token (`docs/BENCH.md`, Reading the report).

use super::num;
use super::scenario::Scenario;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;

/// The quantiles of the curve that is drawn.
const CURVE: [f64; 14] =
    [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 1.0];

/// The whole report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The version of the binary that measured.
    pub(super) warren: &'static str,
    /// The scenario's title.
    pub(super) title: String,
    /// Whether the figures count: the generator was not what limited them.
    pub(super) counts: bool,
    /// Whether everything passed.
    pub(super) passed: bool,
    /// Why the figures do not count.
    pub(super) refusals: Vec<String>,
    /// What failed.
    pub(super) failures: Vec<String>,
    /// What to know beside the figures.
    pub(super) notes: Vec<String>,
    /// The server's URL.
    pub(super) url: String,
    /// The totals, from the first connection to the last delivery.
    pub(super) totals: Totals,
    /// Connecting.
    pub(super) connect: Connecting,
    /// The quiet after it; none where the server's process cannot be seen.
    pub(super) idle: Option<Idle>,
    /// The measured load; none where the scenario has none.
    pub(super) load: Option<Load>,
    /// The storms.
    pub(super) storms: Vec<StormFigures>,
    /// The generator.
    pub(super) generator: GeneratorFigures,
    /// The thresholds.
    pub(super) thresholds: Vec<Threshold>,
    /// Second by second.
    pub(super) seconds: Vec<SecondFigures>,
    /// What was asked for.
    pub(super) scenario: Scenario,
    /// The comparison with a bare server, if there was one; all else is of Warren's last run then.
    pub(super) comparison: Option<Comparison>,
}

/// Warren's cost against a bare server's.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Comparison {
    /// What is compared.
    pub(super) figure: &'static str,
    /// Whether the bare server put what waited into one write.
    pub(super) coalesce: bool,
    /// The least ratio.
    pub(super) min: f64,
    /// The middle one.
    pub(super) median: f64,
    /// The largest.
    pub(super) max: f64,
    /// Each pair, in the order in which they were measured.
    pub(super) pairs: Vec<Pair>,
}

/// Both costs, measured one right after the other.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Pair {
    /// The bare server's.
    pub(super) bare: f64,
    /// Warren's.
    pub(super) warren: f64,
    /// The second by the first.
    pub(super) ratio: f64,
}

impl Comparison {
    /// Of these pairs.
    pub(super) fn new(figure: &'static str, coalesce: bool, pairs: Vec<Pair>) -> Self {
        let mut ratios: Vec<_> = pairs.iter().map(|pair| pair.ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let at = |place: usize| ratios.get(place).copied().unwrap_or(0.0);
        let count = ratios.len();
        let median = f64::midpoint(at(count.saturating_sub(1) / 2), at(count / 2));
        Self { figure, coalesce, min: at(0), median, max: at(count.saturating_sub(1)), pairs }
    }
}

/// The totals.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Totals {
    /// Publishes that left.
    pub(super) published: u64,
    /// Publishes that were answered well; those over the socket are not answered.
    pub(super) acknowledged: u64,
    /// Deliveries that were to come, by who was listening.
    pub(super) expected: u64,
    /// Deliveries that came, each once.
    pub(super) delivered: u64,
    /// Deliveries that never came.
    pub(super) lost: u64,
    /// Deliveries that came again.
    pub(super) duplicated: u64,
    /// Deliveries that came after a later one of their publisher.
    pub(super) reordered: u64,
    /// Deliveries to slow readers.
    pub(super) to_slow_readers: u64,
    /// Slow readers that the server closed.
    pub(super) slow_readers_closed: u64,
    /// Connections that were subscribed.
    pub(super) connected: u64,
    /// Connections that left as planned.
    pub(super) left: u64,
    /// Times at which nothing came for a second though something was missing.
    pub(super) stalls: u64,
    /// Publishes that were due and never left, because every publisher was waiting for an answer.
    pub(super) unsent: u64,
    /// Errors.
    pub(super) errors: u64,
    /// Errors by what they were.
    pub(super) troubles: BTreeMap<String, u64>,
}

/// Connecting.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Connecting {
    /// Connections.
    pub(super) connections: usize,
    /// How long all of them took.
    pub(super) seconds: f64,
    /// Connections a second.
    pub(super) per_s: f64,
    /// From when each was due to its subscription.
    pub(super) latency: Percentiles,
    /// The server's CPU for each.
    pub(super) server_us_each: Option<f64>,
}

/// The quiet after connecting.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Idle {
    /// The server's bytes in memory before the first connection.
    pub(super) bytes_before: u64,
    /// The same with all of them, after the quiet.
    pub(super) bytes_after: u64,
    /// The growth for each connection.
    pub(super) bytes_per_connection: f64,
    /// The server's CPU during the hold, as a share of one core.
    pub(super) hold_cores: f64,
}

/// The measured load.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Load {
    /// How long it was measured.
    pub(super) seconds: f64,
    /// Publishes that left, a second.
    pub(super) publishes_per_s: f64,
    /// Publishes that were answered, a second.
    pub(super) acknowledged_per_s: f64,
    /// Deliveries, a second.
    pub(super) deliveries_per_s: f64,
    /// Connections that came, a second.
    pub(super) connects_per_s: f64,
    /// From when a publish was due to each delivery.
    pub(super) delivery: Percentiles,
    /// From when a publish was due to its answer.
    pub(super) acknowledgement: Percentiles,
    /// From when a connection was due to its subscription.
    pub(super) connect: Percentiles,
    /// The server; none where its process cannot be seen.
    pub(super) server: Option<ServerFigures>,
}

/// The server under load.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ServerFigures {
    /// Its CPU in its own code, seconds.
    pub(super) user_s: f64,
    /// Its CPU in the kernel, seconds.
    pub(super) system_s: f64,
    /// Its CPU as a number of cores.
    pub(super) cores: f64,
    /// The cores that it may use.
    pub(super) allowed_cores: f64,
    /// Its CPU for each delivery, microseconds.
    pub(super) us_per_delivery: Option<f64>,
    /// Its CPU for each publish, microseconds.
    pub(super) us_per_publish: Option<f64>,
    /// Its CPU for each connection that came, microseconds.
    pub(super) us_per_connect: Option<f64>,
    /// The most bytes in memory.
    pub(super) peak_bytes: u64,
}

/// A storm.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct StormFigures {
    /// Seconds after the measured load began.
    pub(super) at_s: f64,
    /// Connections that broke off.
    pub(super) dropped: u64,
    /// Those that came back.
    pub(super) returned: u64,
    /// How long it took until the last one was subscribed again.
    pub(super) back_after_s: f64,
}

/// The generator.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct GeneratorFigures {
    /// Its threads.
    pub(super) threads: Vec<ThreadFigures>,
    /// How late publishes left though somebody could have sent them.
    pub(super) lateness: Percentiles,
    /// The share of publishes that left later than allowed.
    pub(super) too_late: f64,
    /// CPU that neither the server nor the generator used, as a number of cores.
    pub(super) foreign_cores: f64,
    /// Reads for each delivery.
    pub(super) reads_per_delivery: f64,
}

/// A thread of the generator.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ThreadFigures {
    /// The CPU that it last ran on.
    pub(super) cpu: usize,
    /// The share of its time that it worked.
    pub(super) busy: f64,
    /// Its CPU as a number of cores, spinning included.
    pub(super) cores: f64,
    /// The share of its time for which another one had its CPU.
    pub(super) waited: f64,
}

/// A threshold.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Threshold {
    /// The figure.
    pub(super) name: String,
    /// What it must be at most, or at least.
    pub(super) bound: f64,
    /// What it is; none if it was not measured.
    pub(super) value: Option<f64>,
    /// Whether it is met.
    pub(super) passed: bool,
}

/// One second.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct SecondFigures {
    /// Which one, from when the load began.
    pub(super) second: u64,
    /// Publishes in it.
    pub(super) published: u64,
    /// Deliveries in it.
    pub(super) delivered: u64,
    /// Errors in it.
    pub(super) errors: u64,
    /// Connections at its end.
    pub(super) connections: usize,
    /// The middle latency.
    pub(super) p50_ms: f64,
    /// That of the slowest hundredth.
    pub(super) p99_ms: f64,
    /// The server's CPU as a number of cores.
    pub(super) server_cores: Option<f64>,
    /// The server's bytes in memory.
    pub(super) server_bytes: Option<u64>,
    /// The busiest generator thread's share of its time.
    pub(super) generator_busy: f64,
}

/// A histogram's figures, milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Percentiles {
    /// How many were recorded.
    pub(super) count: u64,
    /// The least.
    pub(super) min_ms: f64,
    /// The mean.
    pub(super) mean_ms: f64,
    /// The middle.
    pub(super) p50_ms: f64,
    /// That of the slowest tenth.
    pub(super) p90_ms: f64,
    /// That of the slowest hundredth.
    pub(super) p99_ms: f64,
    /// That of the slowest thousandth.
    pub(super) p999_ms: f64,
    /// The most.
    pub(super) max_ms: f64,
    /// Quantiles and their values, for the curve.
    pub(super) curve: Vec<(f64, f64)>,
}

impl Percentiles {
    /// A histogram's; of microseconds.
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let ms = |micros: u64| num::float(micros) / 1000.0;
        let at = |quantile: f64| ms(histogram.value_at_quantile(quantile));
        // The last bucket's end lies behind the largest value.
        let at = |quantile: f64| at(quantile).min(ms(histogram.max()));
        Self {
            count: histogram.len(),
            min_ms: ms(histogram.min()),
            mean_ms: histogram.mean() / 1000.0,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(histogram.max()),
            curve: CURVE.iter().map(|quantile| (*quantile, at(*quantile))).collect(),
        }
    }
}

impl Report {
    /// Leaves out every figure, where they do not count; what is left tells why.
    pub(super) fn without_figures(self) -> Self {
        Self {
            load: None,
            idle: None,
            connect: Connecting::default(),
            seconds: Vec::new(),
            storms: Vec::new(),
            thresholds: Vec::new(),
            comparison: None,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::histogram;
    use super::*;

    #[test]
    fn percentiles_are_milliseconds() {
        let mut recorded = histogram().unwrap();
        for value in 1..=1000 {
            recorded.saturating_record(value * 1000);
        }
        let figures = Percentiles::of(&recorded);
        for (figure, value) in [
            (figures.min_ms, 1.0),
            (figures.p50_ms, 500.0),
            (figures.p90_ms, 900.0),
            (figures.p99_ms, 990.0),
            (figures.p999_ms, 999.0),
            (figures.max_ms, 1000.0),
        ] {
            assert!((figure - value).abs() <= value / 500.0, "{figure} is not {value}");
        }
        assert!(figures.curve.windows(2).all(|two| two[0].1 <= two[1].1));
        assert_eq!(Percentiles::of(&histogram().unwrap()).count, 0);
    }

    #[test]
    fn the_median_of_pairs_is_their_middle() {
        let of = |ratios: &[f64]| {
            let pair = |ratio: &f64| Pair { bare: 1.0, warren: *ratio, ratio: *ratio };
            let it = Comparison::new("x", true, ratios.iter().map(pair).collect());
            (it.min, it.median, it.max)
        };
        assert_eq!(of(&[3.0, 1.0, 2.0]), (1.0, 2.0, 3.0));
        assert_eq!(of(&[4.0, 1.0]), (1.0, 2.5, 4.0));
    }
}
