//! What waits to be sent, and what was sent and waits for its answer.

use crate::error::{CloseError, CloseKind, Error};
use crate::event::Done;
use crate::frame;
use crate::random;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Who waits for an outcome.
pub(crate) type Reply = oneshot::Sender<Result<Done, Error>>;

/// Something to be sent that is answered.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The event's name.
    pub(crate) event: &'static str,
    /// The channel.
    pub(crate) channel: String,
    /// Its data.
    pub(crate) data: Box<RawValue>,
    /// Whether the server knows it again by an id, so that it may be sent twice.
    pub(crate) is_repeatable: bool,
    /// Who waits.
    pub(crate) reply: Reply,
}

/// One frame.
#[derive(Debug)]
struct Waiting {
    /// As it is sent.
    text: String,
    /// Whether it was, on this connection.
    is_sent: bool,
    /// Whether it may be sent again on another.
    is_repeatable: bool,
    /// When it has waited too long.
    due: Instant,
    /// Who waits.
    reply: Reply,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxBounds {
    /// Frames.
    pub(crate) frames: usize,
    /// Bytes of all together; one of any size is taken where nothing else waits.
    pub(crate) bytes: usize,
    /// How long one may wait. The server knows ids for five minutes.
    pub(crate) patience: Duration,
}

/// The frames, in the order of asking.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// How much may wait.
    bounds: OutboxBounds,
    /// What no other client's frames are called.
    name: String,
    /// How many were asked for.
    count: u64,
    /// Bytes of all that wait.
    used: usize,
    /// By their number.
    waiting: BTreeMap<u64, Waiting>,
}

impl Outbox {
    /// An empty one.
    pub(crate) fn new(bounds: OutboxBounds) -> Self {
        let (name, waiting) = (random::name(), BTreeMap::new());
        Self { bounds, name, count: 0, used: 0, waiting }
    }

    /// Takes a frame, or refuses it to whoever asked.
    pub(crate) fn add(&mut self, ask: Ask, now: Instant) {
        let Ask { event, channel, data, is_repeatable, reply } = ask;
        self.count += 1;
        let reference = self.reference(self.count);
        let id = is_repeatable.then_some(reference.as_str());
        let text = frame::request(event, &channel, &data, Some(&reference), id);
        let OutboxBounds { frames, bytes, patience } = self.bounds;
        let fits = self.waiting.len() < frames && self.used + text.len() <= bytes;
        if !fits && !self.waiting.is_empty() {
            // Who has gone needs no answer.
            let _ = reply.send(Err(Error::QueueFull));
            return;
        }
        self.used += text.len();
        let due = now + patience;
        self.waiting
            .insert(self.count, Waiting { text, is_sent: false, is_repeatable, due, reply });
    }

    /// How this client calls its frame of this number.
    fn reference(&self, number: u64) -> String {
        format!("{}-{number}", self.name)
    }

    /// A new name for a frame that is answered and waits nowhere.
    pub(crate) fn name_one(&mut self) -> String {
        self.count += 1;
        self.reference(self.count)
    }

    /// What was not sent yet, which counts as sent from now on.
    pub(crate) fn unsent(&mut self) -> impl Iterator<Item = String> {
        let unsent = self.waiting.values_mut().filter(|one| !one.is_sent);
        unsent.map(|one| {
            one.is_sent = true;
            one.text.clone()
        })
    }

    /// A frame was answered.
    pub(crate) fn settle(&mut self, reference: &str, outcome: Result<Done, Error>) {
        let number = reference.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('-'));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            self.answer(number, outcome);
        }
    }

    /// Answers the one who waits for this frame, if somebody does.
    fn answer(&mut self, number: u64, outcome: Result<Done, Error>) {
        if let Some(Waiting { text, reply, .. }) = self.waiting.remove(&number) {
            self.used -= text.len();
            // Who has gone needs no answer.
            let _ = reply.send(outcome);
        }
    }

    /// When the oldest has waited too long: all wait equally long, so it is the first.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, one)| one.due)
    }

    /// Answers for what has waited too long.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((number, one)) = self.waiting.first_key_value()
            && one.due <= now
        {
            let (number, is_sent) = (*number, one.is_sent);
            self.answer(number, Err(if is_sent { Error::UnknownOutcome } else { Error::Timeout }));
        }
    }

    /// The connection is gone. `is_token`: whether a leap token is coming back, whose messages the server knows again.
    pub(crate) fn broken(&mut self, close: &CloseError, is_token: bool) {
        // One of them was what the server cannot take: sent again, it would end the next connection too.
        let is_ours = matches!(close.kind(), CloseKind::FrameTooLarge | CloseKind::InvalidFrame);
        let error = if is_ours { Error::Connection(close.clone()) } else { Error::UnknownOutcome };
        self.answer_sent(&error, |one| is_ours || !(is_token && one.is_repeatable));
    }

    /// There is another connection, and nothing was sent on it yet. `is_known`: whether the server remembers what was sent
    /// before; if so, that is to be sent again.
    pub(crate) fn begun(&mut self, is_known: bool) {
        if is_known {
            self.waiting.values_mut().for_each(|one| one.is_sent = false);
        } else {
            self.answer_sent(&Error::UnknownOutcome, |_| true);
        }
    }

    /// Answers for those of what was sent that this picks.
    fn answer_sent(&mut self, error: &Error, picks: impl Fn(&Waiting) -> bool) {
        let picked = self.waiting.iter().filter(|(_, one)| one.is_sent && picks(one));
        let picked: Vec<u64> = picked.map(|(number, _)| *number).collect();
        for number in picked {
            self.answer(number, Err(error.clone()));
        }
    }

    /// Answers all that wait: nothing is sent any more.
    pub(crate) fn close(&mut self, error: &Error) {
        while let Some((number, _)) = self.waiting.first_key_value() {
            self.answer(*number, Err(error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: OutboxBounds =
        OutboxBounds { frames: 3, bytes: 500, patience: Duration::from_secs(10) };

    const TOO_LARGE: CloseError = CloseError { code: 1009, reason: String::new() };

    /// Asks for something with so many letters.
    fn ask(
        outbox: &mut Outbox,
        is_repeatable: bool,
        letters: usize,
        now: Instant,
    ) -> oneshot::Receiver<Result<Done, Error>> {
        let (reply, outcome) = oneshot::channel();
        let data = serde_json::value::to_raw_value(&"x".repeat(letters)).unwrap();
        let channel = "room".to_owned();
        outbox.add(Ask { event: "MESSAGE", channel, data, is_repeatable, reply }, now);
        outcome
    }

    /// What was answered so far.
    fn outcome(
        waiting: &mut oneshot::Receiver<Result<Done, Error>>,
    ) -> Option<Result<Done, Error>> {
        waiting.try_recv().ok()
    }

    #[test]
    fn frames_are_sent_in_order_and_answered_by_their_name() {
        let (mut outbox, now) = (Outbox::new(BOUNDS), Instant::now());
        let mut asked = [ask(&mut outbox, true, 1, now), ask(&mut outbox, true, 2, now)];
        let sent: Vec<_> = outbox.unsent().collect();
        assert!(sent[0].contains(r#""x""#) && sent[1].contains(r#""xx""#), "{sent:?}");
        assert_eq!(outbox.unsent().count(), 0);
        outbox.settle("somebody-else-1", Ok(Done::default()));
        let names = [outbox.reference(1), outbox.reference(2)];
        outbox.settle(&names[1], Ok(Done::default()));
        outbox.settle(&names[1], Err(Error::Closed));
        assert_eq!(asked.each_mut().map(outcome), [None, Some(Ok(Done::default()))]);
        assert_eq!(outbox.used, sent[0].len());
    }

    #[test]
    fn what_the_server_knows_again_is_sent_again_and_the_rest_is_told() {
        let now = Instant::now();
        for (code, is_token, is_known, is_again, told) in [
            (1006, true, true, true, Error::UnknownOutcome),
            (1006, true, false, false, Error::UnknownOutcome),
            (1006, false, true, false, Error::UnknownOutcome),
            (1009, true, true, false, Error::Connection(TOO_LARGE)),
        ] {
            let close = CloseError { code, ..TOO_LARGE };
            let mut outbox = Outbox::new(BOUNDS);
            let mut repeatable = ask(&mut outbox, true, 1, now);
            let mut other = ask(&mut outbox, false, 1, now);
            let sent: Vec<_> = outbox.unsent().collect();
            let mut later = ask(&mut outbox, false, 1, now);
            outbox.broken(&close, is_token);
            assert_eq!(outcome(&mut other), Some(Err(told.clone())));
            outbox.begun(is_known);
            assert_eq!(outcome(&mut later), None);
            assert_eq!(outcome(&mut repeatable), (!is_again).then_some(Err(told)));
            let unsent: Vec<_> = outbox.unsent().collect();
            assert_eq!(unsent.len(), usize::from(is_again) + 1);
            // To the letter, so that the server knows it again.
            assert!(!is_again || unsent[0] == sent[0]);
        }
    }

    #[test]
    fn what_waits_is_bounded_in_number_bytes_and_time() {
        let (mut outbox, now) = (Outbox::new(BOUNDS), Instant::now());
        let mut large = ask(&mut outbox, true, 1000, now);
        assert_eq!(outcome(&mut ask(&mut outbox, true, 1, now)), Some(Err(Error::QueueFull)));
        assert_eq!(outbox.unsent().count(), 1);
        outbox.expire(now + BOUNDS.patience);
        assert_eq!(outcome(&mut large), Some(Err(Error::UnknownOutcome)));
        let mut asked: Vec<_> = (0..4).map(|_| ask(&mut outbox, true, 1, now)).collect();
        assert_eq!(outcome(&mut asked[3]), Some(Err(Error::QueueFull)));
        assert_eq!(outbox.due(), Some(now + BOUNDS.patience));
        outbox.expire(now + BOUNDS.patience);
        assert_eq!(outcome(&mut asked[0]), Some(Err(Error::Timeout)));
        assert_eq!((outbox.used, outbox.due()), (0, None));
        let mut last = ask(&mut outbox, true, 1, now);
        outbox.close(&Error::Closed);
        assert_eq!(outcome(&mut last), Some(Err(Error::Closed)));
    }
}
