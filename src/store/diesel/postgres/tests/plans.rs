//! How `PostgreSQL` means to carry out each statement of ours: none walks through a table that grows with what is stored.
//!
//! Its planner goes by how much is in a table, and in one that is empty any way will do. So the question is whether an index
//! serves each statement at all: with every other way forbidden, whatever still goes from one end to the other has none.

#[path = "../../plans/calls.rs"]
mod calls;

use super::store::DieselStore;
use super::*;
use crate::store::diesel::plans::BIG;
use crate::store::{CLAIM, Claim, WriteOutbox as _};
use calls::{change, create, hook, read, remove};
use diesel::connection::{Instrumentation, InstrumentationEvent};
use std::sync::{Arc, Mutex};

/// One line of a plan.
#[derive(QueryableByName)]
struct PlanLine {
    /// What is done, in words.
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

/// Forbids every way that an index does not serve, and plans for any arguments.
const ONLY_BY_INDEX: &str =
    "SET enable_seqscan = off; SET enable_mergejoin = off; SET enable_hashjoin = off;
    SET plan_cache_mode = force_generic_plan;";

/// A statement's plan; nothing for what has none, such as COMMIT.
fn plan(connection: &mut PgConnection, statement: &str) -> Vec<String> {
    let is_planned = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"]
        .iter()
        .any(|word| statement.trim_start().starts_with(word));
    if !is_planned {
        return Vec::new();
    }
    connection.batch_execute(&format!("PREPARE looked_at AS {statement}")).unwrap();
    let arguments = (1..100).take_while(|number| names(statement, *number)).count();
    let execute = match arguments {
        0 => "EXPLAIN EXECUTE looked_at".to_owned(),
        count => format!("EXPLAIN EXECUTE looked_at ({})", vec!["NULL"; count].join(", ")),
    };
    let lines: Vec<PlanLine> = sql_query(execute).load(connection).unwrap();
    connection.batch_execute("DEALLOCATE looked_at").unwrap();
    lines.into_iter().map(|line| line.text).collect()
}

/// Whether a statement has an argument of this number.
fn names(statement: &str, number: usize) -> bool {
    let name = format!("${number}");
    let mut parts = statement.split(name.as_str()).skip(1);
    parts.any(|behind| !behind.starts_with(|next: char| next.is_ascii_digit()))
}

/// An index, by what its name leads to.
#[derive(QueryableByName)]
struct IndexFact {
    /// Its name.
    #[diesel(sql_type = Text)]
    name: String,
    /// Its table.
    #[diesel(sql_type = Text)]
    of_table: String,
    /// Its first column: what does not bind that one goes through all of it.
    #[diesel(sql_type = Text)]
    first: String,
}

/// All indexes.
fn indexes(connection: &mut PgConnection) -> Vec<IndexFact> {
    let facts = "SELECT indexrelid::regclass::text AS name, indrelid::regclass::text AS of_table,
        pg_get_indexdef(indexrelid, 1, true) AS first FROM pg_index";
    sql_query(facts).load(connection).unwrap()
}

/// The steps of a plan that read a big table, or an index of one, from one end to the other.
fn walks<'p>(plan: &'p [String], indexes: &[IndexFact]) -> Vec<&'p str> {
    let is_step = |line: &String| line.contains("(cost=");
    let word_behind = |line: &'p str, mark: &str| {
        line.split_once(mark).and_then(|(_, rest)| rest.split_whitespace().next())
    };
    let mut found = Vec::new();
    for (at, line) in plan.iter().enumerate().filter(|(_, line)| is_step(line)) {
        let table = word_behind(line, "Seq Scan on ");
        let name = word_behind(line, " using ").or(word_behind(line, "Bitmap Index Scan on "));
        let index = indexes.iter().find(|index| name == Some(&index.name));
        let mut below = plan.iter().skip(at + 1).take_while(|line| !is_step(line));
        let is_walk = match index {
            Some(index) => {
                let condition = below.find(|line| line.contains("Index Cond:"));
                let is_bound = condition.is_some_and(|it| binds(it, &index.first));
                BIG.contains(&index.of_table.as_str()) && !is_bound
            }
            None => table.is_some_and(|table| BIG.contains(&table)),
        };
        if is_walk {
            found.push(line.trim());
        }
    }
    found
}

/// Whether a condition is on this column, among others.
fn binds(condition: &str, column: &str) -> bool {
    let words = |letter: char| !(letter.is_alphanumeric() || letter == '_');
    condition.split(words).any(|word| word == column)
}

/// Every statement that `run` sends to a fresh database, once each.
fn statements(fixture: &PostgresFixture, run: impl FnOnce(&mut DieselStore<'_>)) -> Vec<String> {
    let mut connection =
        connection::open(&Address::new(&fixture.url()), SessionRole::Writer).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let statement = text.split(" -- binds: ").next().unwrap_or_default().to_owned();
            let mut heard = hears.lock().unwrap();
            if !heard.contains(&statement) {
                heard.push(statement);
            }
        }
    });
    run(&mut DieselStore::new(&mut connection));
    connection.set_instrumentation(None::<Box<dyn Instrumentation>>);
    heard.lock().unwrap().clone()
}

#[test]
fn an_index_serves_every_statement_on_a_table_that_grows() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let statements = statements(&fixture, |store| {
        create(store);
        change(store);
        read(store);
        let claim = Claim { by: "me", now: Timestamp(i64::MAX).earlier(CLAIM * 9), limit: 9 };
        store.claim_deliveries(&hook(), claim).unwrap();
        remove(store);
    });
    let mut connection = fixture.connect();
    connection.batch_execute(ONLY_BY_INDEX).unwrap();
    let indexes = indexes(&mut connection);
    let mut planned = 0;
    for statement in &statements {
        let steps = plan(&mut connection, statement);
        planned += usize::from(!steps.is_empty());
        let walks = walks(&steps, &indexes);
        assert!(walks.is_empty(), "{statement}: {walks:?}\n{}", steps.join("\n"));
    }
    assert!(planned > 40, "only {planned} plans");
}

#[test]
fn a_walk_is_noticed() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let mut connection = fixture.connect();
    connection.batch_execute(ONLY_BY_INDEX).unwrap();
    let indexes = indexes(&mut connection);
    for (statement, expected) in [
        ("SELECT * FROM messages WHERE published_at = $1", true),
        ("SELECT id FROM tokens ORDER BY id", true),
        ("DELETE FROM subscriptions WHERE channel_id = $1", true),
        ("UPDATE tokens SET state = $2 WHERE created_at = $1", true),
        ("SELECT * FROM tokens WHERE id = $1", false),
        ("SELECT * FROM webhooks", false),
    ] {
        let steps = plan(&mut connection, statement);
        assert!(!steps.is_empty(), "{statement}");
        assert_eq!(!walks(&steps, &indexes).is_empty(), expected, "{statement}: {steps:?}");
    }
}
