//! `warren tail`: what a channel says, as it says it. After a break it goes on where it was, and with a file of positions
//! after its own end too.

use crate::error::CliError;
use crate::output::printable;
use crate::profile::{Connect, Target};
use crate::secret::SecretText;
use clap::Args;
use serde_json::json;
use std::fmt::Display;
use std::future::pending;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use warren_client::{Channel, Client, Event, Positions, Presence, Status, Subscribe};

/// How often positions are stored that have changed.
const STORE_TIME: Duration = Duration::from_millis(500);

/// The command line of `tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// The channel
    pub channel: String,
    /// Who to be: a leap token, instead of the project token that is used else
    #[arg(long, value_name = "TOKEN")]
    pub leap_token: Option<SecretText>,
    /// Begin with so many kept messages (channels with HISTORY)
    #[arg(long, value_name = "N")]
    pub rewind: Option<u32>,
    /// Keep the position in this file, and go on from it the next time
    #[arg(long, value_name = "FILE")]
    pub positions: Option<PathBuf>,
    /// End after so many messages
    #[arg(long, short = 'n', value_name = "N")]
    pub count: Option<u64>,
    /// Messages alone: no states, nobody who comes or goes
    #[arg(long)]
    pub messages: bool,
    /// Which server.
    #[command(flatten)]
    pub connect: Connect,
}

/// Follows the channel until it is told to stop, or the channel ends.
///
/// # Errors
/// The channel cannot be followed (any more), or the files cannot be used.
pub(crate) async fn tail(args: &TailArgs, out: &mut (dyn Write + '_)) -> Result<(), CliError> {
    let target = Target::of(&args.connect)?;
    let client = client(args, &target)?;
    let noting = tokio::spawn(note(client.clone(), target.url.clone()));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let ended = tokio::select! {
        ended = follow(args, &client, out) => ended,
        ended = keep_positions(args.positions.as_deref(), &client) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    };
    noting.abort();
    let stored = args.positions.as_ref().map_or(Ok(()), |path| store(path, &client.positions()));
    client.close().await;
    stored?;
    match ended {
        // Whoever read it has gone: `warren tail … | head -1`.
        Err(CliError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended,
    }
}

/// Stores how far it has come, for when nothing can be stored any more; for ever, unless that fails.
async fn keep_positions(path: Option<&Path>, client: &Client) -> Result<(), CliError> {
    let Some(path) = path else { return pending().await };
    let mut stored = client.positions();
    loop {
        tokio::time::sleep(STORE_TIME).await;
        let now = client.positions();
        if now != stored {
            store(path, &now)?;
            stored = now;
        }
    }
}

/// A client that connects.
fn client(args: &TailArgs, target: &Target) -> Result<Client, CliError> {
    let project = target.project.clone().ok_or(CliError::Missing(
        "which project? give --project, WARREN_PROJECT or a profile with one, as `warren dev` makes (`warren whoami` shows a token's)",
    ))?;
    let mut builder = Client::builder(target.url.as_str(), project);
    // An admin token opens no sockets.
    let own = target.token.clone().filter(|token| !token.reveal().starts_with("pat_"));
    if let Some(token) = args.leap_token.clone().or(own) {
        builder = builder.token(token.reveal());
    }
    if let Some(path) = &args.positions {
        builder = builder.positions(positions(path)?);
    }
    Ok(builder.start()?)
}

/// Prints what the channel says.
async fn follow(
    args: &TailArgs,
    client: &Client,
    out: &mut (dyn Write + '_),
) -> Result<(), CliError> {
    client.connected().await?;
    let how = Subscribe { ephemeral: true, rewind: args.rewind };
    let channel = client.subscribe_with(args.channel.as_str(), how).await?;
    let mut left = args.count;
    while left != Some(0) {
        let event = channel.next().await?;
        let is_message = matches!(event, Event::Message(_));
        if is_message || matches!(event, Event::Gap) || !args.messages {
            print(&channel, &event, args.connect.json, out)?;
        }
        if is_message {
            left = left.map(|left| left.saturating_sub(1));
        }
    }
    Ok(())
}

/// Prints one event as a line.
fn print(
    channel: &Channel,
    event: &Event,
    is_json: bool,
    out: &mut (dyn Write + '_),
) -> io::Result<()> {
    match event {
        Event::Message(message) if is_json => {
            let (event, position) = (json!(message.event), json!(message.position));
            // The data goes on as it was written, but on one line: in JSON, ends of lines mean nothing.
            let data = message.json().replace(['\n', '\r'], " ");
            writeln!(
                out,
                r#"{{"kind":"message","event":{event},"data":{data},"position":{position}}}"#
            )
        }
        Event::Message(message) => {
            writeln!(out, "{}  {}", printable(&message.event), printable(message.json()))
        }
        Event::Gap if is_json => writeln!(out, "{}", json!({ "kind": "gap" })),
        Event::Gap => writeln!(out, "-- messages may be missing here"),
        Event::State(state) if is_json => {
            let (value, version) = (&*state.value, state.version);
            writeln!(out, "{}", json!({ "kind": "state", "state": value, "version": version }))
        }
        Event::State(state) => writeln!(out, "-- state: {}", printable(&state.value.to_string())),
        Event::Presence(presence) => present(channel, presence, is_json, out),
        _ => Ok(()),
    }?;
    out.flush()
}

/// Prints who came or went.
fn present(
    channel: &Channel,
    presence: &Presence,
    is_json: bool,
    out: &mut (dyn Write + '_),
) -> io::Result<()> {
    let (what, members) = match presence {
        Presence::Joined(member) => ("joined", vec![member.clone()]),
        Presence::Left(member) => ("left", vec![member.clone()]),
        Presence::Updated(member) => ("updated", vec![member.clone()]),
        _ => ("present", channel.members()),
    };
    for member in members {
        if is_json {
            let line = json!({ "kind": "presence", "what": what, "member": member.id, "data": member.data });
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "-- {what}: {}", printable(&member.id))?;
        }
    }
    Ok(())
}

/// Says on standard error what the connection is at; the same thing once, however often it is tried.
async fn note(client: Client, url: String) {
    let mut status = client.status();
    let (mut was_connected, mut told) = (false, String::new());
    while status.changed().await.is_ok() {
        let now = match &*status.borrow_and_update() {
            Status::Connected(_) if was_connected => "connected again".to_owned(),
            Status::Connected(_) if told.is_empty() => String::new(),
            Status::Connected(_) => "connected".to_owned(),
            Status::Waiting(why) if was_connected => format!("{why}; trying again"),
            Status::Waiting(why) => {
                format!("no answer from {url}: {}; trying until the server is there", why.reason)
            }
            _ => continue,
        };
        was_connected |= matches!(&*status.borrow(), Status::Connected(_));
        if !now.is_empty() && now != told {
            tell(&now);
        }
        told = now;
    }
}

/// Says something to people, beside what is printed; where nobody hears it, nothing is lost.
fn tell(what: &dyn Display) {
    let _ = writeln!(io::stderr(), "-- {}", printable(&what.to_string()));
}

/// Reads stored positions; none where there is no file yet.
fn positions(path: &Path) -> Result<Positions, CliError> {
    let failed = |error| CliError::File(path.display().to_string(), error);
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| failed(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Positions::default()),
        Err(error) => Err(failed(error)),
    }
}

/// Stores positions, whole or not at all.
fn store(path: &Path, positions: &Positions) -> Result<(), CliError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let text = serde_json::to_string(positions).map_err(io::Error::from)?;
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(|error| CliError::File(path.display().to_string(), error))
}
