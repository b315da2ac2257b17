//! The command line: what the binary can do, and who does it.
//!
//! `serve`, and what is done to a data folder, is started here; what a server is asked is the crate `warren-cli`.

#[cfg(feature = "cli")]
mod dev;
mod files;
#[cfg(feature = "cli")]
mod progress;
mod telling;

use crate::admin;
use crate::backup::{BackupArgs, RestoreArgs};
use crate::config::{
    AdminArgs, Config, ConfigArgs, DataPlace, DoctorArgs, GivenFlags, LogFormat, ServeArgs,
    config_task,
};
use crate::doctor;
use crate::migrate::{self, MigrateArgs};
use crate::server;
use crate::telemetry::{self, Logs, Traces};
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
#[cfg(feature = "cli")]
use clap_complete::Shell;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use telling::CommandOutput;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "warren",
    version,
    about = "A self-hosted realtime channels server",
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 done; 1 failed; 2 a mistake on the command line; and of commands that ask a server: 3 refused, 4 not \
        there, 5 there already or changed meanwhile, 6 no answer, 7 asked to come again later. All commands: docs/CLI.md"
)]
pub struct Cli {
    /// What to do; `serve` when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `serve`, which may stand alone.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(Box<ServeArgs>),
    #[cfg(feature = "cli")]
    /// Run a server to develop with: in a folder of its own, with a profile for the other commands
    Dev(Box<dev::DevArgs>),
    /// Write a configuration file with every setting and its default
    Init(files::InitArgs),
    /// Look for what usually goes wrong, and say what to do about it; changes nothing, and may run beside a server
    Doctor(Box<DoctorArgs>),
    /// Show what a server works with, its projects and their pages; no secrets
    Info(InfoCommand),
    /// Make, list and delete admin tokens, whether or not a server is running
    Admin(AdminArgs),
    /// Check the settings, or show them with where each is from
    Config(Box<ConfigArgs>),
    /// Let a running server read its settings again, and say what has changed and what takes a restart
    Reload(ReloadCommand),
    /// Copy the database, whether or not a server is running
    Backup(BackupCommand),
    /// Put a copy in the place of the database; the server has to be stopped
    Restore(RestoreCommand),
    /// Take everything from SQLite's file to a PostgreSQL, or back; no server may run on either
    Migrate(MigrateArgs),
    #[cfg(feature = "cli")]
    /// What a server is asked.
    #[command(flatten)]
    Client(Box<warren_cli::ClientCommand>),
    /// Load a server by a script and measure it
    #[cfg(feature = "bench")]
    Bench(Box<warren_bench::BenchArgs>),
    /// Run the bare server that `bench --pairs` compares with
    #[cfg(feature = "bench")]
    #[command(hide = true)]
    BenchBaseline(warren_bench::BaselineArgs),
    #[cfg(feature = "cli")]
    /// Print what completes commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    #[cfg(feature = "cli")]
    /// Print the manual page, or write one for each command into a folder
    Man {
        /// The folder
        folder: Option<std::path::PathBuf>,
    },
}

/// The command line of `info`.
#[derive(Debug, Args)]
pub struct InfoCommand {
    /// Where the server keeps its data.
    #[command(flatten)]
    place: DataPlace,
    /// How it is told.
    #[command(flatten)]
    told: Told,
}

/// The command line of `backup`.
#[derive(Debug, Args)]
pub struct BackupCommand {
    /// What is copied, and where to.
    #[command(flatten)]
    args: BackupArgs,
    /// How it is told.
    #[command(flatten)]
    told: Told,
}

/// The command line of `restore`.
#[derive(Debug, Args)]
pub struct RestoreCommand {
    /// What is put back, and where.
    #[command(flatten)]
    args: RestoreArgs,
    /// How it is told.
    #[command(flatten)]
    told: Told,
}

/// The command line of `reload`.
#[derive(Debug, Args)]
pub struct ReloadCommand {
    /// Where the server keeps its data.
    #[command(flatten)]
    place: DataPlace,
    /// How it is told.
    #[command(flatten)]
    told: Told,
}

/// How an outcome is told.
#[derive(Clone, Copy, Debug, Args)]
struct Told {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let command = cli.command.unwrap_or_else(|| Command::Serve(Box::new(cli.serve)));
    let is_json = telling::is_json(&matches);
    let mut out = CommandOutput::new(io::stdout().lock());
    #[cfg(feature = "cli")]
    if let Command::Client(command) = &command {
        let done = warren_cli::run(command, &mut out).map(|()| ExitCode::SUCCESS);
        return telling::end(done.map_err(Into::into), out.has_lost_reader(), is_json);
    }
    let logs = telemetry::start();
    let is_server = command.is_server();
    match run(command, &matches, &logs, &mut out) {
        // Its log is where people look for what a server says. Of a command, they read what it prints.
        Err(error) if is_server => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
        done => telling::end(done, out.has_lost_reader(), is_json),
    }
}

impl Command {
    /// Whether it runs a server.
    const fn is_server(&self) -> bool {
        #[cfg(feature = "cli")]
        if matches!(self, Self::Dev(_)) {
            return true;
        }
        matches!(self, Self::Serve(_))
    }
}

/// Does what a command says that is no question to a server.
fn run(
    command: Command,
    matches: &ArgMatches,
    logs: &Logs,
    out: &mut dyn Write,
) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Serve(args) => {
            let config = Config::load((*args).clone())?;
            logs.spell(config.log_format == LogFormat::Json);
            // Dropped behind the server: its last requests are spans too.
            let _traces = Traces::start()?;
            let again = Box::new(move || Config::load((*args).clone()));
            actix_web::rt::System::new().block_on(server::run(config, again))?;
        }
        #[cfg(feature = "cli")]
        Command::Dev(args) => dev::run(*args, logs)?,
        Command::Init(args) => files::init(&args, out)?,
        Command::Doctor(args) => {
            if !actix_web::rt::System::new().block_on(doctor::run(*args, out))? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Info(InfoCommand { place, told }) => admin::info(place, told.json, out)?,
        Command::Admin(args) => admin::run(args, out)?,
        Command::Config(args) => config_task(*args, &GivenFlags::of(matches), out)?,
        Command::Reload(ReloadCommand { place, told }) => {
            files::reload(&place.folder()?, told.json, out)?;
        }
        Command::Backup(BackupCommand { args, told }) => files::backup(args, told.json, out)?,
        Command::Restore(RestoreCommand { args, told }) => files::restore(args, told.json, out)?,
        Command::Migrate(args) => migrate::run(args, out)?,
        #[cfg(feature = "bench")]
        Command::Bench(args) => return Ok(warren_bench::run(&args, out)?.code().into()),
        #[cfg(feature = "bench")]
        Command::BenchBaseline(args) => warren_bench::run_baseline(&args, out)?,
        #[cfg(feature = "cli")]
        Command::Completions { shell } => {
            // Into memory first: the library cannot do with a reader that goes.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "warren", &mut script);
            out.write_all(&script)?;
        }
        #[cfg(feature = "cli")]
        Command::Man { folder: Some(folder) } => {
            std::fs::create_dir_all(&folder)?;
            clap_mangen::generate_to(Cli::command(), folder)?;
        }
        #[cfg(feature = "cli")]
        Command::Man { folder: None } => clap_mangen::Man::new(Cli::command()).render(&mut *out)?,
        #[cfg(feature = "cli")]
        // Was done before.
        Command::Client(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(all(test, feature = "cli"))]
mod tests;
