//! Scenarios that are fine, and those that are not.

use super::*;
use std::collections::BTreeSet;

/// The smallest one.
const SMALL: &str = "title = \"t\"\n[[group]]\nname = \"g\"\n";

/// A scenario, read.
fn read(text: &str) -> Result<Scenario, BenchError> {
    Scenario::read(text, &[])
}

#[test]
fn what_is_left_out_has_its_default() {
    let scenario = read(SMALL).unwrap();
    assert_eq!((scenario.connections(), scenario.generator.threads), (1, 1));
    assert_eq!(scenario.groups[0].identity(), Identity::Anonymous);
    assert!(!scenario.has_load());
}

#[test]
fn mistakes_are_named() {
    let flow = |lines: &str| format!("{SMALL}[[publish]]\ngroup = \"g\"\n{lines}\n");
    for (text, word) in [
        ("title = 1".to_owned(), "title"),
        ("title = \"t\"".to_owned(), "group"),
        (format!("{SMALL}subscriber = 1"), "subscriber"),
        (format!("{SMALL}channels = 0"), "channels"),
        (format!("{SMALL}subscribers = 2000000"), "1000000"),
        (format!("{SMALL}channels_per_connection = 0"), "channels_per_connection"),
        (format!("{SMALL}channels_per_connection = 2"), "channels_per_connection"),
        (format!("{SMALL}channels = 3\nchannels_per_connection = 2"), "a multiple"),
        (format!("{SMALL}[[group]]\nname = \"g\""), "two groups"),
        (format!("{SMALL}[[group]]\nname = \"a b\""), "letters"),
        (format!("{SMALL}[run]\nduration_s = 0.0"), "run.duration_s"),
        (format!("{SMALL}[generator]\nthreads = 0"), "generator.threads"),
        (format!("{SMALL}[generator]\nmax_busy = 2.0"), "max_busy"),
        (format!("{SMALL}[thresholds]\np77_ms = 1.0"), "p77_ms"),
        (format!("{SMALL}[[storm]]\nat_s = 99.0"), "storm.at_s"),
        (flow(""), "rate"),
        (flow("rate = 1.0\nwindow = 1"), "one of the two"),
        (flow("rate = -1.0"), "publish.rate"),
        (flow("window = 1\npublishers = 0"), "publishers"),
        (flow("window = 1\npublishers = 2\nkind = \"socket\""), "too few"),
        (flow("window = 1\npayload = 3"), "27"),
        (flow("window = 1\npayload = [{ bytes = 99, share = 0 }]"), "shares"),
        (flow("rate = 1.0\nstages = [{ seconds = 0.0, rate = 1.0 }]"), "stages.seconds"),
        (format!("{SMALL}[[publish]]\ngroup = \"h\"\nwindow = 1"), "no group h"),
    ] {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn each_channel_has_its_subscribers_however_many_a_connection_listens_to() {
    let text = format!("{SMALL}channels = 6\nsubscribers = 8\nchannels_per_connection = 4");
    let group = read(&text).unwrap().groups.remove(0);
    assert_eq!(group.connections(), 12);
    let mut listeners = [0; 6];
    for connection in 0..12 {
        let heard: BTreeSet<_> = group.channels_of(connection).collect();
        assert_eq!(heard.len(), 4, "{connection}: none twice");
        for channel in heard {
            listeners[channel] += 1;
        }
    }
    assert_eq!(listeners, [8; 6]);
}

#[test]
fn stages_decide_how_long_it_takes() {
    let text = format!(
        "{SMALL}[[publish]]\ngroup = \"g\"\nstages = [{{ seconds = 2, rate = 9 }}, {{ seconds = 3, rate = 0 }}]"
    );
    assert!((read(&text).unwrap().duration() - 5.0).abs() < 1e-9);
}

#[test]
fn keys_are_replaced_from_outside() {
    let set = |changes: &[&str]| {
        Scenario::read(SMALL, &changes.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    };
    let scenario = set(&[
        "run.duration_s=2",
        "group.0.subscribers=10",
        "title=two words",
        "server.cpus=[0, 1]",
    ])
    .unwrap();
    assert!((scenario.run.duration_s - 2.0).abs() < 1e-9);
    assert_eq!((scenario.connections(), scenario.title.as_str()), (10, "two words"));
    assert_eq!(scenario.server.cpus, [0, 1]);
    for wrong in ["run", "group.7.subscribers=1", "title.x=1", "run.nothing=1"] {
        assert!(set(&[wrong]).is_err(), "{wrong}");
    }
}

#[test]
fn every_ready_scenario_is_sound() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/scenarios");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let scenario = Scenario::read(&text, &[]);
            let scenario = scenario.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if name == "many-channels" {
                assert!(scenario.groups.iter().any(|group| group.channels_per_connection > 1));
            }
            names.push(name);
        }
    }
    for name in [
        "s1",
        "s1w1",
        "s2",
        "s3",
        "s6",
        "idle",
        "connect",
        "state",
        "workers",
        "quick",
        "many-channels",
    ] {
        assert!(names.iter().any(|it| it == name), "{name} is missing");
    }
}
