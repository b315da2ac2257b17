//! A standby takes the primary one's place, and lacks what that had committed last.

use super::breaks::add;
use super::way::BreakingWay;
use super::*;
use crate::store::diesel::postgres::writer::status;

/// How many transactions the standby commits of its own: more than the primary one did meanwhile.
const COMMITS: usize = 500;

#[test]
fn what_became_of_a_commit_is_not_asked_of_a_promoted_standby() {
    let Some(primary) = Cluster::another() else { return };
    let name = primary.create(None);
    drop(PostgresDatabase::open(&primary.url(&name), 1, WAIT).unwrap().unwrap());
    let standby = primary.standby();
    assert_refused(PostgresDatabase::open(&standby.url(&name), 1, WAIT), "is a standby");
    let way = BreakingWay::to(&primary, false);
    let database = PostgresDatabase::open(&way.url(&name), 1, WAIT).unwrap().unwrap();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    standby.run("SELECT pg_promote()");
    let mut there = PgConnection::establish(&standby.url(&name)).unwrap();
    for _ in 0..COMMITS {
        there.batch_execute("SELECT pg_current_xact_id()").unwrap();
    }

    way.arm_and_lead_to(&standby);
    let committed = add(&mut *writer, "x");
    assert!(way.has_broken(), "nothing broke");
    assert_refused(committed, "nobody can be asked whether it stands");

    // It had stood at the one, and its number is another's at the other, where it never was.
    let mut here = PgConnection::establish(&primary.url(&name)).unwrap();
    let number = "SELECT xmin::text AS word FROM channels WHERE id = 'x'";
    let Line { word: number } = sql_query(number).get_result(&mut here).unwrap();
    assert_eq!(status(&mut there, &number).unwrap().as_deref(), Some("committed"));
    let lost: Vec<Line> = sql_query("SELECT id AS word FROM channels").load(&mut there).unwrap();
    assert_eq!(lost.len(), 0);

    // It goes on with the other, and keeps it to itself.
    writer.group(&mut |store| drop(store.create_project(&project()))).unwrap();
    add(&mut *writer, "y").unwrap();
    let second = PostgresDatabase::open(&standby.url(&name), 1, Duration::from_millis(50));
    assert!(second.unwrap().is_none());
}
