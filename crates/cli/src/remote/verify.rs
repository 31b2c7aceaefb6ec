//! `keywright token verify`: whether a token is good, decided here by what its issuer publishes.

use super::{
    Common, Failure,
    environment::Environment,
    inspect,
    profiles::{Over, Store},
};
use clap::Args;
use keywright_protocol::Clock;
use keywright_verify::{Config, Feed, HttpOptions, HttpSource, Transport, Verifier, VerifyError, unverified_audience};
use serde_json::json;
use std::sync::Arc;

/// What it takes.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Whose token it must be: the URL that stands in it as `iss`. Without it the server that one is signed in at
    #[arg(long)]
    issuer: Option<String>,
    /// For which API it must be. Without it whichever it says itself, which is printed
    #[arg(long)]
    audience: Option<String>,
    /// Take keys from the issuer over plain HTTP
    #[arg(long)]
    insecure_http: bool,
}

pub(super) async fn run(args: VerifyArgs, common: &Common, environment: &Environment) -> Result<(), Failure> {
    let token = inspect::read()?;
    let mut transport = if args.insecure_http { Transport::PlainHttp } else { Transport::Tls };
    let mut replicas = Vec::new();
    let issuer = match args.issuer {
        Some(issuer) => issuer.trim_end_matches('/').to_owned(),
        None => {
            let profile = Store::of(environment)?.find(&common.profile_name())?;
            let profile = profile.ok_or_else(|| Failure::usage("say with --issuer whose token it must be, or sign in there"))?;
            if profile.over == Over::PlainHttp {
                transport = Transport::PlainHttp;
            }
            replicas.push(profile.url);
            profile.issuer
        }
    };
    let options = HttpOptions { transport, feed: Feed::Poll, name: "keywright token verify".to_owned(), replicas, ..HttpOptions::default() };
    let source = HttpSource::with(&issuer, options).map_err(|error| Failure::usage(error.to_string()))?;
    let audience = args.audience.or_else(|| unverified_audience(&token)).unwrap_or_else(|| issuer.clone());
    let verifier = Verifier::new(Config::new(&issuer, &audience), Arc::new(source.clone()));
    match verifier.verify_refreshing(&token, Clock::System.now()).await {
        Ok(verified) => {
            let claims = &verified.claims;
            let permissions: Vec<&str> = verified.permissions().collect();
            let value = json!({ "verified": true, "claims": claims, "permissions": permissions });
            let parts = [
                ("verified", format!("good until {}, if it is not taken back before", keywright_protocol::Time::from_seconds(claims.exp))),
                ("issuer", issuer),
                ("audience", audience),
                ("who", claims.email.to_string()),
                ("organization", verified.organization_id().to_string()),
                ("permissions", permissions.join(", ")),
            ];
            common.output().parts(&value, &parts)
        }
        Err(VerifyError::Unavailable) => {
            let why = source.last_error().map(|error| format!(": {error}")).unwrap_or_default();
            Err(Failure::unavailable(format!("it cannot be known whether the token is good: {issuer} does not tell its keys or what it took back{why}")))
        }
        Err(error) => Err(Failure::refused(error.error_code(), error.to_string())),
    }
}
