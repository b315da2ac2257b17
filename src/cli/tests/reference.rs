//! `docs/CLI.md` is what the command line says of itself.

use super::*;
use clap::ArgAction;

/// What stands above the commands.
const HEAD: &str = "\
# Commands

Made of the command line itself: a test compares them, and writes this file with `WARREN_WRITE_DOCS=1`.
`warren COMMAND --help` says the same. What the commands are for, where they find a server, and their exit codes:
[OPERATING.md](OPERATING.md#commands).

Where a value is `JSON|@FILE|-`, it is JSON, a file with JSON, or `-` for standard input.
";

/// Arguments that many commands have.
struct Common {
    /// What they are about.
    title: &'static str,
    /// Their ids.
    ids: BTreeSet<String>,
}

/// The groups of arguments that stand in one place instead of at each command.
fn common() -> [Common; 2] {
    let ids = |command: &clap::Command| {
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        shown.map(|argument| argument.get_id().to_string()).collect()
    };
    let serve = ServeArgs::augment_args(clap::Command::new("serve"));
    let server = warren_cli::Connect::augment_args(clap::Command::new("server"));
    [
        Common { title: "Settings of a server", ids: ids(&serve) },
        Common { title: "Which server", ids: ids(&server) },
    ]
}

/// One argument, as an item of a list.
fn argument(argument: &clap::Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default();
    let takes = argument.get_action().takes_values() && !values.is_empty();
    let value = values.iter().map(clap::builder::Str::as_str).collect::<Vec<_>>().join(" ");
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), short) => {
            let short = short.map(|short| format!(", -{short}")).unwrap_or_default();
            let value = if takes { format!(" {value}") } else { String::new() };
            format!("--{long}{short}{value}")
        }
        (None, _) if argument.is_required_set() => value.clone(),
        (None, _) => format!("[{value}]"),
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let choices = argument.get_possible_values();
    let names: Vec<_> = choices.iter().map(|choice| format!("`{}`", choice.get_name())).collect();
    let is_choice = takes && !names.is_empty() && value != "BOOL";
    let choices = if is_choice { format!(" ({})", names.join(", ")) } else { String::new() };
    let variable = argument.get_env().map(|name| format!("; `{}`", name.to_string_lossy()));
    format!("- `{name}`: {help}{choices}{}\n", variable.unwrap_or_default())
}

/// A command with those below it, piece by piece.
fn command(text: &mut Vec<String>, above: &str, found: &clap::Command, common: &[Common]) {
    if found.is_hide_set() || found.get_name() == "help" {
        return;
    }
    let name = format!("{above} {}", found.get_name());
    let about = found.get_about().map(ToString::to_string).unwrap_or_default();
    text.push(format!("\n## {name}\n\n{about}.\n"));
    let has = |id: &String| found.get_arguments().any(|one| one.get_id() == id.as_str());
    // A command with a part of them, as the data folder alone, shows that part.
    let groups: Vec<_> = common.iter().filter(|group| group.ids.iter().all(has)).collect();
    let is_own = |one: &&clap::Arg| {
        let is_standard = matches!(one.get_action(), ArgAction::Help | ArgAction::Version);
        let is_elsewhere = groups.iter().any(|group| group.ids.contains(one.get_id().as_str()));
        !one.is_hide_set() && !is_standard && !is_elsewhere
    };
    let own = found.get_arguments().filter(is_own).map(argument);
    let groups = groups.iter().map(|Common { title, .. }| {
        format!("- [{title}](#{})\n", title.to_lowercase().replace(' ', "-"))
    });
    let items = own.chain(groups).collect::<String>();
    if !items.is_empty() {
        text.push(format!("\n{items}"));
    }
    for inner in found.get_subcommands() {
        command(text, &name, inner, common);
    }
}

/// The whole document.
fn document() -> String {
    let (mut text, common) = (vec![HEAD.to_owned()], common());
    let serve = ServeArgs::augment_args(clap::Command::new("serve"));
    let server = warren_cli::Connect::augment_args(clap::Command::new("server"));
    for (group, source) in common.iter().zip([serve, server]) {
        text.push(format!("\n## {}\n\n", group.title));
        text.extend(source.get_arguments().map(argument));
    }
    for found in Cli::command().get_subcommands() {
        command(&mut text, "warren", found, &common);
    }
    text.concat()
}

#[test]
fn the_reference_says_what_the_command_line_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CLI.md");
    let wanted = document();
    if std::env::var_os("WARREN_WRITE_DOCS").is_some() {
        std::fs::write(path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let differs = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    assert!(found == wanted, "docs/CLI.md is old; WARREN_WRITE_DOCS=1 writes it: {differs:?}");
}
