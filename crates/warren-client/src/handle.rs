//! What clients and channels hold of the client's task: a way to ask it, and what it shows.

use crate::core::{Order, Outside};
use crate::error::Error;
use crate::event::Done;
use crate::outbox::Ask;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::{mpsc, oneshot};

/// A hold on the task, which ends when the last one has gone.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    /// To the task.
    orders: mpsc::Sender<Order>,
    /// What the task shows.
    outside: Arc<Outside>,
}

impl Handle {
    /// A hold on the task that takes these orders.
    pub(crate) const fn new(orders: mpsc::Sender<Order>, outside: Arc<Outside>) -> Self {
        Self { orders, outside }
    }

    /// What the task shows.
    pub(crate) fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Publishes to a channel.
    pub(crate) fn publish(&self, channel: String, event: &str, data: &impl Serialize) -> Outcome {
        let message = to_raw_value(&MessageOut { e: event, d: data });
        self.ask("MESSAGE", channel, message, true)
    }

    /// Says who the client is from now on.
    pub(crate) fn refresh(&self, token: String) -> Outcome {
        let data = to_raw_value(&TokenOut { token: &token });
        let order = |ask| Order::Refresh(token, ask);
        self.ask_as(order, "REFRESH_TOKEN", String::new(), data, true)
    }

    /// Says something that is answered.
    pub(crate) fn ask(
        &self,
        event: &'static str,
        channel: String,
        data: serde_json::Result<Box<RawValue>>,
        is_repeatable: bool,
    ) -> Outcome {
        self.ask_as(Order::Ask, event, channel, data, is_repeatable)
    }

    /// The same as an order of another kind.
    fn ask_as(
        &self,
        order: impl FnOnce(Ask) -> Order,
        event: &'static str,
        channel: String,
        data: serde_json::Result<Box<RawValue>>,
        is_repeatable: bool,
    ) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        let order = |data| order(Ask { event, channel, data, is_repeatable, reply });
        let asked = data.map_err(Error::from).and_then(|data| {
            self.orders.try_send(order(data)).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::QueueFull,
                mpsc::error::TrySendError::Closed(_) => self.outside.why_closed(),
            })
        });
        Outcome(asked.map(|()| outcome))
    }

    /// Hands a wish to the task.
    pub(crate) async fn order(&self, order: Order) -> Result<(), Error> {
        self.orders.send(order).await.map_err(|_gone| self.outside.why_closed())
    }
}

/// MESSAGE's data.
#[derive(Serialize)]
struct MessageOut<'a, T> {
    /// The name that it is published under.
    e: &'a str,
    /// What is published.
    d: &'a T,
}

/// What `REFRESH_TOKEN` says.
#[derive(Serialize)]
struct TokenOut<'a> {
    /// The newer token.
    token: &'a str,
}

/// What becomes of something that was said: a future that may be waited for, or not.
#[derive(Debug)]
pub struct Outcome(Result<oneshot::Receiver<Result<Done, Error>>, Error>);

impl Future for Outcome {
    type Output = Result<Done, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(answer) => {
                let answer = ready!(Pin::new(answer).poll(context));
                Poll::Ready(answer.unwrap_or(Err(Error::Closed)))
            }
            Err(error) => Poll::Ready(Err(error.clone())),
        }
    }
}
