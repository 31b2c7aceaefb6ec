//! `keywright whoami`.

use super::{Connection, Failure, connection::Take, inspect, output::Output, profiles::Credential, tokens::Narrowing};
use keywright_client::Place;
use keywright_protocol::{KeyId, Time};
use serde_json::json;

pub(super) async fn run(mut connection: Connection, output: &Output) -> Result<(), Failure> {
    let me = match connection.ask(async |caller| caller.me().await).await {
        Err(failure) if failure.is_about_nothing_granted() => return of_token(&mut connection, output).await,
        answered => answered?,
    };
    let held = credential(&mut connection).await?;
    let profile = connection.profile();
    let value = json!({
        "profile": connection.profile_name(), "url": profile.url, "issuer": profile.issuer,
        "kind": me.kind, "id": me.id, "email": me.email, "name": me.name,
        "organization": { "id": me.organization.id, "name": me.organization.name, "rootOrganizationId": me.organization.root_organization_id },
        "credential": { "kind": profile.credential.kind(), "id": held.id, "name": held.name, "expiresAt": held.expires_at },
        "roles": me.roles, "permissions": me.permissions,
    });
    let mut what = profile.credential.kind().to_owned();
    if let Some(name) = &held.name {
        what = format!("{what} \"{name}\"");
    }
    let root = me.organization.root_organization_name.as_ref().map(|root| format!(", under {root}")).unwrap_or_default();
    let parts = [
        ("who", format!("{} ({})", me.email, me.name)),
        ("organization", format!("{} ({}{root})", me.organization.name, me.organization.id)),
        ("server", profile.url.clone()),
        ("credential", what),
        ("until", held.expires_at.map_or_else(|| "not known".to_owned(), |time| time.to_string())),
        ("roles", me.roles.join(", ")),
        ("permissions", me.permissions.join(", ")),
    ];
    output.parts(&value, &parts)
}

/// What a key's token for the default API says, where the key may do nothing at the server itself.
async fn of_token(connection: &mut Connection, output: &Output) -> Result<(), Failure> {
    let token = connection.token(&Narrowing::default(), Take::Kept).await;
    let token = token.map_err(|failure| failure.hinting("the key lives; keywright token --for names the API that it is for"))?;
    let claims = inspect::claims(&token.access_token).ok_or_else(|| Failure::failed("the access token cannot be read"))?;
    let text = |name: &str| claims.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let profile = connection.profile();
    let value = json!({
        "profile": connection.profile_name(), "url": profile.url, "issuer": profile.issuer, "id": text("sub"), "email": text("email"),
        "organization": { "id": text("currentOrganizationId") }, "credential": { "kind": profile.credential.kind(), "id": text("keyId") },
        "audience": text("aud"), "scope": text("scope"),
    });
    let parts = [
        ("who", text("email")),
        ("organization", text("currentOrganizationId")),
        ("server", profile.url.clone()),
        ("credential", profile.credential.kind().to_owned()),
        ("for", text("aud")),
        ("permissions", text("scope")),
    ];
    output.parts(&value, &parts)
}

/// The key or session itself, as far as it may be known to its holder.
#[derive(Default)]
struct Held {
    id: Option<String>,
    name: Option<String>,
    expires_at: Option<Time>,
}

async fn credential(connection: &mut Connection) -> Result<Held, Failure> {
    if let Credential::Session { .. } = connection.profile().credential {
        let session = connection.ask(async |caller| caller.session().await).await?;
        return Ok(Held { id: Some(session.id.to_string()), name: None, expires_at: Some(session.expires_at) });
    }
    let token = connection.token(&connection.own(), Take::Kept).await?;
    let id: Option<KeyId> = inspect::claims(&token.access_token).and_then(|claims| claims.get("keyId")?.as_str()?.parse().ok());
    let Some(id) = id else { return Ok(Held::default()) };
    // Not everybody may look at keys, also at his own; then its end is not known.
    let found = match &connection.profile().credential {
        Credential::ApiKey { .. } => connection.ask(async |caller| caller.api_key(Place::Current, id).await).await.ok().map(|key| (key.name, key.expires_at)),
        Credential::PersonalAccessKey { .. } | Credential::Session { .. } => {
            let listed = connection.ask(async |caller| caller.personal_access_keys(Place::Current, 1).await).await.ok();
            listed.and_then(|page| page.data.into_iter().find(|key| key.id == id)).map(|key| (key.name, key.expires_at))
        }
    };
    let (name, expires_at) = found.map_or((None, None), |(name, expires_at)| (Some(name), Some(expires_at)));
    Ok(Held { id: Some(id.to_string()), name, expires_at })
}
