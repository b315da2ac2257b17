//! `warren backup` under writes, and `warren restore` into another folder.

use crate::scene::create;
use crate::socket::{Http, Process};
use crate::support::{OWNER, Server, start};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Threads that write.
const WRITERS: usize = 4;

/// Runs a command on a data folder to its end.
fn warren(folder: &Path, words: &[&str]) -> Output {
    let mut command = start::program();
    command.args(words).env("WARREN_DATA", folder).current_dir(folder.parent().unwrap());
    command.output().unwrap()
}

/// Runs one that has to succeed.
fn done(folder: &Path, words: &[&str]) -> Value {
    let output = warren(folder, &[words, &["--json"]].concat());
    assert!(output.status.success(), "{words:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What one that has to fail says.
fn refused(folder: &Path, words: &[&str]) -> String {
    let output = warren(folder, words);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Everything that a project has, but for what is live.
fn contents(mut ask: impl FnMut(&str) -> Value) -> Vec<Value> {
    let lists = [
        "/v1/channels",
        "/v1/channels/tokens",
        "/v1/projects/@this/webhooks",
        "/v1/projects/@this/tokens",
        "/v1/channels/room/messages?limit=1000",
        "/v1/channels/room/state/history?limit=1000",
    ];
    lists.iter().map(|path| ask(path)).collect()
}

/// Counts two keys of a writer up together until it is over, and says how far it is.
fn count_up(mut http: Http, writer: usize, answered: &AtomicU64, is_over: &AtomicBool) {
    for n in 1_u64.. {
        // Both or neither.
        let patch = json!({format!("a{writer}"): n, format!("b{writer}"): n});
        http.data("PATCH", "/v1/channels/room/state", &patch.to_string()).unwrap();
        answered.store(n, Ordering::SeqCst);
        if is_over.load(Ordering::SeqCst) {
            return;
        }
    }
}

#[test]
fn a_backup_under_writes_is_whole_and_one_of_a_quiet_server_restores_all_of_it() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY", "STATE_HISTORY"]);
    let token = server.new_leap_token();
    server.done("PUT", &format!("/v1/channels/room/subscribers/{token}"), "");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (under, quiet) = (file("under.db"), file("quiet.db"));
    let answered: [AtomicU64; WRITERS] = Default::default();
    let is_over = AtomicBool::new(false);
    let data = server.data_folder();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    thread::scope(|threads| {
        for (writer, answered) in answered.iter().enumerate() {
            let (http, is_over) = (Http::connect(server.address).unwrap(), &is_over);
            threads.spawn(move || count_up(http, writer, answered, is_over));
        }
        let counts = || answered.iter().map(|n| n.load(Ordering::SeqCst)).collect::<Vec<_>>();
        crate::support::until("all write", || {
            before = counts();
            if before.iter().all(|n| *n > 5) { Ok(()) } else { Err(before.clone()) }
        });
        // Whatever fails, the writers end.
        let made = thread::scope(|inner| inner.spawn(|| warren(&data, &["backup", &under])).join());
        after = counts();
        is_over.store(true, Ordering::SeqCst);
        let made = made.unwrap();
        assert!(made.status.success(), "{made:?}");
    });
    assert!(after.iter().zip(&before).all(|(after, before)| after >= before));
    server.assert_well();

    // What was answered before the backup began is in it, what began after its end is not, and nothing is half.
    let one = folder.path().join("one");
    done(&one, &["restore", &under]);
    let restored = Process::start(folder.path(), &[("WARREN_DATA", one.to_str().unwrap())]);
    let state = restored.http().data("GET", "/v1/channels/room/state", "").unwrap();
    let counter =
        |name: char, writer: usize| state["state"][format!("{name}{writer}")].as_u64().unwrap();
    let mut changes = 0;
    for writer in 0..WRITERS {
        let n = counter('a', writer);
        assert_eq!(n, counter('b', writer), "half a change: {state}");
        assert!(n >= before[writer] && n <= after[writer] + 1, "{n}: {before:?} {after:?}");
        changes += n;
    }
    assert_eq!(state["version"], changes + 1);
    drop(restored);

    // Of a server that rests, a copy says the same in every list.
    done(&server.data_folder(), &["backup", &quiet]);
    let wanted = contents(|path| server.data("GET", path, ""));
    let two = folder.path().join("two");
    done(&two, &["restore", &quiet]);
    let restored = Process::start(folder.path(), &[("WARREN_DATA", two.to_str().unwrap())]);
    let mut http = restored.http();
    assert_eq!(contents(|path| http.data("GET", path, "").unwrap()), wanted);
    restored.assert_well();
}

#[test]
fn nothing_is_overwritten_and_nothing_restored_under_a_server() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let name = file.to_str().unwrap();
    std::fs::write(&file, "something else").unwrap();
    let data = server.data_folder();
    assert!(refused(&data, &["backup", name]).contains("is not overwritten"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "something else");
    assert!(refused(&data, &["restore", name]).contains("is no backup"));
    std::fs::remove_file(&file).unwrap();
    assert!(refused(&data, &["restore", name]).contains("there is no file"));
    assert!(!file.exists(), "nothing is made of what is not there");
    // What a backup that was killed has left is in nobody's way; what one has that runs is not taken from it.
    let partial = folder.path().join("backup.db.partial");
    std::fs::write(&partial, "half").unwrap();
    let held = std::fs::File::open(&partial).unwrap();
    held.lock().unwrap();
    assert!(refused(&data, &["backup", name]).contains("another backup is under way"));
    assert_eq!(std::fs::read_to_string(&partial).unwrap(), "half");
    drop(held);
    let made = done(&data, &["backup", name]);
    assert_eq!(made["backup"], name);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["backup.db"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it holds secrets");
    assert!(refused(&data, &["restore", name]).contains("stop the server first"));
    assert!(refused(&data, &["restore", name, "--replace"]).contains("stop the server first"));
    // The database alone may be under a server with another folder.
    let other = folder.path().join("other");
    let database = format!("sqlite:{}", data.join("warren.db").display());
    let said = refused(&other, &["restore", name, "--replace", "--database", &database]);
    assert!(said.contains("stop the server first"), "{said}");
    server.call("DELETE", "/v1/channels/room", Some(OWNER), "");
    server.assert_well();

    let kept = server.crash();
    let data = kept.path().join("data");
    assert!(refused(&data, &["restore", name]).contains("--replace"));
    let restored = done(&data, &["restore", name, "--replace"]);
    let before = restored["kept"].as_str().unwrap();
    assert!(Path::new(before).is_file());
    let again = Process::start(kept.path(), &[]);
    assert_eq!(again.http().call("GET", "/v1/channels/room", "").unwrap().status, 200);
    drop(again);
    // What was there before is whole, its log with it.
    let database = format!("sqlite:{before}");
    let older = Process::start(kept.path(), &[("WARREN_DATABASE", &database)]);
    assert_eq!(older.http().call("GET", "/v1/channels/room", "").unwrap().status, 404);
}

#[test]
fn a_log_that_lies_about_without_its_database_is_not_taken_for_the_restored_ones() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let name = file.to_str().unwrap();
    create(&server, "before", "public", &[]);
    done(&server.data_folder(), &["backup", name]);
    create(&server, "later", "public", &[]);
    let kept = server.crash();
    let data = kept.path().join("data");
    let log = data.join("warren.db-wal");
    assert!(log.metadata().unwrap().len() > 0, "the crash left no log");
    std::fs::remove_file(data.join("warren.db")).unwrap();
    done(&data, &["restore", name]);
    assert!(data.join("warren.db.before-1-wal").is_file(), "somebody may want it");
    let again = Process::start(kept.path(), &[]);
    assert_eq!(again.http().call("GET", "/v1/channels/before", "").unwrap().status, 200);
    assert_eq!(again.http().call("GET", "/v1/channels/later", "").unwrap().status, 404);
}

#[test]
fn a_restore_that_fails_leaves_backup_and_folder_as_they_were() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // What a restore that was killed has left.
    let file = data.join("warren.db.restored");
    let name = file.to_str().unwrap();
    done(&server.data_folder(), &["backup", name]);
    let before = std::fs::read(&file).unwrap();
    assert!(refused(&data, &["restore", name]).contains("copy it elsewhere first"));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert!(!data.join("warren.db").exists(), "it made a database");
    let elsewhere = folder.path().join("elsewhere.db");
    std::fs::rename(&file, &elsewhere).unwrap();
    done(&data, &["restore", elsewhere.to_str().unwrap()]);
}
