//! `warren admin`: the operator's tokens from the command line, for the first one and for when all are lost; and
//! `warren info`: what was printed at the first run, but for the secrets.
//!
//! It works on the database itself, whether or not a server is running. With the server stopped it takes the folder's
//! lock as a server does and brings the tables up to date. Beside a running server it does neither: it only makes one
//! short write, for which either waits up to 5 s, and refuses tables that are not of its own version. A running server
//! takes a new token at once, because it remembers only tokens that it found; a deleted one it may take for up to 60 s
//! more, which is how long it remembers (`DELETE /v1/users/@me/pats/:id` has no such delay).

use crate::actor::clock::NoRandomness;
use crate::actor::mint;
use crate::config::{AdminArgs, AdminTask, Config, ConfigError, DataPlace};
use crate::domain::project::secret_hash;
use crate::domain::{AdminToken, AdminTokenId, Project};
use crate::first_run;
use crate::server::database::{self, DatabaseLock};
use crate::server::{self, ServerError};
use crate::store::{Database, StoreError, StoreResult, Thing, WriteStore};
use serde_json::json;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// Why the task was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no database yet, and it is the server's first run that makes one.
    #[error(
        "there is no database {0}: --data says where it is (`warren dev` has it in warren-dev), and the server's first run makes one"
    )]
    NoDatabase(String),
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(ServerError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The named token does not exist.
    #[error("there is no admin token {0}; `warren admin list-tokens` shows all")]
    NoSuchToken(String),
    /// The given name cannot be one.
    #[error("--name must be 1 to {} bytes of plain text", mint::MAX_NAME_BYTES)]
    BadName,
    /// There are no random numbers to make a secret of.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The outcome could not be printed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Does one task and prints its outcome.
///
/// # Errors
/// [`AdminError`].
pub fn run(args: AdminArgs, out: &mut dyn Write) -> Result<(), AdminError> {
    let (_lock, database) = open(&Config::load(args.place.into())?)?;
    match args.task {
        AdminTask::CreateToken { name } => create(&*database, name, args.json, out),
        AdminTask::ListTokens => list(&*database, args.json, out),
        AdminTask::DeleteToken { id } => {
            delete(&*database, &id)?;
            if args.json {
                writeln!(out, "{}", json!({ "deleted": id }))?;
            }
            Ok(())
        }
    }
}

/// Prints what a server with these settings works with, and each of its projects with its page; no secrets.
///
/// # Errors
/// [`AdminError`].
pub fn info(place: DataPlace, is_json: bool, out: &mut dyn Write) -> Result<(), AdminError> {
    let config = Config::load(place.into())?;
    let (lock, database) = open(&config)?;
    let mut found = Ok(Vec::new());
    database.read(&mut |store| found = store.list_projects())?;
    // A server that runs knows better than the settings of this command.
    let running = if lock.is_none() { server::address(&config.data) } else { None };
    let configured = || {
        let first = config.listen.first();
        first.and_then(|place| place.url(config.tls.is_some())).unwrap_or_default()
    };
    let base = match running {
        Some(whole) if whole.starts_with("unix:") || whole.starts_with("https:") => whole,
        Some(address) => format!("http://{address}"),
        None => configured(),
    };
    let projects = found?;
    if is_json {
        let shown = |project: &Project| json!({ "id": project.id.as_str(), "name": project.name, "page": first_run::page(&base, &project.id) });
        let told = json!({
            "data": config.data.display().to_string(),
            "database": config.database.shown(),
            "url": format!("{base}/"),
            "projects": projects.iter().map(shown).collect::<Vec<_>>(),
        });
        return Ok(writeln!(out, "{told}")?);
    }
    writeln!(out, "data: {}", config.data.display())?;
    writeln!(out, "database: {}", config.database.shown())?;
    writeln!(out, "url: {base}/")?;
    for Project { id, name, .. } in projects {
        writeln!(out, "project: {id}")?;
        writeln!(out, "name: {name}")?;
        writeln!(out, "page: {}", first_run::page(&base, &id))?;
    }
    Ok(())
}

/// How long a command waits for a database that somebody else has: no longer than one that has gone may be seen late.
const LEFT_BEHIND: Duration = Duration::from_millis(200);

/// What is this process's while the command runs: the folder, and the database's file if it is one.
type Locks = (File, Option<DatabaseLock>);

/// Opens the database, with its locks where no server has it.
fn open(config: &Config) -> Result<(Option<Locks>, Arc<dyn Database>), AdminError> {
    let place = &config.database;
    if !database::is_there(place)? {
        return Err(AdminError::NoDatabase(place.shown()));
    }
    let folder = match server::lock(&config.data) {
        Ok(folder) => folder,
        Err(ServerError::InUse(_)) => return Ok((None, database::open_beside(place)?)),
        Err(error) => return Err(AdminError::Folder(error)),
    };
    // A server may have the database under another folder.
    match database::take(place, false, 1, LEFT_BEHIND)? {
        Some((lock, taken)) => Ok((Some((folder, lock)), taken)),
        None => Ok((None, database::open_beside(place)?)),
    }
}

/// Makes a token and prints its secret, the only time that it is shown.
fn create(
    database: &dyn Database,
    name: Option<String>,
    is_json: bool,
    out: &mut dyn Write,
) -> Result<(), AdminError> {
    if name.as_deref().is_some_and(|name| !mint::is_name(name)) {
        return Err(AdminError::BadName);
    }
    let (token, secret) = mint::admin_token(name)?;
    let hash = secret_hash(&secret);
    write(database, |store| store.create_admin_token(&token, &hash))?;
    if is_json {
        let told = json!({ "admin_token": secret, "id": token.id.as_str() });
        return Ok(writeln!(out, "{told}")?);
    }
    writeln!(out, "admin_token: {secret}")?;
    writeln!(out, "id: {}", token.id)?;
    Ok(())
}

/// Prints all tokens, one a line, oldest first: handle, when it was made, first characters, name.
fn list(database: &dyn Database, is_json: bool, out: &mut dyn Write) -> Result<(), AdminError> {
    let mut found = Ok(Vec::new());
    database.read(&mut |store| found = store.list_admin_tokens())?;
    if is_json {
        let shown = |token: &AdminToken| {
            let (id, at) = (token.id.as_str(), token.created_at.to_string());
            json!({ "id": id, "created_at": at, "hint": token.hint, "name": token.name })
        };
        let tokens: Vec<_> = found?.iter().map(shown).collect();
        return Ok(writeln!(out, "{}", json!({ "tokens": tokens }))?);
    }
    for AdminToken { id, name, hint, created_at } in found? {
        writeln!(out, "{id}\t{created_at}\t{hint}…\t{}", name.unwrap_or_default())?;
    }
    Ok(())
}

/// Deletes a token by its handle.
fn delete(database: &dyn Database, id: &str) -> Result<(), AdminError> {
    let handle = AdminTokenId::from(id);
    match write(database, |store| store.delete_admin_token(&handle)) {
        Ok(_hash) => Ok(()),
        Err(StoreError::NotFound(Thing::AdminToken)) => Err(AdminError::NoSuchToken(id.to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// Runs one write in a commit of its own.
fn write<T>(
    database: &dyn Database,
    mut run: impl FnMut(&mut dyn WriteStore) -> StoreResult<T>,
) -> StoreResult<T> {
    let mut outcome = None;
    database.writer()?.group(&mut |store| outcome = Some(run(store)))?;
    outcome.unwrap_or_else(|| Err(StoreError::Unavailable("the write did not run".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::store::diesel::SqliteDatabase;
    use std::path::Path;

    /// Runs a task on a folder; returns what it printed.
    fn task(folder: &Path, task: AdminTask) -> Result<String, AdminError> {
        let place = DataPlace { data: Some(folder.to_owned()), ..DataPlace::default() };
        let mut out = Vec::new();
        run(AdminArgs { task, place, json: false }, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// A folder with an empty database.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        drop(SqliteDatabase::open(&folder.path().join("warren.db"), 1).unwrap());
        folder
    }

    #[test]
    fn a_token_is_made_listed_and_deleted_beside_a_server_and_without_one() {
        let folder = folder();
        for is_running in [false, true] {
            let _lock = is_running.then(|| server::lock(folder.path()).unwrap());
            let name = Some("Ops".to_owned());
            let made = task(folder.path(), AdminTask::CreateToken { name }).unwrap();
            let (secret, id) = made.trim_end().split_once('\n').unwrap();
            assert!(secret.starts_with("admin_token: pat_"), "{made}");
            let id = id.strip_prefix("id: ").unwrap();
            let listed = task(folder.path(), AdminTask::ListTokens).unwrap();
            assert!(listed.starts_with(id) && listed.ends_with("\tOps\n"), "{listed}");
            assert!(!listed.contains(secret.strip_prefix("admin_token: ").unwrap()));
            task(folder.path(), AdminTask::DeleteToken { id: id.to_owned() }).unwrap();
            assert_eq!(task(folder.path(), AdminTask::ListTokens).unwrap(), "");
            let again = task(folder.path(), AdminTask::DeleteToken { id: id.to_owned() });
            assert!(matches!(again, Err(AdminError::NoSuchToken(_))));
        }
    }

    #[test]
    fn info_shows_the_projects_and_their_pages_beside_a_server_and_without_one() {
        let folder = folder();
        let database = SqliteDatabase::open(&folder.path().join("warren.db"), 1).unwrap();
        let project = Project {
            id: "project_one".into(),
            name: "One".to_owned(),
            namespace: "one".to_owned(),
            allowed_origins: crate::domain::AllowedOrigins::default(),
            created_at: Timestamp(0),
        };
        write(&database, |store| store.create_project(&project)).unwrap();
        drop(database);
        for (is_running, listens) in [(false, "127.0.0.1:8080"), (true, "127.0.0.1:9001")] {
            let lock = server::lock(folder.path()).unwrap();
            writeln!(&lock, "127.0.0.1:9001").unwrap();
            let _lock = is_running.then_some(lock);
            let place = DataPlace { data: Some(folder.path().to_owned()), ..DataPlace::default() };
            let mut out = Vec::new();
            info(place, false, &mut out).unwrap();
            let shown = String::from_utf8(out).unwrap();
            let page = format!("page: http://{listens}/#project=project_one&channel=hello\n");
            assert!(
                shown.ends_with(&format!("project: project_one\nname: One\n{page}")),
                "{shown}"
            );
            assert!(shown.contains(&format!("url: http://{listens}/\n")), "{shown}");
        }
    }

    #[test]
    fn a_folder_without_a_database_stays_without_one() {
        let folder = tempfile::tempdir().unwrap();
        let refused = task(folder.path(), AdminTask::ListTokens);
        assert!(matches!(refused, Err(AdminError::NoDatabase(_))), "{refused:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_with_control_characters_is_refused() {
        let name = Some("a\nb".to_owned());
        let refused = task(folder().path(), AdminTask::CreateToken { name });
        assert!(matches!(refused, Err(AdminError::BadName)), "{refused:?}");
    }
}
