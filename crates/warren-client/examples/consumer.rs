//! Works on every message of a channel once, across breaks and restarts: `consumer URL PROJECT TOKEN CHANNEL FILE`. The
//! file holds how far it has come.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a terminal")]

use std::error::Error;
use std::fs;
use warren_client::{Client, Event, Message, Positions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, project, token, channel, file] = words.as_slice() else {
        return Err("usage: consumer URL PROJECT TOKEN CHANNEL FILE".into());
    };
    let mut positions: Positions = match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(_) => Positions::default(),
    };
    let builder = Client::builder(url, project).token(token).positions(positions.clone());
    let client = builder.connect().await?;
    let room = client.subscribe(channel).await?;
    println!("listening to {channel}");
    loop {
        match room.next().await? {
            Event::Message(message) => {
                work(&message);
                if let Some(position) = message.position {
                    positions.channels.insert(channel.clone(), position);
                    fs::write(file, serde_json::to_string(&positions)?)?;
                }
            }
            Event::Gap => eprintln!("messages may be missing here: look at what there is"),
            _ => {}
        }
    }
}

/// What is to be done once for each.
fn work(message: &Message) {
    println!("{}: {}", message.event, message.json());
}
