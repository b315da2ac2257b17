//! Orders a certificate: an account, an order, proofs of being who one says (TLS-ALPN-01, RFC 8737), and what comes of it.

use super::client::AcmeClient;
use super::{AcmeFolder, AcmeSettings};
use crate::tls::certificate::{Certificate, CertificateError};
use crate::tls::in_force::CertificateInForce;
use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Error, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use std::io;
use std::time::Duration;

/// How long an authority may take to look at proofs, and to make a certificate.
const LOOKING: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).timeout(Duration::from_mins(2));
/// What an authority says of an account that it does not know (RFC 8555 §6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
/// The most of an authority's words that are repeated, characters.
const WORDS: usize = 500;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority refuses, or does not answer.
    #[error("the authority: {}", printable(.0))]
    Authority(#[from] Error),
    /// It has looked, and did not find what proves who we are.
    #[error("{domain} is not proven to be this server: {why}")]
    NotProven {
        /// The name.
        domain: String,
        /// What it says.
        why: String,
    },
    /// It takes no proof of the kind that we can give.
    #[error("the authority takes no proof by TLS-ALPN-01 for {0}")]
    NoProof(String),
    /// The account, or what came of it, cannot be kept.
    #[error("the data folder: {0}")]
    Folder(#[from] io::Error),
    /// What came is no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// There are no random numbers, or no TLS.
    #[error("no keys can be made here")]
    NoKeys,
}

/// Somebody else's words, as one short line.
fn printable(said: &Error) -> String {
    let is_plain = |c: &char| !c.is_control();
    said.to_string().chars().filter(is_plain).take(WORDS).collect()
}

/// Orders a certificate and keeps it; handshakes are shown proofs meanwhile.
///
/// # Errors
/// [`AcmeError`].
pub async fn order(
    settings: &AcmeSettings,
    folder: &AcmeFolder,
    in_force: &CertificateInForce,
) -> Result<Certificate, AcmeError> {
    let done = match ordered(settings, folder, in_force).await {
        // It has forgotten us: then we are somebody new.
        Err(AcmeError::Authority(Error::Api(problem)))
            if problem.r#type.as_deref() == Some(NO_ACCOUNT) =>
        {
            folder.forget_account()?;
            ordered(settings, folder, in_force).await
        }
        done => done,
    };
    in_force.forget_proofs();
    done
}

/// Orders a certificate by the account that is kept.
async fn ordered(
    settings: &AcmeSettings,
    folder: &AcmeFolder,
    in_force: &CertificateInForce,
) -> Result<Certificate, AcmeError> {
    let account = account(settings, folder).await?;
    let names: Vec<_> = settings.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    prove(&mut order, in_force).await?;
    // One that needs no proof any more is ready from the beginning.
    if order.state().status != OrderStatus::Ready {
        let looked = order.poll_ready(&LOOKING).await;
        if !matches!(looked, Ok(OrderStatus::Ready)) {
            return Err(refusal(&mut order).await.unwrap_or(match looked {
                Err(error) => error.into(),
                Ok(_) => Error::Str("a reason for its refusal").into(),
            }));
        }
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&LOOKING).await?;
    folder.keep_certificate(&chain, &key)?;
    Ok(Certificate::read(&folder.files())?)
}

/// The account with the authority; made where there is none.
async fn account(settings: &AcmeSettings, folder: &AcmeFolder) -> Result<Account, AcmeError> {
    let client = Box::new(AcmeClient::new().ok_or(AcmeError::NoKeys)?);
    let builder = Account::builder_with_http(client);
    if let Some(kept) = folder.account()? {
        let kept = serde_json::from_str(&kept).map_err(Error::from)?;
        return Ok(builder.from_credentials(kept).await?);
    }
    let contact = settings.email.iter().map(|email| format!("mailto:{email}")).collect::<Vec<_>>();
    let contact = contact.iter().map(String::as_str).collect::<Vec<_>>();
    // Whoever set this up has agreed.
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, kept) = builder.create(&new, settings.directory.clone(), None).await?;
    folder.keep_account(&serde_json::to_string(&kept).map_err(Error::from)?)?;
    Ok(account)
}

/// Lets the authority look for proofs of each name that has none yet.
async fn prove(order: &mut Order, in_force: &CertificateInForce) -> Result<(), AcmeError> {
    let mut wanted = order.authorizations();
    while let Some(one) = wanted.next().await {
        let mut one = one?;
        if one.status != AuthorizationStatus::Pending {
            continue;
        }
        let domain = name_of(&one);
        let Some(mut challenge) = one.challenge(ChallengeType::TlsAlpn01) else {
            return Err(AcmeError::NoProof(domain));
        };
        let proof = proof(&domain, challenge.key_authorization().digest().as_ref());
        in_force.prove(domain, proof.ok_or(AcmeError::NoKeys)?);
        challenge.set_ready().await?;
    }
    Ok(())
}

/// The name that a proof is wanted of.
fn name_of(wanted: &AuthorizationHandle<'_>) -> String {
    wanted.identifier().to_string()
}

/// Why an order was refused, as far as the authority says it of one of its names.
async fn refusal(order: &mut Order) -> Option<AcmeError> {
    let mut all = order.authorizations();
    while let Some(Ok(mut one)) = all.next().await {
        one.refresh().await.ok()?;
        let domain = name_of(&one);
        let mut errors = one.challenges.iter().filter_map(|challenge| challenge.error.clone());
        if let Some(problem) = errors.next() {
            return Some(AcmeError::NotProven { domain, why: printable(&Error::Api(problem)) });
        }
    }
    None
}

/// The certificate that proves a name: one that nobody vouches for, with the digest in it (RFC 8737 §3).
fn proof(domain: &str, digest: &[u8]) -> Option<CertifiedKey> {
    let key = KeyPair::generate().ok()?;
    let mut wanted = CertificateParams::new(vec![domain.to_owned()]).ok()?;
    wanted.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let made = wanted.self_signed(&key).ok()?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    // Not looked at again: whoever checks certificates refuses the extension, which only authorities know.
    let key = ring::sign::any_supported_type(&key).ok()?;
    Some(CertifiedKey::new(vec![made.der().clone()], key))
}
