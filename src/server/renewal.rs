//! Orders the certificate when there is none and when it is time for the next one, and again when that has failed.

use super::served_certificate::ServedCertificate;
use crate::actor::clock;
use crate::domain::Timestamp;
use crate::metrics::{self, Family, Label};
use crate::tls::acme::{self, AcmeFolder};
use crate::tls::{AcmeSettings, Certificate};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long an order may take.
const ORDER_TIME: Duration = Duration::from_mins(10);
/// How long after one that failed the next one is made; twice as long after each: authorities bound how often one may fail.
const FIRST_PAUSE: Duration = Duration::from_mins(5);
/// And this long at most.
const LONGEST_PAUSE: Duration = Duration::from_hours(6);
/// How often it is looked whether it is time, at least: the clock may be set.
const LOOK: Duration = Duration::from_mins(10);

/// Keeps a certificate in force, for ever.
pub(super) async fn renew(served: &ServedCertificate, settings: &AcmeSettings) {
    let (folder, mut pause) = (settings.folder(&served.data), FIRST_PAUSE);
    loop {
        while let Some(left) = left(served.in_force.get().as_deref(), clock::now()) {
            sleep(left.min(LOOK)).await;
        }
        let again = served.again.notified();
        tracing::info!(names = ?settings.domains, directory = settings.directory, "a certificate is ordered");
        let order = Box::pin(acme::order(settings, &folder, &served.in_force));
        let ordered = timeout(ORDER_TIME, order).await;
        let failure = match ordered {
            Ok(Ok(next)) => {
                tracing::info!(names = ?next.names(), ends = %next.ends(), "a certificate was ordered");
                served.take(next);
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the order took too long".to_owned()),
        };
        note(&folder, failure.as_deref(), pause);
        if failure.is_none() {
            pause = FIRST_PAUSE;
            continue;
        }
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = again => {}
        }
    }
}

/// How long it is until the next one is to be ordered; none where it is time.
fn left(shown: Option<&Certificate>, now: Timestamp) -> Option<Duration> {
    let due = shown?.renewal();
    (now < due).then(|| Duration::from_millis(now.millis_until(due)))
}

/// Counts what came of an order, and keeps and logs why it failed, if it did.
fn note(folder: &AcmeFolder, failure: Option<&str>, pause: Duration) {
    let word = if failure.is_none() { "ok" } else { "failed" };
    metrics::add(Family::CertificateOrders, [Label::Word(word)]);
    if let Some(error) = failure {
        let seconds = pause.as_secs();
        tracing::error!(error, again_in_seconds = seconds, "no certificate came of an order");
    }
    let said = failure.map(|error| format!("{} {error}", clock::now()));
    if let Err(error) = folder.note(said.as_deref()) {
        tracing::warn!(%error, "`warren doctor` will not know what came of the order");
    }
}
