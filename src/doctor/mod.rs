//! `warren doctor`: looks for what usually goes wrong around a server, and says what to do about it.
//!
//! It changes nothing, and may run beside a server. Each check is a function of its own that gives [`Finding`]s; a check
//! that cannot be made says so instead of passing.

mod calls;
mod certificate;
mod database;
mod finding;
mod machine;
mod proxy;

pub use finding::{Finding, Severity};

use crate::config::{Config, ConfigError, DoctorArgs};
use std::io::{self, Write};

/// Makes all checks that can be made with these settings and prints what they found; whether there is no problem.
///
/// # Errors
/// Where it cannot be printed.
pub async fn run(args: DoctorArgs, out: &mut dyn Write) -> io::Result<bool> {
    let DoctorArgs { url, json, serve } = args;
    let findings = findings(Config::load(serve), url.as_deref()).await;
    if json {
        let text = serde_json::to_string_pretty(&findings).map_err(io::Error::other)?;
        writeln!(out, "{text}")?;
    } else {
        findings.iter().try_for_each(|finding| write!(out, "{finding}"))?;
    }
    Ok(findings.iter().all(|finding| finding.verdict < Severity::Problem))
}

/// What all checks find.
async fn findings(config: Result<Config, ConfigError>, url: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match config {
        Ok(config) => {
            findings.push(Finding::fine("config", "the settings can be used"));
            findings.extend(machine::check(&config));
            findings.extend(database::check(&config));
            findings.extend(certificate::check(&config));
            findings.extend(calls::check(&config).await);
        }
        // Without them nobody knows what else to look at.
        Err(error) => findings.push(Finding::problem(
            "config",
            error.to_string(),
            "mend that setting; `warren.example.toml` has all of them with their ranges",
        )),
    }
    if let Some(url) = url {
        findings.extend(proxy::check(url).await);
    }
    findings
}
