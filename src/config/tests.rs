//! What comes from where, and what is refused.

use super::*;

/// Arguments that read no file of the working folder.
fn args(text: &str) -> (tempfile::NamedTempFile, ServeArgs) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let args = ServeArgs { config: Some(file.path().to_owned()), ..ServeArgs::default() };
    (file, args)
}

#[test]
fn defaults_are_those_of_the_table() {
    let (_file, args) = args("");
    let config = Config::load(args).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database, Path::new("./warren-data/warren.db"));
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
    assert_eq!((config.listen.port(), config.workers, config.settings.state_bytes), (1, 5, 7));
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
fn the_command_line_is_sound() {
    use clap::CommandFactory as _;
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
