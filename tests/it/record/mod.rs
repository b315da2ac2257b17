//! A record of what was sent, answered and heard, by any number of clients, and what is wrong with it.
//!
//! Whatever happens is noted at the moment that it is known: sending before the request leaves, an answer when it has been
//! read, a message when it is handed to the application. The order of the notes is the order of time, as far as it was
//! seen; what is found follows from that alone, so nothing is found that was only bad luck in the watching.

mod follower;
mod planted;

pub use follower::Follower;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a client may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Everything once, whatever breaks.
    ExactlyOnce,
    /// Everything once on each connection; on the next one something may come again.
    AtLeastOnce,
}

/// A message's number; no two have the same.
pub type Id = u64;

/// A client's number.
pub type ClientId = usize;

/// One note.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A publisher is about to send a message, for the first time.
    Sent {
        /// The publisher.
        by: usize,
        /// Where to.
        channel: String,
        /// The message.
        id: Id,
    },
    /// It was answered: done.
    Answered {
        /// The message.
        id: Id,
    },
    /// A client hears a channel from here on.
    Hears {
        /// The client.
        client: ClientId,
        /// The channel.
        channel: String,
    },
    /// A client was told that something of a channel is gone.
    Told {
        /// The client.
        client: ClientId,
        /// The channel.
        channel: String,
    },
    /// A client was handed a message.
    Heard {
        /// The client.
        client: ClientId,
        /// The channel.
        channel: String,
        /// The message.
        id: Id,
    },
    /// A client's connection has ended.
    Broke {
        /// The client.
        client: ClientId,
    },
    /// A client does not hear a channel any more.
    Left {
        /// The client.
        client: ClientId,
        /// The channel.
        channel: String,
    },
}

/// Something that a client was or was not handed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Case {
    /// The client.
    pub client: ClientId,
    /// The channel.
    pub channel: String,
    /// The message.
    pub id: Id,
}

/// What is wrong with a record, and what is not but worth a number.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    /// Answered, and at the end nobody had handed it to a client that hears the channel.
    pub lost: Vec<Case>,
    /// Something later was handed to the client, and nobody had told it of the hole.
    pub silent: Vec<Case>,
    /// Handed over again where that was not promised to happen.
    pub twice: Vec<Case>,
    /// Channels of which no single order explains what clients and publishers saw, with the messages in question; and
    /// messages that came behind others that were sent after their answers.
    pub disorder: Vec<(String, Vec<Id>)>,
    /// Never sent.
    pub strange: Vec<Case>,
    /// Handed over again on another connection, where that may be.
    pub repeats: usize,
    /// How often each client was told that something of a channel is gone.
    pub told: BTreeMap<(String, ClientId), usize>,
    /// How many messages were answered.
    pub answered: usize,
    /// How many times a message was handed over.
    pub heard: usize,
}

impl Findings {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty()
            && self.silent.is_empty()
            && self.twice.is_empty()
            && self.disorder.is_empty()
            && self.strange.is_empty()
    }

    /// The figures, on one line.
    pub fn figures(&self) -> String {
        let Self { lost, silent, twice, disorder, strange, .. } = self;
        format!(
            "{} answered, {} handed over: {} lost, {} in silent holes, {} twice, {} times out of order, {} strange; \
             {} repeats, {} gaps told",
            self.answered,
            self.heard,
            lost.len(),
            silent.len(),
            twice.len(),
            disorder.len(),
            strange.len(),
            self.repeats,
            self.told.values().sum::<usize>()
        )
    }
}

/// Says to those who make the load that it is over, also where a test fails: it would wait for them otherwise.
pub struct EndOfLoad<'a>(pub &'a AtomicBool);

impl Drop for EndOfLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A record that many threads write.
#[derive(Default)]
pub struct Record(Mutex<Vec<Note>>);

impl Record {
    /// Notes something.
    pub fn note(&self, note: Note) {
        self.0.lock().unwrap().push(note);
    }

    /// How many times a message was handed over.
    pub fn heard(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|note| matches!(note, Note::Heard { .. })).count()
    }

    /// What is wrong with what was noted; clients expect what `promise` says of each.
    pub fn check(&self, promise: impl Fn(ClientId) -> Promise) -> Findings {
        check(&self.0.lock().unwrap(), promise)
    }
}

/// A message's way, each step as the number of its note.
#[derive(Default)]
struct Way {
    /// Who sent it, and where.
    by: usize,
    /// The channel.
    channel: String,
    /// When.
    sent: usize,
    /// When it was answered.
    answered: Option<usize>,
}

/// From where on a client is owed everything of a channel.
struct Stretch {
    /// The note that began it.
    from: usize,
    /// The note that ended it; none if nothing has.
    to: Option<usize>,
    /// What was handed over, and when.
    heard: Vec<(usize, Id)>,
}

/// All that one client was handed of one channel.
#[derive(Default)]
struct Hearing {
    /// Its stretches.
    stretches: Vec<Stretch>,
    /// When each message was handed over first.
    first: HashMap<Id, usize>,
    /// Those of this connection.
    of_connection: HashSet<Id>,
}

impl Hearing {
    /// What is owed begins anew.
    fn begin(&mut self, at: usize) {
        self.end(at);
        self.stretches.push(Stretch { from: at, to: None, heard: Vec::new() });
    }

    /// Nothing is owed from here on.
    fn end(&mut self, at: usize) {
        if let Some(last) = self.stretches.last_mut() {
            last.to.get_or_insert(at);
        }
    }
}

/// What is known of everything.
#[derive(Default)]
struct Known {
    /// The messages.
    ways: BTreeMap<Id, Way>,
    /// What each client was handed, by channel.
    hearings: BTreeMap<(String, ClientId), Hearing>,
}

/// What is wrong with these notes.
pub fn check(notes: &[Note], promise: impl Fn(ClientId) -> Promise) -> Findings {
    let mut findings = Findings::default();
    let mut known = Known::default();
    for (at, note) in notes.iter().enumerate() {
        known.take(at, note, &promise, &mut findings);
    }
    findings.answered = known.ways.values().filter(|way| way.answered.is_some()).count();
    let answered = known.answered();
    for ((channel, client), hearing) in &known.hearings {
        let answered = answered.get(channel.as_str()).map_or(&[][..], Vec::as_slice);
        for stretch in &hearing.stretches {
            known.find_holes((channel, *client), hearing, stretch, answered, &mut findings);
        }
    }
    let channels: HashSet<_> = known.hearings.keys().map(|(channel, _)| channel).collect();
    for channel in channels {
        let crossed = known.find_disorder(channel);
        findings.disorder.extend(crossed.map(|ids| (channel.clone(), ids)));
    }
    findings.disorder.sort();
    for cases in [&mut findings.lost, &mut findings.silent] {
        cases.sort();
        cases.dedup();
    }
    findings
}

impl Known {
    /// Takes a note in.
    fn take(
        &mut self,
        at: usize,
        note: &Note,
        promise: &impl Fn(ClientId) -> Promise,
        findings: &mut Findings,
    ) {
        match note {
            Note::Sent { by, channel, id } => {
                let way = Way { by: *by, channel: channel.clone(), sent: at, ..Way::default() };
                assert!(self.ways.insert(*id, way).is_none(), "two messages have the number {id}");
            }
            Note::Answered { id } => {
                self.ways.get_mut(id).unwrap().answered.get_or_insert(at);
            }
            Note::Hears { client, channel } => self.hearing(*client, channel).begin(at),
            Note::Told { client, channel } => {
                *findings.told.entry((channel.clone(), *client)).or_default() += 1;
                self.hearing(*client, channel).begin(at);
            }
            Note::Left { client, channel } => self.hearing(*client, channel).end(at),
            Note::Broke { client } => {
                for ((_, _), hearing) in
                    self.hearings.iter_mut().filter(|((_, of), _)| of == client)
                {
                    hearing.of_connection.clear();
                }
            }
            Note::Heard { client, channel, id } => {
                findings.heard += 1;
                self.hear(
                    at,
                    Case { client: *client, channel: channel.clone(), id: *id },
                    promise,
                    findings,
                );
            }
        }
    }

    /// What a client was handed of a channel.
    fn hearing(&mut self, client: ClientId, channel: &str) -> &mut Hearing {
        self.hearings.entry((channel.to_owned(), client)).or_default()
    }

    /// A client is handed a message.
    fn hear(
        &mut self,
        at: usize,
        case: Case,
        promise: &impl Fn(ClientId) -> Promise,
        findings: &mut Findings,
    ) {
        let is_known = self.ways.get(&case.id).is_some_and(|way| way.channel == case.channel);
        if !is_known {
            findings.strange.push(case.clone());
        }
        let hearing = self.hearing(case.client, &case.channel);
        let is_first_here = hearing.of_connection.insert(case.id);
        if let Some(stretch) = hearing.stretches.last_mut().filter(|stretch| stretch.to.is_none()) {
            stretch.heard.push((at, case.id));
        }
        match hearing.first.entry(case.id) {
            Entry::Vacant(first) => {
                first.insert(at);
            }
            Entry::Occupied(_) if is_first_here && promise(case.client) == Promise::AtLeastOnce => {
                findings.repeats += 1;
            }
            Entry::Occupied(_) => findings.twice.push(case),
        }
    }

    /// What was answered, by channel, in the order in which it was sent: when it was sent, when answered, and which it is.
    fn answered(&self) -> HashMap<&str, Vec<(usize, usize, Id)>> {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for (id, way) in &self.ways {
            if let Some(answered) = way.answered {
                all.entry(way.channel.as_str()).or_default().push((way.sent, answered, *id));
            }
        }
        for of_channel in all.values_mut() {
            of_channel.sort_unstable();
        }
        all
    }

    /// Finds what a client should have been handed in a stretch and was not: whatever was sent after that began, and
    /// answered. It had to come before the first message that was sent after its answer.
    fn find_holes(
        &self,
        (channel, client): (&str, ClientId),
        hearing: &Hearing,
        stretch: &Stretch,
        answered: &[(usize, usize, Id)],
        findings: &mut Findings,
    ) {
        // What was heard, by when it was sent; and from each on, when the first of these was handed over.
        let mut heard: Vec<(usize, usize)> = stretch
            .heard
            .iter()
            .filter(|(at, id)| hearing.first.get(id) == Some(at))
            .filter_map(|(at, id)| Some((self.ways.get(id)?.sent, *at)))
            .collect();
        heard.sort_unstable();
        for index in (0..heard.len().saturating_sub(1)).rev() {
            heard[index].1 = heard[index].1.min(heard[index + 1].1);
        }
        // Where nothing that was sent later was heard, a stretch that has ended says nothing.
        let last = heard.last().map_or(0, |(sent, _)| *sent);
        let is_open = stretch.to.is_none();
        let begin = answered.partition_point(|(sent, _, _)| *sent < stretch.from);
        let owed = answered[begin..].iter().take_while(|(sent, _, _)| is_open || *sent <= last);
        for (_, answered, id) in owed {
            let next = heard.partition_point(|(sent, _)| sent < answered);
            let due = heard.get(next).map(|(_, at)| *at);
            let came = hearing.first.get(id).copied();
            let case = || Case { client, channel: channel.to_owned(), id: *id };
            match (due, came) {
                (Some(_), None) => findings.silent.push(case()),
                // What was sent behind its answer came before it.
                (Some(due), Some(came)) if came > due => {
                    findings.disorder.push((channel.to_owned(), vec![*id]));
                }
                (None, None) if is_open => findings.lost.push(case()),
                _ => {}
            }
        }
    }

    /// Whether no single order of a channel's messages explains what clients were handed and what publishers waited for;
    /// those that stand in each other's way, if so.
    fn find_disorder(&self, channel: &str) -> Option<Vec<Id>> {
        let mut after: HashMap<Id, HashSet<Id>> = HashMap::new();
        let mut before: HashMap<Id, usize> = HashMap::new();
        let mut link = |first: Id, second: Id| {
            before.entry(first).or_default();
            if after.entry(first).or_default().insert(second) {
                *before.entry(second).or_default() += 1;
            }
        };
        for ((_, _), hearing) in self.hearings.iter().filter(|((of, _), _)| of == channel) {
            let mut order: Vec<_> = hearing.first.iter().map(|(id, at)| (*at, *id)).collect();
            order.sort_unstable();
            order.windows(2).for_each(|pair| link(pair[0].1, pair[1].1));
        }
        let mut last: HashMap<usize, (usize, Id)> = HashMap::new();
        let mut sent: Vec<_> = self.ways.iter().filter(|(_, way)| way.channel == channel).collect();
        sent.sort_unstable_by_key(|(_, way)| way.sent);
        for (id, way) in sent {
            if let Some((answered, before)) = last.get(&way.by)
                && *answered < way.sent
            {
                link(*before, *id);
            }
            if let Some(answered) = way.answered {
                last.insert(way.by, (answered, *id));
            }
        }
        // Whatever has nothing before it goes, until nothing is left or everything waits for something else.
        let mut free: Vec<Id> =
            before.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
        while let Some(id) = free.pop() {
            before.remove(&id);
            for next in after.remove(&id).unwrap_or_default() {
                let count = before.get_mut(&next).unwrap();
                *count -= 1;
                if *count == 0 {
                    free.push(next);
                }
            }
        }
        let mut left: Vec<_> = before.into_keys().collect();
        left.sort_unstable();
        (!left.is_empty()).then_some(left)
    }
}
