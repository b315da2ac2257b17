//! Warren and a bare server, measured in turns: the ratio of what they cost.

use super::error::BenchError;
use super::process::Process;
use super::progress::Progress;
use super::report::{Comparison, Pair, Report};
use super::scenario::{Kind, Scenario};
use super::{machine, measure_at};

/// Measures pairs, and returns the report of Warren's last run with the comparison.
///
/// # Errors
/// [`BenchError::Scenario`] for what a bare server cannot do; those of a measurement.
pub(super) fn run(scenario: &Scenario, progress: &mut Progress) -> Result<Report, BenchError> {
    let is_plain = scenario.flows.iter().all(|flow| flow.kind == Kind::Http);
    if !is_plain {
        let why = "baseline: a bare server takes publishes over HTTP only".to_owned();
        return Err(BenchError::Scenario(why));
    }
    if scenario.groups.iter().any(|group| group.channels_per_connection > 1) {
        let why = "baseline: a bare server's connections listen to one channel each".to_owned();
        return Err(BenchError::Scenario(why));
    }
    let (mut pairs, mut last) = (Vec::new(), None);
    let (mut refusals, mut failures) = (Vec::new(), Vec::new());
    let (mut figure, mut notes) = ("", Vec::new());
    // A stall of the machine must not cost the pairs before it: as many again may be measured again.
    let mut spare = scenario.baseline.pairs;
    let mut number = 0;
    while number < scenario.baseline.pairs {
        // Who goes first may find the machine in another mood, so they take turns at that too.
        let is_bare_first = number % 2 == 0;
        let first = one(scenario, is_bare_first, number, progress)?;
        let second = one(scenario, !is_bare_first, number, progress)?;
        let (bare, warren) = if is_bare_first { (first, second) } else { (second, first) };
        let told = refused(number, &bare, &warren);
        if !told.is_empty() && spare > 0 {
            spare -= 1;
            notes.extend(told.iter().map(|it| format!("measured again: {it}")));
            continue;
        }
        refusals.extend(told);
        failures.extend(warren.failures.iter().map(|it| format!("pair {}: {it}", number + 1)));
        let (name, bare_cost) = cost(&bare);
        let (_, warren_cost) = cost(&warren);
        figure = name;
        let (Some(bare), Some(warren_cost)) = (bare_cost, warren_cost) else {
            return Err(BenchError::Server("its cost could not be measured".to_owned()));
        };
        let ratio = super::num::ratio(warren_cost, bare);
        pairs.push(Pair { bare, warren: warren_cost, ratio });
        last = Some(warren);
        number += 1;
    }
    let Some(report) = last else {
        return Err(BenchError::Scenario("baseline.pairs must be 1 or more".to_owned()));
    };
    notes.extend(report.notes.iter().cloned());
    Ok(Report {
        notes,
        counts: refusals.is_empty(),
        passed: refusals.is_empty() && failures.is_empty(),
        refusals,
        failures,
        comparison: Some(Comparison::new(figure, scenario.baseline.coalesce, pairs)),
        ..report
    })
}

/// Why a pair does not count.
fn refused(number: usize, bare: &Report, warren: &Report) -> Vec<String> {
    let of = |name: &'static str, report: &Report| {
        let told = |text: &String| format!("pair {}, {name}: {text}", number + 1);
        report.refusals.iter().map(told).collect::<Vec<_>>()
    };
    [of("bare", bare), of("warren", warren)].concat()
}

/// Measures one of the two.
fn one(
    scenario: &Scenario,
    is_bare: bool,
    number: usize,
    progress: &mut Progress,
) -> Result<Report, BenchError> {
    let name = if is_bare { "bare  " } else { "warren" };
    progress.label(&format!("{name} {}/{} ", number + 1, scenario.baseline.pairs));
    let (server, mut scenario) = (&scenario.server, scenario.clone());
    if is_bare {
        // Its cores are what it is pinned to, and Warren's thresholds are not its own.
        scenario.server.workers = 1;
        scenario.thresholds.clear();
    }
    let mut process = if is_bare {
        Process::bare(&server.cpus, scenario.baseline.coalesce)?
    } else {
        Process::warren(server)?
    };
    machine::pin(&scenario.generator.cpus)?;
    let (target, pid) = (process.target.clone(), Some(process.pid()));
    measure_at(&scenario, target, pid, &mut || process.ended(), progress)
}

/// What a server's work cost, by what there was most of.
fn cost(report: &Report) -> (&'static str, Option<f64>) {
    let Some(load) = &report.load else {
        let bytes = report.idle.as_ref().map(|it| it.bytes_per_connection);
        return ("bytes per connection", bytes);
    };
    let server = load.server.as_ref();
    if report.scenario.connections() > 1 && load.deliveries_per_s > 0.0 {
        ("CPU µs per delivery", server.and_then(|it| it.us_per_delivery))
    } else if load.publishes_per_s > 0.0 {
        ("CPU µs per publish", server.and_then(|it| it.us_per_publish))
    } else {
        ("CPU µs per connect", server.and_then(|it| it.us_per_connect))
    }
}
