//! A session and its token's mailbox, through whatever order of breaks, acknowledgements, readings and failing writes chance
//! brings: no store, no sockets, no clocks.

use super::*;
use crate::channel::{Card, ConnectionRef, Moment, Worker};
use crate::delivery::fanout::ConnectionUid;
use crate::delivery::{Exit, Home, Report, Settled, Undelivered};
use crate::domain::{
    ChannelId, ConnectionId, Epoch, LeapToken, LeapTokenId, LineId, MailId, Message, Place,
    Position, ProjectId, RawJson, Resume, SessionId, SessionUid, Timestamp,
};
use crate::line::{WindowBounds, WindowBudget};
use crate::protocol::{Extensions, Profile, Profiles};
use crate::session::{Beginning, Connect, Ephemeral, Identity, SessionLimits, ToChannel};
use std::collections::{BTreeMap, VecDeque};

/// The only worker.
#[derive(Clone)]
struct Thread;

impl Worker for Thread {
    fn index(&self) -> usize {
        0
    }
}

/// Writes down what the session wants.
#[derive(Default)]
struct Notes {
    /// Orders to the worker.
    orders: Vec<Order>,
    /// Behind which number the mailbox is to be read.
    read: Option<u64>,
    /// What is to be noted as delivered.
    noting: Option<Vec<RangeInclusive<u64>>>,
    /// Whether it is to be looked at.
    look: bool,
    /// Whether the session wants to end.
    retires: bool,
}

impl SessionEffects for Notes {
    type Channel = u8;
    type Worker = Thread;

    fn limits(&self) -> SessionLimits {
        let window = WINDOW;
        let (channels, connections, init_bytes) = (9, 99, 1 << 20);
        let (replay_events, replay_bytes) = (64, 1 << 20);
        SessionLimits { channels, connections, replay_events, replay_bytes, init_bytes, window }
    }

    fn home(&self) -> Option<Home> {
        None
    }

    fn is_live(&self, _: &u8) -> bool {
        true
    }

    fn order(&mut self, _: &Thread, order: Order, _: Profiles) {
        self.orders.push(order);
    }

    fn say(&mut self, _: &u8, _: SessionUid, _: ToChannel<Thread>) {}

    fn attach(
        &mut self,
        _: &ChannelId,
        _: &u8,
        _: Card,
        _: &ConnectionRef<Thread>,
        _: Option<Since>,
    ) {
    }

    fn resubscribe(
        &mut self,
        _: &ChannelId,
        _: &u8,
        _: Card,
        _: Vec<ConnectionRef<Thread>>,
        _: bool,
    ) {
    }

    fn unsubscribe(&mut self, _: &ChannelId, _: Option<&u8>, _: Card, _: Option<ConnectionUid>) {}

    fn look_for(&mut self, _: &ChannelId) {}

    fn vanished(&mut self, _: &ChannelId, _: Card, _: bool) {}

    fn ephemeral(&mut self, _: &ChannelId, _: Card, _: Ephemeral) {}

    fn unheard_before_start(&self, _: &LeapTokenId) -> u64 {
        0
    }

    fn set_online(&mut self, _: Option<&LeapTokenId>) {}

    fn ask_who_is_in(&mut self, _: ConnectionUid) {}

    fn start_grace(&mut self) {}

    fn stop_grace(&mut self) {}

    fn watch_line(&mut self, _: Duration) {}

    fn watch_expiry(&mut self, _: Option<Timestamp>) {}

    fn read_mail(&mut self, after: u64) {
        assert!(self.read.replace(after).is_none(), "read twice at a time");
    }

    fn watch_mail(&mut self, _: Duration) {
        assert!(!std::mem::replace(&mut self.look, true), "two looks");
    }

    fn deliver_mail(&mut self, mailbox: Epoch, numbers: Vec<RangeInclusive<u64>>) {
        assert_eq!(mailbox, Epoch(7));
        assert!(self.noting.replace(numbers).is_none(), "noted twice at a time");
    }

    fn retire(&mut self) {
        self.retires = true;
    }

    fn stop(&mut self) {}
}

/// What the line keeps at hand: little, so that its bounds are met.
const WINDOW: WindowBounds =
    WindowBounds { events: 24, bytes: 1 << 20, age: Duration::from_secs(100) };

/// How many mails a client that keeps positions remembers: what is under way here at most.
const REMEMBERED: usize = 128;

/// Something that was written to a connection.
struct Written {
    /// What.
    event: Arc<EncodedEvent>,
    /// Whether it came behind INIT, from what the session had.
    is_kept: bool,
}

/// A connection.
struct Pipe {
    /// Whether the client that keeps positions is at its end.
    is_resume: bool,
    /// Whether it is given up: its socket has yet to end.
    is_parting: bool,
    /// Where it came to the session's line.
    from: Place,
    /// What was written to it.
    written: Vec<Written>,
    /// How much of that its client has taken.
    taken: usize,
    /// Whether its client has sent anything.
    has_spoken: bool,
    /// The numbers of the mails that its client has taken.
    heard: Vec<u64>,
}

/// A session, its token's mailbox, and those at the ends of its connections.
struct Scene {
    /// The session.
    machine: SessionMachine<Notes>,
    /// What it wants.
    notes: Notes,
    /// How often the server was killed.
    lives: u64,
    /// The mails that wait, by number, each saying that.
    waiting: BTreeMap<u64, Message>,
    /// The number of the newest mail.
    posted: u64,
    /// Who is connected.
    pipes: BTreeMap<ConnectionUid, Pipe>,
    /// Everything that any client has heard, each connection's in its order, and whether that keeps positions.
    logs: Vec<(bool, Vec<u64>)>,
    /// What the client that keeps positions has delivered to its application.
    delivered: Vec<u64>,
    /// The last position that it has seen.
    seen: Option<Position>,
    /// The mails that it has had last, which it knows again.
    had: VecDeque<u64>,
    /// The time.
    now: Instant,
    /// Chance.
    seed: u64,
}

/// The mail with this number.
const fn mail_id(number: u64) -> MailId {
    MailId(Position { epoch: Epoch(7), offset: number })
}

/// The mail that an event is.
fn number(event: &EncodedEvent) -> u64 {
    match event.event() {
        Event::Mail { message, id } => {
            let number = message.data.as_str().parse().unwrap();
            assert_eq!(*id, mail_id(number));
            number
        }
        other => panic!("{other:?}"),
    }
}

impl Pipe {
    /// How far its client has heard the line.
    fn heard_upto(&self, taken: usize) -> u64 {
        let said = self.written[..taken].iter().filter(|written| !written.is_kept);
        said.map(|written| place(&written.event)).max().unwrap_or(self.from.number)
    }

    /// What it was given behind INIT and has not taken.
    fn left(&self) -> Vec<Arc<EncodedEvent>> {
        let left = self.written[self.taken..].iter().filter(|written| written.is_kept);
        left.map(|written| Arc::clone(&written.event)).collect()
    }

    /// How far it is told to have heard.
    fn standing(&self, taken: usize) -> Standing {
        let number = self.heard_upto(taken);
        Standing::new([Place { number, ..self.from }])
    }
}

/// The number of an event on its line.
fn place(event: &EncodedEvent) -> u64 {
    event.place().unwrap().number
}

/// A session of a server's life without connections, and whether anything waits in its token's mailbox.
fn session(life: u64, has_mail: bool) -> SessionMachine<Notes> {
    let token = LeapToken {
        id: LeapTokenId::from("t"),
        project: ProjectId::from("p"),
        state: RawJson::null(),
        expires_at: None,
        created_at: Timestamp(1),
    };
    SessionMachine::new(Beginning {
        project: ProjectId::from("p"),
        identity: Identity::Token(token),
        permanent: Vec::new(),
        ephemeral: Vec::new(),
        moved: None,
        broken: None,
        has_mail,
        restart: None,
        id: SessionId::from("s"),
        seed: String::new(),
        epoch: Epoch(1 + life),
        window: WINDOW,
        share: WindowBudget::new(1 << 30).share(&ProjectId::from("p")),
    })
}

impl Scene {
    /// A session without connections, with a server that has not been killed.
    fn new(seed: u64) -> Self {
        Self {
            machine: session(0, false),
            notes: Notes::default(),
            lives: 0,
            waiting: BTreeMap::new(),
            posted: 0,
            pipes: BTreeMap::new(),
            logs: Vec::new(),
            delivered: Vec::new(),
            seen: None,
            had: VecDeque::new(),
            now: Instant::now(),
            seed,
        }
    }

    /// A number below a bound.
    fn dice(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        (self.seed >> 33) % below
    }

    /// Lets the session take a step, and its worker carry out what comes of it.
    fn step(&mut self, step: impl FnOnce(&mut SessionMachine<Notes>, &mut Notes)) {
        step(&mut self.machine, &mut self.notes);
        while !self.notes.orders.is_empty() {
            for order in std::mem::take(&mut self.notes.orders) {
                self.carry_out(order);
            }
        }
    }

    /// The worker carries out an order.
    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Init { connection, kept, direct, .. } => {
                let pipe = self.pipes.get_mut(&connection).unwrap();
                pipe.from = direct;
                let kept = kept.events.into_iter();
                pipe.written.extend(kept.map(|event| Written { event, is_kept: true }));
            }
            Order::Direct { connection, dispatch: event } => {
                if let Some(pipe) = self.pipes.get_mut(&connection) {
                    pipe.written.push(Written { event, is_kept: false });
                }
            }
            Order::Confirm { connection, line } => {
                let Some(pipe) = self.pipes.get(&connection).filter(|pipe| !pipe.is_parting) else {
                    return;
                };
                assert_eq!(line, pipe.from.line);
                let first = pipe.left().first().map(|event| place(event) - 1);
                let upto = pipe.heard_upto(pipe.taken).min(first.unwrap_or(u64::MAX));
                let heard = Heard { connection, upto, has_spoken: pipe.has_spoken };
                let now = self.now;
                self.machine.report(Report::Heard(heard), now, &mut self.notes);
            }
            other => panic!("{other:?}"),
        }
    }

    /// Somebody posts a mail.
    fn post(&mut self) {
        self.posted += 1;
        let data = RawJson::trusted(self.posted.to_string());
        self.waiting.insert(self.posted, Message { event: "m".into(), data });
        self.step(SessionMachine::mail_waits);
    }

    /// A client comes.
    fn connect(&mut self, is_resume: bool) {
        let uid = ConnectionUid::next();
        let (worker, profile) = (Thread, Profile::default());
        let seen = self.seen.filter(|_| is_resume).map(|position| Since(Some(position)));
        let asked = [if is_resume { "resume" } else { "none" }.to_owned()];
        let connect = Connect {
            project: ProjectId::from("p"),
            connection: ConnectionRef { uid, worker, profile },
            cid: ConnectionId::from("c"),
            address: None,
            extensions: Some(Extensions::granted(&asked)),
            resume: is_resume.then(|| Arc::new(Resume { direct: seen, ..Resume::default() })),
            expiry: None,
        };
        let from = Place { line: LineId::next(), number: 0 };
        let pipe = Pipe {
            is_resume,
            is_parting: false,
            from,
            written: Vec::new(),
            taken: 0,
            has_spoken: false,
            heard: Vec::new(),
        };
        self.pipes.insert(uid, pipe);
        let now = Moment { instant: self.now, time: Timestamp(1) };
        self.step(|machine, notes| machine.connect(connect, now, notes).unwrap());
    }

    /// The client of a connection takes so much more.
    fn take(&mut self, uid: ConnectionUid, most: usize) {
        let pipe = self.pipes.get_mut(&uid).unwrap();
        for _ in 0..most.min(pipe.written.len() - pipe.taken) {
            let event = &pipe.written[pipe.taken].event;
            pipe.taken += 1;
            pipe.heard.push(number(event));
            let (mail, position) = (number(event), event.position().unwrap());
            let is_new =
                |seen: Position| seen.epoch != position.epoch || seen.offset < position.offset;
            if pipe.is_resume && self.seen.is_none_or(is_new) {
                self.seen = Some(position);
                if !self.had.contains(&mail) {
                    self.delivered.push(mail);
                }
                self.had.retain(|had| *had != mail);
                self.had.push_back(mail);
                if self.had.len() > REMEMBERED {
                    self.had.pop_front();
                }
            }
        }
    }

    /// A connection breaks; or is given up, and its socket ends later.
    fn give_up(&mut self, connection: ConnectionUid, is_settled: bool) {
        if is_settled {
            return self.end(connection);
        }
        let pipe = self.pipes.get_mut(&connection).unwrap();
        pipe.is_parting = true;
        let (standing, has_spoken) = (Some(pipe.standing(pipe.written.len())), pipe.has_spoken);
        let undelivered = Undelivered::default();
        let exit = Exit { connection, standing, is_settled, has_spoken, undelivered };
        let now = self.now;
        self.step(|machine, notes| machine.report(Report::Exit(exit), now, notes));
    }

    /// The socket of a connection has ended.
    fn end(&mut self, connection: ConnectionUid) {
        let pipe = self.pipes.remove(&connection).unwrap();
        let (standing, has_spoken) = (Some(pipe.standing(pipe.taken)), pipe.has_spoken);
        let undelivered = Undelivered { kept: pipe.left(), ..Undelivered::default() };
        let report = if pipe.is_parting {
            Report::Settled(Settled { connection, standing, has_spoken, undelivered })
        } else {
            let is_settled = true;
            Report::Exit(Exit { connection, standing, is_settled, has_spoken, undelivered })
        };
        self.logs.push((pipe.is_resume, pipe.heard));
        let now = self.now;
        self.step(|machine, notes| machine.report(report, now, notes));
    }

    /// The store answers what it was asked, or fails.
    fn answer(&mut self, fails: bool) {
        let now = self.now;
        if let Some(after) = self.notes.read.take() {
            let mails = self
                .waiting
                .range(after + 1..)
                .take(5)
                .map(|(number, message)| Mail { id: mail_id(*number), message: message.clone() });
            let mails: Vec<_> = mails.collect();
            let last = mails.last().map_or(after, |mail| mail.id.0.offset);
            let has_more = self.waiting.range(last + 1..).next().is_some();
            let piece = MailPiece { mails, has_more };
            let piece = (!fails).then_some(piece);
            self.step(|machine, notes| machine.mail_read(piece, now, notes));
        }
    }

    /// The store notes what was delivered, or fails, or both.
    fn note(&mut self, is_done: bool, is_told: bool) {
        let Some(numbers) = self.notes.noting.take() else { return };
        if is_done {
            for range in &numbers {
                self.waiting.retain(|number, _| !range.contains(number));
            }
        }
        self.step(|machine, notes| machine.mail_noted(&numbers, is_told, notes));
    }

    /// It is time to look.
    fn look(&mut self) {
        if std::mem::take(&mut self.notes.look) {
            self.step(SessionMachine::look_at_mail);
        }
    }

    /// The server is killed and started again: only the store, and its client, know anything of before.
    fn kill(&mut self) {
        self.lives += 1;
        if let Some(numbers) = self.notes.noting.take()
            && self.dice(2) == 0
        {
            // It was killed behind the commit.
            self.waiting.retain(|number, _| !numbers.iter().any(|range| range.contains(number)));
        }
        let pipes = std::mem::take(&mut self.pipes).into_values();
        self.logs.extend(pipes.map(|pipe| (pipe.is_resume, pipe.heard)));
        self.notes = Notes::default();
        self.machine = session(self.lives, !self.waiting.is_empty());
    }

    /// Those whose sockets have not ended and who have not been given up.
    fn live(&self) -> Vec<ConnectionUid> {
        let live = self.pipes.iter().filter(|(_, pipe)| !pipe.is_parting);
        live.map(|(uid, _)| *uid).collect()
    }

    /// Something happens; where `alone`, only one client is there at a time.
    fn happen(&mut self, alone: bool, is_killed: bool) {
        let live = self.live();
        let any = self.dice(8);
        let chosen = (!live.is_empty()).then(|| live[usize::try_from(any).unwrap() % live.len()]);
        match (self.dice(if is_killed { 13 } else { 12 }), chosen) {
            (12, _) if any < 2 => self.kill(),
            (0 | 1, _) => self.post(),
            (2, _) if self.pipes.is_empty() || (!alone && live.len() < 3) => {
                let has_one = self.pipes.values().any(|pipe| pipe.is_resume && !pipe.is_parting);
                let is_resume = self.dice(2) == 0 && !has_one;
                self.connect(is_resume);
            }
            (3 | 4, Some(uid)) => {
                let most = usize::try_from(self.dice(6)).unwrap();
                self.take(uid, most);
            }
            (5, Some(uid)) => self.pipes.get_mut(&uid).unwrap().has_spoken = true,
            (6, Some(uid)) if any < 3 => {
                let is_settled = self.dice(2) == 0;
                self.give_up(uid, is_settled);
            }
            (7, _) => {
                let parting = self.pipes.iter().find(|(_, pipe)| pipe.is_parting);
                if let Some(uid) = parting.map(|(uid, _)| *uid) {
                    self.end(uid);
                }
            }
            (8, _) => {
                let fails = self.dice(5) == 0;
                self.answer(fails);
            }
            (9, _) => {
                let how = self.dice(6);
                // What is reported as failed may stand.
                self.note(how != 0, how > 1);
            }
            (10, _) => self.look(),
            (11, _) => self.now += Duration::from_millis(400),
            _ => {}
        }
    }

    /// Everybody goes, and one client comes that stays and takes all.
    fn settle(&mut self) {
        while let Some(uid) = self.pipes.keys().next().copied() {
            self.end(uid);
        }
        self.connect(false);
        for _ in 0..400 {
            let uid = self.live()[0];
            self.take(uid, usize::MAX);
            self.now += Duration::from_secs(1);
            self.look();
            self.answer(false);
            self.note(true, true);
        }
        let uid = self.live()[0];
        self.end(uid);
        self.note(true, true);
    }
}

/// The numbers that stand in it twice.
fn twice(log: &[u64]) -> Vec<u64> {
    let mut sorted = log.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).filter(|two| two[0] == two[1]).map(|two| two[0]).collect()
}

#[test]
fn whatever_happens_every_mail_is_heard_and_by_who_keeps_positions_once() {
    let (mut resumed, mut kills) = (0, 0);
    let said = std::env::var("WARREN_SEEDS").ok();
    for seed in 0..said.map_or(3000_u64, |seeds| seeds.parse().unwrap()) {
        let (alone, is_killed) = (seed % 2 == 0, seed % 4 > 1);
        let mut scene = Scene::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for _ in 0..300 {
            scene.happen(alone, is_killed);
        }
        scene.settle();
        assert!(scene.waiting.is_empty(), "{seed}: {:?}", scene.waiting.keys());
        let heard: std::collections::BTreeSet<_> =
            scene.logs.iter().flat_map(|(_, log)| log).copied().collect();
        let all: Vec<_> = (1..=scene.posted).collect();
        assert_eq!(heard.into_iter().collect::<Vec<_>>(), all, "{seed}");
        for (is_resume, log) in &scene.logs {
            assert_eq!(twice(log), [0; 0], "{seed}: on one connection {log:?}");
            // What is recovered by position comes before what is said again.
            assert!(!alone || *is_resume || log.is_sorted(), "{seed}: out of order {log:?}");
        }
        assert_eq!(twice(&scene.delivered), [0; 0], "{seed}: {:?}", scene.delivered);
        resumed += scene.delivered.len();
        kills += scene.lives;
    }
    assert!(resumed > 10_000 && kills > 1000, "only {resumed} and {kills}");
}

#[test]
fn a_session_does_not_end_before_what_was_heard_is_noted() {
    let mut scene = Scene::new(1);
    scene.connect(false);
    scene.post();
    scene.answer(false);
    let uid = scene.live()[0];
    scene.take(uid, 1);
    scene.pipes.get_mut(&uid).unwrap().has_spoken = true;
    scene.end(uid);
    assert!(scene.notes.noting.is_some() && !scene.machine.may_end());
    scene.note(false, false);
    assert!(!scene.machine.may_end() && scene.notes.look, "it is tried again");
    scene.look();
    scene.note(true, true);
    scene.step(SessionMachine::grace_over);
    assert!(scene.machine.may_end() && scene.notes.retires && scene.waiting.is_empty());
}

#[test]
fn only_so_much_is_under_way_at_a_time() {
    let mut scene = Scene::new(1);
    scene.connect(false);
    (0..500).for_each(|_| scene.post());
    for _ in 0..200 {
        scene.answer(false);
        scene.look();
    }
    let uid = scene.live()[0];
    let written = scene.pipes[&uid].written.len();
    assert!((64..80).contains(&written), "{written}");
    scene.take(uid, 10);
    for _ in 0..200 {
        scene.look();
        scene.answer(false);
    }
    let more = scene.pipes[&uid].written.len();
    assert!((written + 1..90).contains(&more), "{more}");
    scene.settle();
    assert!(scene.waiting.is_empty());
}
