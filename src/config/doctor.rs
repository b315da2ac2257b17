//! The command line of `warren doctor`.

use super::ServeArgs;
use clap::Args;

/// The command line of `doctor`: the settings of the server that is looked at, and what else to look at.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Ask for a socket at this address, as clients do, through whatever stands before the server
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
    /// The server's settings.
    #[command(flatten)]
    pub serve: ServeArgs,
}
