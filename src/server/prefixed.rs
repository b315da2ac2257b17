//! A connection's stream as the HTTP layer gets it: what was read of it already comes first, a head that does not come to
//! its end has a deadline, and what the layer says by itself is said in our words. When the server stops, it ends where
//! no request has begun; the layer's own way to stop would leave out what has.

use super::REQUEST_TIMEOUT;
use super::client_stream::ClientStream;
use crate::http::{self, ApiError, Visit};
use crate::num;
use bytes::{Buf as _, Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A stream that gives back first what was read of it.
pub(super) struct Prefixed<S = ClientStream> {
    /// What was read and is still to be given back.
    read: BytesMut,
    /// The stream.
    stream: S,
    /// Whose turn it is.
    visit: Rc<Visit>,
    /// Wakes at the deadline of a head, or before it and is then set anew.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Whether anything was read: who never said a word is told none.
    has_begun: bool,
    /// Ready when the server stops and nobody waits any more for requests that have not begun.
    idle_end: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whether a head's time is over: nothing more is read.
    is_over: bool,
    /// What is being said in the place of the HTTP layer.
    instead: Option<Bytes>,
}

impl<S> Prefixed<S> {
    /// Puts bytes back in front of a stream whose first request is awaited since then, and which has this place among the
    /// connections that may bring one.
    pub(super) fn new(
        read: BytesMut,
        stream: S,
        since: Instant,
        place: TaskTrackerToken,
        idle_end: &CancellationToken,
    ) -> Self {
        let visit = Rc::new(Visit::new(since, place));
        let has_begun = !read.is_empty();
        let idle_end = Box::pin(idle_end.clone().cancelled_owned());
        Self {
            read,
            stream,
            visit,
            alarm: None,
            has_begun,
            idle_end,
            is_over: false,
            instead: None,
        }
    }

    /// Whose turn it is, for the HTTP layer to tell.
    pub(super) fn visit(&self) -> Rc<Visit> {
        Rc::clone(&self.visit)
    }

    /// Ready when the head that is coming has had its time.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(since) = self.visit.head_since() else { return Poll::Pending };
        let deadline = since + REQUEST_TIMEOUT;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> Prefixed<S> {
    /// Says that the head came too slowly, as far as the stream takes it at once: no answer is on its way.
    fn give_up(&mut self, cx: &mut Context<'_>) {
        self.is_over = true;
        if self.has_begun {
            let words = http::last_words(&ApiError::TooSlow);
            let _ = Pin::new(&mut self.stream).poll_write(cx, &words);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over {
            return Poll::Ready(Ok(()));
        }
        let room = self.visit.room();
        if room == 0 {
            self.visit.await_turn(cx.waker());
            return Poll::Pending;
        }
        if self.read.is_empty() {
            let before = buffer.filled().len();
            let most = num::counter(room);
            let mut stream = Pin::new(&mut self.stream).take(most);
            if let Poll::Ready(done) = Pin::new(&mut stream).poll_read(cx, buffer) {
                if let Some(came @ [_, ..]) = buffer.filled().get(before..) {
                    self.has_begun = true;
                    self.visit.hear(came);
                } else {
                    self.visit.hang_up();
                }
                return Poll::Ready(done);
            }
            // Asked whoever's turn it is, so that both wake us also where the turn has changed by then.
            self.visit.await_turn(cx.waker());
            let is_end = self.idle_end.as_mut().poll(cx).is_ready();
            if is_end && (self.visit.is_between() || (self.visit.is_idle() && !self.has_begun)) {
                self.is_over = true;
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_deadline(cx));
            self.give_up(cx);
            return Poll::Ready(Ok(()));
        }
        let size = self.read.len().min(buffer.remaining()).min(room);
        let came = self.read.split_to(size);
        self.visit.hear(&came);
        buffer.put_slice(&came);
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.visit.is_idle()
            && let Some((at, words)) = http::instead_of(bytes)
        {
            if at > 0 {
                // What comes before it is of a route, and goes first.
                let before = bytes.get(..at).unwrap_or_default();
                return Pin::new(&mut this.stream).poll_write(cx, before);
            }
            let rest = this.instead.get_or_insert(words);
            while !rest.is_empty() {
                match ready!(Pin::new(&mut this.stream).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Ok(0)),
                    size => rest.advance(size),
                }
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    /// Ends our side behind a socket's last frame: the HTTP layer would wait for its client to end the stream, which waits
    /// for us (RFC 6455 §7.1.1).
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.visit.is_over() { self.poll_shutdown(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncWriteExt as _, duplex};
    use tokio_util::task::TaskTracker;

    /// A place among the connections.
    fn place() -> TaskTrackerToken {
        TaskTracker::new().token()
    }

    #[actix_rt::test]
    async fn what_was_read_comes_first_and_nothing_is_lost() {
        let (mut client, server) = duplex(1024);
        client.write_all(b"lo, world").await.unwrap();
        client.shutdown().await.unwrap();
        let mut stream = Prefixed::new(
            BytesMut::from("hel"),
            server,
            Instant::now(),
            place(),
            &CancellationToken::new(),
        );
        let mut two = [0; 2];
        stream.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"he");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "llo, world");
        stream.write_all(b"answer").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_stays_half_is_answered_and_ended_at_its_deadline() {
        let (mut client, server) = duplex(4096);
        let began = Instant::now();
        let mut stream = Prefixed::new(
            BytesMut::from("GET / HT"),
            server,
            began,
            place(),
            &CancellationToken::new(),
        );
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!((&read[..], began.elapsed()), (&b"GET / HT"[..], REQUEST_TIMEOUT));
        drop(stream);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
        assert!(answer.contains(r#""code":"timeout""#), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_trickle_in_do_not_move_the_deadline() {
        let (mut client, server) = duplex(4096);
        let began = Instant::now();
        let mut stream =
            Prefixed::new(BytesMut::new(), server, began, place(), &CancellationToken::new());
        let trickle = async {
            while client.write_all(b"G").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let mut read = Vec::new();
        tokio::select! {
            () = trickle => panic!("it was never ended"),
            _ = stream.read_to_end(&mut read) => assert_eq!(began.elapsed(), REQUEST_TIMEOUT),
        }
    }
}
