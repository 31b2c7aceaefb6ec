//! The decision, the same in the server and in the sidecar: which route, whose credential, and whether it may.

use super::{
    answer::Refused,
    headers::{self, Asked, Credentials, Presented},
    table::{Route, Table},
};
use axum::http::request::Parts;
use keywright_protocol::{Catalog, KeyKind, Time, claims::IdentityClaims, secret};
use keywright_verify::{Verified, Verifier, VerifyError, insufficient, rejection};
use std::{net::IpAddr, sync::Arc};

/// What a decision rests on: in the server its own memory, in the sidecar what it has heard of the issuer.
pub(crate) trait Judge: Send + Sync {
    /// The issuer's public URL.
    fn issuer(&self) -> &str;
    /// In force now, if that is known or can be learned.
    fn catalog(&self) -> impl Future<Output = Option<Arc<Catalog>>> + Send;
    /// Whoever decides about the tokens of an audience.
    fn verifier(&self, audience: &str) -> Option<Arc<Verifier>>;
}

/// A request that has a route, and a credential for it.
pub(crate) struct Found<'t> {
    pub(crate) route: &'t Route,
    /// Of the API that has the route's permission.
    pub(crate) audience: String,
}

impl Found<'_> {
    /// For whom an identity token is.
    pub(crate) fn upstream(&self) -> &str {
        self.route.upstream.as_deref().unwrap_or(&self.audience)
    }
}

/// What is left to be decided.
pub(crate) enum By<'r> {
    /// A token that is good, and may.
    Token(Arc<Verified>),
    /// A key, where keys are taken.
    Key(&'r str),
}

/// Decides by the route table, and about a token to the end.
///
/// # Errors
/// [`Refused`], also when it cannot be decided at the moment.
pub(crate) async fn decide<'t, 'r>(
    judge: &impl Judge,
    table: &'t Table,
    parts: &'r Parts,
    peer: Option<IpAddr>,
    now: Time,
) -> Result<(Found<'t>, By<'r>), Refused> {
    let Asked { method, host, segments } = headers::asked(parts, peer, table)?;
    let route =
        table.find(&method, &host, &segments).ok_or_else(|| Refused::forbidden("no_route", "no route of the gateway has this method, host and path"))?;
    if table.is_ambiguous(route, &method, &host, &segments) {
        let sentence = "this path is one of another route too, where capitals, a slash at the end or dots do not matter; write it as that route has it";
        return Err(Refused::forbidden("ambiguous_path", sentence));
    }
    let catalog = judge.catalog().await.ok_or_else(Refused::undecided)?;
    let Some(audience) = audience_of(&catalog, &route.permission, judge.issuer()) else {
        return Err(Refused::forbidden("unknown_permission", "the route's permission is not in the catalog; tell the operator"));
    };
    let verifier = judge.verifier(&audience).ok_or_else(Refused::undecided)?;
    let found = Found { route, audience };
    let refused = |error: VerifyError| Refused::of(&mut rejection::<Vec<u8>>(&error, verifier.config()));
    let token = match headers::presented(&parts.headers, table) {
        Ok(Presented::Key(text) | Presented::Bearer(text)) if is_key(text) => {
            let kind = secret::recognize(text).unwrap_or(KeyKind::ApiKey);
            return if route.accept_keys { Ok((found, By::Key(text))) } else { Err(refused(VerifyError::RawKey(kind))) };
        }
        Ok(Presented::Key(_)) => return Err(Refused::unreadable("the header for keys takes a Personal Access Key or an API Key's secret alone")),
        Ok(Presented::Bearer(token)) => token,
        Err(Credentials::Refused(error)) => return Err(refused(error)),
        Err(several) => return Err(Refused::unreadable(several.message().unwrap_or_default())),
    };
    let verified = verifier.verify_refreshing(token, now).await.map_err(refused)?;
    if !verified.may(&route.permission) {
        return Err(Refused::of(&mut insufficient::<Vec<u8>>(&route.permission, verified.catalog())));
    }
    Ok((found, By::Token(verified)))
}

/// Whether a text is of a kind of key that can be exchanged.
fn is_key(text: &str) -> bool {
    matches!(secret::recognize(text), Some(KeyKind::PersonalAccessKey | KeyKind::ApiKey))
}

/// The audience of the one API that has a permission.
fn audience_of(catalog: &Catalog, permission: &str, issuer: &str) -> Option<String> {
    let api = catalog.document().apis.values().find(|api| api.permissions.contains_key(permission))?;
    Some(api.audience.as_deref().unwrap_or(issuer).to_owned())
}

/// What a token says of its holder, to be said to what stands behind a gateway.
pub(crate) fn holder(verified: &Verified, audience: &str) -> IdentityClaims {
    let claims = &verified.claims;
    IdentityClaims {
        iss: claims.iss.clone().into_owned(),
        sub: claims.sub.clone().into_owned(),
        aud: audience.to_owned(),
        exp: 0,
        nbf: 0,
        iat: 0,
        jti: String::new(),
        email: claims.email.clone().into_owned(),
        current_organization_id: claims.current_organization_id,
        organization_id: claims.organization_id,
        roles: claims.roles.iter().map(|role| role.clone().into_owned()).collect(),
        key_id: claims.key_id,
        key_kind: claims.key_kind,
    }
}
