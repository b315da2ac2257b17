//! `warren dev`: a server for whoever tries something out. Its data lives in a folder of its own, webhooks may call this
//! machine, and a profile lets the other commands find it.

use crate::config::{Config, ConfigError, LogFormat, ServeArgs};
use crate::server;
use crate::telemetry::Logs;
use clap::Args;
use std::error::Error;
use std::path::{Path, PathBuf};
use warren_cli::{Profile, Profiles, SecretText};

/// The profile that it makes.
const PROFILE: &str = "dev";
/// The project.
const PROJECT: &str = "project_dev";
/// Where its data lives.
const FOLDER: &str = "./warren-dev";

/// The command line of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The flags of `serve`; data are in ./warren-dev unless they say otherwise.
    #[command(flatten)]
    serve: ServeArgs,
}

/// What the server is started with.
struct DevServer {
    /// The flags.
    serve: ServeArgs,
    /// The project that the profile is for.
    project: String,
    /// Its token.
    token: SecretText,
}

/// Runs the server, with the profile `dev` made before.
pub(super) fn run(DevArgs { serve }: DevArgs, logs: &Logs) -> Result<(), Box<dyn Error>> {
    let mut profiles = Profiles::load()?;
    let server = DevServer::new(serve, profiles.0.get(PROFILE))?;
    let config = server.config()?;
    logs.spell(config.log_format == LogFormat::Json);
    let profile = Profile {
        url: config.listen.first().and_then(|place| place.url(config.tls.is_some())),
        project: Some(server.project.clone()),
        token: Some(server.token.clone()),
    };
    profiles.0.insert(PROFILE.to_owned(), profile);
    let project = server.project.clone();
    let again = Box::new(move || server.config());
    // Only once it listens: what could not start must not take the profile of what runs.
    let remember = move |base: &str| match profiles.store() {
        Ok(path) => tell(&path, &server::page(base, &project)),
        Err(error) => {
            tracing::warn!(%error, "the profile `dev` is not stored: other commands do not find this server");
        }
    };
    Ok(actix_web::rt::System::new().block_on(server::run_and(config, again, remember))?)
}

/// Says what can be done with the server.
fn tell(profiles: &Path, page: &str) {
    tracing::info!(
        page,
        profile = PROFILE,
        file = %profiles.display(),
        "`warren tail hello --profile dev` follows the first channel from another terminal"
    );
}

impl DevServer {
    /// Puts together what is set, what the profile says, and what is made up: the token is nobody else's, because every web
    /// site that a browser shows may ask a server on this machine.
    fn new(mut serve: ServeArgs, known: Option<&Profile>) -> Result<Self, Box<dyn Error>> {
        let data = serve.data.take().unwrap_or_else(|| PathBuf::from(FOLDER));
        // Never the one that a configuration file here names for a server that others use.
        let database = || format!("sqlite:{}", data.join("warren.db").display());
        serve.database = serve.database.or_else(|| Some(database()));
        serve.data = Some(data);
        serve.allow_private_webhooks = serve.allow_private_webhooks.or(Some(true));
        let set = Config::load(serve.clone())?;
        let declared = set.declared_project();
        let project = set.first_run.project.clone();
        let project = project.or_else(|| declared.map(|(id, _)| id.to_owned()));
        let project = project.unwrap_or_else(|| PROJECT.to_owned());
        if known.is_some_and(|known| known.project.as_ref() != Some(&project)) {
            let help = "`warren profiles delete dev` makes room for it";
            return Err(format!("the profile `{PROFILE}` is not for {project}; {help}").into());
        }
        let declared = declared.filter(|(id, _)| *id == project).and_then(|(_, token)| token);
        let given = declared.map(str::to_owned).or_else(|| set.first_run.project_token.clone());
        let token = match (given, known.and_then(|known| known.token.clone())) {
            (Some(given), _) => given.into(),
            (None, Some(known)) => known,
            (None, None) => SecretText::new_project_token()?,
        };
        serve.project = Some(project.clone());
        serve.project_token = Some(token.reveal().to_owned());
        Ok(Self { serve, project, token })
    }

    /// The configuration, with the project whether or not this is the folder's first run.
    fn config(&self) -> Result<Config, ConfigError> {
        let config = Config::load(self.serve.clone())?;
        Ok(config.with_project(&self.project, self.token.reveal()))
    }
}
