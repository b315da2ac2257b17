//! Whether a client is there: what it owes the server by when, and what the server asks it.

use super::super::close::{Close, CloseCode};
use super::Timing;
use std::time::Duration;

/// A server heartbeat goes out with every so many intervals (`docs/PROTOCOL.md`, Socket).
const SERVER_HEARTBEAT_INTERVALS: u32 = 3;
/// A client whose heartbeat is so late is sent one: a page that nobody sees answers, one that is frozen does not.
pub(super) const LATE: Duration = Duration::from_secs(5);
/// How long it may take to answer, if it has ever answered one.
pub(super) const ANSWER: Duration = Duration::from_secs(15);
/// How long after a time ran out it is looked at once more: what lies unread is read before that, as after a pause of the
/// whole process.
pub(super) const SECOND_LOOK: Duration = Duration::from_secs(1);

/// A time that ran out, as far as is known.
#[derive(Debug)]
struct Doubt {
    /// Since when it is known.
    since: Duration,
    /// When it counts.
    until: Duration,
}

/// A heartbeat of ours that has no answer yet.
#[derive(Debug)]
struct Probe {
    /// Its tag.
    tag: String,
    /// When it was sent.
    sent: Duration,
}

/// What a look at the clock brings.
#[derive(Debug)]
pub(super) enum Look {
    /// Nothing to do.
    Fine,
    /// A heartbeat with this tag is to be sent.
    Ask(String),
    /// The client is not there any more.
    Gone(Close),
}

/// What is known of a client's being there.
#[derive(Debug)]
pub(super) struct Liveness {
    /// The intervals.
    timing: Timing,
    /// Whether the client can say nothing: then its system alone tells whether it is there, by what it takes.
    is_one_way: bool,
    /// When the last heartbeat came.
    heard: Duration,
    /// When the next heartbeat of ours is due; none before INIT.
    next_probe: Option<Duration>,
    /// How many of ours were sent.
    probes: u64,
    /// The last of ours, until it is answered.
    probe: Option<Probe>,
    /// Whether the client has answered one of ours.
    has_answered: bool,
    /// When one of ours was sent because the client's was late.
    asked: Option<Duration>,
    /// Whether the client seems to be late.
    doubt: Option<Doubt>,
}

impl Liveness {
    /// A client that has just come.
    pub(super) const fn new(timing: Timing, is_one_way: bool) -> Self {
        Self {
            timing,
            is_one_way,
            heard: Duration::ZERO,
            next_probe: None,
            probes: 0,
            probe: None,
            has_answered: false,
            asked: None,
            doubt: None,
        }
    }

    /// INIT is on its way.
    pub(super) fn begin(&mut self, now: Duration) {
        // Between two of the client's own: the Rust client takes a heartbeat that it sends while one is unanswered for
        // a dead connection, and its answer to ours counts as one.
        self.next_probe = Some(now + self.timing.heartbeat / 2);
    }

    /// A heartbeat came.
    pub(super) const fn hear(&mut self, now: Duration) {
        self.heard = now;
        self.asked = None;
    }

    /// A heartbeat is acknowledged: tells how long it took if it answers one of ours.
    pub(super) fn answer(&mut self, now: Duration, tag: Option<&str>) -> Option<Duration> {
        let answered = self.probe.take_if(|probe| Some(probe.tag.as_str()) == tag)?;
        self.has_answered = true;
        Some(now.saturating_sub(answered.sent))
    }

    /// Does what time has brought.
    pub(super) fn look(&mut self, now: Duration, has_identified: bool) -> Look {
        if let Some(close) = self.overdue(now, has_identified) {
            let until = now + self.pause();
            let doubt = self.doubt.get_or_insert(Doubt { since: now, until });
            return if now >= doubt.until { Look::Gone(close) } else { Look::Fine };
        }
        self.doubt = None;
        let is_late = self.question_due().is_some_and(|due| now >= due);
        if is_late {
            self.asked = Some(now);
        }
        if is_late || self.next_probe.is_some_and(|due| now >= due) {
            return Look::Ask(self.ask(now));
        }
        Look::Fine
    }

    /// What the client should have sent by now.
    fn overdue(&self, now: Duration, has_identified: bool) -> Option<Close> {
        if !has_identified && now >= self.timing.identify {
            return Some(Close::new(CloseCode::IdentifyTimeout, "no IDENTIFY in time"));
        }
        if self.is_one_way {
            return None;
        }
        let silence = self.timing.silence;
        if now >= self.heard + silence {
            let reason = format!("no heartbeat for {} s", silence.as_secs_f64());
            return Some(Close::new(CloseCode::OutOfSync, reason));
        }
        self.asked.filter(|asked| now >= *asked + ANSWER).map(|_| {
            let reason = format!("no answer to a heartbeat for {} s", ANSWER.as_secs());
            Close::new(CloseCode::OutOfSync, reason)
        })
    }

    /// When a client that is late is to be asked whether it is there.
    fn question_due(&self) -> Option<Duration> {
        let may_ask = self.next_probe.is_some() && self.has_answered && self.asked.is_none();
        may_ask.then(|| self.heard + self.timing.heartbeat + LATE)
    }

    /// A heartbeat of ours leaves; returns its tag.
    fn ask(&mut self, now: Duration) -> String {
        self.probes += 1;
        let tag = format!("w{}", self.probes);
        self.probe = Some(Probe { tag: tag.clone(), sent: now });
        let intervals = if self.is_one_way { 1 } else { SERVER_HEARTBEAT_INTERVALS };
        self.next_probe = Some(now + self.timing.heartbeat * intervals);
        tag
    }

    /// When [`Self::look`] must be called at the latest.
    pub(super) fn deadline(&self, has_identified: bool) -> Option<Duration> {
        if let Some(doubt) = &self.doubt {
            return Some(doubt.until);
        }
        let identify = (!has_identified).then_some(self.timing.identify);
        let silence = (!self.is_one_way).then(|| self.heard + self.timing.silence);
        let answer = self.asked.map(|asked| asked + ANSWER);
        let all = [identify, silence, self.next_probe, self.question_due(), answer];
        all.into_iter().flatten().min()
    }

    /// Whether the client seems to be late, and it depends on what lies unread.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// Something lies unread: it may be what seems to be late. Whoever sends without end gets as long again, no longer.
    pub(super) fn put_off(&mut self, now: Duration) {
        let until = now + self.pause();
        if let Some(doubt) = &mut self.doubt
            && now < doubt.since + self.timing.silence
        {
            doubt.until = until;
        }
    }

    /// How long is waited for what lies unread.
    fn pause(&self) -> Duration {
        self.timing.heartbeat.min(SECOND_LOOK)
    }
}
