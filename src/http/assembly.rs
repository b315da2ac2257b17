//! Puts the fragments of a WebSocket message together, within a bound (RFC 6455 §5.4).

use crate::actor::{Inbound, InboundAccount};
use actix_http::ws::{Item, Message, ProtocolError};
use bytes::BytesMut;
use bytestring::ByteString;
use std::io::ErrorKind;

/// The message that is being put together.
#[derive(Debug)]
pub(crate) struct Assembly {
    /// The bound on a message's bytes, and where what has come is counted.
    account: InboundAccount,
    /// What has come, and whether it is text; none between messages.
    open: Option<(BytesMut, bool)>,
}

impl Assembly {
    /// Nothing begun.
    pub(crate) const fn new(account: InboundAccount) -> Self {
        Self { account, open: None }
    }

    /// Takes what the codec decoded; returns what is complete.
    pub(crate) fn take(&mut self, item: Result<Message, ProtocolError>) -> Option<Inbound> {
        let inbound = self.put_together(item);
        if matches!(inbound, Some(Inbound::Text(_) | Inbound::Binary(_))) {
            self.account.note_whole();
        }
        self.account.set_fragments(self.open.as_ref().map_or(0, |(whole, _)| whole.len()));
        inbound
    }

    /// Goes on with what the codec decoded.
    fn put_together(&mut self, item: Result<Message, ProtocolError>) -> Option<Inbound> {
        if item.is_err() {
            // Nothing follows it.
            self.open = None;
        }
        match item {
            Ok(Message::Text(text)) => Some(Inbound::Text(text)),
            Ok(Message::Binary(bytes)) => Some(Inbound::Binary(bytes)),
            Ok(Message::Ping(payload)) => Some(Inbound::Ping(payload)),
            Ok(Message::Pong(_) | Message::Nop) => None,
            Ok(Message::Close(reason)) => {
                Some(Inbound::Close(reason.map(|reason| reason.code.into())))
            }
            Ok(Message::Continuation(item)) => self.fragment(item),
            Err(ProtocolError::Overflow) => Some(Inbound::TooBig),
            Err(ProtocolError::Io(error)) if error.kind() == ErrorKind::QuotaExceeded => {
                Some(Inbound::OutOfRoom)
            }
            // The crate reports text that is not UTF-8 as an I/O error of its own making.
            Err(ProtocolError::Io(error)) if error.kind() == ErrorKind::Other => {
                Some(Inbound::NotUtf8)
            }
            Err(_) => Some(Inbound::Broken),
        }
    }

    /// Takes one fragment.
    fn fragment(&mut self, item: Item) -> Option<Inbound> {
        let (part, is_last) = match item {
            Item::FirstText(part) => {
                self.open = Some((BytesMut::new(), true));
                (part, false)
            }
            Item::FirstBinary(part) => {
                self.open = Some((BytesMut::new(), false));
                (part, false)
            }
            Item::Continue(part) => (part, false),
            Item::Last(part) => (part, true),
        };
        let Some((whole, is_text)) = self.open.as_mut() else { return Some(Inbound::Broken) };
        if whole.len() + part.len() > self.account.bound() {
            self.open = None;
            return Some(Inbound::TooBig);
        }
        whole.extend_from_slice(&part);
        let is_text = *is_text;
        if !is_last {
            return None;
        }
        let (whole, _) = self.open.take()?;
        if !is_text {
            return Some(Inbound::Binary(whole.freeze()));
        }
        Some(match ByteString::try_from(whole.freeze()) {
            Ok(text) => Inbound::Text(text),
            Err(_) => Inbound::NotUtf8,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::inbound::InboundBudget;
    use bytes::Bytes;
    use std::sync::Arc;

    /// Nothing begun of a message of so many bytes.
    fn assembly(bound: usize) -> Assembly {
        let budget = Arc::new(InboundBudget::new(usize::MAX));
        Assembly::new(InboundAccount::new(bound, &budget))
    }

    /// Takes one fragment.
    fn take(assembly: &mut Assembly, item: Item) -> Option<Inbound> {
        assembly.take(Ok(Message::Continuation(item)))
    }

    #[test]
    fn fragments_become_one_text_even_when_split_inside_a_character() {
        let mut assembly = assembly(10);
        let (head, tail) = "é☃".as_bytes().split_at(3);
        assert!(take(&mut assembly, Item::FirstText(Bytes::copy_from_slice(head))).is_none());
        assert!(take(&mut assembly, Item::Continue(Bytes::new())).is_none());
        let whole = take(&mut assembly, Item::Last(Bytes::copy_from_slice(tail)));
        assert!(matches!(whole, Some(Inbound::Text(text)) if text == "é☃"));
    }

    #[test]
    fn binary_fragments_need_not_be_text() {
        let mut assembly = assembly(10);
        let first = Item::FirstBinary(Bytes::from_static(&[131, 0xFF]));
        assert!(take(&mut assembly, first).is_none());
        let whole = take(&mut assembly, Item::Last(Bytes::from_static(&[0])));
        assert!(matches!(whole, Some(Inbound::Binary(bytes)) if bytes[..] == [131, 0xFF, 0]));
    }

    #[test]
    fn the_bound_counts_all_fragments() {
        let mut assembly = assembly(4);
        assert!(take(&mut assembly, Item::FirstText(Bytes::from("abc"))).is_none());
        assert!(matches!(
            take(&mut assembly, Item::Last(Bytes::from("de"))),
            Some(Inbound::TooBig)
        ));
        assert!(matches!(take(&mut assembly, Item::Last(Bytes::from("f"))), Some(Inbound::Broken)));
    }

    #[test]
    fn broken_text_is_told_from_broken_frames() {
        let mut assembly = assembly(4);
        assert!(take(&mut assembly, Item::FirstText(Bytes::from_static(&[0xFF]))).is_none());
        assert!(matches!(take(&mut assembly, Item::Last(Bytes::new())), Some(Inbound::NotUtf8)));
        assert!(matches!(assembly.take(Err(ProtocolError::BadOpCode)), Some(Inbound::Broken)));
        assert!(matches!(assembly.take(Err(ProtocolError::Overflow)), Some(Inbound::TooBig)));
        let full = ProtocolError::Io(ErrorKind::QuotaExceeded.into());
        assert!(matches!(assembly.take(Err(full)), Some(Inbound::OutOfRoom)));
    }
}
