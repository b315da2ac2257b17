//! Whether the figures count, and whether they are good (`docs/BENCH.md`, When there is no report; Thresholds).

use super::report::{GeneratorFigures, Percentiles, Report, ServerFigures, Threshold};
use super::scenario::Scenario;

/// The share of publishes that may leave late.
const LATE_SHARE: f64 = 0.01;
/// How late the slowest hundredth may be on a thread that is busy all the time, milliseconds.
const BUSY_LATE_MS: f64 = 1.0;
/// The share of the cores that a server may use from which it counts as saturated.
const SATURATED: f64 = 0.85;

/// The figures that may have a threshold.
const FIGURES: [&str; 25] = [
    "lost",
    "duplicated",
    "reordered",
    "errors",
    "unsent",
    "stalls",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "ack_p50_ms",
    "ack_p99_ms",
    "connect_p50_ms",
    "connect_p99_ms",
    "reconnect_p99_ms",
    "storm_back_s",
    "deliveries_per_s",
    "publishes_per_s",
    "connects_per_s",
    "server_us_per_delivery",
    "server_us_per_publish",
    "server_us_per_connect",
    "bytes_per_connection",
    "peak_bytes",
];

/// Whether there is a figure of this name.
pub(super) fn is_known(name: &str) -> bool {
    FIGURES.contains(&name)
}

/// A figure of a report; none if it was not measured.
fn figure(report: &Report, name: &str) -> Option<f64> {
    let (totals, load) = (&report.totals, report.load.as_ref());
    let whole = |count: u64| Some(super::num::float(count));
    let of = |percentiles: &Percentiles, value: f64| (percentiles.count > 0).then_some(value);
    let delivery = load.map(|it| &it.delivery);
    let ack = load.map(|it| &it.acknowledgement);
    let server = load.and_then(|it| it.server.as_ref());
    match name {
        "lost" => whole(totals.lost),
        "duplicated" => whole(totals.duplicated),
        "reordered" => whole(totals.reordered),
        "errors" => whole(totals.errors),
        "unsent" => whole(totals.unsent),
        "stalls" => whole(totals.stalls),
        "p50_ms" => delivery.and_then(|it| of(it, it.p50_ms)),
        "p90_ms" => delivery.and_then(|it| of(it, it.p90_ms)),
        "p99_ms" => delivery.and_then(|it| of(it, it.p99_ms)),
        "p999_ms" => delivery.and_then(|it| of(it, it.p999_ms)),
        "max_ms" => delivery.and_then(|it| of(it, it.max_ms)),
        "ack_p50_ms" => ack.and_then(|it| of(it, it.p50_ms)),
        "ack_p99_ms" => ack.and_then(|it| of(it, it.p99_ms)),
        "connect_p50_ms" => of(&report.connect.latency, report.connect.latency.p50_ms),
        "connect_p99_ms" => of(&report.connect.latency, report.connect.latency.p99_ms),
        "reconnect_p99_ms" => load.and_then(|it| of(&it.connect, it.connect.p99_ms)),
        "storm_back_s" => report.storms.iter().map(|it| it.back_after_s).reduce(f64::max),
        "deliveries_per_s" => load.map(|it| it.deliveries_per_s),
        "publishes_per_s" => load.map(|it| it.publishes_per_s),
        "connects_per_s" => match load {
            Some(load) if load.connect.count > 0 => Some(load.connects_per_s),
            _ => Some(report.connect.per_s),
        },
        "server_us_per_delivery" => server.and_then(|it| it.us_per_delivery),
        "server_us_per_publish" => server.and_then(|it| it.us_per_publish),
        "server_us_per_connect" => {
            server.and_then(|it| it.us_per_connect).or(report.connect.server_us_each)
        }
        "bytes_per_connection" => report.idle.as_ref().map(|it| it.bytes_per_connection),
        "peak_bytes" => server.and_then(|it| whole(it.peak_bytes)),
        _ => None,
    }
}

/// The thresholds of a report: rates a second are at least what they must be, all others at most.
pub(super) fn thresholds(report: &Report) -> Vec<Threshold> {
    let judged = |(name, bound): (&String, &f64)| {
        let value = figure(report, name);
        let is_met = |value: f64| {
            if name.ends_with("_per_s") { value >= *bound } else { value <= *bound }
        };
        let passed = value.is_some_and(is_met);
        Threshold { name: name.clone(), bound: *bound, value, passed }
    };
    report.scenario.thresholds.iter().map(judged).collect()
}

/// What failed: what is never allowed, unless a threshold allows it, and thresholds that are not met.
pub(super) fn failures(report: &Report) -> Vec<String> {
    let allowed = &report.scenario.thresholds;
    let mut failures = Vec::new();
    for name in ["lost", "duplicated", "reordered", "errors", "unsent"] {
        let value = figure(report, name).unwrap_or(0.0);
        if value > 0.0 && !allowed.contains_key(name) {
            failures.push(format!("{name}: {value}"));
        }
    }
    let missing: u64 =
        report.storms.iter().map(|it| it.dropped - it.returned.min(it.dropped)).sum();
    if missing > 0 {
        failures.push(format!("{missing} connections did not come back from a storm"));
    }
    for it in report.thresholds.iter().filter(|it| !it.passed) {
        let side = if it.name.ends_with("_per_s") { "at least" } else { "at most" };
        let value =
            it.value.map_or_else(|| "was not measured".to_owned(), |it| format!("is {it:.3}"));
        failures.push(format!("{} {value}; it must be {side} {}", it.name, it.bound));
    }
    failures
}

/// Why the figures do not count: the generator was what limited them.
pub(super) fn refusals(
    scenario: &Scenario,
    generator: &GeneratorFigures,
    server: Option<&ServerFigures>,
) -> Vec<String> {
    let settings = &scenario.generator;
    let mut refusals = Vec::new();
    if generator.too_late > LATE_SHARE {
        refusals.push(format!(
            "{:.1} % of the publishes left more than {} ms after they were due, though a publisher was free (p99 {:.2} ms, \
             max {:.2} ms): the generator cannot make this rate here, or was stopped meanwhile",
            generator.too_late * 100.0,
            settings.max_late_ms,
            generator.lateness.p99_ms,
            generator.lateness.max_ms
        ));
    }
    let is_closed = scenario.flows.iter().any(|flow| !flow.is_open());
    let is_saturated = server.is_some_and(|it| it.cores >= SATURATED * it.allowed_cores);
    for (number, thread) in generator.threads.iter().enumerate() {
        if thread.busy < settings.max_busy {
            continue;
        }
        let busy = format!(
            "generator thread {number} on CPU {} was busy for {:.0} % of its time",
            thread.cpu,
            thread.busy * 100.0
        );
        if generator.lateness.p99_ms > BUSY_LATE_MS
            && !scenario.flows.iter().all(|it| !it.is_open())
        {
            refusals.push(format!(
                "{busy} while publishes left late (p99 {:.2} ms)",
                generator.lateness.p99_ms
            ));
        } else if is_closed && !is_saturated {
            let server = server.map_or_else(
                || "nobody can see the server's CPU".to_owned(),
                |it| format!("the server used {:.2} of its {} cores", it.cores, it.allowed_cores),
            );
            refusals.push(format!("{busy}, and {server}: the server was not the saturated side"));
        }
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::super::report::ThreadFigures;
    use super::*;

    /// A scenario with one flow.
    fn scenario(flow: &str) -> Scenario {
        let text =
            format!("title = \"t\"\n[[group]]\nname = \"g\"\n[[publish]]\ngroup = \"g\"\n{flow}\n");
        Scenario::read(&text, &[]).unwrap()
    }

    /// A generator with one thread.
    fn generator(busy: f64, p99_ms: f64, too_late: f64) -> GeneratorFigures {
        GeneratorFigures {
            threads: vec![ThreadFigures { cpu: 1, busy, cores: busy, waited: 0.0 }],
            lateness: Percentiles { count: 100, p99_ms, ..Percentiles::default() },
            too_late,
            ..GeneratorFigures::default()
        }
    }

    /// A server that may use one core.
    fn server(cores: f64) -> ServerFigures {
        ServerFigures { cores, allowed_cores: 1.0, ..ServerFigures::default() }
    }

    #[test]
    fn a_generator_with_air_counts() {
        let (open, closed) = (scenario("rate = 9.0"), scenario("window = 1"));
        assert!(refusals(&open, &generator(0.5, 0.1, 0.0), None).is_empty());
        assert!(refusals(&closed, &generator(0.5, 0.1, 0.0), None).is_empty());
        assert!(refusals(&closed, &generator(0.95, 0.0, 0.0), Some(&server(0.99))).is_empty());
        // Busy, but everything left in time.
        assert!(refusals(&open, &generator(0.95, 0.1, 0.0), None).is_empty());
    }

    #[test]
    fn one_that_was_the_limit_does_not_and_is_named() {
        let (open, closed) = (scenario("rate = 9.0"), scenario("window = 1"));
        for (scenario, generator, server, words) in [
            (&open, generator(0.2, 40.0, 0.5), None, "50.0 %"),
            (&open, generator(0.97, 2.0, 0.0), Some(server(0.99)), "thread 0 on CPU 1"),
            (&closed, generator(0.97, 0.0, 0.0), Some(server(0.4)), "0.40 of its 1 cores"),
            (&closed, generator(0.97, 0.0, 0.0), None, "nobody can see"),
        ] {
            let refusals = refusals(scenario, &generator, server.as_ref());
            assert!(refusals.len() == 1 && refusals[0].contains(words), "{refusals:?}");
        }
    }
}
