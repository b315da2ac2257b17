//! A fan-out that crashes over one connection or order.

use super::*;
use crate::delivery::{Departures, Drain};

/// A socket that takes what it is given, until the server is to crash over it.
#[derive(Default)]
struct Fragile {
    /// What was written.
    bytes: RefCell<Vec<u8>>,
    /// Whether the next write crashes.
    crashes: Cell<bool>,
}

impl Sink for Fragile {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.crashes.get(), "a crash that was ordered");
        self.bytes.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn poll_writable(&self, _: &mut Task<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn touch(&self) {}

    fn unacknowledged(&self) -> Option<u64> {
        Some(0)
    }

    fn finish(&self) {}

    fn abandon(&self) {}
}

/// Notes what a connection's actor is told.
#[derive(Default)]
struct Told(Rc<RefCell<Vec<Note>>>);

impl Actor for Told {
    type Context = Context<Self>;
}

impl Handler<Note> for Told {
    type Result = ();

    fn handle(&mut self, note: Note, _: &mut Context<Self>) {
        self.0.borrow_mut().push(note);
    }
}

/// A connection with a socket, and what its actor is told.
type Watched = (Rc<Link>, Rc<Fragile>, Rc<RefCell<Vec<Note>>>);

/// A connection that has a socket, an actor and had its INIT.
fn watched(fanout: &LocalFanout) -> Watched {
    let (link, socket) = (waiting(fanout), Rc::new(Fragile::default()));
    let notes = Rc::default();
    link.set_actor(Told(Rc::clone(&notes)).start().recipient());
    link.push_to(Rc::<Fragile>::clone(&socket));
    link.initialise(&event("init"), Kept::default(), beginning(LineId::next()));
    (link, socket, notes)
}

/// Whether a connection's actor was told to close it.
fn is_sent_away((_, _, notes): &Watched) -> bool {
    let close = |note: &Note| matches!(note, Note::Close(close) if close.code.number() == 4000);
    notes.borrow().iter().any(close)
}

/// What was written to a connection after its INIT.
fn written((_, socket, _): &Watched) -> Vec<String> {
    names(&Bytes::from(socket.bytes.borrow().clone())).split_off(1)
}

#[actix_rt::test]
async fn a_crash_while_a_channel_is_served_leaves_nobody_silent() {
    let fanout = LocalFanout::here();
    let handle = fanout.handle();
    // Those of a room, one that hears another channel besides, and one that has nothing to do with it.
    let all = [(); 20].map(|()| watched(&fanout));
    let (room, hall) = (LineId::next(), LineId::next());
    for (link, ..) in &all[..19] {
        handle.send(join(room, link)).await;
    }
    for (link, ..) in &all[18..] {
        handle.send(join(hall, link)).await;
    }
    flushed(&fanout).await;
    all[7].1.crashes.set(true);
    handle.send(deliver(room, "a")).await;
    flushed(&fanout).await;
    for n in 0..3 {
        handle.send(deliver(room, "b")).await;
        handle.send(deliver(hall, &format!("c{n}"))).await;
        flushed(&fanout).await;
    }
    let (reply, answer) = oneshot::channel();
    handle.send(Order::Describe { connections: Vec::new(), reply }).await;
    answer.await.unwrap();
    tokio::task::yield_now().await;
    for (n, one) in all[..19].iter().enumerate() {
        let heard_all = written(one) == ["joined", "a", "b", "b", "b"];
        assert!(is_sent_away(one) || heard_all, "{n} is silent: {:?}", written(one));
    }
    assert!(is_sent_away(&all[7]));
    // The other channel goes on, and so does the worker.
    assert_eq!(written(&all[19]), ["joined", "c0", "c1", "c2"]);
    assert!(!is_sent_away(&all[19]));
}

#[actix_rt::test]
async fn a_crash_while_one_connection_is_served_costs_that_one() {
    let fanout = LocalFanout::here();
    let handle = fanout.handle();
    let all = [(); 3].map(|()| watched(&fanout));
    all[0].1.crashes.set(true);
    for (link, ..) in &all {
        handle.send(Order::Direct { connection: link.uid(), dispatch: event("x") }).await;
    }
    flushed(&fanout).await;
    for (link, ..) in &all[1..] {
        handle.send(Order::Direct { connection: link.uid(), dispatch: event("y") }).await;
    }
    flushed(&fanout).await;
    tokio::task::yield_now().await;
    assert!(is_sent_away(&all[0]));
    for one in &all[1..] {
        assert_eq!((written(one), is_sent_away(one)), (vec!["x".into(), "y".into()], false));
    }
}

#[actix_rt::test]
async fn what_an_order_that_crashed_concerned_is_sent_away_and_nothing_else() {
    let fanout = LocalFanout::here();
    let all = [(); 4].map(|()| watched(&fanout));
    let room = LineId::next();
    for (link, ..) in &all[..2] {
        fanout.handle().send(join(room, link)).await;
    }
    let concerned = deliver(room, "x").concerns();
    fanout.registry.borrow_mut().give_up(concerned);
    let direct = Order::Direct { connection: all[2].0.uid(), dispatch: event("x") };
    fanout.registry.borrow_mut().give_up(direct.concerns());
    tokio::task::yield_now().await;
    assert_eq!(all.each_ref().map(is_sent_away), [true, true, true, false]);
    let departures = Arc::new(Departures::new(1, Drain::default()));
    let order = Order::SendAway { departures, since: Duration::ZERO };
    fanout.registry.borrow_mut().give_up(order.concerns());
    tokio::task::yield_now().await;
    assert!(is_sent_away(&all[3]));
}
