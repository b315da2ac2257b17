//! The report as one page: nothing is loaded from anywhere, and no token is in it.

use super::num;
use super::report::{Percentiles, Report, SecondFigures};
use super::svg::{Chart, Line, Shade};
use super::text;
use std::fmt::Write as _;

/// The page's look.
const STYLE: &str = include_str!("page.css");
/// The quantiles that are named below the curve.
const NAMED: [(f64, &str); 6] = [
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
    (0.0, "0"),
];

/// A text as it stands in a page.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Where a quantile stands on the curve: each nine takes as much room as the one before.
fn place(quantile: f64) -> f64 {
    -(1.0 - quantile.min(0.999_999)).log10()
}

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let title = plain(&report.title);
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    );
    // Writing to a string does not fail.
    let _ = write!(out, "<p>warren {} at {}</p>", report.warren, plain(&report.url));
    out.push_str(&verdict(report));
    let mut summary = Vec::new();
    if text::write(report, &mut summary).is_ok() {
        let _ =
            write!(out, "<h2>Summary</h2><pre>{}</pre>", plain(&String::from_utf8_lossy(&summary)));
    }
    out.push_str(&latencies(report));
    for chart in charts(report) {
        out.push_str(&chart.draw());
    }
    if let Ok(scenario) = serde_json::to_string_pretty(&report.scenario) {
        let _ = write!(
            out,
            "<details><summary>The scenario, with all defaults</summary><pre>{}</pre></details>",
            plain(&scenario)
        );
    }
    out.push_str("</body></html>\n");
    out
}

/// How it ended.
fn verdict(report: &Report) -> String {
    let mut out = String::new();
    let mut say = |class: &str, text: &str| {
        let _ = write!(out, "<p class=\"{class}\"><strong>{}</strong></p>", plain(text));
    };
    if !report.counts {
        say("bad", "Does not count: the generator was the bottleneck.");
    }
    for it in report.refusals.iter().chain(&report.failures) {
        say("bad", it);
    }
    if report.passed {
        say("good", "Passed.");
    }
    out
}

/// The latencies as a table.
fn latencies(report: &Report) -> String {
    let load = report.load.as_ref();
    let rows = [
        ("delivery", load.map(|it| &it.delivery)),
        ("acknowledged", load.map(|it| &it.acknowledgement)),
        ("connecting", Some(&report.connect.latency)),
        ("connecting under load", load.map(|it| &it.connect)),
        ("generator late by", Some(&report.generator.lateness)),
    ];
    let mut out = "<h2>Latencies, ms</h2><table><tr><th>from due to</th><th>count</th><th>min</th><th>p50</th>\
        <th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>"
        .to_owned();
    for (name, it) in rows {
        let Some(it) = it.filter(|it| it.count > 0) else { continue };
        let Percentiles { count, min_ms, p50_ms, p90_ms, p99_ms, p999_ms, max_ms, .. } = it;
        let _ = write!(out, "<tr><td>{name}</td><td>{count}</td>");
        for value in [min_ms, p50_ms, p90_ms, p99_ms, p999_ms, max_ms] {
            let _ = write!(out, "<td>{value:.2}</td>");
        }
        out.push_str("</tr>");
    }
    out + "</table>"
}

/// The parts of a plot over time whose figures do not count.
fn unmeasured(report: &Report) -> Vec<Shade> {
    let warmup = report.scenario.run.warmup_s;
    let end = warmup + report.scenario.duration();
    let shades = [
        Shade { name: "warm-up", from: 0.0, to: warmup },
        Shade { name: "afterwards", from: end, to: f64::INFINITY },
    ];
    shades.into_iter().filter(|shade| shade.to > shade.from).collect()
}

/// All charts.
fn charts(report: &Report) -> Vec<Chart> {
    let curve = |name, it: &Percentiles| {
        let drawn = it.curve.iter().filter(|(quantile, _)| *quantile < 1.0);
        Line { name, points: drawn.map(|(quantile, ms)| (place(*quantile), *ms)).collect() }
    };
    let mut lines = Vec::new();
    if let Some(load) = &report.load {
        lines.push(curve("delivery, ms", &load.delivery));
        lines.push(curve("acknowledged, ms", &load.acknowledgement));
    }
    lines.push(curve("connecting, ms", &report.connect.latency));
    lines.retain(|line| !line.points.is_empty());
    let ticks = NAMED.iter().map(|(quantile, name)| (place(*quantile), (*name).to_owned()));
    let percentiles = Chart {
        title: "Latency by percentile",
        ticks: ticks.collect(),
        below: "",
        shades: Vec::new(),
        lines,
    };
    let shades = unmeasured(report);
    let over = |title, lines| {
        let (ticks, shades) = (Vec::new(), shades.clone());
        Chart { title, ticks, below: "seconds from the first publish", shades, lines }
    };
    let line = |name, value: &dyn Fn(&SecondFigures) -> Option<f64>| Line {
        name,
        points: report
            .seconds
            .iter()
            // A second's figure stands in its middle.
            .filter_map(|it| Some((num::float(it.second) + 0.5, value(it)?)))
            .collect(),
    };
    let deliveries = line("deliveries/s", &|it| Some(num::float(it.delivered)));
    let publishes = line("publishes/s", &|it| Some(num::float(it.published)));
    let middle = line("p50, ms", &|it| Some(it.p50_ms));
    let slow = line("p99, ms", &|it| Some(it.p99_ms));
    let cores = line("server, cores", &|it| it.server_cores);
    let busy = line("generator's busiest thread, share", &|it| Some(it.generator_busy));
    let memory = line("MiB", &|it| Some(num::float(it.server_bytes?) / 1_048_576.0));
    let connections = line("connections", &|it| Some(num::float(num::count(it.connections))));
    vec![
        percentiles,
        over("Throughput: deliveries", vec![deliveries]),
        over("Throughput: publishes", vec![publishes]),
        over("Latency of deliveries", vec![middle, slow]),
        over("CPU", vec![cores, busy]),
        over("The server's memory", vec![memory]),
        over("Connections", vec![connections]),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::report::{Connecting, GeneratorFigures, Totals};
    use super::super::scenario::Scenario;
    use super::*;

    /// A report of a run against a server with secrets.
    fn report() -> Report {
        let text = "title = \"a <b> & c\"\n[server.config]\nproject-token = \"ptk_secret\"\nadmin-token = \"pat_secret\"\n\
            [[group]]\nname = \"g\"\n";
        let second = |second| SecondFigures { second, delivered: 10, ..SecondFigures::default() };
        Report {
            warren: "0",
            title: "a <b> & c".to_owned(),
            counts: true,
            passed: true,
            refusals: Vec::new(),
            failures: Vec::new(),
            notes: Vec::new(),
            url: "http://127.0.0.1:1".to_owned(),
            totals: Totals::default(),
            connect: Connecting { connections: 1, ..Connecting::default() },
            idle: None,
            load: None,
            storms: Vec::new(),
            generator: GeneratorFigures::default(),
            thresholds: Vec::new(),
            seconds: (0..3).map(second).collect(),
            scenario: Scenario::read(text, &[]).unwrap(),
            comparison: None,
        }
    }

    #[test]
    fn nothing_is_loaded_and_no_token_is_shown() {
        let page = page(&report());
        assert!(page.contains("a &lt;b&gt; &amp; c") && !page.contains("<b>"));
        for word in ["ptk_", "pat_", "src=", "href=", "@import", "url(", "<script"] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains("<polyline"));
        assert!(page.contains(">warm-up<"), "what is not measured is marked");
        // A line of the summary that is too long for the page is broken, not cut.
        assert!(STYLE.contains("pre { ") && STYLE.contains("white-space: pre-wrap"));
    }

    #[test]
    fn a_token_is_not_in_the_json_either() {
        let json = serde_json::to_string(&report()).unwrap();
        assert!(!json.contains("ptk_") && !json.contains("pat_"), "{json}");
    }
}
