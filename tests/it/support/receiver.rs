//! A back end that hears webhooks: a small blocking HTTP server on loopback.

use super::PATIENCE;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A call that came.
#[derive(Clone, Debug)]
pub struct Hooked {
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub text: String,
    /// When it came.
    pub at: Instant,
}

impl Hooked {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).1
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

/// What is answered: a status, more header lines, a body, after a while.
pub struct Says(pub u16, pub &'static str, pub &'static str, pub Duration);

/// Says this at once.
pub fn says(status: u16) -> Says {
    Says(status, "", "", Duration::ZERO)
}

/// The calls that came, and a bell for who waits for them.
type Calls = Arc<(Mutex<Vec<Hooked>>, Condvar)>;

/// A running back end; its thread ends with the test's process.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it has heard.
    calls: Calls,
}

impl Receiver {
    /// Starts one that answers what `answer` makes of each call and its number, from 0.
    pub fn start(answer: impl Fn(usize, &Hooked) -> Says + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    /// The same on a listener.
    pub fn on(
        listener: TcpListener,
        answer: impl Fn(usize, &Hooked) -> Says + Send + Sync + 'static,
    ) -> Self {
        let (address, calls) = (listener.local_addr().unwrap(), Calls::default());
        let (heard, answer) = (Arc::clone(&calls), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &heard, &*answer));
            }
        });
        Self { address, calls }
    }

    /// Starts one that answers each call with these bytes and then stays on the line.
    pub fn raw(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, calls) = (listener.local_addr().unwrap(), Calls::default());
        let (heard, answer) = (Arc::clone(&calls), Arc::new(answer.into()));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(&stream);
                    let Some(call) = read(&mut reader) else { return };
                    heard.0.lock().unwrap().push(call);
                    heard.1.notify_all();
                    // The caller may have given up; until it hangs up, nothing more is said.
                    let _ = (&stream).write_all(&answer);
                    let _ = reader.read_to_end(&mut Vec::new());
                });
            }
        });
        Self { address, calls }
    }

    /// Its address as a webhook has it.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Everything that came so far.
    pub fn calls(&self) -> Vec<Hooked> {
        self.calls.0.lock().unwrap().clone()
    }

    /// Waits until so many calls have come, and returns all.
    pub fn wait_for(&self, count: usize) -> Vec<Hooked> {
        let calls = self.calls.0.lock().unwrap();
        let enough = |calls: &mut Vec<Hooked>| calls.len() < count;
        let (calls, late) = self.calls.1.wait_timeout_while(calls, PATIENCE, enough).unwrap();
        assert!(!late.timed_out(), "only {} of {count} calls came", calls.len());
        calls.clone()
    }

    /// Waits for a call about an event and returns its data.
    pub fn data_of(&self, event: &str) -> Value {
        let is_it = |call: &Hooked| call.json()["event"] == event;
        let calls = self.calls.0.lock().unwrap();
        let none = |calls: &mut Vec<Hooked>| !calls.iter().any(is_it);
        let (calls, late) = self.calls.1.wait_timeout_while(calls, PATIENCE, none).unwrap();
        assert!(!late.timed_out(), "{event} did not come");
        calls.iter().find(|call| is_it(call)).unwrap().json()["data"].clone()
    }
}

/// Takes one call.
fn serve(stream: TcpStream, calls: &Calls, answer: &dyn Fn(usize, &Hooked) -> Says) {
    let mut reader = BufReader::new(&stream);
    let Some(call) = read(&mut reader) else { return };
    let number = {
        let mut calls = calls.0.lock().unwrap();
        calls.push(call.clone());
        calls.len() - 1
    };
    calls.1.notify_all();
    let Says(status, headers, body, pause) = answer(number, &call);
    // An endpoint that takes its time is what the test is about.
    std::thread::sleep(pause);
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    // The caller may have given up.
    let _ = (&stream).write_all(text.as_bytes());
}

/// Reads one request.
fn read(reader: &mut BufReader<&TcpStream>) -> Option<Hooked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.iter().skip(1).filter_map(header).collect();
    // What is only fetched has no body.
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Some(0), |(_, length)| length.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Hooked { headers, text: String::from_utf8(body).ok()?, at: Instant::now() })
}
