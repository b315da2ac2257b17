//! The commands of `warren` that speak to a server: the whole HTTP API, and `tail`.
//!
//! A command decides which call it is (`commands`, without I/O), the call is made (`http`), and what comes of it is
//! printed (`output`). Where the server is, and who one is there, flags, variables and profiles say (`profile`).

mod call;
mod commands;
mod error;
mod http;
mod output;
mod profile;
mod secret;
mod tail;

pub use call::{ApiCall, ApiMethod};
pub use error::CliError;
pub use output::printable;
pub use profile::{Connect, Profile, Profiles};
pub use secret::SecretText;
pub use tail::TailArgs;

use clap::{Args, Subcommand};
use commands::{
    AuthorizerTask, ChannelTask, ConnectionTask, InspectArgs, JwtTask, MessageTask, PatTask,
    PresenceArgs, ProfileTask, ProjectTask, ProjectTokenTask, PublishArgs, Scope, StateTask, Task,
    TokenTask, WebhookTask,
};
use profile::Target;
use serde_json::{Value, json};
use std::io::{self, Write};

/// A group of commands, and which server they are for.
#[derive(Debug, Args)]
pub struct Group<T: Subcommand> {
    /// What to do.
    #[command(subcommand)]
    task: T,
    /// Which server.
    #[command(flatten)]
    connect: Connect,
}

/// A command of its own, and which server it is for.
#[derive(Debug, Args)]
pub struct Single<T: Args> {
    /// What to do.
    #[command(flatten)]
    task: T,
    /// Which server.
    #[command(flatten)]
    connect: Connect,
}

/// Commands that need nothing but a server.
#[derive(Debug, Args)]
pub struct Bare {
    /// Which server.
    #[command(flatten)]
    connect: Connect,
}

/// The command line of `batch`.
#[derive(Debug, Args)]
pub struct BatchArgs {
    /// The calls: a list of {method, path, body}, or {"items": […]}
    #[arg(value_name = "JSON|@FILE|-")]
    items: String,
}

impl Task for BatchArgs {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        let items = call::json("the batch", &self.items)?;
        let is_list = items.get().trim_start().starts_with('[');
        let body = if is_list { format!(r#"{{"items":{items}}}"#) } else { items.to_string() };
        Ok(ApiCall::new(ApiMethod::Post, ["batch"]).with_body(&body))
    }
}

/// The command line of `api`.
#[derive(Debug, Args)]
pub struct ApiArgs {
    /// GET, POST, PUT, PATCH or DELETE
    #[arg(value_parser = |name: &str| ApiMethod::of(name).ok_or("GET, POST, PUT, PATCH or DELETE"))]
    method: ApiMethod,
    /// The path below /v1, with `?NAME=VALUE&…` if there is something to say
    path: String,
    /// The body
    #[arg(value_name = "JSON|@FILE|-")]
    body: Option<String>,
}

impl Task for ApiArgs {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        let path = self.path.trim_start_matches('/');
        let path = path.strip_prefix("v1/").unwrap_or(path);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut call = ApiCall::new(self.method, path.split('/'));
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        call.query
            .extend(pairs.map(|(name, value)| (name.into_owned().into(), value.into_owned())));
        Ok(match &self.body {
            Some(body) => call.with_body(call::json("the body", body)?.get()),
            None => call,
        })
    }
}

/// What can be asked of a server.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Channels: list, get, create, update, delete, stats, subscribers
    Channels(Group<ChannelTask>),
    /// Publish a message to a channel
    Publish(Single<PublishArgs>),
    /// Follow a channel, over breaks too
    Tail(TailArgs),
    /// Messages that channels keep: list, delete
    Messages(Group<MessageTask>),
    /// The state of a channel: get, set, patch, history, restore
    State(Group<StateTask>),
    /// Leap tokens, which are who clients are: list, create, update, delete, subscribe, message
    Tokens(Group<TokenTask>),
    /// Say who is in a channel
    Presence(Single<PresenceArgs>),
    /// Live connections: list, message, close
    Connections(Group<ConnectionTask>),
    /// Show what happened in the project lately
    Inspect(Single<InspectArgs>),
    /// Webhooks: list, create, update, delete, rotate, test, deliveries, delivery, resend
    Webhooks(Group<WebhookTask>),
    /// Who decides about subscriptions to private channels: get, set, delete, test
    Authorizer(Group<AuthorizerTask>),
    /// JSON Web Tokens instead of leap tokens: keys, add-key, delete-key, revoke, revocations, forget
    Jwt(Group<JwtTask>),
    /// Projects: list, get, create, update, delete, members
    Projects(Group<ProjectTask>),
    /// Project tokens, which are for back ends: list, create, delete
    ProjectTokens(Group<ProjectTokenTask>),
    /// Admin tokens, which are for operators: list, create, delete
    AdminTokens(Group<PatTask>),
    /// Say whose token this is, and which projects it sees
    Whoami(Bare),
    /// Show the settings that the server runs with; for operators
    Settings(Bare),
    /// Make many calls in one, in order
    Batch(Single<BatchArgs>),
    /// Make any call of the API
    Api(Single<ApiArgs>),
    /// Say whether the server is ready
    Health(Bare),
    /// Remember servers and tokens: list, set, delete
    Profiles(Group<ProfileTask>),
}

impl ClientCommand {
    /// The call that this is, and which server it is for; none of what is no call of the API.
    fn as_call(&self) -> Option<(&dyn Task, &Connect)> {
        Some(match self {
            Self::Channels(group) => (&group.task, &group.connect),
            Self::Publish(single) => (&single.task, &single.connect),
            Self::Messages(group) => (&group.task, &group.connect),
            Self::State(group) => (&group.task, &group.connect),
            Self::Tokens(group) => (&group.task, &group.connect),
            Self::Presence(single) => (&single.task, &single.connect),
            Self::Connections(group) => (&group.task, &group.connect),
            Self::Inspect(single) => (&single.task, &single.connect),
            Self::Webhooks(group) => (&group.task, &group.connect),
            Self::Authorizer(group) => (&group.task, &group.connect),
            Self::Jwt(group) => (&group.task, &group.connect),
            Self::Projects(group) => (&group.task, &group.connect),
            Self::ProjectTokens(group) => (&group.task, &group.connect),
            Self::AdminTokens(group) => (&group.task, &group.connect),
            Self::Whoami(bare) => (&WhoAmI, &bare.connect),
            Self::Settings(bare) => (&ShowSettings, &bare.connect),
            Self::Batch(single) => (&single.task, &single.connect),
            Self::Api(single) => (&single.task, &single.connect),
            Self::Tail(_) | Self::Health(_) | Self::Profiles(_) => return None,
        })
    }

    /// The call of the API that this is, in the token's own project; none where it is something else.
    ///
    /// # Errors
    /// An argument cannot be used.
    pub fn call(&self) -> Result<Option<ApiCall>, CliError> {
        let call = |task: &dyn Task| task.call(Scope { project: None })?.checked();
        self.as_call().map(|(task, _)| call(task)).transpose()
    }
}

/// `whoami`.
struct WhoAmI;

impl Task for WhoAmI {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        Ok(ApiCall::new(ApiMethod::Get, ["users", "@me"]))
    }
}

/// `settings`.
struct ShowSettings;

impl Task for ShowSettings {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        Ok(ApiCall::new(ApiMethod::Get, ["settings"]))
    }
}

/// Does what a command says and prints what comes of it.
///
/// # Errors
/// [`CliError`], whose [`CliError::code`] is the exit code.
pub fn run(command: &ClientCommand, out: &mut (dyn Write + '_)) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            ClientCommand::Tail(args) => tail::tail(args, out).await,
            ClientCommand::Health(bare) => health(&bare.connect, out).await,
            ClientCommand::Profiles(group) => profiles(&group.task, &group.connect, out),
            command => match command.as_call() {
                Some((task, connect)) => ask(task, connect, out).await,
                None => Ok(()),
            },
        }
    })
}

/// Makes the call of a command and prints the answer.
async fn ask(
    task: &dyn Task,
    connect: &Connect,
    out: &mut (dyn Write + '_),
) -> Result<(), CliError> {
    let target = Target::of(connect)?;
    let call = task.call(Scope { project: target.project.as_deref() })?.checked()?;
    let answer = http::call(&target, &call).await?;
    // What stands in headers belongs to the answer: a state's tag, a message's position.
    let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let told: Vec<_> = [("etag", "etag"), ("warren-position", "position")]
        .into_iter()
        .filter_map(|(name, word)| header(name).map(|value| (word, value)))
        .collect();
    let data = match (&answer.data, told.as_slice()) {
        (Some(data), []) => data.get().to_owned(),
        (Some(data), told) => with(data.get(), told),
        (None, []) if connect.json => "null".to_owned(),
        (None, []) => return Ok(()),
        (None, told) => with("{}", told),
    };
    Ok(output::print(&data, connect.json, out)?)
}

/// An object with texts more at its end; the rest of it as it was written.
fn with(object: &str, more: &[(&str, &str)]) -> String {
    let Some(inner) = object.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
    else {
        return object.to_owned();
    };
    let fields = more.iter().map(|(name, value)| format!("\"{name}\":{}", json!(value)));
    let inner = (!inner.trim().is_empty()).then(|| inner.to_owned());
    format!("{{{}}}", inner.into_iter().chain(fields).collect::<Vec<_>>().join(","))
}

/// `health`: whether the server is ready, and why not.
async fn health(connect: &Connect, out: &mut (dyn Write + '_)) -> Result<(), CliError> {
    let target = Target::of(connect)?;
    let (status, body) = http::plain(&target, ["health", "ready"]).await?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let said = |path: &str| {
        let text = answer.pointer(path).and_then(Value::as_str).unwrap_or_default();
        printable(text)
    };
    if status == 200 && said("/data/status") == "ready" {
        let warnings = answer.pointer("/data/warnings").cloned().unwrap_or_else(|| json!([]));
        let shown = json!({ "ready": true, "url": target.url, "warnings": warnings });
        return Ok(output::print(&shown.to_string(), connect.json, out)?);
    }
    if answer.get("error").is_none() {
        let why = format!("status {status} at /health/ready");
        return Err(CliError::NotWarren { url: target.url, why });
    }
    let reasons = answer.pointer("/error/reasons").and_then(Value::as_array);
    let reasons = reasons.into_iter().flatten().filter_map(|reason| reason.get("message"));
    let reasons = reasons.map(output::text).collect::<Vec<_>>().join("; ");
    let message = match (said("/error/message"), reasons.as_str()) {
        (message, "") => message,
        (message, reasons) => format!("{message}: {reasons}"),
    };
    let docs = answer.get("error").and_then(|error| http::docs(&target, error));
    Err(CliError::Refused { status, code: said("/error/code"), message, docs })
}

/// `profiles`.
fn profiles(
    task: &ProfileTask,
    connect: &Connect,
    out: &mut (dyn Write + '_),
) -> Result<(), CliError> {
    let mut profiles = Profiles::load()?;
    match task {
        ProfileTask::List => {
            let shown = |(name, profile): (&String, &Profile)| {
                let has_token = profile.token.is_some();
                json!({ "name": name, "url": profile.url, "project": profile.project, "token": has_token })
            };
            let shown: Vec<_> = profiles.0.iter().map(shown).collect();
            if shown.is_empty() && !connect.json {
                return Ok(writeln!(
                    out,
                    "no profiles yet: `warren dev` makes one, and `warren profiles set`"
                )?);
            }
            return Ok(output::print(
                &json!({ "profiles": shown }).to_string(),
                connect.json,
                out,
            )?);
        }
        ProfileTask::Set { .. }
            if connect.url.is_none() && connect.project.is_none() && connect.token.is_none() =>
        {
            return Err(CliError::Missing("nothing to store: give --url, --project or --token"));
        }
        ProfileTask::Set { name } => {
            let profile = profiles.0.entry(name.clone()).or_default();
            profile.url = connect.url.clone().or(profile.url.take());
            profile.project = connect.project.clone().or(profile.project.take());
            if let Some(url) = &profile.url {
                http::check_url(url)?;
            }
            profile.token = match connect.token.clone() {
                Some(given) if given.reveal() == "-" => {
                    let mut line = String::new();
                    io::stdin().read_line(&mut line)?;
                    Some(line.trim().to_owned().into())
                }
                given => given.or(profile.token.take()),
            };
        }
        ProfileTask::Delete { name } => {
            profiles.0.remove(name).ok_or_else(|| CliError::NoProfile(name.clone()))?;
        }
    }
    let path = profiles.store()?;
    let shown = json!({ "stored": path.display().to_string() }).to_string();
    Ok(output::print(&shown, connect.json, out)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_headers_is_added_and_the_rest_stays_as_it_was_written() {
        let more = [("etag", "\"x.1\"")];
        assert_eq!(with(r#"{"n":1.00}"#, &more), r#"{"n":1.00,"etag":"\"x.1\""}"#);
        assert_eq!(with("{}", &more), r#"{"etag":"\"x.1\""}"#);
        assert_eq!(with("[1]", &more), "[1]");
    }
}
