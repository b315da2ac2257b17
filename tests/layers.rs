//! Who may import whom: the layers that `src/lib.rs` draws, held by reading the sources.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "layers/circles.rs"]
mod circles;

use circles::Tree;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer and what it may use of ours, besides itself. What stands on top may use everything.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("protocol", &["domain"]),
    ("faults", &[]),
    ("num", &[]),
    ("metrics", &["num"]),
    ("recorder", &["domain"]),
    ("line", &["domain", "protocol", "faults", "num"]),
    ("store", &["domain", "num"]),
    ("webhook", &["domain"]),
    ("tls", &["domain", "webhook"]),
    ("jwt", &["domain"]),
    ("events", &["domain"]),
    ("heavy", &["domain"]),
    ("delivery", &["domain", "protocol", "heavy", "faults", "metrics", "num", "recorder"]),
    ("ask", &["domain", "protocol", "store", "heavy"]),
    ("bus", &["domain", "line", "metrics"]),
    ("channel", &["domain", "protocol", "line", "bus", "store", "delivery", "ask", "faults"]),
    ("session", &["domain", "protocol", "line", "delivery", "channel", "faults", "num"]),
    (
        "actor",
        &[
            "domain",
            "protocol",
            "line",
            "bus",
            "store",
            "webhook",
            "jwt",
            "events",
            "heavy",
            "delivery",
            "ask",
            "channel",
            "session",
            "faults",
            "metrics",
            "num",
            "telemetry",
            "recorder",
        ],
    ),
    (
        "http",
        &[
            "domain",
            "protocol",
            "store",
            "webhook",
            "jwt",
            "heavy",
            "delivery",
            "ask",
            "actor",
            "metrics",
            "num",
            "telemetry",
            "recorder",
        ],
    ),
    (
        "config",
        &[
            "domain",
            "protocol",
            "webhook",
            "delivery",
            "actor",
            "http",
            "telemetry",
            "recorder",
            "tls",
        ],
    ),
    ("first_run", &["domain", "store", "actor", "config"]),
    ("telemetry", &["metrics", "num", "webhook"]),
    (
        "server",
        &[
            "domain",
            "protocol",
            "bus",
            "store",
            "webhook",
            "delivery",
            "actor",
            "http",
            "config",
            "first_run",
            "metrics",
            "num",
            "telemetry",
            "tls",
        ],
    ),
    ("embed", &["domain", "actor", "http", "config", "first_run", "server"]),
    ("leap", &[]),
    ("lib", &["domain", "protocol"]),
    ("admin", &["domain", "store", "actor", "config", "first_run", "server"]),
    ("doctor", &["domain", "store", "webhook", "config", "server", "actor", "tls"]),
    ("backup", &["store", "config", "server"]),
    ("migrate", &["store", "config", "server"]),
    ("bench", &[]),
    ("client", &[]),
    ("client_commands", &["client"]),
    (
        "cli",
        &[
            "admin",
            "backup",
            "bench",
            "client_commands",
            "config",
            "doctor",
            "migrate",
            "server",
            "telemetry",
        ],
    ),
    ("main", &["cli"]),
];

/// The workspace's other crates, and the layer that each is; of one without, each module is a layer of the server.
const CRATES: &[(&str, Option<&str>)] = &[
    ("warren-bench", Some("bench")),
    ("warren-cli", Some("client_commands")),
    ("warren-client", Some("client")),
    ("warren-leap", None),
];

/// Words that belong into one place: the word, where it may stand, why.
const PLACES: &[(&str, &[&str], &str)] = &[
    (
        "diesel::",
        &[
            "store/diesel/",
            "store/diesel.rs",
            "server/database.rs",
            "backup.rs",
            "doctor/database.rs",
        ],
        "the database is behind traits",
    ),
    ("actix_web_actors", &["http/ws.rs"], "a crate that may have to be replaced"),
    ("rusqlite", &[], "one way to the database"),
    ("use redis::", &["bus/redis/"], "the order of several nodes is behind one door"),
    ("do_send(", &["actor/tell.rs"], "ignores the bound of a mailbox"),
];

/// Layers of machines: what happens comes in as an argument, time too, and nothing waits.
const MACHINES: &[&str] = &["domain", "protocol", "line", "bus", "channel", "session", "jwt"];

/// What stands in the layer of a machine and is none: an order that a server elsewhere gives has to be asked for.
const OUTSIDE: &[&str] = &["bus/redis/"];

/// Words that would make a machine do more than decide.
const IO: &[&str] = &["actix::", "Instant::now(", "SystemTime::now(", "spawn(", ".await"];

/// A source file: its path below `src`, or its crate's, and its code without comments and unit tests.
struct Source {
    /// The path; it begins with its layer, in whichever crate that is.
    path: String,
    /// The code.
    code: String,
}

impl Source {
    /// A file as the checks see it.
    fn new(path: &str, text: &str) -> Self {
        let mut parts = text.split("#[cfg(test)]");
        let mut own = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            // `mod tests;` ends with its semicolon; `mod tests { … }` stands last in its file.
            match part.find([';', '{']) {
                Some(end) if part[end..].starts_with(';') => own.push_str(&part[end..]),
                _ => break,
            }
        }
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let code = own.lines().filter(is_code).flat_map(|line| [line, "\n"]).collect();
        Self { path: path.to_owned(), code }
    }

    /// A file of another crate, as if it stood in its place below `src`.
    fn of_crate(name: &str, layer: Option<&str>, below: &str, text: &str) -> Self {
        match (layer, below) {
            (Some(layer), "lib.rs") => Self::in_layer(layer, "mod.rs", text),
            (Some(layer), _) => Self::in_layer(layer, below, text),
            (None, "lib.rs") => {
                Self::new(&format!("{}.rs", name.trim_start_matches("warren-")), text)
            }
            (None, _) => Self::new(below, text),
        }
    }

    /// A file of a crate that is one layer: its root is that layer.
    fn in_layer(layer: &str, below: &str, text: &str) -> Self {
        let mut source = Self::new(&format!("{layer}/{below}"), text);
        source.code = source.code.replace("crate::", &format!("crate::{layer}::"));
        source
    }

    /// The layer that the file belongs to.
    fn layer(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// Whether the file holds nothing but tests.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.ends_with("/contract.rs")
            || self.path.starts_with("simulation/")
    }

    /// The layers that the file names: `crate::x`, `crate::{x, y}`, `warren::x` in the binary, and other crates.
    fn uses(&self) -> Vec<String> {
        let mut uses = Vec::new();
        let own = ["crate::", "warren::"].map(|root| (root.to_owned(), None));
        let others = CRATES.iter().map(|(name, layer)| (name.replace('-', "_") + "::", *layer));
        for (root, layer) in own.into_iter().chain(others) {
            for (at, _) in self.code.match_indices(&root) {
                // `hypercrate::x` is somebody else's, and `"warren::x"` a word of the log.
                let before = self.code[..at].chars().next_back().unwrap_or(' ');
                if before.is_alphanumeric() || "_\"".contains(before) {
                    continue;
                }
                let rest = &self.code[at + root.len()..];
                match (layer, rest.strip_prefix('{')) {
                    (Some(layer), _) => uses.push(layer.to_owned()),
                    (None, Some(group)) => uses.extend(heads(group)),
                    (None, None) => uses.extend(head(rest)),
                }
            }
        }
        uses
    }

    /// Everything that is wrong with the file.
    fn faults(&self) -> Vec<String> {
        let (path, layer) = (&self.path, self.layer());
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
            return vec![format!(
                "{path}: `{layer}` is no layer; say in this test what it may use"
            )];
        };
        let mut faults = Vec::new();
        for used in self.uses() {
            if used != layer && !allowed.contains(&used.as_str()) {
                faults.push(format!("{path}: `{layer}` must not use `{used}`"));
            }
        }
        for (word, places, why) in PLACES {
            let is_place = places.iter().any(|place| path.starts_with(place));
            if self.code.contains(word) && !is_place {
                faults.push(format!("{path}: `{word}` does not belong here: {why}"));
            }
        }
        let is_outside = OUTSIDE.iter().any(|folder| path.starts_with(folder));
        if MACHINES.contains(&layer) && !is_outside {
            let found = IO.iter().filter(|word| self.code.contains(**word));
            faults.extend(found.map(|word| format!("{path}: `{word}` in a machine")));
        }
        if layer == "http" && self.code.contains("Addr<") {
            faults.push(format!("{path}: an actor's address in `http`; it is behind handles"));
        }
        faults
    }
}

/// The first name of a path.
fn head(path: &str) -> Option<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let name: String = path.trim_start().chars().take_while(|c| is_name(*c)).collect();
    // `crate::Name` is an item of the root, which has none.
    (!name.is_empty()).then_some(name)
}

/// The first names of a group's members: what follows a `{` or a `,` on its first level.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut start) = (0_u32, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                names.extend(head(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every file with code below a folder: its path there, and its text.
fn code(folder: &Path) -> Vec<(String, String)> {
    let files =
        files(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let read = |path: PathBuf| {
        let below = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
        (below, fs::read_to_string(&path).unwrap())
    };
    files.map(read).collect()
}

/// All sources.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<_> =
        code(&root.join("src")).iter().map(|(below, text)| Source::new(below, text)).collect();
    for (name, layer) in CRATES {
        let files = code(&root.join("crates").join(name).join("src"));
        found.extend(files.iter().map(|(b, text)| Source::of_crate(name, *layer, b, text)));
    }
    found
}

#[test]
fn every_crate_is_looked_at() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let entries = fs::read_dir(folder).unwrap();
    let mut found: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, CRATES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn a_crate_is_held_to_its_layer() {
    let planted = [
        (Some("bench"), "plan.rs", "use warren_leap::domain::ChannelId;", "must not use `domain`"),
        (Some("bench"), "lib.rs", "fn f() { warren::http::f(); }", "must not use `http`"),
        (None, "domain/x.rs", "use crate::protocol::Close;", "must not use `protocol`"),
        (None, "domain/x.rs", "use warren_bench::BenchArgs;", "must not use `bench`"),
    ];
    for (layer, below, code, fault) in planted {
        let faults = Source::of_crate("warren-some", layer, below, code).faults();
        assert!(faults.len() == 1 && faults[0].contains(fault), "{below}: {code}: {faults:?}");
    }
    let own = Source::of_crate("warren-some", Some("bench"), "plan.rs", "use crate::lane::Lane;");
    assert!(own.faults().is_empty(), "{:?}", own.faults());
    let above = Source::new("http/x.rs", "use warren_bench::BenchArgs;").faults();
    assert!(above.len() == 1 && above[0].contains("must not use `bench`"), "{above:?}");
    let circle = [("a.rs", "use crate::b::B;"), ("b.rs", "use super::a::A;")];
    let circle = circle.map(|(below, code)| Source::of_crate("x", Some("bench"), below, code));
    let circles = Tree::new(circle.iter().map(|s| (s.path.as_str(), s.code.as_str()))).circles();
    assert_eq!(circles, [["bench/a.rs", "bench/b.rs"]]);
}

#[test]
fn every_layer_uses_only_what_is_below_it() {
    let sources = sources();
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    for (layer, _) in LAYERS {
        assert!(sources.iter().any(|source| source.layer() == *layer), "no file in `{layer}`");
    }
    let uses = sources.iter().map(|source| source.uses().len()).sum::<usize>();
    assert!(uses > 100, "only {uses} imports were found");
    let faults: Vec<_> = sources.iter().filter(|s| !s.is_test()).flat_map(Source::faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_check_catches_what_is_planted() {
    let planted = [
        ("domain/x.rs", "use crate::protocol::Close;", "must not use `protocol`"),
        ("domain/x.rs", "use crate::{domain::Id, store::Thing};", "must not use `store`"),
        ("domain.rs", "fn f() { crate::actor::clock::now(); }", "must not use `actor`"),
        (
            "protocol/x.rs",
            "use crate::{\n    domain::{Id, Time},\n    http,\n};",
            "must not use `http`",
        ),
        ("protocol/x.rs", "use crate::store::Thing;", "must not use `store`"),
        ("store/x.rs", "use crate::protocol::Close;", "must not use `protocol`"),
        ("actor/x.rs", "pub use crate::http::App;", "must not use `http`"),
        ("http/x.rs", "use crate::config::Config;", "must not use `config`"),
        ("http/x.rs", "use crate::store::diesel::SqliteDatabase;", "`diesel::`"),
        ("store/mod.rs", "use diesel::prelude::*;", "`diesel::`"),
        ("actor/x.rs", "use actix_web_actors::ws;", "`actix_web_actors`"),
        ("http/x.rs", "fn f(a: &Addr<Shard>) {}", "an actor's address"),
        ("actor/x.rs", "a.do_send(Tick);", "`do_send(`"),
        ("main.rs", "use warren::store::Thing;", "must not use `store`"),
        ("store/x.rs", "#[cfg(test)]\nmod tests;\nuse crate::http::App;", "must not use `http`"),
        ("bus/x.rs", "use redis::Client;", "`use redis::`"),
        ("bus/x.rs", "async fn f() { g().await }", "in a machine"),
        ("extra/x.rs", "", "no layer"),
    ];
    for (path, code, fault) in planted {
        let faults = Source::new(path, code).faults();
        assert!(faults.len() == 1 && faults[0].contains(fault), "{path}: {code}: {faults:?}");
    }
}

#[test]
fn the_check_leaves_alone_what_is_allowed() {
    for (path, code) in [
        ("domain/x.rs", "//! See `crate::http`.\nuse crate::domain::Id;\n    // crate::store"),
        ("domain/x.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use crate::store::Thing; }"),
        ("http/x.rs", "use crate::{actor::{Supervisor, Link}, domain::Id, store::Thing};"),
        (
            "domain/x.rs",
            "#[cfg(test)]\nmod tests;\nfn f() {}\n#[cfg(test)]\nmod more { crate::http }",
        ),
        ("http/ws.rs", "use actix_web_actors::ws;\nuse crate::actor::Link;"),
        ("bus/redis/x.rs", "use redis::Client;\nasync fn f() { g().await }"),
        ("store/diesel/x.rs", "use diesel::prelude::*;\nuse crate::store::Thing;"),
        ("server/database.rs", "use crate::store::diesel::SqliteDatabase;\nuse crate::http;"),
        ("domain/x.rs", "use othercrate::store::X;"),
        ("actor/x.rs", "fn f(a: &Addr<Shard>) {}"),
    ] {
        let faults = Source::new(path, code).faults();
        assert!(faults.is_empty(), "{path}: {code}: {faults:?}");
    }
}

/// The circles that there are, and why each is still there. None may be added.
const CIRCLES: &[(&[&str], &str)] = &[
    (
        &[
            "actor/channel.rs",
            "actor/channel/messages.rs",
            "actor/session.rs",
            "actor/session/messages.rs",
            "actor/shard.rs",
            "actor/supervisor.rs",
        ],
        "channel and session know each other's addresses; the shard spawns both, and they ask it through the supervisor",
    ),
    (
        &[
            "actor/hooks.rs",
            "actor/persistence.rs",
            "actor/webhook.rs",
            "actor/webhook/authorizing.rs",
            "actor/webhook/posting.rs",
            "actor/webhook/trying.rs",
        ],
        "persistence hands out who wants events, and that knows the dispatcher, which reads from persistence",
    ),
    (
        &["actor/channel/acting.rs", "actor/channel/hooking.rs"],
        "what webhooks hear is told in the step in which it is done",
    ),
    (
        &["actor/session/acting.rs", "actor/session/hooking.rs"],
        "what webhooks hear is told in the step in which it is done",
    ),
];

/// The most files of a circle.
const LARGEST_CIRCLE: usize = 6;

#[test]
fn no_files_of_a_layer_import_each_other_in_a_circle() {
    let sources = sources();
    let own = sources.iter().filter(|s| !s.is_test() && !s.path.contains("/tests/"));
    let found = Tree::new(own.map(|s| (s.path.as_str(), s.code.as_str()))).circles();
    let excused = |circle: &Vec<&str>| CIRCLES.iter().any(|(files, _)| files == circle);
    let new: Vec<_> = found.iter().filter(|circle| !excused(circle)).collect();
    assert!(new.is_empty(), "files that import each other: {new:#?}");
    for (files, _) in CIRCLES {
        assert!(files.len() <= LARGEST_CIRCLE, "{} files are too many", files.len());
        assert!(found.iter().any(|circle| circle == files), "{files:?} is no circle any more");
    }
}

#[test]
fn a_planted_circle_is_found() {
    let circles =
        |files: &[(&'static str, &'static str)]| Tree::new(files.iter().copied()).circles();
    let two = [
        ("x/a.rs", "use super::b::B;"),
        ("x/b.rs", "fn f() { crate::x::a::g(); }"),
        ("x/c.rs", "use super::{a::A, b::{self, B}};"),
    ];
    assert_eq!(circles(&two), [["x/a.rs", "x/b.rs"]]);
    let behind_a_re_export = [
        ("x/mod.rs", "mod a;\nmod b;\npub use a::A;\npub(crate) use b::{B, C};"),
        ("x/a.rs", "use crate::x::{\n    C,\n};"),
        ("x/b.rs", "use super::A;"),
    ];
    assert_eq!(circles(&behind_a_re_export), [["x/a.rs", "x/b.rs"]]);
    let three = [
        ("x/a.rs", "use super::b::B;"),
        ("x/b.rs", "use super::c::C;"),
        ("x/c.rs", "use super::a::A;"),
    ];
    assert_eq!(circles(&three), [["x/a.rs", "x/b.rs", "x/c.rs"]]);
    let none = [
        ("x.rs", "mod a;\nuse a::A;"),
        ("x/a.rs", "use super::B;\nuse std::fmt;\nuse crate::y::Y;"),
        ("y.rs", "use crate::x::X;"),
    ];
    assert!(circles(&none).is_empty());
}

#[test]
fn the_release_build_is_small_and_its_symbols_can_be_had() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    let value = |profile: &str, key: &str| {
        let value = manifest["profile"].get(profile).and_then(|profile| profile.get(key));
        value.and_then(toml::Value::as_str).map(str::to_owned)
    };
    assert_eq!(value("release", "strip").as_deref(), Some("symbols"));
    assert_eq!(
        value("release", "panic").as_deref(),
        Some("unwind"),
        "one actor's panic ends it alone"
    );
    assert_eq!(value("symbols", "inherits").as_deref(), Some("release"));
    assert_eq!(value("symbols", "debug").as_deref(), Some("line-tables-only"));
    assert_eq!(value("symbols", "strip").as_deref(), Some("none"));
}

/// Names that two layers give to one thing: the upper one's is the lower one's with its parameters filled in.
const ONE_THING: &[&str] = &["ConnectionRef", "Connect"];

/// The type that a line defines.
fn defined(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ")?.1,
        None => line.strip_prefix("pub ").unwrap_or(line),
    };
    let kinds = ["struct ", "enum ", "trait ", "union "];
    let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The names of the types in some sources that more than one of them defines, each with where it stands.
fn names_twice(sources: &[(String, String)]) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, text) in sources {
        let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for name in shipped.lines().filter_map(defined) {
            places.entry(name).or_default().push(path);
        }
    }
    let twice = places.into_iter().filter(|(name, at)| at.len() > 1 && !ONE_THING.contains(name));
    twice.map(|(name, at)| format!("{name}: {}", at.join(", "))).collect()
}

#[test]
fn no_two_types_of_the_server_have_one_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The load tester speaks of its own things; tests, the simulation and models have doubles of what they test, and a build
    // without traces has doubles of what one with them has.
    let doubles = ["simulation/", "tests", "model.rs", "properties.rs", "telemetry/traces/none.rs"];
    let left_out = |path: &str| doubles.iter().any(|part| path.contains(part));
    let sources: Vec<_> = ["src", "crates/warren-leap/src"]
        .into_iter()
        .flat_map(|folder| code(&root.join(folder)))
        .filter(|(path, _)| !left_out(path))
        .collect();
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    let twice = names_twice(&sources);
    assert!(twice.is_empty(), "{}", twice.join("\n"));
}

#[test]
fn a_name_that_stands_twice_is_found() {
    let source = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let sources = [
        source(
            "a.rs",
            "pub(super) struct Lane<'a> {\n}\nstruct Own;\n#[cfg(test)]\nmod tests {\nstruct Own2;",
        ),
        source("b.rs", "    enum Lane {\n    }\npub trait Other {}\nstruct Own2;"),
    ];
    assert_eq!(names_twice(&sources), ["Lane: a.rs, b.rs"]);
}

/// The lines of a test's code that sleep without a reason in a comment on them or right above.
fn bare_sleeps(code: &str) -> Vec<usize> {
    let (mut bare, mut above) = (Vec::new(), "");
    for (at, line) in code.lines().map(str::trim).enumerate() {
        if line.contains("sleep(") && !line.contains("//") && !above.starts_with("//") {
            bare.push(at + 1);
        }
        above = line;
    }
    bare
}

#[test]
fn no_test_sleeps_without_saying_why() {
    let asleep = concat!("sle", "ep(");
    assert_eq!(
        bare_sleeps(&format!("// Why.\n{asleep}1);\n{asleep}2);\n{asleep}3); // Why.")),
        [3]
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_test = |path: &Path| {
        let below = path.strip_prefix(root).unwrap().to_str().unwrap();
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        is_rust && (below.starts_with("tests/it/") || below.contains("/tests"))
    };
    let found = [root.join("tests/it"), root.join("src"), root.join("crates")];
    let mut found: Vec<_> = found.iter().flat_map(|folder| files(folder)).collect();
    found.retain(|path| is_test(path));
    assert!(found.len() > 50, "only {} files were found", found.len());
    let mut bare = Vec::new();
    for path in found {
        let lines = bare_sleeps(&fs::read_to_string(&path).unwrap());
        bare.extend(lines.into_iter().map(|line| format!("{}:{line}", path.display())));
    }
    assert!(bare.is_empty(), "wait for the event itself, or say why not:\n{}", bare.join("\n"));
}
