//! One connection to Redis, for as long as it lives.

use super::WireError;
use super::hearing::{HeardEntry, HeardWord, PushSorter};
use super::names::{PARTITIONS, ground};
use super::scripts::Scripts;
use crate::domain::Epoch;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, FromRedisValue, InfoDict,
    IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo, Script, ScriptInvocation,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::timeout;

/// How long a call may take before the connection counts as lost.
const ANSWER: Duration = Duration::from_secs(2);
/// How many calls may wait for Redis.
const CALLS: usize = 1024;
/// The oldest Redis whose scripts work as these expect.
const OLDEST: u32 = 7;

/// A connection that has said its first words.
pub struct RedisWire {
    /// The connection, which ends for good when it is lost.
    pub(super) connection: MultiplexedConnection,
    /// The scripts.
    pub(super) scripts: Scripts,
    /// What is heard.
    ear: Arc<PushSorter>,
    /// Room for calls.
    room: Semaphore,
}

impl RedisWire {
    /// Connects; before anything else it is seen to that no number is given out twice by a server that is not the one of
    /// before. What is heard goes to `heard`; if that is full or closed, the connection counts as lost.
    ///
    /// # Errors
    /// [`WireError::Address`], [`WireError::Version`], [`WireError::Lost`].
    pub async fn connect(
        address: &str,
        heard: mpsc::Sender<HeardEntry>,
    ) -> Result<Self, WireError> {
        // Nobody speaks to one that has subscribed to no topic of servers.
        let (words, _) = mpsc::channel(1);
        Self::connect_for(address, heard, words).await
    }

    /// The same for a server, whose words from others go to `words`; what is true of `heard` is of that.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub(super) async fn connect_for(
        address: &str,
        heard: mpsc::Sender<HeardEntry>,
        words: mpsc::Sender<HeardWord>,
    ) -> Result<Self, WireError> {
        let info = address.into_connection_info().ok().ok_or(WireError::Address)?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Err(WireError::Address);
        }
        // Answers and what is heard come on one connection, in the order in which they happened.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client =
            Client::open(info.set_redis_settings(settings)).ok().ok_or(WireError::Address)?;
        let ear = PushSorter::new(heard, words, format!("probe:{}", uuid::Uuid::new_v4()));
        let listening = Arc::clone(&ear);
        let push = move |info: PushInfo| {
            listening.take(info);
            Ok::<_, std::convert::Infallible>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER))
            .set_push_sender(push);
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let (scripts, room) = (Scripts::new(), Semaphore::new(CALLS));
        let mut wire = Self { connection, scripts, ear, room };
        wire.enter().await?;
        let (mut connection, probe) = (wire.connection.clone(), wire.ear.probe().to_owned());
        connection.subscribe(probe).await?;
        Ok(wire)
    }

    /// The first words: which server this is, for every part.
    async fn enter(&mut self) -> Result<(), WireError> {
        let info: InfoDict =
            redis::cmd("INFO").arg("server").query_async(&mut self.connection).await?;
        let version: String = info.get("redis_version").unwrap_or_default();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let run: Option<String> = info.get("run_id");
        let (Some(run), true) = (run, major.is_some_and(|major| major >= OLDEST)) else {
            return Err(WireError::Version(version));
        };
        // One that was loaded only when it is called could be overtaken by the call behind it.
        for script in self.scripts.of_lines() {
            script.load_async(&mut self.connection).await?;
        }
        let hash = self.scripts.enter.load_async(&mut self.connection).await?;
        let mut words = redis::pipe();
        for partition in 0..PARTITIONS {
            let fresh = fresh_epoch()?;
            words.cmd("EVALSHA").arg(&hash).arg(1).arg(ground(partition)).arg(&run).arg(fresh);
        }
        let _: Vec<String> = words.query_async(&mut self.connection).await?;
        Ok(())
    }

    /// Whether the connection still hears everything; once it does not, it has to be replaced.
    pub fn is_whole(&self) -> bool {
        *self.ear.is_whole().borrow()
    }

    /// Returns when the connection has lost something.
    pub async fn lost(&self) {
        // The sender lives as long as this does.
        let _ = self.ear.is_whole().wait_for(|is_whole| !is_whole).await;
    }

    /// Says something to itself the way that everything takes, and waits for it so long. A connection can be dead without
    /// anybody telling, and one can answer that hears nothing any more; either is lost then.
    ///
    /// # Errors
    /// [`WireError::Lost`].
    pub async fn probe(&self, within: Duration) -> Result<(), WireError> {
        let mut connection = self.connection.clone();
        let echo = async {
            let mut word = redis::cmd("PUBLISH");
            let said: Result<u64, _> =
                word.arg(self.ear.probe()).arg("").query_async(&mut connection).await;
            said.map_err(|error| self.failed(error))?;
            self.ear.echo().notified().await;
            Ok(())
        };
        let heard = timeout(within, echo).await;
        heard.unwrap_or_else(|_| {
            self.ear.lose();
            Err(WireError::Lost("its own word was not heard".to_owned()))
        })
    }

    /// For tests: hears its own word no more, while it answers as before.
    #[cfg(test)]
    pub(super) async fn deafen(&self) {
        self.connection.clone().unsubscribe(self.ear.probe()).await.unwrap();
    }

    /// Runs a script; whatever fails but what it says itself ends the connection.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, WireError> {
        let _room = self.take_room()?;
        let mut connection = self.connection.clone();
        call.invoke_async(&mut connection).await.map_err(|error| self.failed(error))
    }

    /// The same of what has to be said however much else waits: there is little of it, and something is lost without it.
    pub(super) async fn call_beside<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, WireError> {
        let mut connection = self.connection.clone();
        call.invoke_async(&mut connection).await.map_err(|error| self.failed(error))
    }

    /// Asks something that is no script.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, WireError> {
        let _room = self.take_room()?;
        let mut connection = self.connection.clone();
        command.query_async(&mut connection).await.map_err(|error| self.failed(error))
    }

    /// Asks for many things in one go, which are not one step; `script` is known to Redis before.
    pub(super) async fn ask_all<T: FromRedisValue>(
        &self,
        script: Option<&Script>,
        questions: &Pipeline,
    ) -> Result<T, WireError> {
        let _room = self.take_room()?;
        let mut connection = self.connection.clone();
        if let Some(script) = script {
            let loaded = script.load_async(&mut connection).await;
            loaded.map_err(|error| self.failed(error))?;
        }
        questions.query_async(&mut connection).await.map_err(|error| self.failed(error))
    }

    /// Room for one call.
    pub(super) fn take_room(&self) -> Result<SemaphorePermit<'_>, WireError> {
        if !self.is_whole() {
            return Err(WireError::Lost("it ended before".to_owned()));
        }
        self.room.try_acquire().ok().ok_or(WireError::Overloaded)
    }

    /// What a failure means for the connection.
    pub(super) fn failed(&self, error: redis::RedisError) -> WireError {
        let error = WireError::from(error);
        if matches!(error, WireError::Lost(_)) {
            self.ear.lose();
        }
        error
    }
}

/// An epoch that nobody has had.
pub(super) fn fresh_epoch() -> Result<String, WireError> {
    Ok(Epoch(fresh_number()?).to_string())
}

/// A number that nobody has had.
pub(super) fn fresh_number() -> Result<u64, WireError> {
    let mut bytes = [0; 8];
    let filled = getrandom::fill(&mut bytes).ok();
    filled.ok_or_else(|| WireError::Lost("the system gives no random numbers".to_owned()))?;
    Ok(u64::from_ne_bytes(bytes))
}
