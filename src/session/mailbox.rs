//! What a session knows of its token's mailbox: how far it was read, and what of it was said and is not noted as delivered.
//! It remembers numbers, and no texts.

use super::resumers::Resumers;
use crate::domain::Epoch;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut, RangeInclusive};
use std::time::Duration;

/// The most mails on their way that nobody is known to have taken.
const MOST_UNDER_WAY: usize = 64;
/// The most bytes of them, roughly; one of any size is let go.
const MOST_BYTES_UNDER_WAY: usize = 256 << 10;
/// The most mails that were said and are not settled in the store, but for one piece. With that it has to be less than the
/// 1,000 that clients know again.
const MOST_SAID: usize = 512;

/// A mail that was said.
pub(super) struct SaidMail {
    /// Its number on the line.
    pub(super) place: u64,
    /// Its position there, by offset.
    pub(super) offset: u64,
    /// The same where it was first said.
    pub(super) first: u64,
    /// Its bytes, roughly.
    pub(super) bytes: usize,
    /// Whether it has left the queues of a connection, or is in none.
    pub(super) is_taken: bool,
    /// Whether a connection has heard it: it is only not noted yet.
    pub(super) is_heard: bool,
    /// Whether all connections to which it was said have gone without it.
    pub(super) is_lost: bool,
}

impl SaidMail {
    /// Whether it is to be said again.
    pub(super) const fn is_due(&self) -> bool {
        self.is_lost && !self.is_heard
    }
}

/// Whether a mailbox is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MailboxReading {
    /// It is not.
    Not,
    /// It is.
    UnderWay,
    /// It is, and there may be more since.
    Overtaken,
}

/// What a session knows of its token's mailbox: nothing, and that in a few bytes, where nothing was in there.
pub(super) struct Mailbox(Option<Box<KnownMail>>);

/// What is known of one in which nothing was.
static NOTHING: KnownMail = KnownMail::new();

impl Mailbox {
    /// Nothing is known of it yet but whether anything waits.
    pub(super) fn new(has_mail: bool) -> Self {
        let mut mailbox = Self(None);
        if has_mail {
            mailbox.note_news();
        }
        mailbox
    }

    /// What is known of it, if anything was in there.
    pub(super) fn known(&mut self) -> Option<&mut KnownMail> {
        self.0.as_deref_mut()
    }

    /// What was said of it.
    pub(super) fn said_mut(&mut self) -> impl Iterator<Item = &mut SaidMail> {
        self.0.iter_mut().flat_map(|known| known.said.values_mut())
    }
}

impl Deref for Mailbox {
    type Target = KnownMail;

    fn deref(&self) -> &KnownMail {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

/// Whoever changes something has something in there.
impl DerefMut for Mailbox {
    fn deref_mut(&mut self) -> &mut KnownMail {
        self.0.get_or_insert_with(|| Box::new(KnownMail::new()))
    }
}

/// What is known of a mailbox in which anything was.
pub(super) struct KnownMail {
    /// Which one; none before anything was read from it.
    pub(super) epoch: Option<Epoch>,
    /// Whether there may be something behind the cursor.
    pub(super) may_have_more: bool,
    /// Whether it is being read.
    pub(super) reading: MailboxReading,
    /// The number up to which it was read.
    pub(super) cursor: u64,
    /// The smallest number that has to be said again and was before the cursor.
    pub(super) lost_from: Option<u64>,
    /// The greatest number that was ever said here: what is not known of those up to it was delivered.
    pub(super) newest: u64,
    /// What was said and is not noted as delivered, by its number.
    pub(super) said: BTreeMap<u64, SaidMail>,
    /// The places on the line of those that were said again since.
    pub(super) moved: BTreeSet<u64>,
    /// Of what was said again, by its place: where it was first said, by offset.
    pub(super) again: BTreeMap<u64, u64>,
    /// Whether it is being noted what was delivered.
    pub(super) is_noting: bool,
    /// For how long the look that comes next is waited for; none while nobody looks. Less where it need not be.
    pub(super) look: Option<Duration>,
    /// What clients were given that keep positions and have gone since.
    pub(super) resumers: Resumers,
}

impl KnownMail {
    /// Nothing.
    const fn new() -> Self {
        Self {
            epoch: None,
            may_have_more: false,
            reading: MailboxReading::Not,
            cursor: 0,
            lost_from: None,
            newest: 0,
            said: BTreeMap::new(),
            moved: BTreeSet::new(),
            again: BTreeMap::new(),
            is_noting: false,
            look: None,
            resumers: Resumers::new(),
        }
    }

    /// Whether nothing that was heard has to be noted any more.
    pub(super) fn is_noted(&self) -> bool {
        !self.said.values().any(|mail| mail.is_heard)
    }

    /// There may be something behind the cursor.
    pub(super) fn note_news(&mut self) {
        self.may_have_more = true;
        if self.reading == MailboxReading::UnderWay {
            self.reading = MailboxReading::Overtaken;
        }
    }

    /// Whether there is room for more on its way.
    pub(super) fn has_room(&self) -> bool {
        let under_way = self.said.values().filter(|mail| !mail.is_taken);
        let (count, bytes) = under_way.fold((0, 0_usize), |(count, bytes), mail| {
            (count + 1, bytes.saturating_add(mail.bytes))
        });
        count < MOST_UNDER_WAY && bytes < MOST_BYTES_UNDER_WAY && self.said.len() < MOST_SAID
    }

    /// Whether a mail that waits is to be said: it was not yet, or nobody has heard it.
    pub(super) fn is_due(&self, number: u64) -> bool {
        self.said.get(&number).map_or(number > self.newest, SaidMail::is_due)
    }

    /// Whether what stands there on the line is said again, unless somebody has heard it.
    pub(super) fn says_again(&self, place: u64) -> bool {
        let is_open = |mail: &SaidMail| mail.place == place && !mail.is_heard;
        self.moved.contains(&place) || self.said.values().any(is_open)
    }

    /// What stands there on the line is not to be given to anybody any more.
    pub(super) fn note_moved(&mut self, place: u64) {
        self.moved.insert(place);
        if self.moved.len() > MOST_SAID {
            self.moved.pop_first();
        }
    }

    /// A mail was said there.
    pub(super) fn note_said(&mut self, number: u64, mut said: SaidMail) {
        if let Some(before) = self.said.remove(&number) {
            said.first = before.first;
            self.note_moved(before.place);
            self.again.insert(said.place, said.first);
            if self.again.len() > MOST_SAID {
                self.again.pop_first();
            }
        }
        self.said.insert(number, said);
        self.newest = self.newest.max(number);
    }

    /// All that waits was read: what was lost and does not wait any more has expired.
    pub(super) fn end_of_queue(&mut self) {
        if self.lost_from.is_some() {
            return;
        }
        self.cursor = self.cursor.max(self.newest);
        let expired: Vec<_> = self.said.extract_if(.., |_, mail| mail.is_due()).collect();
        for (_, mail) in expired {
            self.note_moved(mail.place);
        }
    }

    /// The numbers of what was heard, in stretches.
    pub(super) fn heard(&self) -> Vec<RangeInclusive<u64>> {
        let mut stretches: Vec<RangeInclusive<u64>> = Vec::new();
        for (number, _) in self.said.iter().filter(|(_, mail)| mail.is_heard) {
            match stretches.last_mut() {
                Some(last) if last.end().checked_add(1) == Some(*number) => {
                    *last = *last.start()..=*number;
                }
                _ => stretches.push(*number..=*number),
            }
        }
        stretches
    }
}
