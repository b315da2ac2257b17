//! `warren bench`: a load tester that follows a script (`docs/BENCH.md`).
//!
//! It speaks to a server from outside, as its clients do, and shares nothing with it but the executable. A [`plan`] is
//! a scenario counted out; each [`lane`] is a thread with its share of the connections and of the publishers; [`drive`]
//! leads them and watches the server; [`judge`] makes figures of what they counted, and [`verdict`] says whether these
//! count.

mod args;
mod bare;
mod checker;
mod clock;
mod compare;
mod drive;
mod error;
mod frame;
mod html;
mod http;
mod interrupt;
mod judge;
mod lane;
mod leap;
mod link;
mod machine;
mod mark;
mod num;
mod plan;
mod process;
mod progress;
mod report;
mod scenario;
mod schedule;
mod shared;
mod svg;
mod tally;
mod target;
mod text;
mod verdict;

pub use args::{BaselineArgs, BenchArgs};
pub use error::BenchError;

use drive::Drive;
use http::Caller;
use plan::Plan;
use process::Process;
use progress::Progress;
use report::Report;
use scenario::{Kind, Scenario, Visibility};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use target::{Dialect, Target};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All is well.
    Passed,
    /// Something was lost, or a threshold is not met.
    Failed,
    /// The generator was the bottleneck.
    Refused,
}

impl Ending {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 3,
            Self::Refused => 4,
        }
    }
}

/// Runs a scenario and reports.
///
/// # Errors
/// [`BenchError`] when there is no result.
pub fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<Ending, BenchError> {
    let text = std::fs::read_to_string(&args.scenario).map_err(BenchError::file(&args.scenario))?;
    let mut changes = args.set.clone();
    changes.extend(args.threads.map(|threads| format!("generator.threads={threads}")));
    changes.extend(args.pairs.map(|pairs| format!("baseline.pairs={pairs}")));
    let scenario = Scenario::read(&text, &changes)?;
    let mut progress = Progress::new(args.progress);
    let mut report = if scenario.baseline.pairs > 0 {
        if args.url.is_some() {
            return Err(BenchError::Usage(
                "--pairs starts both servers itself, without --url".to_owned(),
            ));
        }
        machine::open_files(scenario.connections() + 200)?;
        compare::run(&scenario, &mut progress)?
    } else {
        measure(args, &scenario, &mut progress)?
    };
    if !report.counts && !args.allow_saturated_generator {
        report = report.without_figures();
    }
    finish(args, &report, out)
}

/// Runs the bare server of a comparison, until it is killed.
///
/// # Errors
/// [`BenchError`] when it cannot listen.
pub fn run_baseline(args: &BaselineArgs, out: &mut dyn Write) -> Result<(), BenchError> {
    bare::serve(args.coalesce, out)
}

/// Measures the server that was named, or one of our own.
fn measure(
    args: &BenchArgs,
    scenario: &Scenario,
    progress: &mut Progress,
) -> Result<Report, BenchError> {
    let (Some(url), Some(project), Some(token)) = (&args.url, &args.project, &args.token) else {
        // Before the server is started, so that it may open as many.
        machine::open_files(scenario.connections() + 200)?;
        let mut process = Process::warren(&scenario.server)?;
        machine::pin(&scenario.generator.cpus)?;
        let (target, pid) = (process.target.clone(), Some(process.pid()));
        return measure_at(scenario, target, pid, &mut || process.ended(), progress);
    };
    let target = Target::at(url, project, token)?;
    machine::pin(&scenario.generator.cpus)?;
    measure_at(scenario, target, args.server_pid, &mut || None, progress)
}

/// Measures one server.
fn measure_at(
    scenario: &Scenario,
    target: Target,
    pid: Option<u32>,
    ended: &mut dyn FnMut() -> Option<String>,
    progress: &mut Progress,
) -> Result<Report, BenchError> {
    let name = format!("{:x}", std::process::id());
    let plan = Arc::new(Plan::new(scenario.clone(), target, &name));
    plan.claim_files()?;
    prepare(&plan)?;
    let measured = Drive::measure(&plan, pid, ended, progress);
    let report = measured.and_then(|measured| judge::report(&plan, &measured, pid));
    // What went wrong with the run is worth more than what goes wrong afterwards.
    let tidied = tidy_up(&plan);
    let report = report?;
    tidied?;
    Ok(report)
}

/// Makes the channels.
fn prepare(plan: &Plan) -> Result<(), BenchError> {
    if plan.target.dialect == Dialect::Bare {
        return Ok(());
    }
    let mut caller = Caller::new(&plan.target)?;
    for (number, (group, first)) in plan.scenario.groups.iter().zip(&plan.firsts).enumerate() {
        let kind = match group.visibility {
            Visibility::Unprotected => "unprotected",
            Visibility::Public => "public",
            Visibility::Private => "private",
        };
        let is_spoken =
            plan.flows.iter().any(|flow| flow.group == number && flow.flow.kind == Kind::Socket);
        let capabilities: &[&str] = if is_spoken { &["CLIENT_PUBLISH"] } else { &[] };
        let body = serde_json::json!({ "type": kind, "state": {}, "capabilities": capabilities });
        let body = body.to_string();
        for channel in plan.channels.iter().skip(first.channel).take(group.channels) {
            caller.make_channel(channel, &body)?;
        }
    }
    Ok(())
}

/// Deletes the channels again.
fn tidy_up(plan: &Plan) -> Result<(), BenchError> {
    if plan.target.dialect == Dialect::Bare {
        return Ok(());
    }
    let mut caller = Caller::new(&plan.target)?;
    for channel in &plan.channels {
        caller.call("DELETE", &format!("/v1/channels/{channel}"), "")?;
    }
    Ok(())
}

/// Writes the reports and says how it ended.
fn finish(args: &BenchArgs, report: &Report, out: &mut dyn Write) -> Result<Ending, BenchError> {
    let mut is_said = false;
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(report).map_err(std::io::Error::other)?;
        if path.as_path() == Path::new("-") {
            writeln!(out, "{json}")?;
            is_said = true;
        } else {
            std::fs::write(path, json + "\n").map_err(BenchError::file(path))?;
        }
    }
    if let Some(path) = &args.html {
        std::fs::write(path, html::page(report)).map_err(BenchError::file(path))?;
    }
    if !is_said {
        text::write(report, out)?;
    }
    Ok(match report {
        Report { counts: false, .. } if !args.allow_saturated_generator => Ending::Refused,
        Report { failures, .. } if failures.is_empty() => Ending::Passed,
        _ => Ending::Failed,
    })
}
