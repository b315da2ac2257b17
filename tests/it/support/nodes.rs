//! Several servers in the place of one. With `WARREN_TEST_NODES=3` each server of a test run is three processes that share its
//! database and are ordered by one Redis, behind an address that leads to one after the other (`rotation`); with `1` it is one
//! that has all of that too, so that what both runs pass can be compared.

use super::rotation::Rotation;
use super::{database, start, tunnel};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

/// The variable that says how many.
pub const VARIABLE: &str = "WARREN_TEST_NODES";

/// Where a server listens whose port is whichever is free.
const ANYWHERE: &str = "127.0.0.1:0";

/// The processes that are a server to a test. Nobody ends them but by what is here.
pub struct Nodes {
    /// The processes: one, unless a run wants more.
    children: Vec<Child>,
    /// What leads to them, if they are several by the run's will.
    rotation: Option<Rotation>,
}

impl Nodes {
    /// Starts the one process that this command is, whatever the run wants, and waits until it is ready; also returns where
    /// it is asked, or none where it does not come to that.
    pub fn alone(mut command: Command) -> (Self, Option<SocketAddr>) {
        let mut child = command.spawn().unwrap();
        let address = start::ready(&mut child).map(tunnel::door);
        (child.into(), address)
    }

    /// As [`Self::alone`], of as many processes as the run wants, each by a command that is made for it. The data of all but the
    /// first lies beside that of the first.
    pub fn start(
        command: impl Fn() -> Command,
        folder: &Path,
        settings: &[(&str, &str)],
    ) -> (Self, Option<SocketAddr>) {
        let Some((count, address)) = wanted(settings) else { return Self::alone(command()) };
        let bus = bus();
        let spawn = |number: usize| {
            let mut command = command();
            command.env("WARREN_LISTEN", ANYWHERE).env("WARREN_BUS", &bus);
            if number > 1 {
                command.env("WARREN_DATA", folder.join(format!("data-{number}")));
            }
            command.spawn().unwrap()
        };
        // The first makes the project, and brings the tables up to date.
        let mut nodes = Self::from(spawn(1));
        let Some(first) = start::ready(nodes.first_mut()) else { return (nodes, None) };
        nodes.children.extend((2..=count).map(spawn));
        let others: Option<Vec<_>> = nodes.children.iter_mut().skip(1).map(start::ready).collect();
        let Some(others) = others else { return (nodes, None) };
        let doors = [vec![first], others].concat().into_iter().map(tunnel::door).collect();
        let rotation = nodes.rotation.insert(Rotation::open(address, doors));
        let address = rotation.address();
        (nodes, Some(address))
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.children.len()
    }

    /// The number of the first process.
    pub fn id(&self) -> u32 {
        self.children.first().unwrap().id()
    }

    /// The first process.
    pub fn first_mut(&mut self) -> &mut Child {
        self.children.first_mut().unwrap()
    }

    /// Sends all of them a signal by name.
    pub fn signal(&self, signal: &str) {
        let numbers = self.children.iter().map(|child| child.id().to_string());
        let sent = Command::new("kill").args(["-s", signal]).args(numbers).status();
        assert!(sent.unwrap().success());
    }

    /// Kills all of them without a warning, and waits until they are gone; nobody can connect then.
    pub fn kill(&mut self) {
        for child in &mut self.children {
            // It may have ended already.
            let _ = child.kill();
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
        self.rotation = None;
    }

    /// How they ended, if all have: that of the first that has not ended well.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let ended = self.children.iter_mut().map(|child| child.try_wait().unwrap());
        let ended = ended.collect::<Option<Vec<_>>>()?;
        self.rotation = None;
        ended.iter().find(|status| !status.success()).or(ended.first()).copied()
    }
}

/// Lets a command start a server of these tests on a folder: with the database and the certificates that the run wants, its log
/// in the folder.
pub fn command(command: Command, folder: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = start::on_folder(command, folder, settings);
    command.envs(tunnel::settings(folder));
    database::settle(&mut command, folder, settings);
    command.stderr(start::log_file(folder));
    command
}

impl From<Child> for Nodes {
    fn from(child: Child) -> Self {
        Self { children: vec![child], rotation: None }
    }
}

/// How many processes the run wants a server with these settings to be, and where they are to be asked; none where it is one
/// that is started as it is. A test that brings a database is about several servers itself; and what listens at more than one
/// address of TCP has no rotation.
fn wanted(settings: &[(&str, &str)]) -> Option<(usize, SocketAddr)> {
    let count = std::env::var(VARIABLE).ok()?;
    let count = count.parse().ok().filter(|count| *count > 0).unwrap_or_else(|| {
        panic!("{VARIABLE}={count}: how many servers?");
    });
    let set = |wanted| settings.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let address = set("WARREN_LISTEN").unwrap_or(ANYWHERE).parse().ok().filter(SocketAddr::is_ipv4);
    address.filter(|_| set("WARREN_DATABASE").is_none()).map(|address| (count, address))
}

/// What orders for the servers of a run.
#[cfg(feature = "redis")]
fn bus() -> String {
    let database = std::env::var("WARREN_TEST_DATABASE").unwrap_or_default();
    assert_eq!(database, "postgres", "{VARIABLE} wants WARREN_TEST_DATABASE=postgres");
    super::redis::Redis::of_all()
}

/// What orders for the servers of a run.
#[cfg(not(feature = "redis"))]
fn bus() -> String {
    panic!("{VARIABLE}: this was built without the feature redis")
}
