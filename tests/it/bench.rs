//! `warren bench`, run as people run it: what it counts, what it notices, and when it refuses to report.

use crate::bench_peer::Fault;
use crate::support::start::program;
use crate::support::{OWNER, PROJECT, Server};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Output, Stdio};
use tempfile::TempDir;

/// The parts of a run, short.
const SHORT: &str = "[run]\nsettle_s = 0.05\nwarmup_s = 0.1\nduration_s = 0.6\n";

/// A run that is over.
struct Run {
    /// Exit code, standard output and error.
    output: Output,
    /// The report, if there is one.
    report: Value,
    /// The page, if there is one.
    page: String,
}

impl Run {
    /// The exit code.
    fn code(&self) -> i32 {
        self.output.status.code().unwrap()
    }

    /// One of the totals.
    fn total(&self, name: &str) -> u64 {
        self.report["totals"][name].as_u64().unwrap_or_else(|| panic!("{name}: {}", self.told()))
    }

    /// Everything that it said.
    fn told(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&self.output.stdout) + &text(&self.output.stderr) + &self.report.to_string()
    }

    /// Asserts how it ended.
    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{}", self.told());
        self
    }

    /// Asserts that every publish reached so many, once and in order.
    fn delivered_to(&self, subscribers: u64) {
        let published = self.total("published");
        assert!(published > 0, "{}", self.told());
        assert_eq!(self.total("delivered"), published * subscribers, "{}", self.told());
        assert_eq!(self.total("expected"), self.total("delivered"), "{}", self.told());
        for name in ["lost", "duplicated", "reordered", "errors", "unsent"] {
            assert_eq!(self.total(name), 0, "{name}: {}", self.told());
        }
    }
}

/// Runs a scenario with more flags.
fn run(scenario: &str, flags: &[&str]) -> Run {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    // A debug build is slow, and the machine has other things to do: late is no reason to refuse, unless it is the test.
    let text = format!("title = \"test\"\n{SHORT}{scenario}");
    std::fs::write(path("scenario.toml"), text).unwrap();
    let output = program()
        .arg("bench")
        .arg(path("scenario.toml"))
        .arg("--json")
        .arg(path("report.json"))
        .arg("--html")
        .arg(path("report.html"))
        .args(flags)
        .env_remove("WARREN_PROJECT")
        .env_remove("WARREN_PROJECT_TOKEN")
        .output()
        .unwrap();
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap_or_default();
    let report = serde_json::from_str(&read("report.json")).unwrap_or_default();
    Run { output, report, page: read("report.html") }
}

/// Runs a scenario against a server.
fn run_at(url: &str, scenario: &str, flags: &[&str]) -> Run {
    let mut all = vec!["--url", url, "--token", OWNER, "--project", PROJECT];
    all.extend(flags);
    run(scenario, &all)
}

/// A generator that is never too late.
const PATIENT: &str = "[generator]\nmax_late_ms = 60000\nmax_busy = 1.0\n";

#[test]
fn everything_that_is_published_is_delivered_to_all() {
    let server = Server::start();
    let url = format!("http://{}", server.address);
    let scenario = format!(
        "{PATIENT}[[group]]\nname = \"g\"\nchannels = 2\nsubscribers = 20\n\
         [[publish]]\ngroup = \"g\"\npublishers = 3\nrate = 60.0\n"
    );
    let run = run_at(&url, &scenario, &[]).ended(0);
    run.delivered_to(20);
    assert_eq!(run.total("published"), 42);
    assert_eq!(run.total("acknowledged"), 42);
    assert_eq!(run.report["passed"], true);
    assert_eq!(run.report["load"]["delivery"]["count"], 36 * 20);
    assert!(run.page.contains("<svg") && !run.page.contains(OWNER) && !run.told().contains(OWNER));
    assert_eq!(run.report["idle"], Value::Null, "nobody said which process it is");
    // It has tidied up.
    assert_eq!(server.data("GET", "/v1/channels", "")["total_count"], 0);
    server.assert_well();
}

#[test]
fn connections_on_several_channels_are_checked_for_each() {
    let server = Server::start();
    let scenario = format!(
        "{PATIENT}[[group]]\nname = \"g\"\nchannels = 4\nsubscribers = 6\nchannels_per_connection = 3\n\
         churn_per_s = 5.0\n[[publish]]\ngroup = \"g\"\npublishers = 3\nrate = 60.0\n"
    );
    let run = run_at(&format!("http://{}", server.address), &scenario, &[]).ended(0);
    assert_eq!(run.report["connect"]["connections"], 8);
    assert!(run.total("left") > 0 && run.total("delivered") > run.total("published"));
    let still = scenario.replace("churn_per_s = 5.0\n", "");
    let run = run_at(&format!("http://{}", server.address), &still, &[]).ended(0);
    run.delivered_to(6);
}

#[test]
fn several_threads_count_as_one() {
    let server = Server::start();
    let scenario = format!(
        "{PATIENT}threads = 3\n[[group]]\nname = \"a\"\nsubscribers = 7\ntype = \"private\"\n\
         [[publish]]\ngroup = \"a\"\npublishers = 4\nwindow = 2\n"
    );
    run_at(&format!("http://{}", server.address), &scenario, &[]).ended(0).delivered_to(7);
}

#[test]
fn who_comes_and_goes_misses_nothing_in_between() {
    let server = Server::start();
    let scenario = format!(
        "{PATIENT}[[group]]\nname = \"g\"\nsubscribers = 10\nchurn_per_s = 50.0\n\
         [[publish]]\ngroup = \"g\"\nrate = 100.0\n"
    );
    let run = run_at(&format!("http://{}", server.address), &scenario, &[]).ended(0);
    assert_eq!(run.total("left"), 35);
    // The last ones may still have been on their way in when it ended.
    assert!((35..=45).contains(&run.total("connected")), "{}", run.told());
    assert!(run.total("delivered") > 0 && run.total("lost") == 0, "{}", run.told());
}

#[test]
fn subscribers_publish_over_their_sockets() {
    let server = Server::start();
    let scenario = format!(
        "{PATIENT}[[group]]\nname = \"g\"\nchannels = 3\nsubscribers = 4\n\
         [[publish]]\ngroup = \"g\"\nkind = \"socket\"\npublishers = 6\nrate = 90.0\n\
         payload = [{{ bytes = 27, share = 1 }}, {{ bytes = 70000, share = 1 }}]\n"
    );
    let run = run_at(&format!("http://{}", server.address), &scenario, &[]).ended(0);
    run.delivered_to(4);
    assert_eq!(run.total("acknowledged"), 0);
}

#[test]
fn states_are_written_and_shown() {
    let server = Server::start();
    let scenario = format!(
        "{PATIENT}[[group]]\nname = \"g\"\nchannels = 4\nsubscribers = 3\n\
         [[publish]]\ngroup = \"g\"\nkind = \"state\"\npublishers = 4\nwindow = 0\n"
    );
    run_at(&format!("http://{}", server.address), &scenario, &[]).ended(0).delivered_to(3);
}

#[test]
fn a_server_of_its_own_is_measured_and_weathers_a_storm() {
    let scenario = format!(
        "{PATIENT}[server]\nworkers = 1\n[server.config.limits]\nsession-channels = 5\n\
         [[group]]\nname = \"g\"\nchannels = 5\nsubscribers = 8\n[[publish]]\ngroup = \"g\"\nrate = 50.0\n\
         [[storm]]\nat_s = 0.1\nshare = 0.5\n[thresholds]\nlost = 0\nstorm_back_s = 60.0\n"
    );
    let run = run(&scenario, &["--set", "run.duration_s=1.0"]).ended(0);
    assert_eq!(run.report["storms"][0]["dropped"], 20);
    assert_eq!(run.report["storms"][0]["returned"], 20);
    assert!(run.report["load"]["server"]["cores"].is_number(), "{}", run.told());
    assert!(run.report["idle"]["bytes_per_connection"].is_number(), "{}", run.told());
    assert_eq!(run.report["thresholds"].as_array().unwrap().len(), 2);
    assert!(!run.page.contains("ptk_") && !run.told().contains("ptk_"));
}

#[test]
fn a_publisher_that_waited_for_long_comes_back_if_its_connection_was_ended() {
    let scenario = format!(
        "{PATIENT}[[group]]\nname = \"g\"\nsubscribers = 5\n\
         [[publish]]\ngroup = \"g\"\npublishers = 3\nrate = 60.0\n"
    );
    // A server waits 5 s for a connection's first request.
    let run = run(&scenario, &["--set", "run.settle_s=6"]).ended(0);
    run.delivered_to(5);
}

#[test]
fn a_threshold_that_is_not_met_fails_the_run() {
    let server = Server::start();
    let scenario = format!(
        "{PATIENT}[[group]]\nname = \"g\"\n[[publish]]\ngroup = \"g\"\nrate = 20.0\n\
         [thresholds]\np99_ms = 0.0\npublishes_per_s = 1.0\n"
    );
    let run = run_at(&format!("http://{}", server.address), &scenario, &[]).ended(3);
    let failures = run.report["failures"].as_array().unwrap();
    assert!(
        failures.len() == 1 && failures[0].as_str().unwrap().contains("p99_ms"),
        "{failures:?}"
    );
}

#[test]
fn what_a_server_does_wrong_is_noticed() {
    let scenario = format!(
        "{PATIENT}[[group]]\nname = \"g\"\nsubscribers = 2\n[[publish]]\ngroup = \"g\"\nrate = 60.0\n"
    );
    for (fault, name) in [
        (Fault::Drops, "lost"),
        (Fault::Repeats, "duplicated"),
        (Fault::Swaps, "reordered"),
        (Fault::Refuses, "errors"),
    ] {
        let url = format!("http://{}", crate::bench_peer::start(fault));
        let run = run_at(&url, &scenario, &[]).ended(3);
        // 42 publishes, every third of them wrong, two who listen.
        let wrong = if fault == Fault::Refuses { 14 } else { 28 };
        // The one that is held back at the end never comes.
        let held = if fault == Fault::Swaps { 2 } else { 0 };
        for other in ["lost", "duplicated", "reordered", "errors"] {
            let expected = match other {
                _ if other == name => wrong - held,
                "lost" => held,
                _ => 0,
            };
            assert_eq!(run.total(other), expected, "{fault:?}, {other}: {}", run.told());
        }
    }
    // The same on two channels that everybody listens to: what is swapped is in order on each of them.
    let both = scenario
        .replace("subscribers = 2", "channels = 2\nsubscribers = 2\nchannels_per_connection = 2");
    for (fault, wrong) in
        [(Fault::Drops, [28, 0, 0]), (Fault::Repeats, [0, 28, 0]), (Fault::Swaps, [2, 0, 0])]
    {
        let run =
            run_at(&format!("http://{}", crate::bench_peer::start(fault)), &both, &[]).ended(3);
        let found = ["lost", "duplicated", "reordered"].map(|name| run.total(name));
        assert_eq!(found, wrong, "{fault:?}: {}", run.told());
    }
    let url = format!("http://{}", crate::bench_peer::start(Fault::Closes));
    let run = run_at(&url, &scenario, &[]).ended(3);
    assert_eq!(run.report["totals"]["troubles"]["connection lost: closed 4000"], 2);
    let url = format!("http://{}", crate::bench_peer::start(Fault::Breaks));
    let run = run_at(&url, &scenario, &[]).ended(3);
    let why = "connection lost: the end of the stream";
    assert_eq!(run.report["totals"]["troubles"][why], 2, "{}", run.told());
    let url = format!("http://{}", crate::bench_peer::start(Fault::Forges));
    let run = run_at(&url, &scenario, &[]).ended(1);
    assert!(run.told().contains("another key"), "{}", run.told());
}

#[test]
fn a_generator_that_was_the_bottleneck_does_not_report() {
    let server = Server::start();
    let url = format!("http://{}", server.address);
    // Nobody makes this rate, and not a microsecond of lateness is allowed.
    let scenario = "[generator]\nmax_late_ms = 0\n[[group]]\nname = \"g\"\n\
        [[publish]]\ngroup = \"g\"\npublishers = 8\nrate = 5000000.0\n";
    let refused = run_at(&url, scenario, &[]).ended(4);
    assert_eq!(refused.report["counts"], false);
    assert_eq!(refused.report["load"], Value::Null);
    assert!(refused.told().contains("DOES NOT COUNT"), "{}", refused.told());
    assert!(refused.told().contains("after they were due"), "{}", refused.told());
    // Nor does the server take it: what was due and never left fails the run, too.
    let allowed = run_at(&url, scenario, &["--allow-saturated-generator"]).ended(3);
    assert!(allowed.total("unsent") > 0, "{}", allowed.told());
    assert_eq!(allowed.report["counts"], false);
    assert_eq!(allowed.report["passed"], false);
    assert!(allowed.report["load"]["publishes_per_s"].is_number());
    assert!(allowed.page.contains("Does not count"));
}

#[test]
fn slow_readers_are_closed_and_nobody_else_notices() {
    // Far more than a queue and the kernel's buffers hold.
    let scenario = format!(
        "{PATIENT}[server.config.limits]\noutbox-bytes = 65536\noutbox-patience-ms = 200\n[[group]]\nname = \"fast\"\nsubscribers = 3\n\
         [[group]]\nname = \"slow\"\nsubscribers = 2\nread_bytes_per_s = 0\nreceive_buffer = 4096\n\
         [[publish]]\ngroup = \"fast\"\nrate = 30.0\n\
         [[publish]]\ngroup = \"slow\"\npublishers = 4\nrate = 20.0\n\
         payload = 1000000\n[thresholds]\nunsent = 100\n"
    );
    let run = run(&scenario, &[]).ended(0);
    assert_eq!(run.total("slow_readers_closed"), 2, "{}", run.told());
    assert_eq!((run.total("lost"), run.total("errors")), (0, 0), "{}", run.told());
    assert!(run.total("delivered") > 0, "{}", run.told());
    assert_eq!(run.total("delivered"), run.total("expected"), "{}", run.told());
}

#[test]
fn a_signal_ends_it_in_order() {
    let folder = TempDir::new().unwrap();
    let scenario = folder.path().join("scenario.toml");
    let text = "title = \"t\"\n[run]\nhold_s = 3600.0\n[[group]]\nname = \"g\"\n";
    std::fs::write(&scenario, text).unwrap();
    let place = TempDir::new().unwrap();
    let mut child = program()
        .arg("bench")
        .arg(&scenario)
        .arg("--progress")
        .env("TMPDIR", place.path())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let entries = || std::fs::read_dir(place.path()).unwrap().count();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(" hold ")), "it did not come so far");
    assert_eq!(entries(), 1, "its server has a folder");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).unwrap();
    let last = lines.last().unwrap_or_default();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(last.contains("interrupted"), "{last}");
    assert_eq!(entries(), 0, "the server's folder is left behind");
}

#[test]
fn what_cannot_be_run_is_explained() {
    let group = "[[group]]\nname = \"g\"\n";
    for (scenario, flags, code, words) in [
        ("[[group]]\nname = \"g\"\nsubscriber = 1\n", &[][..], 1, "subscriber"),
        (group, &["--set", "group.7.channels=1"][..], 1, "no such place"),
        (
            group,
            &["--url", "https://127.0.0.1", "--token", "ptk_x", "--project", "p"][..],
            1,
            "TLS",
        ),
        (
            group,
            &["--url", "http://127.0.0.1:1", "--token", "ptk_x", "--project", "p"][..],
            1,
            "refused",
        ),
        (group, &["--url", "http://127.0.0.1:1"][..], 2, "--token"),
        (
            group,
            &["--url", "http://127.0.0.1:1", "--token", "ptk_x", "--project", "p", "--pairs", "1"]
                [..],
            1,
            "--pairs",
        ),
    ] {
        let run = run(scenario, flags).ended(code);
        assert!(run.told().contains(words), "{words}: {}", run.told());
    }
}

#[test]
fn a_bare_server_is_measured_in_turns() {
    let scenario = format!(
        "{PATIENT}[[group]]\nname = \"g\"\nsubscribers = 50\n[[publish]]\ngroup = \"g\"\npublishers = 2\nwindow = 2\n"
    );
    let run = run(&scenario, &["--pairs", "1"]).ended(0);
    assert_eq!(run.report["comparison"]["figure"], "CPU µs per delivery");
    assert_eq!(run.report["comparison"]["pairs"].as_array().unwrap().len(), 1);
}
