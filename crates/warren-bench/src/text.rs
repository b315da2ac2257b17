//! The summary for people: a few lines of text.

use super::report::{Percentiles, Report};
use std::io::{self, Write};

/// Writes a line with a name before it.
fn line(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {name:<14} {text}")
}

/// A histogram's figures in one line.
fn spread(it: &Percentiles) -> String {
    format!(
        "min {:.2}  p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2}  max {:.2} ms",
        it.min_ms, it.p50_ms, it.p90_ms, it.p99_ms, it.p999_ms, it.max_ms
    )
}

/// Writes a report.
///
/// # Errors
/// Those of the writer.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", report.title)?;
    if !report.counts {
        writeln!(out, "DOES NOT COUNT: the generator was the bottleneck")?;
        for refusal in &report.refusals {
            writeln!(out, "  - {refusal}")?;
        }
    }
    if report.connect.connections > 0 || report.load.is_some() {
        figures(report, out)?;
    }
    if let Some(it) = &report.comparison {
        let text = format!(
            "{}: {:.2} × the bare server (min {:.2}, max {:.2}, {} pairs)",
            it.figure,
            it.median,
            it.min,
            it.max,
            it.pairs.len()
        );
        line(out, "comparison", &text)?;
        for pair in &it.pairs {
            let text =
                format!("bare {:.2}, warren {:.2}: {:.2} ×", pair.bare, pair.warren, pair.ratio);
            line(out, "", &text)?;
        }
    }
    for note in &report.notes {
        writeln!(out, "  note: {note}")?;
    }
    for it in &report.thresholds {
        let mark = if it.passed { "met" } else { "NOT MET" };
        let value = it.value.map_or_else(|| "not measured".to_owned(), |it| format!("{it:.3}"));
        line(out, &format!("{} {}", it.name, it.bound), &format!("{value}  {mark}"))?;
    }
    for failure in &report.failures {
        writeln!(out, "FAILED: {failure}")?;
    }
    if report.passed { writeln!(out, "passed") } else { Ok(()) }
}

/// Writes the figures.
fn figures(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (totals, connect) = (&report.totals, &report.connect);
    let each = connect
        .server_us_each
        .map_or_else(String::new, |it| format!(", {it:.1} µs of server CPU each"));
    let text = format!(
        "{} in {:.2} s, {:.0}/s{each}",
        connect.connections, connect.seconds, connect.per_s
    );
    line(out, "connections", &text)?;
    line(out, "connecting", &spread(&connect.latency))?;
    if let Some(idle) = &report.idle {
        let text = format!(
            "{:.0} bytes per connection ({:.1} MiB before, {:.1} MiB after)",
            idle.bytes_per_connection,
            super::num::float(idle.bytes_before) / 1_048_576.0,
            super::num::float(idle.bytes_after) / 1_048_576.0
        );
        line(out, "idle", &text)?;
    }
    load(report, out)?;
    for storm in &report.storms {
        let text = format!(
            "at {} s: {} broke off, {} came back within {:.2} s",
            storm.at_s, storm.dropped, storm.returned, storm.back_after_s
        );
        line(out, "storm", &text)?;
    }
    let text = format!(
        "{} published, {} delivered of {} expected; {} lost, {} twice, {} out of order, {} errors",
        totals.published,
        totals.delivered,
        totals.expected,
        totals.lost,
        totals.duplicated,
        totals.reordered,
        totals.errors
    );
    line(out, "checked", &text)?;
    if totals.unsent > 0 {
        let text = format!(
            "{} publishes that were due: all publishers were waiting for answers",
            totals.unsent
        );
        line(out, "never sent", &text)?;
    }
    for (what, count) in &totals.troubles {
        line(out, "", &format!("{count} × {what}"))?;
    }
    if totals.to_slow_readers + totals.slow_readers_closed > 0 {
        let text = format!(
            "{} deliveries read, {} readers closed by the server",
            totals.to_slow_readers, totals.slow_readers_closed
        );
        line(out, "slow readers", &text)?;
    }
    for thread in &report.generator.threads {
        let text = format!("on CPU {}, busy {:.0} %", thread.cpu, thread.busy * 100.0);
        line(out, "generator", &text)?;
    }
    Ok(())
}

/// Writes the measured load.
fn load(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let Some(load) = &report.load else { return Ok(()) };
    let text = format!(
        "{:.1} publishes/s, {:.0} deliveries/s, {:.0} connects/s over {:.2} s",
        load.publishes_per_s, load.deliveries_per_s, load.connects_per_s, load.seconds
    );
    line(out, "load", &text)?;
    for (name, it) in [
        ("delivery", &load.delivery),
        ("acknowledged", &load.acknowledgement),
        ("reconnected", &load.connect),
    ] {
        if it.count > 0 {
            line(out, name, &spread(it))?;
        }
    }
    if let Some(server) = &load.server {
        let us = |it: Option<f64>| it.map_or_else(|| "–".to_owned(), |it| format!("{it:.2}"));
        let text = format!(
            "{:.2} of {} cores; CPU µs: {} a delivery, {} a publish, {} a connect",
            server.cores,
            server.allowed_cores,
            us(server.us_per_delivery),
            us(server.us_per_publish),
            us(server.us_per_connect)
        );
        line(out, "server", &text)?;
    }
    Ok(())
}
