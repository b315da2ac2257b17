//! The cells of each thread, found from everywhere: a thread that counts for the first time enrols, and what one has
//! counted stays when it ends.

use super::cells::{CountCell, Histogram, Measure};
use super::labelled::LabelledCells;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// Declares the numbers without labels.
macro_rules! tallies {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The numbers of one thread that have no labels.
        #[derive(Debug, Default)]
        pub struct Tallies {
            $($(#[$doc])* pub $name: CountCell,)*
        }

        impl Tallies {
            /// Takes in what another thread has counted.
            fn absorb(&self, other: &Self) {
                $(self.$name.add(other.$name.get());)*
            }
        }
    };
}

tallies! {
    /// Sockets that were opened.
    connections_opened,
    /// Sockets that ended.
    connections_closed,
    /// Event streams among those that opened.
    streams_opened,
    /// Event streams among those that ended.
    streams_closed,
    /// Sessions that began.
    sessions_begun,
    /// Sessions that ended.
    sessions_ended,
    /// Channels that came into use.
    channels_begun,
    /// Channels that went out of use.
    channels_ended,
    /// Times that a connection was put under a channel.
    subscriptions_begun,
    /// Times that one was taken out of one.
    subscriptions_ended,
    /// Events handed to connections.
    deliveries,
    /// Writes to sockets.
    socket_writes,
    /// Bytes that sockets took.
    bytes_sent,
    /// Bytes of the frames that sockets brought.
    bytes_received,
    /// Readers that were closed because they were too slow.
    slow_consumers,
    /// Messages that clients were told they have missed.
    missed,
    /// Messages that were published over HTTP or by the program around the server.
    messages_from_api,
    /// Messages that clients published.
    messages_from_sockets,
    /// State changes asked for over HTTP or by the program around the server.
    states_from_api,
    /// State changes that clients asked for.
    states_from_sockets,
    /// Messages to a token or to one connection.
    direct_messages,
    /// Answers given again to calls that came again under their key.
    idempotency_replays,
    /// Messages that were kept.
    history_appends,
    /// Writes that deleted kept messages.
    history_prunes,
    /// Reads of the store.
    store_reads,
    /// Connections to the bus that were made.
    bus_connections,
    /// Lines of the bus that began to be heard.
    bus_lines_begun,
    /// Lines that are not heard any more.
    bus_lines_ended,
    /// Entries that came over lines.
    bus_entries,
    /// Times that a line was read for what may have been missed.
    bus_reads,
    /// Lines that were opened anew, with a gap that is told.
    bus_reopenings,
    /// Spans that a collector took.
    spans_sent,
    /// Spans that found no room or that nobody took.
    spans_lost,
}

/// What one thread has counted.
#[derive(Debug)]
pub struct ThreadCells {
    /// The numbers without labels.
    pub tallies: Tallies,
    /// What waits for the thread's sockets at the moment, bytes; nothing once the thread has ended.
    pub send_queue_bytes: CountCell,
    /// From an event's order until the thread's connections have been written to, of some events.
    pub delivery_time: Histogram,
    /// How long commits take.
    pub commit_time: Histogram,
    /// How many writes they have.
    pub commit_writes: Histogram,
    /// How long calls of webhooks take.
    pub webhook_time: Histogram,
    /// How long the bus takes to put something in order.
    pub bus_append_time: Histogram,
    /// How long a word takes over the bus, from who says it to who hears it.
    pub bus_way_time: Histogram,
    /// Those with labels.
    labelled: Mutex<LabelledCells>,
}

impl Default for ThreadCells {
    fn default() -> Self {
        let time = || Histogram::new(Measure::Time);
        Self {
            tallies: Tallies::default(),
            send_queue_bytes: CountCell::default(),
            delivery_time: time(),
            commit_time: time(),
            commit_writes: Histogram::new(Measure::Count),
            webhook_time: time(),
            bus_append_time: time(),
            bus_way_time: time(),
            labelled: Mutex::default(),
        }
    }
}

impl ThreadCells {
    /// Those with labels. Only who shows them takes the lock from another thread.
    pub fn labelled(&self) -> MutexGuard<'_, LabelledCells> {
        self.labelled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what another thread has counted.
    fn absorb(&self, other: &Self) {
        self.tallies.absorb(&other.tallies);
        self.delivery_time.absorb(&other.delivery_time);
        self.commit_time.absorb(&other.commit_time);
        self.commit_writes.absorb(&other.commit_writes);
        self.webhook_time.absorb(&other.webhook_time);
        self.bus_append_time.absorb(&other.bus_append_time);
        self.bus_way_time.absorb(&other.bus_way_time);
        self.labelled().absorb(&other.labelled());
    }
}

/// All threads that have counted.
#[derive(Default)]
struct ThreadRoll {
    /// Those that may still count.
    threads: Vec<Arc<ThreadCells>>,
    /// What those counted that have ended.
    ended: ThreadCells,
}

impl ThreadRoll {
    /// Folds up what nobody else has any more, so that threads which come and go leave nothing behind.
    fn fold(&mut self) {
        let ended = &self.ended;
        self.threads.retain(|cells| {
            let is_alone = Arc::strong_count(cells) == 1;
            if is_alone {
                ended.absorb(cells);
            }
            !is_alone
        });
    }
}

/// The roll of this process.
static ROLL: LazyLock<Mutex<ThreadRoll>> = LazyLock::new(Mutex::default);

/// The roll.
fn roll() -> MutexGuard<'static, ThreadRoll> {
    ROLL.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// The cells of this thread.
    static HERE: Arc<ThreadCells> = enrol();
}

/// New cells, on the roll.
fn enrol() -> Arc<ThreadCells> {
    let cells = Arc::new(ThreadCells::default());
    let mut roll = roll();
    roll.fold();
    roll.threads.push(Arc::clone(&cells));
    cells
}

/// Counts something on this thread; not any more in its last moments, when its cells are gone.
pub fn count(note: impl FnOnce(&ThreadCells)) {
    let _ = HERE.try_with(|cells| note(cells));
}

/// The cells of this thread, for what counts so often that it should not look for them each time. Whoever has them must
/// stay on this thread.
pub fn here() -> Arc<ThreadCells> {
    HERE.try_with(Arc::clone).unwrap_or_default()
}

/// What all threads have counted, together.
pub(super) fn together() -> ThreadCells {
    let mut roll = roll();
    roll.fold();
    let all = ThreadCells::default();
    all.absorb(&roll.ended);
    for cells in &roll.threads {
        all.absorb(cells);
        all.send_queue_bytes.add(cells.send_queue_bytes.get());
    }
    all
}

/// Something that lives, counted at its beginning and, whatever ends it, at its end.
#[derive(Debug)]
pub struct CountedLife(fn(&Tallies) -> &CountCell);

impl CountedLife {
    /// It begins; the numbers to count its beginning and its end with.
    pub fn begin(begun: fn(&Tallies) -> &CountCell, ended: fn(&Tallies) -> &CountCell) -> Self {
        count(|cells| begun(&cells.tallies).add(1));
        Self(ended)
    }
}

impl Drop for CountedLife {
    fn drop(&mut self) {
        count(|cells| (self.0)(&cells.tallies).add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Family, Label};
    use std::thread;

    /// Labels under which nothing else counts.
    const OURS: [Label; 2] = [Label::Word("of a test"), Label::Word("of threads")];

    /// What was counted under them.
    fn ours() -> u64 {
        let all = together();
        let closed = all.labelled().of(Family::ConnectionsClosed);
        closed.get(&[Some(OURS[0]), Some(OURS[1]), None]).copied().unwrap_or_default()
    }

    #[test]
    fn what_threads_count_is_added_up_and_stays_when_they_end() {
        let counting = |times: u64| {
            move || {
                for _ in 0..times {
                    count(|cells| cells.labelled().add(Family::ConnectionsClosed, OURS));
                }
            }
        };
        count(|cells| cells.labelled().add(Family::ConnectionsClosed, OURS));
        let threads: Vec<_> =
            [1000, 20].into_iter().map(|times| thread::spawn(counting(times))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(ours(), 1021);
        assert_eq!(ours(), 1021, "once");
    }

    #[test]
    fn threads_that_ended_leave_nothing_on_the_roll() {
        let alive = || roll().threads.len();
        for _ in 0..100 {
            thread::spawn(|| count(|cells| cells.tallies.store_reads.add(1))).join().unwrap();
        }
        drop(together());
        // Other tests have threads of their own.
        assert!(alive() < 90, "{}", alive());
    }

    #[test]
    fn a_life_is_counted_at_both_ends() {
        let lives = || {
            let all = together();
            (all.tallies.sessions_begun.get(), all.tallies.sessions_ended.get())
        };
        let before = lives();
        let life = CountedLife::begin(|all| &all.sessions_begun, |all| &all.sessions_ended);
        let during = lives();
        drop(life);
        assert!(during.0 > before.0 && lives().1 > before.1);
    }
}
