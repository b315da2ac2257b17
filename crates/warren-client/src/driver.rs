//! The task of a client: it owns the socket and the clock, and hands to the core what happens.

use crate::core::{Core, End, Order};
use crate::error::CloseError;
use crate::socket::{self, Sink, Source};
use futures_util::{SinkExt as _, StreamExt as _};
use std::future::{pending, poll_fn};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{self, Message};
use url::Url;

/// How long a close frame may take to be written.
const GOODBYE: Duration = Duration::from_secs(1);

/// Lives until the client is closed, or nobody has a hold on it any more.
pub(crate) async fn run(url: Url, mut core: Core, mut orders: mpsc::Receiver<Order>) {
    live(&url, &mut core, &mut orders).await;
    // What was wanted while it ended is told why nothing comes of it.
    orders.close();
    while let Some(order) = orders.recv().await {
        core.refuse(order);
    }
}

/// Connects, again and again, until there shall be no connection any more.
async fn live(url: &Url, core: &mut Core, orders: &mut mpsc::Receiver<Order>) {
    loop {
        core.attempt(Instant::now());
        let end = connection(url, core, orders).await;
        let Some(again) = core.ended(end, Instant::now()) else { return };
        while Instant::now() < again {
            tokio::select! {
                () = sleep_until(again) => {}
                () = until(core.due()) => core.time(Instant::now()),
                order = orders.recv() => core.order(order.unwrap_or(Order::Close), Instant::now()),
            }
            let end = core.take_end();
            if end.is_some_and(|end| core.ended(end, Instant::now()).is_none()) {
                return;
            }
        }
    }
}

/// One connection, from opening the socket to its end.
async fn connection(url: &Url, core: &mut Core, orders: &mut mpsc::Receiver<Order>) -> End {
    let (mut sink, mut source) = match opened(url, core, orders).await {
        Ok(halves) => halves,
        Err(end) => return end,
    };
    let end = talk(&mut sink, &mut source, core, orders).await;
    // To a server that still listens; one that does not has nothing to be told.
    let _ = timeout(GOODBYE, sink.close()).await;
    end
}

/// Opens the socket, and goes on doing everything else meanwhile.
async fn opened(
    url: &Url,
    core: &mut Core,
    orders: &mut mpsc::Receiver<Order>,
) -> Result<(Sink, Source), End> {
    let opening = socket::open(url.as_str(), core.socket_options());
    let mut opening = Box::pin(opening);
    loop {
        tokio::select! {
            opened = &mut opening => return opened.map_err(End::Broken),
            () = until(core.due()) => core.time(Instant::now()),
            order = orders.recv() => core.order(order.unwrap_or(Order::Close), Instant::now()),
        }
        if let Some(end) = core.take_end() {
            return Err(end);
        }
    }
}

/// Reads and writes until the end.
async fn talk(
    sink: &mut Sink,
    source: &mut Source,
    core: &mut Core,
    orders: &mut mpsc::Receiver<Order>,
) -> End {
    let outside = core.outside().clone();
    let mut is_flushed = true;
    loop {
        let has_output = core.has_output();
        tokio::select! {
            // What came is looked at before a time counts as over: a program that was stopped meanwhile finds both.
            biased;
            read = source.next() => match socket::read(read) {
                Ok(Some(text)) => core.text(&text, Instant::now()),
                Ok(None) => {}
                Err(close) => return End::Broken(close),
            },
            ready = ready(sink, has_output), if has_output || !is_flushed => {
                let written = ready.and_then(|()| match core.output() {
                    Some(text) => sink.start_send_unpin(Message::text(text)),
                    None => Ok(()),
                });
                if let Err(error) = written {
                    return End::Broken(closed_or(source, socket::broken(&error)).await);
                }
                is_flushed = !has_output;
            }
            order = orders.recv() => core.order(order.unwrap_or(Order::Close), Instant::now()),
            () = outside.shared.caught_up.notified() => core.caught_up(),
            () = until(core.due()) => core.time(Instant::now()),
        }
        if let Some(end) = core.take_end() {
            return end;
        }
    }
}

/// Waits until the socket takes a frame, or, where there is none, until it has written all that it took.
async fn ready(sink: &mut Sink, has_output: bool) -> Result<(), tungstenite::Error> {
    if has_output {
        poll_fn(|context| sink.poll_ready_unpin(context)).await
    } else {
        sink.flush().await
    }
}

/// Why nothing can be written: what the server said as it closed, where that lies unread.
async fn closed_or(source: &mut Source, broken: CloseError) -> CloseError {
    let said = async {
        loop {
            match socket::read(source.next().await) {
                // Nothing counts that cannot be answered: it comes again on the next connection.
                Ok(_) => {}
                Err(close) => return close,
            }
        }
    };
    timeout(GOODBYE, said).await.ok().filter(|close| close.code >= 4000).unwrap_or(broken)
}

/// Until a moment, or for ever.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
