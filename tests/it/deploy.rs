//! What `deploy/` says: every metric in it is one that a server shows, Prometheus' own tool finds the rules good, and systemd's
//! its units.

use crate::support::{ADMIN, Server};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A file of `deploy/`.
fn deployed(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// The text of one.
fn text_of(path: &str) -> String {
    fs::read_to_string(deployed(path)).unwrap()
}

/// The names of metrics in an expression.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(move |c| !is_part(c));
    words.filter(|word| word.starts_with("warren_") || word.starts_with("process_"))
}

/// The metric that a name belongs to: histograms have three.
fn metric(name: &str) -> &str {
    let endings = ["_bucket", "_sum", "_count"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// The expressions of the dashboard: those that are drawn, and those that fill its menus.
fn dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text_of("grafana/warren.json")).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let panels = list(&dashboard["panels"]);
    let targets = panels.iter().flat_map(|panel| list(&panel["targets"]));
    let drawn = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let menus = list(&dashboard["templating"]["list"]);
    let asked = menus.iter().filter_map(|menu| menu["definition"].as_str().map(str::to_owned));
    let marks = list(&dashboard["annotations"]["list"]);
    let marked = marks.iter().map(|mark| mark["expr"].as_str().unwrap().to_owned());
    drawn.chain(asked).chain(marked).collect()
}

/// The expressions of the alerts.
fn alerts() -> Vec<String> {
    let text = text_of("prometheus/alerts.yml");
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    lines.map(str::to_owned).collect()
}

/// What a server shows.
fn shown() -> String {
    let server = Server::start();
    let answer = server.call("GET", "/metrics", Some(ADMIN), "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// The names under which Prometheus keeps what a server shows.
fn kept(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let endings = |kind: &str| match kind {
        "counter" => &["_total"][..],
        "histogram" => &["_bucket", "_sum", "_count"][..],
        _ => &[""][..],
    };
    types
        .flat_map(|(name, kind)| endings(kind).iter().map(move |end| format!("{name}{end}")))
        .collect()
}

#[test]
fn every_metric_that_is_drawn_or_watched_is_shown() {
    let kept = kept(&shown());
    let (drawn, watched) = (dashboard(), alerts());
    assert!(drawn.len() > 40 && watched.len() > 7, "{} {}", drawn.len(), watched.len());
    for expression in drawn.iter().chain(&watched) {
        for name in names(expression) {
            assert!(kept.contains(name), "{name} in {expression}: {kept:#?}");
        }
    }
    // Nothing that is shown is forgotten in the dashboard.
    let all: BTreeSet<_> = drawn.iter().flat_map(|drawn| names(drawn)).map(metric).collect();
    for name in &kept {
        assert!(all.contains(metric(name)), "{name} is not drawn");
    }
}

/// Prometheus' tool, if it is on this machine: where `PROMTOOL` says, which must be right, or on the path.
fn promtool() -> Option<Command> {
    let asked = std::env::var("PROMTOOL").ok();
    let program = asked.clone().unwrap_or_else(|| "promtool".to_owned());
    let is_there = Command::new(&program).arg("--version").output().is_ok();
    if !is_there {
        assert!(asked.is_none(), "PROMTOOL={program}: there is no such program");
        println!("SKIPPED: there is no promtool here (Debian: apt-get install prometheus)");
        return None;
    }
    Some(Command::new(program))
}

/// Runs it; what it says must be good.
fn run(args: &[&str], input: Option<&str>) {
    let Some(mut command) = promtool() else { return };
    command.current_dir(deployed("prometheus")).args(args);
    if let Some(input) = input {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, input.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        command.stdin(file);
    }
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn promtool_finds_the_configuration_and_the_rules_good_and_their_tests_pass() {
    run(&["check", "config", "prometheus.yml"], None);
    run(&["check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"], None);
    run(&["test", "rules", "alerts.test.yml"], None);
}

#[test]
fn promtool_reads_what_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drawn.yml");
    let mut rules = "groups:\n- name: drawn\n  rules:\n".to_owned();
    for (n, expression) in
        dashboard().iter().filter(|drawn| !drawn.contains("label_values")).enumerate()
    {
        let expression = expression.replace("$__rate_interval", "1m").replace("$quantile", "0.99");
        rules += &format!("  - record: drawn:{n}\n    expr: {}\n", Value::from(expression));
    }
    fs::write(&file, rules).unwrap();
    run(&["check", "rules", file.to_str().unwrap()], None);
}

/// systemd's tool on copies of the units, in which one text stands for another, and this machine's binary for the installed one;
/// whether it is content, and what it says. None where there is no such tool.
fn systemd_analyze(args: &[&str], (old, new): (&str, &str)) -> Option<(bool, String)> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("SKIPPED: there is no systemd-analyze here (Debian: apt-get install systemd)");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    for unit in fs::read_dir(deployed("systemd")).unwrap() {
        let unit = unit.unwrap();
        let text = fs::read_to_string(unit.path()).unwrap();
        let text = text.replace("/usr/bin/warren", env!("CARGO_BIN_EXE_warren"));
        let text = text.replace(old, new);
        fs::write(folder.path().join(unit.file_name()), text).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    let output = command.current_dir(folder.path()).args(args).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn systemd_finds_its_units_good_and_the_service_locked_in() {
    let verify =
        ["verify", "--man=no", "./warren.service", "./warren.socket", "./warren-metrics.socket"];
    // Of 100: below 20 is well protected, and a server cannot do without all, the network for one.
    let rate = ["security", "--offline=true", "--threshold=20", "./warren.service"];
    let none = ("\0", "");
    let Some((is_good, said)) = systemd_analyze(&verify, none) else { return };
    assert!(is_good && said.trim().is_empty(), "{said}");
    let (is_good, said) = systemd_analyze(&rate, none).unwrap();
    assert!(is_good, "{said}");
    // It does look: what is wrong is said, and what is open is rated.
    let (_, said) = systemd_analyze(&verify, ("Type=notify", "Type=nothing")).unwrap();
    assert!(said.contains("Type=") || said.contains("service type"), "{said}");
    let (is_good, said) = systemd_analyze(&rate, ("CapabilityBoundingSet=\n", "")).unwrap();
    assert!(!is_good, "{said}");
}
