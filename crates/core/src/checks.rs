//! Keys that are judged without a token being made: an OAuth client that says who it is, a key that came to a gateway or that somebody
//! asks about. The same memory and the same `alive` decide as in an exchange.

use crate::{
    Context, Core, Credential, Error, Refusal,
    exchange::{Purpose, Subject},
    grant,
    usage::Way,
};
use keywright_protocol::{
    Catalog, KeyId, KeyKind, OrganizationId, Time,
    catalog::{PermissionSet, is_custom},
    secret,
};
use std::sync::Arc;
use uuid::Uuid;

/// An API Key that has said who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Which.
    pub key_id: KeyId,
    /// Where it lives.
    pub organization_id: OrganizationId,
    /// That organization's root.
    pub root_id: OrganizationId,
    /// Whether it may ask about every token and key of the installation.
    pub introspects: bool,
}

/// A key that lives, and what it may do in its own organization at one audience.
#[derive(Debug, Clone)]
pub struct JudgedKey {
    /// The user's id, or the API Key's.
    pub subject: Uuid,
    /// His address, or the generated identity of an API Key.
    pub email: String,
    /// The key.
    pub key_id: KeyId,
    /// Its kind.
    pub key_kind: KeyKind,
    /// Which of its secrets.
    pub key_version: i64,
    /// Where it lives, and what it is judged for.
    pub organization_id: OrganizationId,
    /// That organization's root.
    pub root_id: OrganizationId,
    /// Role keys of the catalog, as a token names them.
    pub roles: Vec<String>,
    /// What they permit at the audience.
    pub permissions: PermissionSet,
    /// By which that was resolved.
    pub catalog: Arc<Catalog>,
    /// Not valid from then on.
    pub expires_at: Time,
}

impl Core {
    /// Who an OAuth client is.
    ///
    /// # Errors
    /// [`Error::Limited`], [`Error::Refused`], [`Error::Unavailable`].
    pub async fn authenticate(self: &Arc<Self>, ctx: &Context, credential: Credential<'_>) -> Result<Client, Error> {
        let ctx = &Context { way: Way::Client, ..ctx.clone() };
        let (found, by) = self.present(ctx, credential, Purpose::Check).await;
        let client = found.map(|entry| {
            let row = &entry.credential;
            Client { key_id: row.key_id, organization_id: row.organization_id, root_id: row.root_id, introspects: row.introspects }
        });
        self.noted(ctx, (client, by))
    }

    /// Judges a Personal Access Key or an API Key by its secret alone, as an exchange for an audience would (`None`: the issuer itself).
    ///
    /// # Errors
    /// As [`Core::exchange`]; an operator key or a session is [`Error::Refused`].
    pub async fn judge_key(self: &Arc<Self>, ctx: &Context, presented: &str, audience: Option<&str>) -> Result<JudgedKey, Error> {
        let credential = credential(presented);
        let (found, by) = match credential {
            Ok(credential) => self.present(ctx, credential, Purpose::Check).await,
            Err(refusal) => (Err(refusal.into()), None),
        };
        let judged = found.and_then(|entry| {
            let row = &entry.credential;
            let grant = grant::effective_for(row, &entry.catalog, audience)?;
            let subject = Subject::of_key(row);
            Ok(JudgedKey {
                subject: subject.id,
                email: subject.email.to_owned(),
                key_id: row.key_id,
                key_kind: row.kind,
                key_version: row.version,
                organization_id: row.organization_id,
                root_id: row.root_id,
                roles: grant.roles.into_iter().filter(|role| !is_custom(role)).collect(),
                permissions: grant.permissions,
                catalog: Arc::clone(&entry.catalog),
                expires_at: row.version_ends_at.map_or(row.expires_at, |ends_at| ends_at.min(row.expires_at)),
            })
        });
        self.noted(ctx, (judged, by))
    }
}

/// What a raw key is presented as.
///
/// # Errors
/// [`Refusal`] for what is neither a Personal Access Key nor an API Key.
pub(crate) fn credential(presented: &str) -> Result<Credential<'_>, Refusal> {
    match secret::recognize(presented) {
        Some(KeyKind::PersonalAccessKey) => Ok(Credential::PersonalAccessKey(presented)),
        Some(KeyKind::ApiKey) => Ok(Credential::ApiKeySecret(presented)),
        Some(got) => Err(Refusal::WrongKind { got }),
        None => Err(secret::inspect(presented).err().map_or(Refusal::Unknown, Refusal::Malformed)),
    }
}
