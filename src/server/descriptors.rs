//! The process's file descriptors: how many connections there may be, so that the store, webhooks and health checks always
//! find some left.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// With fewer a server is full before it is busy.
pub(crate) const FEW: usize = 4096;
/// What is kept for the process itself: the database and its readers, webhook calls, name look-ups, refusals.
const RESERVED: usize = 160;
/// The same for each worker: its poll, its timers, its listener.
const RESERVED_PER_WORKER: usize = 8;
/// The most connections of one worker.
const MAX_CONNECTIONS: usize = 100_000;
/// The part of the connections that sockets leave to requests: one in so many.
const REQUESTS_PART: usize = 8;

/// How many descriptors the process may have, after asking for as many as it is allowed to ask for; warns where that is few.
pub(super) fn plenty() -> usize {
    let files = limit();
    if files < FEW {
        tracing::warn!(
            files,
            "few file descriptors, and each connection is one: raise the hard limit (`LimitNOFILE=`, `ulimit -Hn`)"
        );
    }
    files
}

/// How many descriptors the process may have, after asking for as many as it is allowed to ask for.
fn limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where that is not granted, the lower bound stands.
    let current =
        if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    current.and_then(|current| usize::try_from(current).ok()).unwrap_or(usize::MAX)
}

/// How many descriptors the process may have as it is: one that is somebody else's keeps its bounds.
pub(super) fn current() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// How many connections there may be at once; never fewer than half of the descriptors.
pub(super) fn connections(limit: usize, workers: usize) -> usize {
    let reserved = RESERVED.saturating_add(RESERVED_PER_WORKER.saturating_mul(workers));
    let rest = limit.saturating_sub(reserved.min(limit / 2));
    rest.min(MAX_CONNECTIONS.saturating_mul(workers))
}

/// How many of them may be sockets.
pub(super) const fn sockets(connections: usize) -> usize {
    connections - connections / REQUESTS_PART
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_left_for_requests_and_some_for_the_process() {
        for (limit, workers, expected) in [
            (1000, 2, 824),
            (256, 2, 128),
            (usize::MAX, 2, 200_000),
            (1_048_576, 1, 100_000),
            (0, 1, 0),
        ] {
            let all = connections(limit, workers);
            assert_eq!(all, expected, "{limit}");
            assert!(all == 0 || sockets(all) < all);
        }
    }
}
