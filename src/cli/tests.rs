//! That the command line is sound, and that nothing of the API is out of its reach.

mod reference;

use super::*;
use crate::config::AdminTask;
use crate::http::TABLE;
use std::collections::BTreeSet;
use std::path::Path;

/// Each operation of the API by its method and path, with a command line that does it.
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("POST", "channels/tokens", "tokens create"),
    ("GET", "channels/tokens", "tokens list"),
    ("GET", "channels/tokens/{token}", "tokens get t"),
    ("PATCH", "channels/tokens/{token}", "tokens update t --expires-at never"),
    ("DELETE", "channels/tokens/{token}", "tokens delete t"),
    ("GET", "channels/tokens/{token}/subscriptions", "tokens subscriptions t"),
    ("POST", "channels/tokens/{token}/messages", "tokens message t E"),
    ("GET", "channels/tokens/{token}/messages/{message}", "tokens mail t mail_1-1"),
    ("GET", "channels/tokens/{token}/connections", "tokens connections t"),
    ("POST", "channels", "channels create"),
    ("GET", "channels", "channels list"),
    ("PUT", "channels/{channel}", "channels create c"),
    ("GET", "channels/{channel}", "channels get c"),
    ("PATCH", "channels/{channel}", "channels update c --type public"),
    ("DELETE", "channels/{channel}", "channels delete c"),
    ("GET", "channels/{channel}/stats", "channels stats c"),
    ("GET", "channels/{channel}/state", "state get c"),
    ("GET", "channels/{channel}/state/history", "state history c"),
    ("POST", "channels/{channel}/state/restore", "state restore c 1"),
    ("PUT", "channels/{channel}/state", "state set c {}"),
    ("PATCH", "channels/{channel}/state", "state patch c {}"),
    ("POST", "channels/{channel}/messages", "publish c E 1"),
    ("GET", "channels/{channel}/messages", "messages list c"),
    ("DELETE", "channels/{channel}/messages", "messages delete c"),
    ("POST", "channels/{channel}/subscribers", "channels subscribe c t u"),
    ("PUT", "channels/{channel}/subscribers/{token}", "channels subscribe c t"),
    ("DELETE", "channels/{channel}/subscribers/{token}", "channels unsubscribe c t"),
    ("GET", "channels/{channel}/tokens", "channels subscribers c"),
    ("GET", "channels/{channel}/presence", "presence c"),
    ("GET", "channels/{channel}/connections", "connections list --channel c"),
    ("POST", "channels/connections/{cid}/messages", "connections message i E"),
    ("DELETE", "channels/connections/{cid}", "connections close i"),
    ("POST", "batch", "batch []"),
    ("GET", "projects", "projects list"),
    ("POST", "projects", "projects create Name"),
    ("GET", "projects/{project}", "projects get"),
    ("PATCH", "projects/{project}", "projects update p Name"),
    ("DELETE", "projects/{project}", "projects delete p --yes"),
    ("GET", "projects/{project}/members", "projects members"),
    ("GET", "projects/{project}/members/@me", "projects member"),
    ("GET", "projects/{project}/tokens", "project-tokens list"),
    ("POST", "projects/{project}/tokens", "project-tokens create --flags 0"),
    ("DELETE", "projects/{project}/tokens/{token}", "project-tokens delete t"),
    ("GET", "projects/{project}/webhooks", "webhooks list"),
    ("POST", "projects/{project}/webhooks", "webhooks create http://h channel.created"),
    ("PATCH", "projects/{project}/webhooks/{webhook}", "webhooks update w"),
    ("DELETE", "projects/{project}/webhooks/{webhook}", "webhooks delete w"),
    ("POST", "projects/{project}/webhooks/{webhook}/regenerate", "webhooks rotate w"),
    ("POST", "projects/{project}/webhooks/{webhook}/test", "webhooks test w"),
    ("GET", "projects/{project}/webhooks/{webhook}/deliveries", "webhooks deliveries w"),
    ("GET", "projects/{project}/webhooks/{webhook}/deliveries/{delivery}", "webhooks delivery w d"),
    (
        "POST",
        "projects/{project}/webhooks/{webhook}/deliveries/{delivery}/resend",
        "webhooks resend w d",
    ),
    ("GET", "projects/{project}/channel-authorizer", "authorizer get"),
    ("PUT", "projects/{project}/channel-authorizer", "authorizer set http://h"),
    ("DELETE", "projects/{project}/channel-authorizer", "authorizer delete"),
    ("POST", "projects/{project}/channel-authorizer/test", "authorizer test"),
    ("GET", "projects/{project}/jwt/keys", "jwt keys"),
    ("POST", "projects/{project}/jwt/keys", "jwt add-key --jwks-url https://h"),
    ("DELETE", "projects/{project}/jwt/keys/{key}", "jwt delete-key k"),
    ("GET", "projects/{project}/jwt/revocations", "jwt revocations"),
    ("POST", "projects/{project}/jwt/revocations", "jwt revoke s"),
    ("DELETE", "projects/{project}/jwt/revocations/{subject}", "jwt forget s"),
    ("GET", "projects/{project}/inspect", "inspect --channel c"),
    ("GET", "settings", "settings"),
    ("GET", "users/@me", "whoami"),
    ("GET", "users/@me/pats", "admin-tokens list"),
    ("POST", "users/@me/pats", "admin-tokens create"),
    ("DELETE", "users/@me/pats/{token}", "admin-tokens delete i"),
];

/// Second names of operations, for old clients: what they are called above.
const SECOND_NAMES: &[(&str, &str, &str)] = &[
    ("POST", "channels/tokens/{token}/message", "channels/tokens/{token}/messages"),
    ("POST", "channels/{channel}/publish", "channels/{channel}/messages"),
    ("POST", "channels/{channel}/tokens/{token}", "channels/{channel}/subscribers/{token}"),
    ("DELETE", "channels/{channel}/tokens/{token}", "channels/{channel}/subscribers/{token}"),
    (
        "POST",
        "projects/{project}/webhooks/{webhook}/regenerate_secret",
        "projects/{project}/webhooks/{webhook}/regenerate",
    ),
];

/// Whether a path is one of a pattern's.
fn fits(pattern: &str, path: &[String]) -> bool {
    let parts: Vec<&str> = pattern.split('/').collect();
    let fits = |(part, word): (&&str, &String)| part.starts_with('{') || *part == word.as_str();
    parts.len() == path.len() && parts.iter().zip(path).all(fits)
}

/// Asserts that each word of a command line that names a command is in the help of the one before it.
fn assert_in_help(line: &str) {
    let mut command = Cli::command();
    for word in line.split(' ') {
        let Some(inner) = command.find_subcommand(word).cloned() else { break };
        assert!(!inner.is_hide_set(), "{line}: `{word}` is hidden");
        let help = command.render_long_help().to_string();
        let is_listed = help.lines().any(|line| line.trim_start().starts_with(&format!("{word} ")));
        assert!(is_listed, "{line}: `{word}` is not in the help:\n{help}");
        assert!(inner.get_about().is_some(), "{line}: `{word}` says nothing of itself");
        command = inner;
    }
}

#[test]
fn every_operation_of_the_api_is_a_command_that_the_help_lists() {
    for (method, pattern, _) in TABLE {
        let second = SECOND_NAMES.iter().find(|(m, p, _)| *m == method.as_str() && p == pattern);
        let first = second.map_or(*pattern, |(_, _, first)| first);
        let found = OPERATIONS.iter().find(|(_, p, _)| *p == first);
        assert!(found.is_some(), "no command does {method} {pattern}");
        let own = OPERATIONS.iter().any(|(m, p, _)| *m == method.as_str() && p == pattern);
        assert!(own || second.is_some(), "no command does {method} {pattern}");
    }
    for (method, pattern, line) in OPERATIONS {
        let is_there = TABLE.iter().any(|(m, p, _)| m.as_str() == *method && p == pattern);
        assert!(is_there, "{method} {pattern} is no operation");
        let words = ["warren"].into_iter().chain(line.split(' '));
        let parsed = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        let Some(Command::Client(command)) = parsed.command else { panic!("{line}: no client") };
        let call = command.call().unwrap().unwrap_or_else(|| panic!("{line}: no call"));
        assert_eq!(call.method.name(), *method, "{line}");
        assert!(fits(pattern, &call.path), "{line}: {:?} is not {pattern}", call.path);
        assert_in_help(line);
    }
}

/// Asserts that no command has an argument with the id of one that it has from above: they would be one value.
fn assert_own_ids(command: &clap::Command, above: &BTreeSet<String>) {
    let ids = || command.get_arguments().map(|argument| argument.get_id().to_string());
    for id in ids() {
        assert!(!above.contains(&id), "{}: two arguments are `{id}`", command.get_name());
    }
    let global = command.get_arguments().filter(|argument| argument.is_global_set());
    let global = global.map(|argument| argument.get_id().to_string());
    let below: BTreeSet<_> = above.iter().cloned().chain(global).collect();
    command.get_subcommands().for_each(|command| assert_own_ids(command, &below));
}

#[test]
fn no_argument_leads_to_another_operation() {
    let call_of = |words: &[&str]| {
        let parsed = Cli::try_parse_from(["warren"].iter().chain(words)).unwrap();
        let Some(Command::Client(command)) = parsed.command else { panic!("{words:?}: no client") };
        command.call().map(Option::unwrap)
    };
    let mut tried = 0;
    for (_, pattern, line) in OPERATIONS {
        let words: Vec<&str> = line.split(' ').collect();
        let path = call_of(&words).unwrap().path;
        let named = pattern.split('/').zip(&path).filter(|(part, _)| part.starts_with('{'));
        for (_, id) in named.filter(|(_, id)| id.as_str() != "@this") {
            for wrong in ["..", ".", ""] {
                let put = |word: &&'static str| if word == id { wrong } else { *word };
                let words: Vec<&str> = words.iter().map(put).collect();
                let refused = call_of(&words).unwrap_err();
                assert_eq!(refused.code(), 2, "{words:?}: {refused}");
                tried += 1;
            }
        }
    }
    assert!(tried > 90, "{tried}");
}

/// Commands whose output is for no program: a server runs on, and the rest is for others to read as it is.
const WITHOUT_JSON: [&str; 5] = ["serve", "dev", "completions", "man", "help"];

/// Asserts that each command that ends by itself has `--json`.
fn assert_json(above: &str, command: &clap::Command) {
    let name = format!("{above} {}", command.get_name());
    if command.is_hide_set() || WITHOUT_JSON.contains(&command.get_name()) {
        return;
    }
    let is_leaf = command.get_subcommands().next().is_none();
    let has_json = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
    assert!(!is_leaf || has_json, "{name} has no --json");
    command.get_subcommands().for_each(|inner| assert_json(&name, inner));
}

#[test]
fn every_command_that_ends_can_print_json() {
    let mut all = Cli::command();
    // What is global comes to the commands below.
    all.build();
    all.get_subcommands().for_each(|command| assert_json("warren", command));
}

#[test]
fn the_command_line_is_sound() {
    assert_own_ids(&Cli::command(), &BTreeSet::new());
    Cli::command().debug_assert();
    let plain = Cli::try_parse_from(["warren", "--workers", "2"]).unwrap();
    assert_eq!(plain.serve.workers, Some(2));
    let named = Cli::try_parse_from(["warren", "serve", "--allow-private-webhooks"]).unwrap();
    let Some(Command::Serve(serve)) = named.command else { panic!("not serve") };
    assert_eq!(serve.allow_private_webhooks, Some(true));
    let line = ["warren", "admin", "create-token", "--name", "Ops", "--data", "x"];
    let Some(Command::Admin(admin)) = Cli::try_parse_from(line).unwrap().command else {
        panic!("not admin")
    };
    assert_eq!(admin.place.data.as_deref(), Some(Path::new("x")));
    assert!(matches!(admin.task, AdminTask::CreateToken { name: Some(name) } if name == "Ops"));
}
