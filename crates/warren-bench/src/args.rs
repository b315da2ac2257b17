//! The command line of `warren bench`.

use clap::Args;
use std::path::PathBuf;

/// The command line of `bench`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Exit codes: 0 passed; 1 could not run; 2 wrong command line; 3 lost, duplicated or reordered \
    deliveries, errors, or a threshold not met; 4 no report, because the generator was the bottleneck."
)]
pub struct BenchArgs {
    /// The scenario, a TOML file (docs/BENCH.md; ready ones are in benches/scenarios)
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    /// A server that runs already, http://HOST:PORT; without it one is started for the run
    #[arg(long, value_name = "URL", requires = "token", requires = "project")]
    pub url: Option<String>,
    /// The project token for that server
    #[arg(long, env = "WARREN_PROJECT_TOKEN", value_name = "ptk_…", hide_env_values = true)]
    pub token: Option<String>,
    /// The project of that server
    #[arg(long, env = "WARREN_PROJECT", value_name = "project_…")]
    pub project: Option<String>,
    /// That server's process, if it runs on this machine: its CPU and memory are then measured too
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// Write the report as JSON; `-` for standard output instead of the summary
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as one HTML file with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Replace a key of the scenario: `run.duration_s=2`, `group.0.subscribers=10`
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Threads that generate the load, as `generator.threads`
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Measure Warren and a bare server in turns, so often, and report the ratio of their CPU
    #[arg(long, value_name = "N")]
    pub pairs: Option<usize>,
    /// Show the progress although standard error is no terminal
    #[arg(long)]
    pub progress: bool,
    /// Report even if the generator was the bottleneck; the report says that it does not count
    #[arg(long)]
    pub allow_saturated_generator: bool,
}

/// The command line of `bench-baseline`.
#[derive(Clone, Copy, Debug, Args)]
pub struct BaselineArgs {
    /// Put what waits for a connection into one write
    #[arg(long)]
    pub coalesce: bool,
}
