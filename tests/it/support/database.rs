//! What the servers of these tests store in: a file in their folder, or with `WARREN_TEST_DATABASE=postgres` a database in a
//! PostgreSQL that this process starts, one for each folder.

use super::nodes;
use std::path::Path;
use std::process::Command;

#[cfg(feature = "postgres")]
#[expect(dead_code, reason = "the store's own tests need more of it")]
#[path = "../../../src/store/diesel/postgres/cluster.rs"]
mod cluster;

/// The variable that says so.
const VARIABLE: &str = "WARREN_TEST_DATABASE";

/// Where a folder keeps the name of its database.
#[cfg(feature = "postgres")]
const NAME: &str = "postgres-database";

/// The setting by which a server on this folder, or a command, finds its database; none where that is the file.
///
/// # Panics
/// Another database is asked for than this program was built for.
pub fn setting(folder: &Path) -> Option<(&'static str, String)> {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    match wanted.as_str() {
        "" | "sqlite" => {
            let _ = folder;
            None
        }
        #[cfg(feature = "postgres")]
        "postgres" => Some(("WARREN_DATABASE", postgres(folder))),
        other => panic!("{VARIABLE}={other}: this was built without it, or there is no such one"),
    }
}

/// The database of a folder, which is made where it has none.
#[cfg(feature = "postgres")]
fn postgres(folder: &Path) -> String {
    let cluster = cluster::cluster().expect("PostgreSQL's initdb and postgres");
    let file = folder.join(NAME);
    let name = std::fs::read_to_string(&file).unwrap_or_else(|_| {
        let name = cluster.create(None);
        std::fs::write(&file, &name).unwrap();
        name
    });
    cluster.url(&name)
}

/// An empty database in a PostgreSQL that this process starts, for servers that share it; nothing where there is none.
#[cfg(feature = "redis")]
pub fn shared() -> Option<String> {
    let cluster = cluster::cluster()?;
    Some(cluster.url(&cluster.create(None)))
}

/// Tells a server with these settings where its database is, unless they do.
pub fn settle(command: &mut Command, folder: &Path, settings: &[(&str, &str)]) {
    command.env_remove(VARIABLE).env_remove(nodes::VARIABLE);
    if !settings.iter().any(|(name, _)| *name == "WARREN_DATABASE") {
        command.envs(setting(folder));
    }
}

/// Lets nobody write to the database of a folder from now on, or all again; whether it is one that can be told so.
pub fn let_write(folder: &Path, may: bool) -> bool {
    #[cfg(feature = "postgres")]
    if let Ok(name) = std::fs::read_to_string(folder.join(NAME)) {
        let cluster = cluster::cluster().expect("the one that has it");
        cluster.run(&format!("ALTER DATABASE {name} SET default_transaction_read_only = {}", !may));
        // It counts for connections that are made from now on.
        let all = format!("FROM pg_stat_activity WHERE datname = '{name}'");
        cluster.run(&format!("SELECT pg_terminate_backend(pid) {all}"));
        return true;
    }
    let _ = (folder, may);
    false
}

/// Removes the database of a folder that nobody needs any more.
pub fn forget(folder: &Path) {
    #[cfg(feature = "postgres")]
    if let Ok(name) = std::fs::read_to_string(folder.join(NAME)) {
        cluster::cluster().expect("the one that has it").remove(&name);
    }
    #[cfg(not(feature = "postgres"))]
    let _ = folder;
}
