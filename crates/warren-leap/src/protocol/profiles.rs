//! Which forms of an event somebody needs, and which of them take long to make.

use super::encoded_event::{EncodedEvent, Profile};
use super::wire::{Encoding, Wire};

/// From so many bytes on, spelling JSON as terms takes 5 ms or more: up to 20 ns for each byte of short members, with the
/// compression of the result 23.
const HEAVY_ETF: usize = 256 << 10;
/// From so many bytes on, compressing JSON does: up to 3 ns for each byte.
const HEAVY_ZLIB: usize = 1 << 20;
/// From so many bytes on, merely writing JSON does: up to 0.1 ns for each byte, most of it for memory that is new.
const HEAVY_JSON: usize = 32 << 20;
/// From so many bytes on, comparing a state with the one before it does: up to 16 ns for each byte of both.
const HEAVY_DELTA: usize = 128 << 10;
/// What is smaller than this is not heavy in any form.
pub const LEAST_HEAVY: usize = HEAVY_DELTA;

/// How many profiles there are.
const ALL: usize = 8 * SPELLINGS.len();
/// The ways to spell a payload.
const SPELLINGS: [Wire; 5] = [
    Wire { encoding: Encoding::Json, is_zlib: false },
    Wire { encoding: Encoding::Json, is_zlib: true },
    Wire { encoding: Encoding::Etf, is_zlib: false },
    Wire { encoding: Encoding::Etf, is_zlib: true },
    Wire { encoding: Encoding::Sse, is_zlib: false },
];

impl Profile {
    /// Which one it is, as a bit.
    fn bit(self) -> u64 {
        let spelling = match (self.wire.encoding, self.wire.is_zlib) {
            (Encoding::Json, is_zlib) => u32::from(is_zlib),
            (Encoding::Etf, is_zlib) => 2 + u32::from(is_zlib),
            (Encoding::Sse, _) => 4,
        };
        let [versions, positions, deltas] =
            [self.has_versions, self.has_positions, self.has_deltas].map(u32::from);
        1 << (versions + 2 * positions + 4 * deltas + 8 * spelling)
    }

    /// All of them.
    fn all() -> impl Iterator<Item = Self> {
        let has = |flags: u32, flag: u32| flags & flag != 0;
        SPELLINGS.into_iter().flat_map(move |wire| {
            (0..8).map(move |flags| {
                let (has_versions, has_positions) = (has(flags, 1), has(flags, 2));
                Self { has_versions, has_positions, has_deltas: has(flags, 4), wire }
            })
        })
    }

    /// From how many bytes on its form of an event takes long to make, or of one that is compared with another.
    const fn heavy_bytes(self, is_compared: bool) -> usize {
        match (self.wire.encoding, self.wire.is_zlib) {
            _ if is_compared => HEAVY_DELTA,
            (Encoding::Etf, _) => HEAVY_ETF,
            (Encoding::Json, true) => HEAVY_ZLIB,
            (Encoding::Json | Encoding::Sse, _) => HEAVY_JSON,
        }
    }
}

/// A set of profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profiles(u64);

impl From<Profile> for Profiles {
    fn from(profile: Profile) -> Self {
        Self(profile.bit())
    }
}

impl Profiles {
    /// Whether somebody wants states as patches.
    pub fn has_deltas(self) -> bool {
        self.iter().any(|profile| profile.has_deltas)
    }

    /// Those in it.
    pub fn iter(self) -> impl Iterator<Item = Profile> {
        Profile::all().filter(move |profile| self.0 & profile.bit() != 0)
    }

    /// Whether making these events in all these forms takes so long that nobody should wait for it.
    pub fn are_heavy<'a, E>(self, events: impl Fn() -> E) -> bool
    where
        E: Iterator<Item = &'a EncodedEvent>,
    {
        self.iter().any(|profile| {
            let missing = || events().filter(|event| !event.is_made(profile));
            let is_compared = profile.has_deltas && missing().any(EncodedEvent::has_base);
            let bytes: usize = missing().map(EncodedEvent::size_hint).sum();
            bytes >= profile.heavy_bytes(is_compared)
        })
    }

    /// Makes an event in all these forms.
    pub fn make(self, event: &EncodedEvent) {
        for profile in self.iter() {
            event.make(profile);
        }
    }
}

/// How many connections have each profile.
#[derive(Clone, Copy, Debug)]
pub struct ProfileCounts([u32; ALL]);

impl Default for ProfileCounts {
    fn default() -> Self {
        Self([0; ALL])
    }
}

impl ProfileCounts {
    /// One more.
    pub fn add(&mut self, profile: Profile) {
        if let Some(count) = self.count(profile) {
            *count += 1;
        }
    }

    /// One less.
    pub fn remove(&mut self, profile: Profile) {
        if let Some(count) = self.count(profile) {
            *count -= 1;
        }
    }

    /// Those that somebody has.
    pub fn set(&self) -> Profiles {
        let bits = self.0.iter().zip(0..).filter(|(count, _)| **count > 0);
        Profiles(bits.fold(0, |set, (_, index)| set | 1 << index))
    }

    /// The count of one.
    fn count(&mut self, profile: Profile) -> Option<&mut u32> {
        self.0.get_mut(usize::try_from(profile.bit().trailing_zeros()).unwrap_or(ALL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ChannelId, Message, RawJson, State, Version};
    use crate::protocol::Event;

    /// The profile of this encoding.
    fn profile(encoding: Encoding, is_zlib: bool) -> Profile {
        Profile { wire: Wire { encoding, is_zlib }, ..Profile::default() }
    }

    /// A message of so many bytes.
    fn message(bytes: usize) -> EncodedEvent {
        let data = RawJson::trusted(format!("\"{}\"", "x".repeat(bytes)));
        let message = Message { event: "A".into(), data };
        EncodedEvent::new(Event::Message { channel: ChannelId::trusted("room"), message })
    }

    #[test]
    fn profiles_are_told_apart_and_counted() {
        assert_eq!(Profile::all().count(), ALL);
        let mut counts = ProfileCounts::default();
        for profile in Profile::all() {
            assert_eq!(Profiles::from(profile).iter().collect::<Vec<_>>(), [profile]);
            counts.add(profile);
            counts.add(profile);
        }
        let etf = profile(Encoding::Etf, false);
        for profile in Profile::all().filter(|known| *known != etf) {
            counts.remove(profile);
            counts.remove(profile);
        }
        counts.remove(etf);
        assert_eq!(counts.set(), etf.into());
        counts.remove(etf);
        assert_eq!(counts.set(), Profiles::default());
    }

    #[test]
    fn an_event_is_heavy_by_its_size_and_form_until_that_is_made() {
        let (etf, zlib, json) = (
            Profiles::from(profile(Encoding::Etf, false)),
            Profiles::from(profile(Encoding::Json, true)),
            Profiles::from(profile(Encoding::Json, false)),
        );
        let (small, middle, large) = (message(100 << 10), message(300 << 10), message(2 << 20));
        let heavy = |set: Profiles, event: &EncodedEvent| set.are_heavy(|| std::iter::once(event));
        assert_eq!([&small, &middle, &large].map(|event| heavy(etf, event)), [false, true, true]);
        assert_eq!([&small, &middle, &large].map(|event| heavy(zlib, event)), [false, false, true]);
        assert_eq!([&small, &middle, &large].map(|event| heavy(json, event)), [false; 3]);
        assert!(etf.are_heavy(|| [&small, &small, &small].into_iter()), "together");
        etf.make(&large);
        assert!(!heavy(etf, &large) && heavy(zlib, &large));
        zlib.make(&large);
        assert!(!heavy(zlib, &large));
    }

    #[test]
    fn a_form_with_versions_is_another_one_where_they_show() {
        let state = State::trusted(&format!("{{\"a\":\"{}\"}}", "x".repeat(300 << 10)));
        let channel = ChannelId::trusted("room");
        let update = EncodedEvent::new(Event::StateUpdate { channel, state, version: Version(2) });
        let plain = profile(Encoding::Etf, false);
        Profiles::from(plain).make(&update);
        let versioned = Profile { has_versions: true, ..plain };
        assert!(update.is_made(plain) && !update.is_made(versioned));
    }
}
