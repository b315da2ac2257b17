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
mod bench_peer;
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
mod extensions;
mod leap_codes;
mod limits;
mod proxies;
mod quotas;
mod resume;
mod rust_clients;
mod slow;
mod stopping;
mod workers;
mod ws_handshake;
mod ws_limits;
mod ws_raw;

// What it cannot: HTTP, what is stored, and what subscribers hear in whole messages, which the connection behind both
// ways takes and gives alike. `one_meaning` itself compares the two readers of requests, of which that way has one.
mod bench;
mod client_events;
mod crash;
mod disks;
mod ephemeral;
mod http_admin;
mod http_api;
mod http_hop_crate;
mod http_malformed;
mod http_permissions;
mod idempotency;
mod odds;
mod one_meaning;
mod patchers;
mod presence;
mod sessions;
mod unsubscribing;
mod visibility;
mod webhooks;
