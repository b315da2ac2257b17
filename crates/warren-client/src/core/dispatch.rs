//! What the server tells.

use super::Core;
use crate::error::Error;
use crate::event::{Done, Event, Member, Message, Presence, State};
use crate::frame::{
    Answer, Available, Dispatch, Init, MessageData, Standing, StateUpdate, Unavailable,
};
use crate::heart::Mark;
use crate::outbox::Ask;
use crate::position::Position;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::Instant;

/// `PRESENCE_STATE`'s data.
#[derive(Deserialize)]
struct MemberList {
    /// Some of those who are in.
    #[serde(rename = "members")]
    some: Vec<Member>,
    /// How many came before them.
    #[serde(default)]
    from: usize,
    /// How many there are.
    #[serde(default)]
    count: usize,
}

/// The data of the other events about members.
#[derive(Deserialize)]
struct OneMember {
    /// Who.
    member: Member,
}

/// `TOKEN_STATE_UPDATE`'s data.
#[derive(Deserialize)]
struct TokenState {
    /// The whole state.
    state: Value,
}

impl Core {
    /// An event.
    pub(super) fn dispatch(
        &mut self,
        dispatch: Dispatch<'_>,
        bytes: usize,
        now: Instant,
    ) -> serde_json::Result<()> {
        let Dispatch { channel, event, data, position, mail } = dispatch;
        let data = data.get();
        match (event.as_str(), channel) {
            ("INIT", _) => self.init(serde_json::from_str::<Init>(data)?, now)?,
            ("ACK", _) => {
                let Answer { reference, version, position, .. } = serde_json::from_str(data)?;
                self.answered(reference, Ok(Done { version, position }));
            }
            ("ERROR", _) => {
                let Answer { reference, code, message, .. } = serde_json::from_str(data)?;
                self.answered(reference, Err(Error::Refused { code, message }));
            }
            ("DIRECT_MESSAGE", _) => {
                if mail.as_deref().is_some_and(|mail| self.direct.queue.knows(mail)) {
                    self.direct.pass(position);
                } else {
                    let message = message(data, position.clone(), mail)?;
                    self.direct.hear(message, position, bytes);
                }
            }
            ("TOKEN_STATE_UPDATE", _) => {
                let value = Arc::new(serde_json::from_str::<TokenState>(data)?.state);
                let state = State { value, version: None };
                self.outside.direct.show(state.clone());
                self.direct.hear(Event::State(state), position, bytes);
            }
            // What comes of a channel that is being left is from before.
            (_, Some(channel)) if self.leaving.contains_key(&channel) => {}
            ("AVAILABLE", Some(_)) => self.available(serde_json::from_str(data)?, position)?,
            ("UNAVAILABLE", Some(channel)) => {
                self.unavailable(&channel, &serde_json::from_str(data)?);
            }
            (_, Some(channel)) => {
                self.told(&channel, &event, data, position, bytes, now)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A frame of this client's was answered.
    fn answered(&mut self, reference: Option<String>, outcome: Result<Done, Error>) {
        let Some(reference) = reference else { return };
        self.leaving.retain(|_, asked| *asked != reference);
        self.outbox.settle(&reference, outcome);
    }

    /// Something that a known channel tells.
    fn told(
        &mut self,
        id: &str,
        event: &str,
        data: &str,
        position: Option<Position>,
        bytes: usize,
        now: Instant,
    ) -> serde_json::Result<()> {
        let Some(room) = self.rooms.get_mut(id) else { return Ok(()) };
        match event {
            "MESSAGE" => {
                let message = message(data, position.clone(), None)?;
                room.line.hear(message, position, bytes);
            }
            "STATE_UPDATE" => {
                self.state_update(id, serde_json::from_str(data)?, position, bytes, now);
            }
            "PRESENCE_STATE" => {
                let MemberList { some, from, count } = serde_json::from_str(data)?;
                let is_whole = from + some.len() >= count;
                let mut known = room.view.members();
                if from == 0 {
                    known.clear();
                }
                known.extend(some.into_iter().map(|one| (one.id.clone(), one)));
                drop(known);
                if is_whole {
                    room.line.hear(Event::Presence(Presence::All), None, bytes);
                }
            }
            "PRESENCE_JOIN" | "PRESENCE_UPDATE" | "PRESENCE_LEAVE" => {
                let OneMember { member } = serde_json::from_str(data)?;
                let (id, one) = (member.id.clone(), member.clone());
                let change = match event {
                    "PRESENCE_LEAVE" => Presence::Left(member),
                    "PRESENCE_JOIN" => Presence::Joined(member),
                    _ => Presence::Updated(member),
                };
                let mut known = room.view.members();
                match &change {
                    Presence::Left(_) => drop(known.remove(&id)),
                    _ => drop(known.insert(id, one)),
                }
                drop(known);
                room.line.hear(Event::Presence(change), None, bytes);
            }
            _ => {}
        }
        Ok(())
    }

    /// `STATE_UPDATE` of a known channel.
    fn state_update(
        &mut self,
        id: &str,
        update: StateUpdate,
        position: Option<Position>,
        bytes: usize,
        now: Instant,
    ) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        match changed(&room.view.state(), update) {
            Change::To(state) => {
                room.looking = None;
                room.view.show(state.clone());
                room.line.hear(Event::State(state), position, bytes);
            }
            Change::Known => room.line.pass(position),
            Change::Hole => {
                room.line.pass(position);
                self.look(id, now);
            }
        }
    }

    /// Asks again for the states of channels whose question was refused, or found no answer.
    pub(super) fn look_again(&mut self, now: Instant) {
        let failed = self.rooms.iter_mut().filter_map(|(id, room)| {
            let outcome = room.looking.as_mut()?.try_recv();
            (!matches!(outcome, Err(TryRecvError::Empty) | Ok(Ok(_)))).then(|| id.clone())
        });
        for id in failed.collect::<Vec<_>>() {
            self.ask_state(&id, now);
        }
    }

    /// Asks for a channel's whole state, unless that is under way.
    fn look(&mut self, id: &str, now: Instant) {
        if self.rooms.get(id).is_some_and(|room| room.looking.is_none()) {
            self.ask_state(id, now);
        }
    }

    /// Asks for a channel's whole state: what comes is the state itself, and then the answer.
    fn ask_state(&mut self, id: &str, now: Instant) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        let (reply, answer) = oneshot::channel();
        room.looking = Some(answer);
        let (channel, data) = (id.to_owned(), RawValue::NULL.to_owned());
        let ask = Ask { event: "GET_CHANNEL_STATE", channel, data, is_repeatable: false, reply };
        self.outbox.add(ask, now);
        self.flush();
    }

    /// `AVAILABLE`.
    fn available(
        &mut self,
        available: Available,
        position: Option<Position>,
    ) -> serde_json::Result<()> {
        let Available { channel: info, recovered } = available;
        let (state, bytes) = info.state()?;
        let id = info.id;
        let room = self.room(&id);
        let asked = room.asked.take();
        room.is_kept |=
            asked.is_some() && room.wanted.as_ref().is_some_and(|wanted| !wanted.ephemeral);
        let is_rewound = asked.is_some_and(|asked| asked.rewind.is_some());
        if !room.is_available {
            let is_doubtful = room.line.has_past();
            room.line.begin(Standing { position, recovered }, is_doubtful);
            if !is_rewound {
                room.line.settle();
            }
        } else if let (Some(heard), Some(now)) = (room.line.position(), &position)
            && now.is_of_another_stretch(heard)
        {
            // The channel ended here and began anew: what was between the two is not known to come.
            room.line.queue.gap();
        }
        room.show(state, bytes);
        if is_rewound {
            // What is rewound follows, and stands before this.
            self.mark(Mark::Begun(id));
        }
        Ok(())
    }

    /// `UNAVAILABLE`.
    fn unavailable(&mut self, id: &str, unavailable: &Unavailable) {
        let error = match (unavailable.graceful, unavailable.error_code.as_deref()) {
            (true, _) => Error::Unsubscribed,
            (false, Some("NOT_GRANTED")) => Error::NotGranted,
            (false, _) => Error::UnknownChannel,
        };
        self.end_room(id, &error);
    }
}

/// A message's event.
fn message(
    data: &str,
    position: Option<Position>,
    mail: Option<Arc<str>>,
) -> serde_json::Result<Event> {
    let MessageData { e: event, d } = serde_json::from_str(data)?;
    Ok(Event::Message(Message { event, position, mail, raw: Arc::from(d) }))
}

/// What an update makes of the state.
enum Change {
    /// This one.
    To(State),
    /// Nothing: it is as new already.
    Known,
    /// Nobody knows: a change before it did not come.
    Hole,
}

/// What an update makes of a state.
fn changed(known: &State, update: StateUpdate) -> Change {
    let StateUpdate { state, version, from, patch } = update;
    let Some(patch) = patch else {
        return Change::To(State { value: Arc::new(state), version });
    };
    if version.is_some() && version <= known.version {
        return Change::Known;
    }
    if from.is_none() || from != known.version {
        return Change::Hole;
    }
    let mut value = (*known.value).clone();
    json_patch::merge(&mut value, &patch);
    Change::To(State { value: Arc::new(value), version })
}
