//! What the server calls: webhooks and channel authorizers whose addresses are refused or lead nowhere, and the
//! certificates to check them by.

use super::finding::Finding;
use crate::config::Config;
use crate::server::called::{self, CalledAddress};
use crate::server::database;
use crate::store::StoreResult;
use crate::webhook::check::{self, Obstacle};
use crate::webhook::client;
use crate::webhook::target::{EndpointUrl, SystemResolver};

/// Looks at every address that is called.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    // What is wrong with it is said of the database itself.
    if !database::is_there(&config.database).unwrap_or(false) {
        return Vec::new();
    }
    let addresses = match addresses(config) {
        Ok(addresses) => addresses,
        Err(error) => {
            let remedy = "see what is said of the database";
            return vec![Finding::warning("webhooks", format!("not looked at: {error}"), remedy)];
        }
    };
    let mut findings = Vec::new();
    for address in &addresses {
        let policy = &config.webhooks.policy;
        let obstacle = check::obstacle(&address.url, policy, &SystemResolver).await;
        findings.extend(obstacle.map(|obstacle| refused(address, &obstacle)));
        findings.extend(address.is_disabled.then(|| disabled(address)));
    }
    if addresses.iter().any(|address| address.url.starts_with("https:")) && !client::has_roots() {
        findings.push(Finding::problem(
            "webhooks",
            "no root certificates were found: no https address can be called",
            "install the system's certificates (Debian: apt-get install ca-certificates)",
        ));
    }
    if findings.is_empty() {
        let found = format!("{} addresses are set, and all may be called", addresses.len());
        findings.push(Finding::fine("webhooks", found));
    }
    findings
}

/// An address as it may be shown: its path may be a secret, and all of it was set by whoever has a project's token.
fn shown(url: &str) -> String {
    let parsed = EndpointUrl::parse(url);
    parsed.map_or_else(|_| "an address that is none".to_owned(), |url| url.authority().to_owned())
}

/// An address to which nothing is sent.
fn refused(address: &CalledAddress, obstacle: &Obstacle) -> Finding {
    let remedy = match obstacle.code {
        "private_address" => {
            "open its network with --webhook-networks, or all with --allow-private-webhooks"
        }
        "port" => "use another port: that one belongs to services that are no web servers",
        "dns" => "look whether the name is right and this machine can resolve it",
        _ => "set an http:// or https:// address without a user name",
    };
    let (name, host) = (&address.name, shown(&address.url));
    Finding::problem("webhooks", format!("{name}, {host}: {}", obstacle.message), remedy)
}

/// An address that has said that it is gone.
fn disabled(address: &CalledAddress) -> Finding {
    let (name, host) = (&address.name, shown(&address.url));
    let remedy = "change the webhook (PATCH) when its endpoint is there again, or delete it";
    Finding::warning("webhooks", format!("{name}, {host}, answered 410 and hears nothing"), remedy)
}

/// All addresses that are set.
fn addresses(config: &Config) -> StoreResult<Vec<CalledAddress>> {
    let database = database::open_to_look(&config.database)?;
    let mut found = Ok(Vec::new());
    database.read(&mut |store| found = called::addresses(store))?;
    found
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn of_an_address_the_host_is_shown_and_nothing_else() {
        assert_eq!(shown("https://a.example:8443/secret?key=1#2"), "a.example:8443");
        assert_eq!(shown("http://a.example/\u{1b}[2J\nok       database"), "a.example");
        assert_eq!(shown("\u{1b}[2J"), "an address that is none");
    }
}
