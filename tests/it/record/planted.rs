//! Whether the checker sees anything: records of a world where all is well, and each kind of fault planted in them.

use super::{Case, ClientId, Findings, Note, Promise, check};
use crate::socket::Dice;
use std::collections::{HashMap, HashSet};

/// How many records each fault is planted in.
const RECORDS: u64 = 100;
/// The channels.
const CHANNELS: [&str; 2] = ["a", "b"];
/// How many clients hear them; the last two are those that something may come again to.
const CLIENTS: usize = 5;

/// What a client of these records may expect.
fn promise(client: ClientId) -> Promise {
    if client < CLIENTS - 2 { Promise::ExactlyOnce } else { Promise::AtLeastOnce }
}

/// A client of a world where all is well: how far it has heard each channel.
struct Listener {
    /// The last that it was handed of each channel, counted in the channel's order.
    upto: [usize; 2],
    /// From where on nothing is missing.
    from: [usize; 2],
    /// Whether it hears each.
    hears: [bool; 2],
}

/// The record of a world where all is well: channels have one order, clients are handed it and break off, come back, are
/// told of gaps, leave; some messages are never answered.
fn well(seed: u64) -> Vec<Note> {
    let mut dice = Dice::of(seed);
    let (mut notes, mut order) = (Vec::new(), [Vec::new(), Vec::new()]);
    let mut listeners: Vec<_> =
        (0..CLIENTS).map(|_| Listener { upto: [0; 2], from: [0; 2], hears: [false; 2] }).collect();
    // A message of each publisher may be under way.
    let mut under_way: [Option<(u64, usize)>; 3] = [None; 3];
    for id in 0..400 {
        let by = usize::try_from(dice.below(3)).unwrap();
        let at = usize::try_from(dice.below(2)).unwrap();
        match under_way[by].take() {
            Some((before, channel)) if dice.below(10) == 0 => {
                // It was done or not, and nobody learns of it.
                if dice.below(2) == 0 {
                    order[channel].push(before);
                }
            }
            Some((before, channel)) => {
                order[channel].push(before);
                if dice.below(2) == 0 {
                    hand_over(&mut dice, &mut listeners, &order, &mut notes);
                }
                notes.push(Note::Answered { id: before });
            }
            None => {
                notes.push(Note::Sent { by, channel: CHANNELS[at].to_owned(), id });
                under_way[by] = Some((id, at));
            }
        }
        hand_over(&mut dice, &mut listeners, &order, &mut notes);
        happen(&mut dice, &mut listeners, &order, &mut notes);
    }
    // At the end everything has been answered and handed over.
    for (id, channel) in under_way.into_iter().flatten() {
        order[channel].push(id);
        notes.push(Note::Answered { id });
    }
    for client in 0..CLIENTS {
        for channel in 0..2 {
            hand(client, channel, usize::MAX, &mut listeners, &order, &mut notes);
        }
    }
    notes
}

/// Some client is handed something.
fn hand_over(dice: &mut Dice, all: &mut [Listener], order: &[Vec<u64>; 2], notes: &mut Vec<Note>) {
    let client = usize::try_from(dice.below(CLIENTS as u64)).unwrap();
    let (channel, most) =
        (usize::from(dice.below(2) == 0), usize::from(dice.below(4) == 0) * 8 + 1);
    hand(client, channel, most, all, order, notes);
}

/// A client is handed what comes next on a channel.
fn hand(
    client: usize,
    channel: usize,
    most: usize,
    all: &mut [Listener],
    order: &[Vec<u64>; 2],
    notes: &mut Vec<Note>,
) {
    let listener = &mut all[client];
    if listener.hears[channel] {
        for id in order[channel].iter().skip(listener.upto[channel]).take(most) {
            listener.upto[channel] += 1;
            notes.push(Note::Heard { client, channel: CHANNELS[channel].to_owned(), id: *id });
        }
    }
}

/// Something happens to some client.
fn happen(dice: &mut Dice, all: &mut [Listener], order: &[Vec<u64>; 2], notes: &mut Vec<Note>) {
    let client = usize::try_from(dice.below(CLIENTS as u64)).unwrap();
    let at = usize::from(dice.below(2) == 0);
    let (channel, listener) = (CHANNELS[at].to_owned(), &mut all[client]);
    match dice.below(40) {
        0..4 if !listener.hears[at] => {
            listener.hears[at] = true;
            listener.upto[at] = order[at].len();
            listener.from[at] = listener.upto[at];
            notes.push(Note::Hears { client, channel });
        }
        4 => {
            notes.push(Note::Broke { client });
            if promise(client) == Promise::AtLeastOnce && listener.hears[at] {
                // Its system had it, and nobody knew.
                let again = listener.upto[at].saturating_sub(2).max(listener.from[at]);
                for id in &order[at][again..listener.upto[at]] {
                    notes.push(Note::Heard { client, channel: channel.clone(), id: *id });
                }
            }
        }
        5 if listener.hears[at] => {
            let missing = order[at].len() - listener.upto[at];
            listener.upto[at] += usize::try_from(dice.below(missing as u64 + 1)).unwrap();
            listener.from[at] = listener.upto[at];
            notes.push(Note::Told { client, channel });
        }
        6 if listener.hears[at] => {
            listener.hears[at] = false;
            notes.push(Note::Left { client, channel });
        }
        _ => {}
    }
}

/// The places of the notes that are of a kind.
fn places(notes: &[Note], is_wanted: impl Fn(&Note) -> bool) -> Vec<usize> {
    (0..notes.len()).filter(|at| is_wanted(&notes[*at])).collect()
}

/// What was handed over, at its place.
fn heard(note: &Note) -> Option<Case> {
    match note {
        Note::Heard { client, channel, id } => {
            Some(Case { client: *client, channel: channel.clone(), id: *id })
        }
        _ => None,
    }
}

/// One of these, if there are any.
fn one_of(dice: &mut Dice, places: &[usize]) -> Option<usize> {
    (!places.is_empty()).then(|| places[usize::try_from(dice.below(places.len() as u64)).unwrap()])
}

/// Messages that a client was handed exactly once.
fn once(notes: &[Note]) -> Vec<usize> {
    let mut seen = HashSet::new();
    let all = notes.iter().filter_map(heard);
    let again: HashSet<Case> = all.filter(|case| !seen.insert(case.clone())).collect();
    places(notes, |note| heard(note).is_some_and(|case| !again.contains(&case)))
}

/// Plants a fault in many records, where there is a place for it, and wants it found in each.
fn plant(
    fault: impl Fn(&mut Dice, &mut Vec<Note>) -> Option<Case>,
    finds: impl Fn(&Findings, &Case) -> bool,
) {
    let mut planted = 0;
    for seed in 0..RECORDS {
        let (mut notes, mut dice) = (well(seed), Dice::of(seed + 1));
        let Some(case) = fault(&mut dice, &mut notes) else { continue };
        planted += 1;
        let findings = check(&notes, promise);
        assert!(finds(&findings, &case), "record {seed}: {case:?} is not in {findings:?}");
    }
    assert!(planted > RECORDS / 2, "there was a place in {planted} records only");
}

#[test]
fn where_all_is_well_nothing_is_found() {
    let (mut repeats, mut told) = (0, 0);
    for seed in 0..RECORDS {
        let findings = check(&well(seed), promise);
        assert!(findings.is_clean(), "record {seed}: {findings:?}");
        assert!(findings.heard > 100, "record {seed}: {}", findings.figures());
        (repeats, told) =
            (repeats + findings.repeats, told + findings.told.values().sum::<usize>());
    }
    assert!(repeats > 50 && told > 50, "{repeats} repeats, {told} gaps told");
}

/// When each message was sent and answered.
#[derive(Default)]
struct Times {
    /// Sent.
    sent: HashMap<u64, usize>,
    /// Answered.
    answered: HashMap<u64, usize>,
}

impl Times {
    /// Those of a record.
    fn of(notes: &[Note]) -> Self {
        let mut times = Self::default();
        for (at, note) in notes.iter().enumerate() {
            match note {
                Note::Sent { id, .. } => {
                    times.sent.insert(*id, at);
                }
                Note::Answered { id } => {
                    times.answered.insert(*id, at);
                }
                _ => {}
            }
        }
        times
    }

    /// Whether what was handed over at a place was owed for sure: sent and answered within the client's stretch. With
    /// something behind it that shows so (`is_followed`), or with nothing, and no end.
    fn is_owed(&self, notes: &[Note], at: usize, is_followed: bool) -> bool {
        let case = heard(&notes[at]).unwrap();
        let is_border = |note: &Note| match note {
            Note::Hears { client, channel }
            | Note::Told { client, channel }
            | Note::Left { client, channel } => *client == case.client && *channel == case.channel,
            _ => false,
        };
        let from = notes[..at].iter().rposition(is_border);
        let end = notes[at..].iter().position(is_border).map(|ahead| at + ahead);
        let (Some(from), Some(sent)) = (from, self.sent.get(&case.id)) else { return false };
        let Some(answered) = self.answered.get(&case.id) else { return false };
        let shows = |note: &Note| {
            heard(note).is_some_and(|other| {
                let is_here = other.client == case.client && other.channel == case.channel;
                is_here && self.sent.get(&other.id).is_some_and(|sent| sent > answered)
            })
        };
        let has_later = notes[at + 1..end.unwrap_or(notes.len())].iter().any(shows);
        from < *sent && has_later == is_followed && (is_followed || end.is_none())
    }
}

/// One that was owed, among some that are tried.
fn one_owed(dice: &mut Dice, notes: &[Note], is_followed: bool) -> Option<usize> {
    let (times, all) = (Times::of(notes), once(notes));
    (0..200).filter_map(|_| one_of(dice, &all)).find(|at| times.is_owed(notes, *at, is_followed))
}

/// Two that a client is handed one after the other, as somebody else is too; among some that are tried.
fn one_shared_pair(dice: &mut Dice, notes: &[Note]) -> Option<(usize, usize)> {
    let all = once(notes);
    let row = |client: usize, channel: &str| -> Vec<usize> {
        let is_its = |case: Case| case.client == client && case.channel == channel;
        all.iter().copied().filter(|at| heard(&notes[*at]).is_some_and(is_its)).collect()
    };
    let id = |at: usize| heard(&notes[at]).unwrap().id;
    (0..50).filter_map(|_| one_of(dice, &all)).find_map(|first| {
        let case = heard(&notes[first])?;
        let own = row(case.client, &case.channel);
        let second = *own.iter().find(|at| **at > first)?;
        let is_shared = (0..CLIENTS).filter(|other| *other != case.client).any(|other| {
            let ids: Vec<_> = row(other, &case.channel).into_iter().map(id).collect();
            ids.windows(2).any(|pair| pair == [case.id, id(second)])
        });
        is_shared.then_some((first, second))
    })
}

#[test]
fn a_message_that_is_left_out_is_a_silent_hole() {
    plant(
        |dice, notes| {
            let at = one_owed(dice, notes, true)?;
            heard(&notes.remove(at))
        },
        |findings, case| findings.silent == [case.clone()] && findings.lost.is_empty(),
    );
}

#[test]
fn a_message_that_never_comes_at_the_end_is_lost() {
    plant(
        |dice, notes| {
            let at = one_owed(dice, notes, false)?;
            heard(&notes.remove(at))
        },
        |findings, case| findings.lost == [case.clone()] && findings.silent.is_empty(),
    );
}

#[test]
fn a_gap_that_is_not_told_is_a_silent_hole() {
    plant(
        |_, notes| {
            // One behind which something is missing that was owed before.
            let told = places(notes, |note| matches!(note, Note::Told { .. }));
            let clean = check(notes, promise);
            told.into_iter().find_map(|at| {
                let mut less = notes.clone();
                let Note::Told { client, channel } = less.remove(at) else { return None };
                let findings = check(&less, promise);
                (findings.silent.len() + findings.lost.len() > clean.silent.len()).then(|| {
                    *notes = less;
                    Case { client, channel, id: 0 }
                })
            })
        },
        |findings, case| {
            let is_here =
                |found: &Case| found.client == case.client && found.channel == case.channel;
            findings.silent.iter().chain(&findings.lost).all(is_here)
        },
    );
}

#[test]
fn a_message_that_comes_again_is_twice_on_one_connection_and_for_whom_once_is_promised() {
    plant(
        |dice, notes| {
            let at = one_of(dice, &once(notes))?;
            let again = notes[at].clone();
            notes.insert(at + 1, again.clone());
            heard(&again)
        },
        |findings, case| findings.twice == [case.clone()],
    );
    plant(
        |dice, notes| {
            let mut places = once(notes);
            places.retain(|at| {
                heard(&notes[*at]).is_some_and(|case| promise(case.client) == Promise::ExactlyOnce)
            });
            let at = one_of(dice, &places)?;
            let again = heard(&notes[at])?;
            notes.insert(at + 1, Note::Broke { client: again.client });
            notes.insert(at + 2, notes[at].clone());
            Some(again)
        },
        |findings, case| findings.twice == [case.clone()],
    );
}

#[test]
fn two_messages_that_change_places_are_disorder() {
    plant(
        |dice, notes| {
            let (first, second) = one_shared_pair(dice, notes)?;
            notes.swap(first, second);
            heard(&notes[first])
        },
        |findings, case| {
            findings
                .disorder
                .iter()
                .any(|(channel, ids)| *channel == case.channel && ids.contains(&case.id))
        },
    );
}

#[test]
fn what_nobody_sent_there_is_strange() {
    plant(
        |dice, notes| {
            let at = one_of(dice, &places(notes, |note| heard(note).is_some()))?;
            let Note::Heard { client, channel, .. } = notes[at].clone() else { return None };
            let case = Case { client, channel: channel.clone(), id: 1_000_000 };
            notes.insert(at, Note::Heard { client, channel, id: 1_000_000 });
            Some(case)
        },
        |findings, case| findings.strange == [case.clone()],
    );
    plant(
        |dice, notes| {
            // Of another channel.
            let at = one_of(dice, &once(notes))?;
            let mut case = heard(&notes[at])?;
            case.channel = if case.channel == "a" { "b" } else { "a" }.to_owned();
            let (client, channel, id) = (case.client, case.channel.clone(), case.id);
            notes.push(Note::Heard { client, channel, id });
            Some(case)
        },
        |findings, case| findings.strange == [case.clone()],
    );
}
