//! From counts to figures: what a measurement says.

use super::drive::{Measured, Moment, Second};
use super::lane::{Heard, Outcome};
use super::machine;
use super::num::{self, ratio};
use super::plan::Plan;
use super::report::{
    Connecting, GeneratorFigures, Idle, Load, Percentiles, Report, SecondFigures, ServerFigures,
    StormFigures, ThreadFigures, Totals,
};
use super::tally::Tally;
use super::verdict;
use std::collections::HashSet;

/// CPU of others that makes a run worth repeating, as a number of cores.
const FOREIGN_CORES: f64 = 0.2;

/// Makes a report of a measurement.
///
/// # Errors
/// [`super::error::BenchError::Generator`], which does not happen.
pub(super) fn report(
    plan: &Plan,
    measured: &Measured,
    pid: Option<u32>,
) -> Result<Report, super::error::BenchError> {
    let mut tally = Tally::new()?;
    for outcome in &measured.outcomes {
        tally.add(&outcome.tally);
    }
    let load = load(plan, measured, &tally, pid);
    let generator = generator(measured, &tally);
    let server = load.as_ref().and_then(|it| it.server.as_ref());
    let refusals = verdict::refusals(&plan.scenario, &generator, server);
    let mut report = Report {
        warren: env!("CARGO_PKG_VERSION"),
        title: plan.scenario.title.clone(),
        counts: refusals.is_empty(),
        passed: false,
        refusals,
        failures: Vec::new(),
        notes: notes(plan, measured, &generator),
        url: plan.target.url.clone(),
        totals: totals(measured, &tally),
        connect: connecting(plan, measured, &tally),
        idle: idle(plan, measured),
        load,
        storms: storms(plan, &measured.outcomes),
        generator,
        thresholds: Vec::new(),
        seconds: seconds(measured),
        scenario: plan.scenario.clone(),
        comparison: None,
    };
    report.thresholds = verdict::thresholds(&report);
    report.failures = verdict::failures(&report);
    report.passed = report.counts && report.failures.is_empty();
    Ok(report)
}

/// Deliveries that never came, over all connections.
fn lost(measured: &Measured) -> u64 {
    let void: HashSet<_> =
        measured.outcomes.iter().flat_map(|it| it.void.iter().copied()).collect();
    let lost_by = |heard: &Heard| {
        let is_void = |publisher, sequence| void.contains(&(heard.channel, publisher, sequence));
        if !heard.is_whole {
            return heard.checker.lost_so_far(is_void);
        }
        let sent = measured.sent.get(heard.channel).map(Vec::as_slice).unwrap_or_default();
        let sent = sent.iter().enumerate().filter(|(_, sent)| **sent > 0);
        let sent = sent.filter_map(|(at, sent)| Some((u16::try_from(at).ok()?, *sent)));
        heard.checker.lost(sent, is_void)
    };
    measured.outcomes.iter().flat_map(|it| &it.heard).map(lost_by).sum()
}

/// The totals.
fn totals(measured: &Measured, tally: &Tally) -> Totals {
    Totals {
        published: tally.total.published,
        acknowledged: tally.total.acked,
        expected: tally.expected,
        delivered: tally.total.delivered,
        lost: lost(measured),
        duplicated: tally.duplicated,
        reordered: tally.reordered,
        to_slow_readers: tally.slow_delivered,
        slow_readers_closed: tally.slow_closed,
        connected: tally.total.connected,
        left: tally.left,
        stalls: tally.stalls,
        unsent: tally.unsent,
        errors: tally.total.errors,
        troubles: tally.troubles.clone(),
    }
}

/// The server's CPU between two moments, seconds.
fn server_cpu(from: &Moment, to: &Moment) -> Option<f64> {
    Some(to.server?.cpu() - from.server?.cpu())
}

/// Microseconds each, of so many seconds.
fn us_each(seconds: Option<f64>, count: u64) -> Option<f64> {
    seconds.filter(|_| count > 0).map(|it| it * 1e6 / num::float(count))
}

/// Connecting.
fn connecting(plan: &Plan, measured: &Measured, tally: &Tally) -> Connecting {
    let (from, to) = (&measured.moments.start, &measured.moments.connected);
    let connections = plan.scenario.connections();
    let seconds = to.at - from.at;
    let count = num::count(connections);
    Connecting {
        connections,
        seconds,
        per_s: ratio(num::float(count), seconds),
        latency: Percentiles::of(&tally.connect),
        server_us_each: us_each(server_cpu(from, to), count),
    }
}

/// The quiet after connecting.
fn idle(plan: &Plan, measured: &Measured) -> Option<Idle> {
    let moments = &measured.moments;
    let (before, after) = (moments.start.server?.memory, moments.held.server?.memory);
    let growth = num::float(after) - num::float(before);
    let held = moments.held.at - moments.settled.at;
    Some(Idle {
        bytes_before: before,
        bytes_after: after,
        bytes_per_connection: ratio(growth, num::float(num::count(plan.scenario.connections()))),
        hold_cores: ratio(server_cpu(&moments.settled, &moments.held)?, held),
    })
}

/// The measured load.
fn load(plan: &Plan, measured: &Measured, tally: &Tally, pid: Option<u32>) -> Option<Load> {
    let (from, to) = measured.moments.load?;
    let mut counts = super::tally::Counts::default();
    let mut seconds = 0.0_f64;
    for outcome in &measured.outcomes {
        counts.add(&outcome.effort.counts);
        seconds = seconds.max(outcome.effort.seconds);
    }
    let per_s = |count: u64| ratio(num::float(count), seconds);
    let cpu = server_cpu(&from, &to);
    let server = cpu.and_then(|cpu| {
        let (before, after) = (from.server?, to.server?);
        let pinned = pid.and_then(machine::allowed_cpus).unwrap_or(1);
        let workers = plan.scenario.server.workers;
        let allowed = if workers == 0 { pinned } else { pinned.min(workers) };
        Some(ServerFigures {
            user_s: after.user - before.user,
            system_s: after.system - before.system,
            cores: ratio(cpu, to.at - from.at),
            allowed_cores: num::float(num::count(allowed)),
            us_per_delivery: us_each(Some(cpu), counts.delivered),
            us_per_publish: us_each(Some(cpu), counts.published),
            us_per_connect: us_each(Some(cpu), counts.connected),
            peak_bytes: measured.moments.peak,
        })
    });
    Some(Load {
        seconds,
        publishes_per_s: per_s(counts.published),
        acknowledged_per_s: per_s(counts.acked),
        deliveries_per_s: per_s(counts.delivered),
        connects_per_s: per_s(counts.connected),
        delivery: Percentiles::of(&tally.delivery),
        acknowledgement: Percentiles::of(&tally.ack),
        connect: Percentiles::of(&tally.reconnect),
        server,
    })
}

/// The generator.
fn generator(measured: &Measured, tally: &Tally) -> GeneratorFigures {
    let threads = measured.outcomes.iter().map(|outcome| {
        let effort = &outcome.effort;
        ThreadFigures {
            cpu: outcome.cpu,
            busy: ratio(effort.busy, effort.seconds),
            cores: ratio(effort.cpu, effort.seconds),
            waited: ratio(effort.waited, effort.seconds),
        }
    });
    let reads: u64 = measured.outcomes.iter().map(|it| it.effort.reads).sum();
    let delivered: u64 = measured.outcomes.iter().map(|it| it.effort.counts.delivered).sum();
    let foreign = measured.moments.load.map_or(0.0, |(from, to)| {
        let others = (to.machine - from.machine)
            - (to.own - from.own)
            - server_cpu(&from, &to).unwrap_or_default();
        ratio(others, to.at - from.at)
    });
    GeneratorFigures {
        threads: threads.collect(),
        lateness: Percentiles::of(&tally.late),
        too_late: ratio(num::float(tally.too_late), num::float(tally.late.len())),
        foreign_cores: foreign,
        reads_per_delivery: ratio(num::float(reads), num::float(delivered)),
    }
}

/// What to know beside the figures.
fn notes(plan: &Plan, measured: &Measured, generator: &GeneratorFigures) -> Vec<String> {
    let mut notes = Vec::new();
    if measured.moments.start.server.is_none() {
        notes.push("the server's process cannot be seen: no CPU, no memory".to_owned());
    } else if generator.foreign_cores > FOREIGN_CORES {
        let text = format!(
            "others used {:.2} cores of this machine meanwhile; repeat the run when it is quiet",
            generator.foreign_cores
        );
        notes.push(text);
    }
    let waited = generator.threads.iter().map(|it| it.waited).fold(0.0, f64::max);
    if waited > 0.05 {
        let share = waited * 100.0;
        notes.push(format!("a generator thread waited for its CPU for {share:.0} % of its time"));
    }
    notes.extend(measured.first_trouble.iter().map(|it| format!("what went wrong first: {it}")));
    // A report is shown to others; a server's answer might repeat what it was asked with.
    let token = &plan.target.token;
    if !token.is_empty() {
        for note in &mut notes {
            *note = note.replace(token.as_str(), "…");
        }
    }
    notes
}

/// The storms, of all threads.
fn storms(plan: &Plan, outcomes: &[Outcome]) -> Vec<StormFigures> {
    let storms = plan.scenario.storms.iter().enumerate().map(|(number, storm)| {
        let ends = outcomes.iter().filter_map(|it| it.storms.get(number));
        let start = StormFigures { at_s: storm.at_s, ..StormFigures::default() };
        ends.fold(start, |sum, end| StormFigures {
            dropped: sum.dropped + end.dropped,
            returned: sum.returned + end.returned,
            back_after_s: sum.back_after_s.max(num::seconds(end.last)),
            ..sum
        })
    });
    storms.collect()
}

/// Second by second.
fn seconds(measured: &Measured) -> Vec<SecondFigures> {
    let mut before: Option<Moment> = measured.moments.load.map(|_| measured.moments.held);
    let mut figures = Vec::new();
    for Second { tick, connections, moment } in measured.seconds.values() {
        let cpu = before
            .and_then(|before| Some(ratio(server_cpu(&before, moment)?, moment.at - before.at)));
        let ms = |quantile| num::float(tick.latency.value_at_quantile(quantile)) / 1000.0;
        figures.push(SecondFigures {
            second: tick.second,
            published: tick.counts.published,
            delivered: tick.counts.delivered,
            errors: tick.counts.errors,
            connections: *connections,
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            server_cores: cpu,
            server_bytes: moment.server.map(|it| it.memory),
            generator_busy: tick.busy,
        });
        before = Some(*moment);
    }
    figures
}
