//! Certificates that change while sockets stay, and those that cannot be shown.

use super::{Scene, scene};
use crate::socket::{Process, Socket};
use crate::support::{Authority, start, until};
use serde_json::{Value, json};

#[test]
fn a_new_certificate_is_shown_after_a_reload_and_no_socket_is_dropped() {
    let scene = scene().with_channel("room", &[]);
    let (mut socket, _) = Socket::enter(scene.door, None);
    socket.subscribe("room");
    let first = scene.shown();
    let end = |scene: &Scene| scene.metric("warren_tls_certificate_end_timestamp_seconds");
    assert!(end(&scene).unwrap() > 1_700_000_000);
    assert_eq!(scene.reload()["changed"], json!([]));
    scene.authority.write(scene.folder.path());
    let answer = scene.reload();
    assert_eq!(answer["error"], Value::Null);
    assert!(answer["changed"][0].as_str().unwrap().starts_with("certificate = "), "{answer}");
    let second = scene.shown();
    assert!(first != second, "the old one is still shown");
    // The signal does the same.
    scene.authority.write(scene.folder.path());
    scene.server.signal("HUP");
    until("it is shown", || if scene.shown() == second { Err("the old one") } else { Ok(()) });
    socket.beat();
    scene.publish("room", 1, "");
    assert_eq!(socket.expect("MESSAGE")["d"]["d"]["n"], 1);
}

#[test]
fn a_broken_file_leaves_the_certificate_in_force_and_is_told() {
    let scene = scene().with_channel("room", &[]);
    let (mut socket, _) = Socket::enter(scene.door, None);
    let first = scene.shown();
    let [chain, key] = Authority::files(scene.folder.path());
    let whole = std::fs::read_to_string(&chain).unwrap();
    let other = scene.authority.issue().0.pem();
    for (text, said) in [
        ("", "no certificate"),
        (&whole[..whole.len() / 2], "no certificate"),
        (other.as_str(), "not of this key"),
    ] {
        std::fs::write(&chain, text).unwrap();
        let answer = scene.reload();
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(said) && error.contains("in force stays"), "{answer}");
        scene.server.wait_for_log(said);
        assert!(scene.shown() == first);
    }
    std::fs::write(&chain, &whole).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(scene.reload()["error"].as_str().unwrap().contains("cannot read"));
    assert!(scene.shown() == first);
    socket.beat();
}

#[test]
fn a_certificate_that_cannot_be_shown_is_named_at_the_start_and_by_check_and_doctor() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let [(_, chain), (_, key)] = authority.write(folder.path());
    std::fs::write(&chain, authority.issue().0.pem()).unwrap();
    let settings = [("WARREN_TLS_CERT", chain.as_str()), ("WARREN_TLS_KEY", key.as_str())];
    let output = Process::run_to_end(folder.path(), &settings);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("not of this key"), "{output:?}");
    let asked = |words: &[&str], settings: &[(&str, &str)]| {
        let mut command = start::on_folder(start::program(), folder.path(), settings);
        let output = command.args(words).output().unwrap();
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    for words in [&["config", "check"][..], &["doctor"]] {
        let (is_fine, said) = asked(words, &settings);
        assert!(!is_fine && said.contains("not of this key"), "{words:?}: {said}");
    }
    let (is_fine, said) = asked(&["config", "check"], &settings[..1]);
    assert!(!is_fine && said.contains("tls-cert needs tls-key"), "{said}");
    authority.write(folder.path());
    let (_, said) = asked(&["doctor"], &settings);
    assert!(said.contains("the certificate for 127.0.0.1, localhost is good"), "{said}");
}
