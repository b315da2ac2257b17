//! A `PostgreSQL` of the tests' own: started by the first that wants one, in a folder of its own, on a Unix socket, and ended
//! with the process that holds it, however that ends. Also compiled into the tests that start servers (`tests/it`).

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// How often it is looked whether it is there, and how long is waited in between.
const LOOKS: u32 = 600;
/// That pause.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes a cluster, or a standby of the one in the second folder, runs it, and ends it with standard input, which ends with the
/// process that holds the other side.
///
/// Text is sorted by rules that are not those of bytes, where this `PostgreSQL` knows some: what has to be sorted by bytes says
/// so itself.
const RUN: &str = r#"
trap '' INT TERM HUP
folder=$(mktemp -d "$1/warren-postgres-XXXXXX") || exit 1
make() { "$0/initdb" -D "$folder/data" -U warren -A trust -E UTF8 -N --locale=C.UTF-8 "$@" >>"$folder/log" 2>&1; }
follow() { "$0/pg_basebackup" -h "$1" -U warren -D "$folder/data" -R -c fast >>"$folder/log" 2>&1; }
if [ -n "$2" ]; then follow "$2"; else make --locale-provider=icu --icu-locale=en-US || { rm -rf "$folder/data"; make; }; fi ||
  { cat "$folder/log" >&2; rm -rf "$folder"; exit 1; }
"$0/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c max_connections=400 -c shared_buffers=64MB \
  -c max_wal_size=256MB -c log_min_messages=fatal >>"$folder/log" 2>&1 &
echo "$folder"
cat >/dev/null
kill -QUIT $!
wait
rm -rf "$folder"
"#;

/// A running `PostgreSQL`.
pub(crate) struct Cluster {
    /// Where its socket is.
    folder: PathBuf,
    /// The shell that ends it once nobody holds its standard input.
    _keeper: Child,
    /// How many databases were made.
    made: AtomicU32,
}

/// The cluster of this process; nothing where there is no `PostgreSQL`, which is said.
///
/// # Panics
/// There is none and `WARREN_REQUIRE_POSTGRES` asks for one, or it does not start.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        if let Some(programs) = programs() {
            return Some(Cluster::start(&programs, None));
        }
        let is_required = std::env::var_os("WARREN_REQUIRE_POSTGRES").is_some_and(|it| it == "1");
        assert!(!is_required, "PostgreSQL's initdb and postgres are missing");
        // Not by a macro, whose words nobody sees of a test that ends well.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: tests on PostgreSQL, which is missing (apt-get install postgresql)"
        );
        None
    });
    cluster.as_ref()
}

/// The folder with its programs: of the path, or the newest one of Debian's.
fn programs() -> Option<PathBuf> {
    let has_all = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_basebackup"].iter().all(|name| folder.join(name).is_file())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    std::env::split_paths(&path).find(has_all).or_else(|| debian.into_iter().rev().find(has_all))
}

/// A shell of a user that `PostgreSQL` runs as: it does not as root.
fn shell() -> Command {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        return Command::new("sh");
    }
    let is_user = |name: &str| {
        let found = Command::new("id").args(["-u", name]).output();
        found.is_ok_and(|found| found.status.success())
    };
    let (user, group) =
        if is_user("postgres") { ("postgres", "postgres") } else { ("nobody", "nogroup") };
    let mut shell = Command::new("setpriv");
    shell.args(["--reuid", user, "--regid", group, "--clear-groups", "sh"]);
    shell
}

impl Cluster {
    /// One more, for a test alone; nothing where there is no `PostgreSQL`. It ends with its last owner.
    pub(crate) fn another() -> Option<Self> {
        cluster().and_then(|_| programs()).map(|programs| Self::start(&programs, None))
    }

    /// A standby of this one, which hears what is committed here until it is promoted.
    pub(crate) fn standby(&self) -> Self {
        Self::start(&programs().unwrap(), Some(&self.folder))
    }

    /// Starts one, or a standby of another one, and waits until it answers.
    fn start(programs: &Path, primary: Option<&Path>) -> Self {
        // In memory where that is possible: what it writes to the disk nobody needs for longer than it runs.
        let memory = Path::new("/dev/shm");
        let above = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let mut keeper = shell()
            .args(["-c", RUN])
            .arg(programs)
            .arg(above)
            .arg(primary.unwrap_or_else(|| Path::new("")))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut folder = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut folder).unwrap();
        assert!(!folder.is_empty(), "PostgreSQL could not be made");
        let folder = PathBuf::from(folder.trim_end());
        let cluster = Self { folder, _keeper: keeper, made: AtomicU32::new(0) };
        for _ in 0..LOOKS {
            if PgConnection::establish(&cluster.url("postgres")).is_ok() {
                return cluster;
            }
            sleep(PAUSE);
        }
        panic!("{}", fs::read_to_string(cluster.folder.join("log")).unwrap_or_default());
    }

    /// Where its socket and its log are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://warren@/{database}?host={}", self.folder.display())
    }

    /// Makes a database, of this one if it is to be no empty one; returns its name.
    pub(crate) fn create(&self, template: Option<&str>) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        self.run(&format!("CREATE DATABASE {name} TEMPLATE {}", template.unwrap_or("template0")));
        name
    }

    /// Removes a database, whoever is connected to it.
    pub(crate) fn remove(&self, name: &str) {
        self.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }

    /// Runs a statement beside all databases.
    pub(crate) fn run(&self, statement: &str) {
        let mut connection = PgConnection::establish(&self.url("postgres")).unwrap();
        connection.batch_execute(statement).unwrap();
    }
}
