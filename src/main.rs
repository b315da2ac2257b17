//! The `warren` binary: command line, configuration, logs, then the server.

use clap::Parser as _;
use mimalloc::MiMalloc;
use std::process::ExitCode;
use warren::config::{Cli, Command, Config};
use warren::{admin, bench, server, telemetry};

/// Small things of many sizes come and go with every publish and connection, where the system's allocator costs more time
/// and memory (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let _logs = telemetry::start();
    let args = match cli.command {
        Some(Command::Serve(args)) => *args,
        Some(Command::Info(place)) => {
            return match admin::info(place, &mut std::io::stdout().lock()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error),
            };
        }
        Some(Command::Admin(args)) => {
            return match admin::run(args, &mut std::io::stdout().lock()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error),
            };
        }
        Some(Command::Bench(args)) => {
            return match bench::run(&args, &mut std::io::stdout().lock()) {
                Ok(outcome) => ExitCode::from(outcome.code()),
                Err(error) => failed(&error),
            };
        }
        Some(Command::BenchBaseline(args)) => {
            return match bench::run_baseline(&args, &mut std::io::stdout().lock()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error),
            };
        }
        None => cli.serve,
    };
    let config = match Config::load(args) {
        Ok(config) => config,
        Err(error) => return failed(&error),
    };
    match actix_web::rt::System::new().block_on(server::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Says why, and how to end.
fn failed(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}
