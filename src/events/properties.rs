//! Random days of a server, and what a back end makes of what it is told.

use super::{EventEntry, EventOrder, PresenceChange};
use crate::domain::{
    ChannelId, ChannelKey, Listed, ProjectId, Register, SessionId, SessionRef, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Dice (splitmix64).
struct Dice(u64);

impl Dice {
    /// A number below a bound.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The project of everything below.
fn project() -> ProjectId {
    ProjectId::from("p")
}

/// One of its channels.
fn channel(number: u64) -> ChannelKey {
    ChannelKey { project: project(), id: ChannelId::trusted(&format!("c{number}")) }
}

/// A session.
fn session(number: u64) -> Arc<SessionRef> {
    Arc::new(SessionRef { id: SessionId::from(&*format!("s{number}")), token: None })
}

/// A session in a register.
fn listed(number: u64, who: u64) -> Listed {
    Listed { channel: channel(number), register: REGISTER, session: session(who) }
}

/// The register of everything below.
const REGISTER: Register = Register::Online;

/// Who is online where, by names.
type Who = BTreeMap<String, BTreeSet<String>>;

/// What is stored, and what a back end that hears of it believes.
#[derive(Default)]
struct HeardByBackEnd {
    /// The rows of who is online.
    noted: Who,
    /// The number that came last of each channel.
    counts: BTreeMap<String, u64>,
    /// How many changes were told.
    told: u64,
    /// When the last change of each channel happened.
    last: BTreeMap<String, i64>,
}

impl HeardByBackEnd {
    /// Stores an entry and hears of it.
    fn take(&mut self, entry: EventEntry<u64>) {
        match entry {
            EventEntry::Change(PresenceChange { listed, is_in, count, at }) => {
                let (channel, who) = names(&listed);
                let noted = self.noted.entry(channel.clone()).or_default();
                let is_news = if is_in { noted.insert(who) } else { noted.remove(&who) };
                assert!(is_news, "told twice: {listed:?}");
                assert_eq!(count, u64::try_from(noted.len()).unwrap(), "{listed:?}");
                assert!(self.last.insert(channel.clone(), at.0) <= Some(at.0), "out of order");
                self.counts.insert(channel, count);
                self.told += 1;
            }
            EventEntry::Known(known) => {
                for (channel, who) in known.iter().map(names) {
                    self.noted.entry(channel).or_default().insert(who);
                }
            }
            EventEntry::Struck(listed) => {
                let (channel, who) = names(&listed);
                let noted = self.noted.entry(channel.clone()).or_default();
                noted.remove(&who);
                if let Some(count) = self.counts.get_mut(&channel) {
                    *count = u64::try_from(noted.len()).unwrap();
                }
            }
            EventEntry::Unwatched(..) => *self = Self { told: self.told, ..Self::default() },
            EventEntry::Other(_) => {}
        }
    }
}

/// The names of a channel and a session.
fn names(listed: &Listed) -> (String, String) {
    (listed.channel.id.as_str().to_owned(), listed.session.id.as_str().to_owned())
}

/// A server's day.
struct Day {
    /// What happens.
    dice: Dice,
    /// The log under test.
    log: EventOrder<u64>,
    /// Who really is online.
    really: BTreeMap<u64, BTreeSet<u64>>,
    /// What is stored.
    heard: HeardByBackEnd,
    /// The next session.
    next: u64,
    /// The time.
    now: i64,
    /// Whether anybody wants to hear.
    is_watched: bool,
    /// How many changes there were that somebody wanted to hear of.
    changes: u64,
}

/// So little fits that it is often full.
const ROOM: usize = 5;

impl Day {
    /// The morning.
    fn new(seed: u64) -> Self {
        let mut log = EventOrder::new(ROOM);
        log.watch(&project(), REGISTER);
        Self {
            dice: Dice(seed),
            log,
            really: BTreeMap::new(),
            heard: HeardByBackEnd::default(),
            next: 0,
            now: 0,
            is_watched: true,
            changes: 0,
        }
    }

    /// Who is on a channel, as its actor says.
    fn on(&self, channel: u64) -> Vec<Arc<SessionRef>> {
        self.really.get(&channel).into_iter().flatten().map(|number| session(*number)).collect()
    }

    /// A session comes to a channel, a new one or one that was there before.
    fn come(&mut self, number: u64, who: u64) {
        let before = self.on(number);
        let is_news = self.really.entry(number).or_default().insert(who);
        // Sometimes it is said again, as after the crash of a channel's actor.
        self.log.came(&listed(number, who), Timestamp(self.now), || before);
        self.changes += u64::from(is_news && self.is_watched);
    }

    /// A session leaves a channel.
    fn go(&mut self, number: u64, who: u64) {
        let before = self.on(number);
        let was_there = self.really.entry(number).or_default().remove(&who);
        self.log.went(&listed(number, who), Timestamp(self.now), || before);
        self.changes += u64::from(was_there && self.is_watched);
    }

    /// The process dies with all that was not stored; the next one begins.
    fn die(&mut self) {
        self.log = EventOrder::new(ROOM);
        if self.is_watched {
            self.log.watch(&project(), REGISTER);
        } else {
            // Nobody listens, so nobody believes anything.
            self.heard.counts.clear();
        }
        self.really.clear();
        let noted = self.heard.noted.clone();
        for (name, sessions) in &noted {
            for who in sessions {
                let channel = ChannelKey { project: project(), id: ChannelId::trusted(name) };
                let session = Arc::new(SessionRef { id: SessionId::from(&**who), token: None });
                self.log.restore(Listed { channel, register: REGISTER, session });
            }
        }
        self.log.all_went(Timestamp(self.now));
    }

    /// One thing happens.
    fn step(&mut self) {
        self.now += 1;
        let (number, who) = (self.dice.below(3), self.dice.below(self.next.max(1)));
        match self.dice.below(100) {
            0..30 => {
                self.next += 1;
                self.come(number, self.next);
            }
            30..45 => self.come(number, who),
            45..80 => self.go(number, who),
            80..82 => {
                self.changes += u64::try_from(self.on(number).len()).unwrap();
                self.really.remove(&number);
                self.log.deleted(&channel(number), Timestamp(self.now));
            }
            82 => self.die(),
            84..86 => {
                if self.really.entry(number).or_default().remove(&who) {
                    self.log.strike(&listed(number, who));
                }
            }
            83 => {
                self.is_watched = !self.is_watched;
                if self.is_watched {
                    self.log.watch(&project(), REGISTER);
                    for number in 0..3 {
                        let online = self.on(number);
                        self.log.note(&channel(number), REGISTER, || online);
                    }
                } else {
                    self.log.unwatch(&project(), REGISTER);
                }
            }
            _ => self.store(),
        }
    }

    /// Some of what waits is stored.
    fn store(&mut self) {
        for entry in self.log.take(4) {
            self.heard.take(entry);
        }
    }

    /// All of it is stored; what a back end knows then is how it is.
    fn check(&mut self) {
        while !self.log.is_empty() {
            self.store();
        }
        for (channel, noted) in &self.heard.noted {
            let count = u64::try_from(noted.len()).unwrap();
            if let Some(told) = self.heard.counts.get(channel) {
                assert_eq!(*told, count, "{channel}");
            }
        }
        for number in 0..3 {
            let really = self.on(number).into_iter().filter(|_| self.is_watched);
            let really: BTreeSet<String> = really.map(|one| one.id.as_str().to_owned()).collect();
            let noted = self.heard.noted.get(&format!("c{number}")).cloned();
            assert_eq!(noted.unwrap_or_default(), really, "{number}");
        }
    }
}

#[test]
fn who_hears_everything_knows_who_is_online_and_how_many() {
    for seed in 0..300 {
        let mut day = Day::new(seed);
        for _ in 0..8 {
            for _ in 0..60 {
                day.step();
            }
            day.check();
        }
        day.log.end(Timestamp(day.now));
        day.log.came(&listed(0, 0), Timestamp(day.now), Vec::new);
        day.really.clear();
        day.check();
    }
}

#[test]
fn nothing_is_left_out_uncounted() {
    for seed in 0..300 {
        let mut day = Day::new(seed);
        let mut dropped = 0;
        for _ in 0..400 {
            day.now += 1;
            let (number, who) = (day.dice.below(2), day.dice.below(9));
            match day.dice.below(10) {
                0..4 => day.come(number, who),
                4..8 => day.go(number, who),
                8 => dropped += day.log.take_dropped(),
                _ => day.store(),
            }
        }
        day.check();
        dropped += day.log.take_dropped();
        assert_eq!(day.heard.told + dropped, day.changes, "seed {seed}");
        assert!(dropped > 0, "there was room for everything: seed {seed}");
    }
}

#[test]
fn other_events_keep_their_place() {
    let mut log = EventOrder::new(ROOM);
    log.watch(&project(), REGISTER);
    log.came(&listed(0, 1), Timestamp(1), Vec::new);
    log.add(7);
    log.went(&listed(0, 1), Timestamp(2), Vec::new);
    log.add(8);
    let kinds: Vec<_> = log.take(9).iter().map(|it| matches!(it, EventEntry::Other(_))).collect();
    assert_eq!(kinds, [false, true, false, true]);
}

#[test]
fn who_is_there_says_so_for_itself_and_counts_once() {
    let mut log: EventOrder<u64> = EventOrder::new(ROOM);
    log.note_one(listed(0, 1));
    assert!(log.is_empty(), "nobody wants to hear");
    log.watch(&project(), REGISTER);
    for who in [1, 2, 1] {
        log.note_one(listed(0, who));
    }
    log.went(&listed(0, 1), Timestamp(1), Vec::new);
    let mut heard = HeardByBackEnd::default();
    let entries = log.take(9);
    assert_eq!(entries.len(), 3);
    for entry in entries {
        heard.take(entry);
    }
    assert_eq!(heard.counts["c0"], 1);
}

#[test]
fn a_project_has_half_of_what_the_others_leave() {
    let mut log: EventOrder<u64> = EventOrder::new(8);
    let of = |project: &str, who: u64| {
        let channel = ChannelKey { project: ProjectId::from(project), id: channel(0).id };
        Listed { channel, ..listed(0, who) }
    };
    for project in ["p", "q"] {
        log.watch(&ProjectId::from(project), REGISTER);
        for who in 0..9 {
            log.came(&of(project, who), Timestamp(1), Vec::new);
        }
    }
    let projects: Vec<_> = log
        .take(6)
        .iter()
        .map(|entry| match entry {
            EventEntry::Change(change) => change.listed.channel.project.as_str().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(projects, ["p", "p", "p", "p", "q", "q"]);
    let mut rest = 0;
    while !log.is_empty() {
        rest += log.take(3).len();
    }
    assert_eq!(rest, 12, "all are told in the end");
}
