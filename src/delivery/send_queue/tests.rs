//! A queue, its reader and the time.

use super::super::pressure::QueueBounds;
use super::*;
use crate::num;
use crate::protocol::{Close, CloseCode, frame as protocol_frame};
use futures_util::task::noop_waker;
use proptest::prelude::*;
use std::cell::Cell;

/// For so long a reader may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// The bound of a queue.
const QUEUE: usize = 100;

/// An account without an end.
fn pressure() -> Rc<Pressure> {
    let bounds = QueueBounds { queue: QUEUE, patience: PATIENCE, together: usize::MAX };
    Rc::new(Pressure::new(bounds))
}

/// A queue for somebody who asks.
fn send_queue() -> SendQueue {
    SendQueue::new(pressure())
}

/// What a writer would get now.
fn take(send_queue: &mut SendQueue) -> Poll<Option<Bytes>> {
    send_queue.poll_take(&Context::from_waker(&noop_waker()))
}

/// A frame with a message in it.
fn frame(bytes: impl Into<Bytes>) -> FrameBatch {
    FrameBatch { bytes: bytes.into(), told: FlightCount { last: None, strays: 1 } }
}

/// So many bytes with a message in them.
fn sized(bytes: usize) -> FrameBatch {
    frame(vec![0; bytes])
}

/// A socket that takes so many bytes and says how many of them have arrived.
#[derive(Default)]
struct Socket {
    /// How many more it takes.
    room: Cell<usize>,
    /// How many it was given.
    taken: Cell<usize>,
    /// How many of those the peer has not acknowledged; none where nobody tells.
    under_way: Cell<Option<u64>>,
    /// How far they have come, where they travel in another form.
    travelled: Cell<Option<Travelled>>,
}

impl Socket {
    /// Takes so many bytes more.
    fn take(&self, send_queue: &mut SendQueue, bytes: usize) {
        self.room.set(self.room.get() + bytes);
        send_queue.pump(self);
    }
}

impl Sink for Socket {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room.get());
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room.set(self.room.get() - taken);
        self.taken.set(self.taken.get() + taken);
        Ok(taken)
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn touch(&self) {}

    fn unacknowledged(&self) -> Option<u64> {
        self.under_way.get()
    }

    fn travelled(&self, written: u64) -> Option<Travelled> {
        let left = self.under_way.get();
        let same = left.map(|left| Travelled { acknowledged: written.saturating_sub(left), left });
        self.travelled.get().or(same)
    }

    fn finish(&self) {}

    fn abandon(&self) {}
}

/// A queue that writes to a socket that takes nothing.
fn pushing() -> (SendQueue, Rc<Socket>) {
    let (mut send_queue, socket) = (send_queue(), Rc::new(Socket::default()));
    send_queue.push_to(Rc::<Socket>::clone(&socket));
    (send_queue, socket)
}

#[test]
fn everything_pending_leaves_in_one_piece() {
    let mut send_queue = send_queue();
    for text in ["one", "two", "three"] {
        send_queue.push(frame(text)).unwrap();
    }
    assert_eq!(take(&mut send_queue), Poll::Ready(Some(Bytes::from("onetwothree"))));
    assert_eq!(take(&mut send_queue), Poll::Pending);
}

#[test]
fn who_asks_is_given_a_large_frame_in_parts() {
    let mut send_queue = send_queue();
    let large: Vec<u8> = (0..3 * CHUNK_BYTES + 5).map(|n| n.to_le_bytes()[0]).collect();
    send_queue.push(frame(large.clone())).unwrap();
    let mut got = Vec::new();
    while let Poll::Ready(Some(part)) = take(&mut send_queue) {
        assert!(part.len() <= CHUNK_BYTES);
        got.extend_from_slice(&part);
    }
    assert_eq!(got, large);
    assert!(!send_queue.is_behind() && send_queue.pressure.bytes() == 0);
}

/// A frame in three pieces, the middle one large.
fn in_pieces() -> Vec<Bytes> {
    vec![Bytes::from("begin"), Bytes::from(vec![b'x'; 2 * CHUNK_BYTES]), Bytes::from("end")]
}

#[test]
fn a_frame_in_pieces_leaves_whole_both_ways() {
    let whole = in_pieces().concat();
    let mut pulled = send_queue();
    pulled.push_pieces(in_pieces());
    let mut got = Vec::new();
    while let Poll::Ready(Some(part)) = take(&mut pulled) {
        assert!(part.len() <= CHUNK_BYTES);
        got.extend_from_slice(&part);
    }
    assert_eq!(got, whole);
    let (mut pushed, socket) = pushing();
    pushed.push_pieces(in_pieces());
    socket.take(&mut pushed, usize::MAX / 2);
    assert_eq!((socket.taken.get(), pushed.len_bytes()), (whole.len(), 0));
    assert_eq!((pulled.pressure.bytes(), pushed.pressure.bytes()), (0, 0));
}

#[test]
fn of_a_frame_in_pieces_whose_beginning_has_left_the_rest_is_owed() {
    let whole = in_pieces().concat().len();
    for (written, left) in [(0, 0), (3, whole - 3), (5, whole - 5), (6, whole - 6), (whole - 1, 1)]
    {
        let (mut send_queue, socket) = pushing();
        send_queue.push_pieces(in_pieces());
        send_queue.push_anyway(Bytes::from("next"), FlightCount::default());
        socket.take(&mut send_queue, written);
        send_queue.clear();
        assert_eq!(send_queue.len_bytes(), left, "{written}");
    }
}

#[actix_rt::test]
async fn a_reader_that_takes_nothing_for_too_long_is_slow_past_the_bound() {
    tokio::time::pause();
    let (mut send_queue, _socket) = pushing();
    assert_eq!(send_queue.write(&sized(50 * QUEUE)), Ok(true));
    assert!(send_queue.wake().is_some());
    tokio::time::advance(PATIENCE / 2).await;
    assert_eq!(send_queue.push(sized(50 * QUEUE)), Ok(Queued::Waits), "there is time");
    tokio::time::advance(PATIENCE / 2).await;
    assert_eq!(send_queue.push(sized(1)), Err(Overrun));
    send_queue.clear();
    assert_eq!(send_queue.take_lost(), 3);
    assert_eq!(send_queue.push(sized(QUEUE)), Ok(Queued::Waits), "within the bound");
    assert_eq!(send_queue.push(sized(1)), Err(Overrun));
}

#[actix_rt::test]
async fn a_reader_that_takes_something_is_behind_and_not_slow() {
    tokio::time::pause();
    let (mut send_queue, socket) = pushing();
    for _ in 0..20 {
        send_queue.push(sized(20 * QUEUE)).unwrap();
        send_queue.wake();
        tokio::time::advance(PATIENCE * 3 / 4).await;
        socket.take(&mut send_queue, 1);
    }
    tokio::time::advance(PATIENCE).await;
    assert_eq!(send_queue.push(sized(1)), Err(Overrun), "it takes nothing any more");
}

#[actix_rt::test]
async fn what_its_side_acknowledged_shows_that_it_reads() {
    tokio::time::pause();
    let (mut send_queue, socket) = pushing();
    socket.under_way.set(Some(1000));
    socket.room.set(1000);
    send_queue.write(&sized(20 * QUEUE)).unwrap();
    send_queue.wake();
    for left in [900, 800, 700] {
        tokio::time::advance(PATIENCE).await;
        socket.under_way.set(Some(left));
        assert_eq!(send_queue.push(sized(1)), Ok(Queued::Waits), "{left}");
    }
    tokio::time::advance(PATIENCE).await;
    assert_eq!(send_queue.push(sized(1)), Err(Overrun));
}

#[actix_rt::test]
async fn who_takes_a_record_in_parts_takes_something() {
    tokio::time::pause();
    let (mut send_queue, socket) = pushing();
    // Nothing of it has arrived before all of it has.
    socket.under_way.set(Some(1000));
    socket.room.set(1000);
    let come = |acknowledged| Some(Travelled { acknowledged, left: 1022 - acknowledged });
    socket.travelled.set(come(0));
    send_queue.write(&sized(20 * QUEUE)).unwrap();
    send_queue.wake();
    for acknowledged in [1, 500, 1021] {
        tokio::time::advance(PATIENCE).await;
        socket.travelled.set(come(acknowledged));
        assert_eq!(send_queue.push(sized(1)), Ok(Queued::Waits), "{acknowledged}");
        let waiting = num::counter(send_queue.len_bytes());
        assert_eq!(send_queue.left_bytes(), waiting + 1022 - acknowledged);
        assert_eq!(send_queue.acknowledged(), Some(0), "no message is whole");
    }
    tokio::time::advance(PATIENCE).await;
    assert_eq!(send_queue.push(sized(1)), Err(Overrun));
}

#[actix_rt::test]
async fn who_asks_and_does_not_come_back_is_slow_past_the_bound() {
    tokio::time::pause();
    let mut send_queue = send_queue();
    send_queue.push(sized(QUEUE)).unwrap();
    assert!(take(&mut send_queue).is_ready());
    tokio::time::advance(PATIENCE).await;
    assert_eq!(send_queue.push(sized(50 * QUEUE)), Ok(Queued::Waits), "one of any size");
    assert_eq!(send_queue.push(sized(50 * QUEUE)), Ok(Queued::Waits), "its time begins with it");
    tokio::time::advance(PATIENCE).await;
    assert_eq!(send_queue.push(sized(1)), Err(Overrun));
    assert!(take(&mut send_queue).is_ready());
    assert_eq!(send_queue.push(sized(1)), Ok(Queued::Waits));
}

#[actix_rt::test]
async fn a_burst_is_taken_until_the_writer_had_its_turn() {
    tokio::time::pause();
    let (mut send_queue, socket) = pushing();
    assert_eq!(send_queue.push(sized(QUEUE)), Ok(Queued::Fits));
    tokio::time::advance(PATIENCE).await;
    assert_eq!(send_queue.push(sized(1000 * QUEUE)), Ok(Queued::Early));
    assert_eq!(send_queue.pressure.bytes(), 0, "it does not wait for the socket");
    socket.room.set(usize::MAX / 2);
    assert!(send_queue.wake().is_none());
    assert_eq!(socket.taken.get(), 1001 * QUEUE);
}

#[actix_rt::test]
async fn answers_are_bounded_whatever_the_reader_takes() {
    tokio::time::pause();
    let (mut send_queue, socket) = pushing();
    let answer = |bytes: usize| Bytes::from(vec![0; bytes]);
    for _ in 0..BURST {
        assert_eq!(send_queue.push_answer(answer(QUEUE)), Ok(Queued::Fits));
    }
    assert_eq!(send_queue.push_answer(answer(1)), Err(Overrun), "also in a burst");
    send_queue.clear();
    send_queue.push(sized(10 * QUEUE)).unwrap();
    send_queue.wake();
    assert_eq!(send_queue.push_answer(answer(QUEUE)), Ok(Queued::Waits), "others do not count");
    socket.take(&mut send_queue, 1);
    assert_eq!(send_queue.push_answer(answer(1)), Err(Overrun));
    socket.take(&mut send_queue, 10 * QUEUE);
    assert_eq!(send_queue.push_answer(answer(1)), Ok(Queued::Waits), "one byte has left");
    assert_eq!(send_queue.push_answer(answer(1)), Err(Overrun));
}

#[test]
fn what_waits_is_in_the_account_as_long_as_it_waits() {
    let (mut send_queue, socket) = pushing();
    let pressure = Rc::clone(&send_queue.pressure);
    for size in [30, 40, 50] {
        send_queue.push(sized(size)).unwrap();
    }
    assert!(send_queue.wake().is_some());
    let all = pressure.bytes();
    assert!(all >= 120);
    socket.take(&mut send_queue, 20);
    assert_eq!(pressure.bytes(), all, "in memory it is as a whole");
    socket.take(&mut send_queue, 20);
    let less = pressure.bytes();
    assert!((90..all).contains(&less), "{less}");
    send_queue.clear();
    assert!((40..less).contains(&pressure.bytes()), "what has begun is owed");
    send_queue.cut();
    assert_eq!(pressure.bytes(), 0);
}

#[test]
fn a_queue_that_goes_is_in_no_account() {
    let (mut send_queue, _socket) = pushing();
    let pressure = Rc::clone(&send_queue.pressure);
    send_queue.push(sized(30)).unwrap();
    send_queue.wake();
    assert!(pressure.bytes() > 30);
    drop(send_queue);
    assert_eq!(pressure.bytes(), 0);
}

#[test]
fn a_close_is_the_last_thing_that_leaves() {
    let mut send_queue = send_queue();
    let close = Close::new(CloseCode::GoingAway, "");
    send_queue.push(frame("last")).unwrap();
    send_queue.close(protocol_frame::close(&close));
    send_queue.push(frame("late")).unwrap();
    let mut expected = b"last".to_vec();
    expected.extend_from_slice(&protocol_frame::close(&close));
    assert_eq!(take(&mut send_queue), Poll::Ready(Some(Bytes::from(expected))));
    assert_eq!(take(&mut send_queue), Poll::Ready(None));
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// Something is delivered: at once, or with others.
    Deliver(usize, bool),
    /// The reader takes so much.
    Take(usize),
    /// So many milliseconds pass.
    Wait(u64),
}

/// Anything.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..5 * QUEUE, any::<bool>()).prop_map(|(bytes, at_once)| Step::Deliver(bytes, at_once)),
        (1..2 * QUEUE).prop_map(Step::Take),
        (0..15_000_u64).prop_map(Step::Wait),
    ]
}

/// Plays it, with a reader that, unless it is asleep, takes a byte of what waits at least once in its patience. Tells
/// whether it was called slow.
async fn play(steps: Vec<Step>, is_pulled: bool, is_asleep: bool) -> bool {
    let (mut send_queue, socket) =
        if is_pulled { (send_queue(), Rc::default()) } else { pushing() };
    let (patience, mut given) = (u64::try_from(PATIENCE.as_millis()).unwrap(), 0);
    let mut since = 0;
    let read = |send_queue: &mut SendQueue, bytes: usize| {
        if is_pulled {
            let _ = take(send_queue);
        } else {
            socket.take(send_queue, bytes);
        }
    };
    for step in steps {
        match step {
            Step::Deliver(bytes, at_once) => {
                given += bytes;
                let outcome = if at_once {
                    send_queue.write(&sized(bytes)).map(|_| ())
                } else {
                    send_queue.push(sized(bytes)).map(|_| ())
                };
                if outcome.is_err() {
                    return true;
                }
                send_queue.wake();
            }
            Step::Take(_) if is_asleep => {}
            Step::Take(bytes) => {
                read(&mut send_queue, bytes);
                since = 0;
            }
            Step::Wait(mut millis) => {
                while !is_asleep && since + millis >= patience {
                    let part = patience - 1 - since;
                    tokio::time::advance(Duration::from_millis(part)).await;
                    read(&mut send_queue, 1);
                    (since, millis) = (0, millis - part);
                }
                tokio::time::advance(Duration::from_millis(millis)).await;
                since += millis;
            }
        }
        let account = send_queue.pressure.bytes();
        assert!(account == 0 || send_queue.is_behind());
        assert!(!send_queue.is_behind() || account >= send_queue.queued);
    }
    if !is_pulled {
        assert_eq!(socket.taken.get() + send_queue.queued, given, "nothing is lost");
    }
    false
}

proptest! {
    #[test]
    fn no_reader_that_takes_something_in_its_patience_is_ever_called_slow(
        steps in prop::collection::vec(step(), 1..80), is_pulled in any::<bool>()
    ) {
        let is_slow = actix_rt::System::new().block_on(async {
            tokio::time::pause();
            play(steps, is_pulled, false).await
        });
        prop_assert!(!is_slow);
    }

    #[test]
    fn one_that_takes_nothing_always_is(steps in prop::collection::vec(step(), 1..40)) {
        let is_slow = actix_rt::System::new().block_on(async {
            tokio::time::pause();
            let mut steps = steps;
            steps.extend([Step::Deliver(2 * QUEUE, true), Step::Wait(10_000)]);
            steps.push(Step::Deliver(1, false));
            play(steps, false, true).await
        });
        prop_assert!(is_slow);
    }
}
