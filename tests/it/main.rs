//! The tests that start the server: one program, linked once.
//!
//! Nothing here may change what belongs to the whole process (environment variables, limits, the working directory):
//! every test shares it with all others. What a server needs of that kind, the process that it runs in is given.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::format_push_string,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    unreachable_pub,
    reason = "in a test, a panic is the report; and nobody depends on this program"
)]

// What starts a server and speaks with it.
#[cfg(feature = "bench")]
mod bench_peer;
mod record;
mod scene;
mod socket;
mod support;

// What the way to the socket can change (`docs/adr/0008`): handshakes, frames, bounds on bytes, who is admitted, slow
// readers, how connections end. `./test rust` runs these once more with `WARREN_SOCKET=route`, by this list.
mod awc_client;
mod breaks;
mod bursts;
mod connections;
mod door;
mod encodings;
mod event_streams;
mod extensions;
mod jwt;
mod leap_codes;
mod limits;
mod lines;
mod logs;
mod looking_back;
mod message_ids;
mod metrics;
mod origins;
mod proxies;
mod quotas;
mod rates;
mod resume;
mod rust_clients;
mod slow;
mod stopping;
mod stream_breaks;
mod tls;
mod warren_client;
mod workers;
mod ws_handshake;
mod ws_limits;
mod ws_raw;

// What it cannot: HTTP, what is stored, and what subscribers hear in whole messages, which the connection behind both
// ways takes and gives alike. `one_meaning` itself compares the two readers of requests, of which that way has one.
#[cfg(feature = "acme")]
mod acme;
mod activation;
mod backups;
mod batch;
#[cfg(feature = "bench")]
mod bench;
#[cfg(feature = "cli")]
mod cli;
mod client_events;
mod configuration;
mod crash;
mod declared;
mod deploy;
mod disks;
mod doctor;
mod drains;
mod ephemeral;
mod history;
mod http_admin;
mod http_api;
mod http_hop_crate;
mod http_malformed;
mod http_permissions;
mod idempotency;
mod inspector;
mod kills;
mod mailbox;
mod odds;
mod one_meaning;
#[cfg(feature = "otel")]
mod otel;
mod patchers;
mod presence;
mod reload;
mod sessions;
#[cfg(feature = "redis")]
mod several;
mod state_history;
mod unsubscribing;
mod visibility;
mod webhooks;
