//! What comes from where, and what is refused.

use super::*;
use clap::Parser;
use std::ffi::OsString;

/// A command line that is nothing but the settings.
#[derive(Parser)]
struct Line {
    /// The settings.
    #[command(flatten)]
    serve: ServeArgs,
}

/// Arguments that read no file of the working folder.
pub(super) fn args(text: &str) -> (tempfile::NamedTempFile, ServeArgs) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let args = ServeArgs { config: Some(file.path().to_owned()), ..ServeArgs::default() };
    (file, args)
}

/// Where a server would listen.
fn places(config: &Config) -> Vec<String> {
    config.listen.iter().map(ToString::to_string).collect()
}

/// What comes of a file, an environment and `--set`, and where each setting is from.
fn layered(
    text: &str,
    environment: &[(&str, &str)],
    set: &[&str],
) -> Result<(Config, BTreeMap<String, String>), ConfigError> {
    let (_file, mut args) = args(text);
    args.set = set.iter().map(|pair| (*pair).to_owned()).collect();
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let layered = layers::read(&args, environment)?;
    Config::of(layered.under(args)).map(|config| (config, layered.origins))
}

#[test]
fn a_pair_wins_over_the_environment_and_that_over_the_file_for_limits_too() {
    let file = "workers = 3\nheartbeat = 7\n[limits]\nstate-bytes = 1\nreplay-events = 1\nreplay-bytes = 1\n";
    let environment = [
        ("WARREN_WORKERS", "4"),
        ("WARREN_LIMITS__STATE_BYTES", "2KiB"),
        ("WARREN_LIMITS__REPLAY_EVENTS", "2"),
        ("WARREN_SEED", "4711"),
        ("OTHER", "x"),
    ];
    let (config, origins) =
        layered(file, &environment, &["limits.replay-events=3", "zlib=off"]).unwrap();
    let settings = config.settings;
    assert_eq!(config.workers, 4);
    assert_eq!((settings.state_bytes, settings.replay_events, settings.replay_bytes), (2048, 3, 1));
    assert_eq!(settings.timing.heartbeat, Duration::from_secs(7));
    assert!(!settings.has_zlib);
    assert_eq!(origins["limits.state-bytes"], "WARREN_LIMITS__STATE_BYTES");
    assert_eq!(origins["limits.replay-events"], "--set");
    assert!(origins["limits.replay-bytes"].ends_with(", line 6"), "{origins:?}");
}

#[test]
fn sizes_and_durations_may_have_units_and_plain_numbers_mean_what_they_did() {
    for (text, grace, state, patience) in [
        (
            "session-grace = 1.5\n[limits]\nstate-bytes = 67_108_864\noutbox-patience-ms = 500",
            1500,
            64 << 20,
            500,
        ),
        (
            "session-grace = \"2m\"\n[limits]\nstate-bytes = \"1.5MiB\"\noutbox-patience-ms = \"2s\"",
            120_000,
            3 << 19,
            2000,
        ),
        (
            "session-grace = \"20\"\n[limits]\nstate-bytes = \"5\"\noutbox-patience-ms = \"7\"",
            20_000,
            5,
            7,
        ),
    ] {
        let settings = layered(text, &[], &[]).unwrap().0.settings;
        assert_eq!(settings.session_grace, Duration::from_millis(grace), "{text}");
        assert_eq!(settings.state_bytes, state, "{text}");
        assert_eq!(settings.outbox_patience, Duration::from_millis(patience), "{text}");
    }
}

#[test]
fn several_places_to_listen_are_a_list_or_have_commas() {
    let wanted = ["127.0.0.1:1", "[::1]:2", "localhost:3", "unix:/run/w.sock"];
    let list = "listen = [\"127.0.0.1:1\", \"[::1]:2\", \"localhost:3\", \"unix:/run/w.sock\"]";
    assert_eq!(places(&layered(list, &[], &[]).unwrap().0), wanted);
    let comma = wanted.join(",");
    let (config, _) = layered("", &[("WARREN_LISTEN", &comma)], &[]).unwrap();
    assert_eq!(places(&config), wanted);
    let line = ["warren", "--listen", "127.0.0.1:1,[::1]:2", "--listen", "localhost:3"];
    let flags = Line::try_parse_from(line).unwrap().serve.listen.unwrap();
    assert_eq!(flags.iter().map(ToString::to_string).collect::<Vec<_>>(), wanted[..3]);
}

#[test]
fn a_secret_may_be_in_a_file_of_its_own() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "ptk_0123456789abcdefghijklmn\n").unwrap();
    let path = secret.path().to_str().unwrap();
    let named = format!("project-token-file = \"{path}\"");
    for (file, environment) in
        [(named.as_str(), vec![]), ("", vec![("WARREN_PROJECT_TOKEN_FILE", path)])]
    {
        let (config, origins) = layered(file, &environment, &[]).unwrap();
        let token = config.first_run.project_token.unwrap();
        assert_eq!(token, "ptk_0123456789abcdefghijklmn");
        assert!(origins["project-token"].contains(path), "{origins:?}");
    }
    // A layer above says it itself: that counts, and is no contradiction.
    let above = [("WARREN_PROJECT_TOKEN", "ptk_above")];
    let token = layered(&named, &above, &[]).unwrap().0.first_run.project_token;
    assert_eq!(token.as_deref(), Some("ptk_above"));
    let twice = format!("{named}\nproject-token = \"ptk_x\"");
    let error = layered(&twice, &[], &[]).unwrap_err().to_string();
    assert!(error.contains("keep one of them"), "{error}");
    let nowhere = [("WARREN_ADMIN_TOKEN_FILE", "/nowhere")];
    let error = layered("", &nowhere, &[]).unwrap_err().to_string();
    assert!(error.contains("WARREN_ADMIN_TOKEN_FILE") && error.contains("/nowhere"), "{error}");
}

#[test]
fn what_is_no_setting_is_refused_with_what_may_be_meant_and_where_it_stands() {
    for (text, words) in [
        ("workers = 1\nlisen = 1", vec![", line 2", "`lisen`", "did you mean `listen`?"]),
        ("[limits]\nstate-byte = 1", vec![", line 2", "did you mean `limits.state-bytes`?"]),
        ("state-bytes = 1", vec!["did you mean `limits.state-bytes`?"]),
        ("entirely-unlike = 1", vec!["no setting `entirely-unlike`", "warren.example.toml"]),
        ("limits = 1", vec!["`limits`"]),
    ] {
        let error = layered(text, &[], &[]).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
    }
    let error = layered("", &[("WARREN_LIMITS__STATE_BYTE", "1")], &[]).unwrap_err().to_string();
    assert!(
        error.contains("WARREN_LIMITS__STATE_BYTE") && error.contains("limits.state-bytes"),
        "{error}"
    );
    let error = layered("", &[], &["wokers=1"]).unwrap_err().to_string();
    assert!(error.contains("--set") && error.contains("did you mean `workers`?"), "{error}");
    assert!(layered("", &[], &["workers"]).unwrap_err().to_string().contains("KEY=VALUE"));
}

#[test]
fn a_value_that_cannot_be_one_is_named_with_its_place() {
    for (text, words) in [
        ("zlib = true\nworkers = 2.5", vec![", line 2", "workers", "2.5"]),
        ("workers = \"many\"", vec![", line 1", "workers", "many"]),
        ("workers = 5000", vec![", line 1", "1 to 1024"]),
        ("zlib = 3", vec![", line 1", "zlib", "true or false"]),
        ("[limits]\nstate-bytes = \"big\"", vec![", line 2", "limits.state-bytes", "is no size"]),
        ("[limits]\nstate-bytes = -1", vec![", line 2", "limits.state-bytes", "-1"]),
        ("[limits]\nhistory-seconds = \"1500ms\"", vec![", line 2", "whole number of seconds"]),
        ("heartbeat = \"soon\"", vec!["heartbeat", "is no duration"]),
        ("listen = [\"127.0.0.1:1\", \"8080\"]", vec!["listen", "`8080`", "HOST:PORT"]),
        ("listen = []", vec!["listen", "one place"]),
        ("socket = \"telepathy\"", vec!["socket", "telepathy"]),
        ("webhook-networks = [\"x\"]", vec!["webhook-networks", "`x`"]),
    ] {
        let (_file, args) = args(text);
        let error = Config::load(args).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
    }
}

#[test]
fn a_share_of_the_log_is_from_nothing_to_everything() {
    for (share, is_fine) in [(0.0, true), (0.01, true), (1.0, true), (-0.5, false), (1.5, false)] {
        for args in [
            ServeArgs { log_requests: Some(share), ..ServeArgs::default() },
            ServeArgs { log_closes: Some(share), ..ServeArgs::default() },
        ] {
            assert_eq!(Config::load(args).is_ok(), is_fine, "{share}");
        }
    }
}

#[test]
fn defaults_are_those_of_the_table() {
    let (_file, args) = args("");
    let config = Config::load(args).unwrap();
    assert_eq!(places(&config), ["127.0.0.1:8080"]);
    assert_eq!(config.database.file(), Some(Path::new("./warren-data/warren.db")));
    assert_eq!(config.settings.session_grace, Duration::from_secs(30));
    assert_eq!(config.settings.timing.heartbeat, Duration::from_secs(30));
    assert_eq!(config.settings.timing.silence, Duration::from_secs(90));
    assert_eq!(config.workers, cores());
    assert!(config.settings.has_zlib);
}

#[test]
fn a_flag_wins_over_the_file() {
    let (_file, mut args) =
        args("listen = \"127.0.0.1:1\"\nworkers = 3\n[limits]\nstate-bytes = 7\n");
    args.workers = Some(5);
    let config = Config::load(args).unwrap();
    assert_eq!(places(&config), ["127.0.0.1:1"]);
    assert_eq!((config.workers, config.settings.state_bytes), (5, 7));
}

#[test]
fn silence_follows_the_heartbeat_unless_it_is_set() {
    let silence = |text: &str| {
        let (_file, args) = args(text);
        Config::load(args).unwrap().settings.timing.silence.as_millis()
    };
    assert_eq!(silence("heartbeat = 1.0"), 90_000);
    assert_eq!(silence("heartbeat = 35.0"), 95_000);
    assert_eq!(silence("heartbeat = 100.0"), 250_000);
    assert_eq!(silence("heartbeat = 1.0\nheartbeat-timeout = 2.5"), 2_500);
}

#[test]
fn zlib_can_be_switched_off() {
    let (_file, mut args) = args("zlib = false");
    assert!(!Config::load(args.clone()).unwrap().settings.has_zlib);
    args.zlib = Some(true);
    assert!(Config::load(args).unwrap().settings.has_zlib);
}

#[test]
fn the_recorder_is_off_until_it_is_given_room() {
    let (_file, args) = args("recorder-hide = [\"dm:*\"]\nrecorder-minutes = 2");
    let config = Config::load(args).unwrap();
    assert_eq!(config.settings.recorder.bytes, 0);
    assert_eq!(config.settings.recorder.age, Duration::from_mins(2));
    assert!(config.recorder_rules.hides_some() && !config.recorder_rules.redacts());
}

#[test]
fn mistakes_are_named() {
    for (text, word) in [
        ("lisen = 1", "lisen"),
        ("workers = 0", "workers"),
        ("heartbeat = 0.0", "heartbeat"),
        ("heartbeat = 20.0\nheartbeat-timeout = 20.0", "heartbeat-timeout"),
        ("session-grace = -1.0", "session-grace"),
        ("database = \"mysql://x\"", "sqlite:PATH"),
        ("project-token = \"nope\"", "project-token"),
        ("project = \"project_\"", "project"),
        ("proxy-protocol = true", "trusted-proxies"),
        ("recorder-bytes = 1048575", "recorder-bytes"),
        ("recorder-minutes = 0", "recorder-minutes"),
        ("recorder-redact = [\"a..b\"]", "recorder-redact"),
    ] {
        let (_file, args) = args(text);
        let error = Config::load(args).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_named_file_must_exist() {
    let args = ServeArgs { config: Some(PathBuf::from("/nowhere.toml")), ..ServeArgs::default() };
    assert!(matches!(Config::load(args), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn a_mistake_in_the_file_is_named_without_what_stands_there() {
    let error = layered("workers = 1\nproject-token = \"ptk_secret", &[], &[]).unwrap_err();
    let error = error.to_string();
    assert!(error.contains(", line 2") && !error.contains("ptk_secret"), "{error}");
}

#[test]
fn a_variable_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let (_file, args) = args("");
    let variable = ("WARREN_LIMITS__STATE_BYTES".into(), OsString::from_vec(vec![0xff]));
    let error = layers::read(&args, [variable].into_iter()).map(drop).unwrap_err().to_string();
    assert!(error.contains("WARREN_LIMITS__STATE_BYTES") && error.contains("no text"), "{error}");
}
