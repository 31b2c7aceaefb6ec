//! Bodies of what needs attention.

use keywright_core::attention::{AtOldEndpoints, Attention, Client, Noticed, NoticedKey, OldClient, OldSecret, Orphan, RefusedKey, Urgency};
use keywright_protocol::{KeyId, KeyKind, Time, UserId};
use serde::Serialize;
use utoipa::ToSchema;

fn known(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// A key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyItem {
    /// Its id.
    id: KeyId,
    /// `personalAccessKey` or `apiKey`.
    #[schema(value_type = String)]
    kind: KeyKind,
    /// Its name.
    name: String,
    /// Whose it is; null for an API Key.
    user_id: Option<UserId>,
    /// That person's address.
    user_email: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When it expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
}

impl From<NoticedKey> for KeyItem {
    fn from(key: NoticedKey) -> Self {
        let (user_id, user_email) = key.holder.unzip();
        Self { id: key.id, kind: key.kind, name: key.name, user_id, user_email, created_at: key.created_at, expires_at: key.expires_at }
    }
}

/// A list: its first hundred, and how many there are.
#[derive(Serialize, ToSchema)]
pub(super) struct ListBody<T> {
    /// How many there are.
    total: i64,
    /// The first hundred.
    data: Vec<T>,
}

impl<T> ListBody<T> {
    fn of<R>(found: Noticed<R>, item: impl Fn(R) -> T) -> Self {
        Self { total: found.total, data: found.rows.into_iter().map(item).collect() }
    }
}

/// A key that expires.
#[derive(Serialize, ToSchema)]
pub(super) struct ExpiringItem {
    /// Which.
    #[serde(flatten)]
    key: KeyItem,
    /// `critical` within seven days, `soon` within thirty.
    urgency: &'static str,
}

/// A key that was used long ago.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UnusedItem {
    /// Which.
    #[serde(flatten)]
    key: KeyItem,
    /// When it was last used.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Time,
}

/// A key that is refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusedItem {
    /// Which.
    #[serde(flatten)]
    key: KeyItem,
    /// How often in the last seven days.
    refused: i64,
    /// When last.
    #[schema(value_type = String, format = DateTime)]
    last_refused_at: Time,
    /// From where; null if that is not known.
    last_refused_address: Option<String>,
    /// What the client called itself; null if it did not say.
    last_refused_user_agent: Option<String>,
    /// The `error` of that answer.
    last_refused_reason: String,
}

impl From<RefusedKey> for RefusedItem {
    fn from((key, refused, (last_refused_at, address, user_agent), last_refused_reason): RefusedKey) -> Self {
        let (last_refused_address, last_refused_user_agent) = (known(address), known(user_agent));
        Self { key: key.into(), refused, last_refused_at, last_refused_address, last_refused_user_agent, last_refused_reason }
    }
}

/// A secret that has a successor and is used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OldSecretItem {
    /// Of which key.
    #[serde(flatten)]
    key: KeyItem,
    /// The secret's number.
    version: i64,
    /// When its overlap ends, and whoever uses it is refused.
    #[schema(value_type = String, format = DateTime)]
    ends_at: Time,
    /// When it was last used.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Time,
    /// From where; null if that is not known.
    last_used_address: Option<String>,
    /// What the client called itself; null if it did not say.
    last_used_user_agent: Option<String>,
}

impl From<OldSecret> for OldSecretItem {
    fn from((key, version, ends_at, client): OldSecret) -> Self {
        let (last_used_at, address, user_agent): Client = client;
        Self { key: key.into(), version, ends_at, last_used_at, last_used_address: known(address), last_used_user_agent: known(user_agent) }
    }
}

/// Who comes to an old endpoint.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OldClientItem {
    /// The endpoint.
    endpoint: String,
    /// The field that the key stood in.
    field: String,
    /// From where; null if that is not known, or if it was one of very many on its day.
    address: Option<String>,
    /// What it calls itself; null if it does not say, or if it was one of very many on its day.
    user_agent: Option<String>,
    /// How often in the last 30 days.
    uses: i64,
    /// When last.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Time,
}

impl From<OldClient> for OldClientItem {
    fn from(client: OldClient) -> Self {
        let (endpoint, field) = client.way.split_once(' ').unwrap_or((&client.way, ""));
        let (endpoint, field) = (endpoint.to_owned(), field.to_owned());
        Self { endpoint, field, address: known(client.address), user_agent: known(client.user_agent), uses: client.uses, last_used_at: client.last_used_at }
    }
}

/// A key at old endpoints.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OldEndpointsItem {
    /// Which.
    #[serde(flatten)]
    key: KeyItem,
    /// How often in the last 30 days, by all clients.
    uses: i64,
    /// When last.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Time,
    /// By whom: the twenty that did it most.
    clients: Vec<OldClientItem>,
}

impl From<AtOldEndpoints> for OldEndpointsItem {
    fn from(found: AtOldEndpoints) -> Self {
        let clients = found.clients.into_iter().map(OldClientItem::from).collect();
        Self { key: found.key.into(), uses: found.uses, last_used_at: found.last_used_at, clients }
    }
}

/// An API Key whose maker has left.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrphanItem {
    /// Which.
    #[serde(flatten)]
    key: KeyItem,
    /// Who made it.
    made_by: UserId,
    /// His address; null if he is deleted.
    made_by_email: Option<String>,
}

impl From<Orphan> for OrphanItem {
    fn from(orphan: Orphan) -> Self {
        Self { key: orphan.key.into(), made_by: orphan.made_by, made_by_email: orphan.maker.map(|user| user.email) }
    }
}

/// What needs attention in an organization.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttentionBody {
    /// Every exchange that was answered by then is counted. Later ones may be.
    #[schema(value_type = String, format = DateTime)]
    as_of: Time,
    /// Keys that expire within thirty days, the first to expire first.
    expiring: ListBody<ExpiringItem>,
    /// Keys that are older than seven days and were never used, oldest first.
    never_used: ListBody<KeyItem>,
    /// Keys that were used and have not been for ninety days, the longest unused first.
    unused: ListBody<UnusedItem>,
    /// Keys that were refused at least ten times in seven days, the most often first.
    refused: ListBody<RefusedItem>,
    /// Secrets in their overlap that were used since there is a newer one, the first to end first.
    old_secrets: ListBody<OldSecretItem>,
    /// Keys that were exchanged at `/auth/v1/token` or `/auth/v2/token` in the last thirty days, the most often first.
    old_endpoints: ListBody<OldEndpointsItem>,
    /// API Keys whose makers are no members any more.
    maker_gone: ListBody<OrphanItem>,
}

impl From<Attention> for AttentionBody {
    fn from(found: Attention) -> Self {
        let urgency = |urgency| match urgency {
            Urgency::Critical => "critical",
            Urgency::Soon => "soon",
        };
        Self {
            as_of: found.as_of,
            expiring: ListBody::of(found.expiring, |(key, when)| ExpiringItem { key: key.into(), urgency: urgency(when) }),
            never_used: ListBody::of(found.never_used, KeyItem::from),
            unused: ListBody::of(found.unused, |(key, last_used_at)| UnusedItem { key: key.into(), last_used_at }),
            refused: ListBody::of(found.refused, RefusedItem::from),
            old_secrets: ListBody::of(found.old_secrets, OldSecretItem::from),
            old_endpoints: ListBody::of(found.old_endpoints, OldEndpointsItem::from),
            maker_gone: ListBody::of(found.orphans, OrphanItem::from),
        }
    }
}
