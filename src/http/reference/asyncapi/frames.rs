//! One kind of frame.

use super::super::schema::{object, only, text_of, told};
use crate::protocol::client_frame::TAG_MAX_BYTES;
use serde_json::{Value, json};

/// A kind of frame, with what its sender puts into it.
pub(super) struct LeapFrame {
    /// What it is called in the document.
    pub(super) name: &'static str,
    /// What it is called on the wire.
    pub(super) title: &'static str,
    /// When it is sent.
    pub(super) summary: &'static str,
    /// Whether clients send it.
    pub(super) is_from_client: bool,
    /// What may be sent because of it, by their names in the document.
    pub(super) answers: Vec<&'static str>,
    /// Frames of this kind.
    pub(super) examples: Vec<Value>,
    /// What it looks like.
    payload: Value,
}

impl LeapFrame {
    /// A frame with this opcode and these members beside it, of which some may be missing.
    pub(super) fn new(
        (name, title): (&'static str, &'static str),
        op: u8,
        members: &[(&str, Value)],
        optional: &[&str],
    ) -> Self {
        let mut all = vec![("op", only(op))];
        all.extend(members.iter().cloned());
        Self {
            name,
            title,
            summary: "",
            is_from_client: false,
            answers: Vec::new(),
            examples: Vec::new(),
            payload: object(&all, optional),
        }
    }

    /// Says when it is sent.
    pub(super) fn when(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// An example of a client's frame.
    pub(super) fn like(mut self, example: Value) -> Self {
        self.examples.push(example);
        self.is_from_client = true;
        self
    }

    /// What may be sent because of it.
    pub(super) fn answered(mut self, answers: &[&'static str]) -> Self {
        self.answers = answers.to_vec();
        self
    }

    /// As AsyncAPI writes it.
    pub(super) fn message(&self) -> Value {
        let mut message = json!({
            "name": self.title,
            "title": self.title,
            "summary": self.summary,
            "contentType": "application/json",
            "payload": self.payload,
        });
        if !self.examples.is_empty() {
            let examples: Vec<Value> =
                self.examples.iter().map(|example| json!({"payload": example})).collect();
            message["examples"] = examples.into();
        }
        message
    }
}

/// How a client calls its frame.
pub(super) fn reference() -> Value {
    let sentence =
        "With the extension `errors`: named in the `ACK` or `ERROR` that answers the frame.";
    told(text_of(0, TAG_MAX_BYTES), sentence)
}
