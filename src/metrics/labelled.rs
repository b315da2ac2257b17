//! Numbers that have labels: what they are called, and under which labels something was counted.
//!
//! A label is a word of the program's own or a number from a bounded set, never an id or anything that a client chose:
//! how many series there are must not depend on who calls.

use super::cells::{CountCell, Histogram, Measure};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

/// A number with labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Sockets that ended, by close code and who ended them.
    ConnectionsClosed,
    /// Requests, by method, route and status.
    HttpRequests,
    /// Calls of webhooks, by what came of them.
    WebhookDeliveries,
    /// Commits, by what came of them.
    Commits,
    /// TLS handshakes, by what came of them.
    TlsHandshakes,
    /// Orders of certificates, by what came of them.
    CertificateOrders,
    /// JSON Web Tokens that were not taken, by why.
    JwtRefused,
    /// Calls of the API that were refused over their senders' rates, by which of the two.
    RequestsRefused,
    /// What was to be put in order by the bus, by what came of it.
    BusAppends,
}

impl Family {
    /// All.
    pub(super) const ALL: [Self; 9] = [
        Self::ConnectionsClosed,
        Self::HttpRequests,
        Self::WebhookDeliveries,
        Self::Commits,
        Self::TlsHandshakes,
        Self::CertificateOrders,
        Self::JwtRefused,
        Self::RequestsRefused,
        Self::BusAppends,
    ];

    /// What it is called, but for the ending of counters, what it counts, and its labels.
    pub(super) const fn described(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Self::ConnectionsClosed => {
                ("warren_connections_closed", "Sockets that ended", &["code", "initiator"])
            }
            Self::HttpRequests => {
                ("warren_http_requests", "HTTP requests answered", &["method", "route", "status"])
            }
            Self::WebhookDeliveries => {
                ("warren_webhook_deliveries", "Attempts to deliver an event", &["outcome"])
            }
            Self::Commits => ("warren_commits", "Commits of the store", &["result"]),
            Self::TlsHandshakes => ("warren_tls_handshakes", "TLS handshakes", &["result"]),
            Self::CertificateOrders => {
                ("warren_certificate_orders", "Certificates ordered by ACME", &["result"])
            }
            Self::JwtRefused => {
                ("warren_jwt_refused", "JSON Web Tokens that were not taken", &["reason"])
            }
            Self::RequestsRefused => {
                ("warren_requests_refused", "Calls over the rate of their sender", &["limit"])
            }
            Self::BusAppends => ("warren_bus_appends", "What the bus was to order", &["outcome"]),
        }
    }
}

impl Family {
    /// The words of its one label, where they are few: they are shown from the beginning, because an alert that waits for a
    /// number to rise does not see it come into being.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::WebhookDeliveries => &["delivered", "failed", "dead", "gone"],
            Self::Commits | Self::CertificateOrders => &["ok", "failed"],
            Self::TlsHandshakes => &["ok", "failed", "timeout", "refused", "proof"],
            Self::JwtRefused => &[
                "too_large",
                "malformed",
                "algorithm",
                "critical",
                "unknown_key",
                "keys_unavailable",
                "signature",
                "claims",
                "expired",
                "not_yet",
                "issuer",
                "audience",
                "revoked",
                "other_subject",
            ],
            Self::RequestsRefused => &["credential", "address"],
            Self::BusAppends => &[
                "ordered",
                "stashed",
                "repeat",
                "moved",
                "unsettled",
                "full",
                "unavailable",
                "overloaded",
            ],
            Self::ConnectionsClosed | Self::HttpRequests => &[],
        }
    }
}

/// What a label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// A word of ours.
    Word(&'static str),
    /// A route below `/v1/`.
    Below(&'static str),
    /// A status or code.
    Number(u16),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Below(route) => write!(f, "/v1/{route}"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// The most labels that a family has.
const MOST: usize = 3;

/// The labels that something was counted under, none in the place of those that its family does not have.
pub(super) type Labels = [Option<Label>; MOST];

/// What was counted under labels.
#[derive(Debug, Default)]
pub struct LabelledCells {
    /// How often.
    counts: HashMap<(Family, Labels), CountCell, RandomState>,
    /// How long requests took, by method and route.
    http_times: HashMap<(Label, Label), Histogram, RandomState>,
}

impl LabelledCells {
    /// Counts something under these labels, in the order of [`Family::described`].
    pub fn add<const N: usize>(&mut self, family: Family, labels: [Label; N]) {
        let mut all = [None; MOST];
        for (place, label) in all.iter_mut().zip(labels) {
            *place = Some(label);
        }
        self.counts.entry((family, all)).or_default().add(1);
    }

    /// Notes how long a request took.
    pub fn note_http(&mut self, method: Label, route: Label, took: Duration) {
        let time = || Histogram::new(Measure::Time);
        self.http_times.entry((method, route)).or_insert_with(time).note_time(took);
    }

    /// Takes in what another thread has counted.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (key, count) in &other.counts {
            self.counts.entry(*key).or_default().add(count.get());
        }
        for (key, times) in &other.http_times {
            let time = || Histogram::new(Measure::Time);
            self.http_times.entry(*key).or_insert_with(time).absorb(times);
        }
    }

    /// What was counted of a family, in the order of its labels; nothing yet of those whose labels are known before.
    pub(super) fn of(&self, family: Family) -> BTreeMap<Labels, u64> {
        let known = family.words().iter().map(|word| ([Some(Label::Word(word)), None, None], 0));
        let own = self.counts.iter().filter(|((of, _), _)| *of == family);
        known.chain(own.map(|((_, labels), count)| (*labels, count.get()))).collect()
    }

    /// How long requests took, in the order of method and route.
    pub(super) fn http_times(&self) -> Vec<(Label, Label, &Histogram)> {
        let times = self.http_times.iter();
        let mut noted: Vec<_> = times.map(|((method, route), of)| (*method, *route, of)).collect();
        noted.sort_by_key(|(method, route, _)| (*route, *method));
        noted
    }
}
