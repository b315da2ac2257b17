//! A chat in a terminal: `chat URL PROJECT TOKEN CHANNEL`; `-` for no token. The channel needs the capability
//! `CLIENT_PUBLISH` for what is typed.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a terminal")]

use std::io::BufRead as _;
use tokio::sync::mpsc;
use warren_client::{Client, Error, Event, Presence, Status};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let (Some(url), Some(project), Some(token), Some(channel)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        eprintln!("usage: chat URL PROJECT TOKEN CHANNEL");
        return Ok(());
    };
    let builder = Client::builder(url, project);
    let builder = if token == "-" { builder } else { builder.token(token) };
    let client = builder.start()?;
    let mut status = client.status();
    tokio::spawn(async move {
        while status.changed().await.is_ok() {
            if let Status::Waiting(why) = &*status.borrow() {
                eprintln!("({why}; coming back)");
            }
        }
    });
    client.connected().await?;
    let room = client.subscribe(channel).await?;
    let mut lines = typed();
    loop {
        tokio::select! {
            event = room.next() => show(event?),
            Some(line) = lines.recv() => {
                // Not waited for here: the answer would come behind what is to be shown meanwhile.
                let outcome = room.publish("CHAT", &line);
                tokio::spawn(async {
                    if let Err(error) = outcome.await {
                        eprintln!("(not said: {error})");
                    }
                });
            }
        }
    }
}

/// The lines that are typed.
fn typed() -> mpsc::Receiver<String> {
    let (typed, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Shows an event.
fn show(event: Event) {
    match event {
        Event::Message(message) => println!("{}: {}", message.event, message.json()),
        Event::Gap => println!("(something may be missing here)"),
        Event::State(state) => println!("(state {:?}: {})", state.version, state.value),
        Event::Presence(Presence::Joined(member)) => println!("({} came)", member.id),
        Event::Presence(Presence::Left(member)) => println!("({} went)", member.id),
        _ => {}
    }
}
