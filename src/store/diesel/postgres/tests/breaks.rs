//! Connections that break: between groups, within one, and where nobody hears what became of a COMMIT.

use super::way::BreakingWay;
use super::*;
use crate::store::diesel::postgres::gate;
use crate::store::diesel::postgres::session::{Session, WriterHold};
use crate::store::diesel::postgres::writer::{PostgresWriter, status};
use crate::store::{GroupStore, WriteStore};
use std::thread;

/// Ends every connection to the database but the one that asks.
const END_ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Adds a channel.
pub(super) fn add(writer: &mut dyn GroupStore, id: &str) -> Result<(), StoreError> {
    let mut outcome = None;
    let mut run = |store: &mut dyn WriteStore| outcome = Some(store.create_channel(&channel(id)));
    writer.group(&mut run)?;
    outcome.unwrap()
}

#[test]
fn a_connection_that_broke_between_two_groups_costs_nothing() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let database = fixture.database();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    for id in ["x", "y"] {
        fixture.tamper(END_ALL);
        add(&mut *writer, id).unwrap();
    }
    fixture.tamper(END_ALL);
    writer.check().unwrap();
    fixture.tamper(END_ALL);
    writer.probe().unwrap();
    assert_eq!(channels(&database), 2);
    writer.close().unwrap();
}

#[test]
fn a_connection_that_breaks_within_a_group_costs_that_group() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let database = fixture.database();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    let mut outcomes = Vec::new();
    let group = writer.group(&mut |store| {
        outcomes.push(store.create_channel(&channel("before")).is_ok());
        fixture.tamper(END_ALL);
        outcomes.push(store.create_channel(&channel("broken")).is_ok());
        outcomes.push(store.create_channel(&channel("after")).is_ok());
    });
    assert!(matches!(group, Err(StoreError::Unavailable(_))), "{group:?}");
    assert_eq!(outcomes, [true, false, false]);
    assert_eq!(channels(&database), 0);
    add(&mut *writer, "next").unwrap();
    assert_eq!(channels(&database), 1);
}

#[test]
fn a_writer_whose_place_was_taken_writes_nothing() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let database = fixture.database();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    fixture.tamper(END_ALL);
    let successor = fixture.database();
    assert_refused(add(&mut *writer, "late"), "another server has taken the database");
    assert_refused(writer.check(), "another server has taken the database");
    drop(successor);
    add(&mut *writer, "later").unwrap();
    assert_eq!(channels(&database), 1);
}

#[test]
fn groups_that_fail_give_the_database_to_nobody() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let database = fixture.database();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    let url = fixture.url();
    let waiting =
        thread::spawn(move || PostgresDatabase::open(&url, 1, Duration::from_secs(2)).unwrap());
    while !waiting.is_finished() {
        let crashed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            writer.group(&mut |_| panic!("a write that crashes"))
        }));
        assert!(crashed.is_err());
        // Any pause will do: who waits looks many times in each.
        thread::sleep(Duration::from_millis(100));
    }
    assert!(waiting.join().unwrap().is_none());
    add(&mut *writer, "next").unwrap();
    // Whatever breaks is there again.
    fixture.tamper(END_ALL);
    writer.check().unwrap();
    add(&mut *writer, "last").unwrap();
}

#[test]
fn a_commit_whose_answer_was_lost_is_looked_up() {
    for before in [false, true] {
        let Some(fixture) = PostgresFixture::fresh() else { return };
        let way = BreakingWay::to(fixture.cluster, before);
        let database = PostgresDatabase::open(&way.url(&fixture.name), 1, WAIT).unwrap().unwrap();
        let mut writer = database.writer().unwrap();
        writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
        way.arm();
        let committed = add(&mut *writer, "x");
        assert!(way.has_broken(), "nothing broke");
        assert_eq!(committed.is_ok(), !before, "{committed:?}");
        assert_eq!(channels(&database), u64::from(!before));
        add(&mut *writer, "y").unwrap();
    }
}

#[test]
fn what_has_become_of_a_transaction_is_known() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let number = "SELECT pg_current_xact_id()::text AS word";
    let mut other = fixture.connect();
    let ask = |number: &str| status(&mut fixture.connect(), number).unwrap();
    for (end, expected) in [("COMMIT", "committed"), ("ROLLBACK", "aborted")] {
        other.batch_execute("BEGIN").unwrap();
        let Line { word } = sql_query(number).get_result(&mut other).unwrap();
        assert_eq!(ask(&word).as_deref(), Some("in progress"));
        other.batch_execute(end).unwrap();
        assert_eq!(ask(&word).as_deref(), Some(expected));
    }
}

#[test]
fn who_writes_for_too_long_costs_others_a_group_and_not_their_connection() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let database = fixture.database();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    let mut watch = fixture.connect();
    let mut ours = || {
        let ours = "SELECT pid::text AS word FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'warren' ORDER BY pid";
        let rows: Vec<Line> = sql_query(ours).load(&mut watch).unwrap();
        rows.into_iter().map(|row| row.word).collect::<Vec<_>>()
    };
    let before = ours();
    assert_eq!(before.len(), 4);
    let mut gone_in = fixture.connect();
    gate::begin(&mut gone_in).unwrap();
    assert_refused(add(&mut *writer, "x"), "lock timeout");
    drop(gone_in);
    add(&mut *writer, "x").unwrap();
    assert_eq!(ours(), before);
    assert_eq!(channels(&database), 1);
}

#[test]
fn who_vanishes_in_the_middle_of_a_write_has_the_gate_for_half_a_minute_at_most() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let mut session = Session::open(&Address::new(&fixture.url())).unwrap();
    let longest = "SELECT current_setting('idle_in_transaction_session_timeout') AS word";
    let Line { word } = sql_query(longest).get_result(&mut session.connection).unwrap();
    assert_eq!(word, "30s");
    let shorter = "SET idle_in_transaction_session_timeout = '50ms'";
    session.connection.batch_execute(shorter).unwrap();
    gate::begin(&mut session.connection).unwrap();
    let database = fixture.database();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    gate::turn_back(&mut session.connection).unwrap_err();
}

#[test]
fn what_a_lost_connection_left_open_does_not_stand_in_the_way() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let address = Address::new(&fixture.url());
    let mut writer = PostgresWriter::open(address, WriterHold::Alone, None).unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    for _ in 0..3 {
        let crashed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            writer.group(&mut |store| {
                store.create_channel(&channel("x")).unwrap();
                panic!("a write that crashes");
            })
        }));
        assert!(crashed.is_err());
        add(&mut writer, "x").unwrap();
        writer.group(&mut |store| store.delete_channel(&channel("x").key).unwrap()).unwrap();
    }
}
