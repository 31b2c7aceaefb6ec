//! Bodies about the use of keys.

use keywright_core::usage::{Contact, CountRow, LastRefusal, SecretUse, Secrets, Total, Usage, UsesRow};
use keywright_protocol::Time;
use serde::Serialize;
use utoipa::ToSchema;

/// Uses added up. Only exchanges that gave a token are uses.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TotalBody {
    /// When it was first used; null if it never was.
    #[schema(value_type = Option<String>, format = DateTime)]
    first_used_at: Option<Time>,
    /// When it was last used.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Time>,
    /// From where.
    last_used_address: Option<String>,
    /// What the client called itself.
    last_used_user_agent: Option<String>,
    /// Exchanges that gave a token.
    issued: i64,
    /// Exchanges that were refused.
    refused: i64,
    /// When it was last refused; null if it never was.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_refused_at: Option<Time>,
    /// Whom.
    last_refused_address: Option<String>,
    /// What that client called itself.
    last_refused_user_agent: Option<String>,
    /// The `error` of that answer.
    last_refused_reason: Option<String>,
}

impl From<Total> for TotalBody {
    fn from(Total { issued, refused, first_used_at, last_use, last_refusal }: Total) -> Self {
        let known = |text: String| Some(text).filter(|text| !text.is_empty());
        let parts = |contact: Option<Contact>| contact.map_or((None, None, None), |of| (Some(of.at), known(of.address), known(of.user_agent)));
        let (refusal, last_refused_reason) = last_refusal.map(|LastRefusal { contact, reason }| (contact, reason)).unzip();
        let (last_used_at, last_used_address, last_used_user_agent) = parts(last_use);
        let (last_refused_at, last_refused_address, last_refused_user_agent) = parts(refusal);
        Self {
            first_used_at,
            last_used_at,
            last_used_address,
            last_used_user_agent,
            issued,
            refused,
            last_refused_at,
            last_refused_address,
            last_refused_user_agent,
            last_refused_reason,
        }
    }
}

/// One secret of an API Key; the secret itself is nowhere.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretItem {
    /// Its number, counted from 1.
    version: i64,
    /// `Current`; `Overlapping` if it is taken beside a newer one; `Ended` if it is not taken any more. Whether the key itself is
    /// alive is another matter.
    state: &'static str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// The end of its overlap; null if it has none.
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Time>,
    /// When it was ended at once; null if it was not.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Time>,
    /// How it was used.
    #[serde(flatten)]
    total: TotalBody,
    /// Whether it looks as if nobody used it any more; null for the newest one.
    drained: Option<bool>,
    /// For how long it had not been used at `asOf` while a newer one was: since its last use, or since the first use of a newer one
    /// if that came later. Null as long as no newer one was ever used.
    unused_for_seconds: Option<u64>,
}

impl From<SecretUse> for SecretItem {
    fn from(SecretUse { secret, state, total, drain }: SecretUse) -> Self {
        Self {
            version: secret.version,
            state: state.as_str(),
            created_at: secret.created_at,
            ends_at: secret.ends_at,
            ended_at: secret.ended_at,
            total: total.into(),
            drained: drain.map(|drain| drain.is_drained),
            unused_for_seconds: drain.and_then(|drain| drain.unused_for).map(|unused| unused.as_secs()),
        }
    }
}

/// The secrets of an API Key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretsBody {
    /// Every exchange that was answered by then is counted; later ones follow within about a second.
    #[schema(value_type = String, format = DateTime)]
    as_of: Time,
    /// How long a token lives; for as long whoever has one need not come back.
    token_life_seconds: u64,
    /// The secrets, oldest first.
    data: Vec<SecretItem>,
}

impl From<Secrets> for SecretsBody {
    fn from(Secrets { as_of, token_life, secrets }: Secrets) -> Self {
        Self { as_of, token_life_seconds: token_life.as_secs(), data: secrets.into_iter().map(SecretItem::from).collect() }
    }
}

/// Counts of one secret in one hour or day.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CountItem {
    /// When the hour or day began.
    #[schema(value_type = String, format = DateTime)]
    begins_at: Time,
    /// The secret's number.
    version: i64,
    /// Exchanges that gave a token.
    issued: i64,
    /// Exchanges that were refused.
    refused: i64,
}

impl From<CountRow> for CountItem {
    fn from(CountRow { begins_at, version, issued, refused }: CountRow) -> Self {
        Self { begins_at, version, issued, refused }
    }
}

/// One way in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WayItem {
    /// The secret's number.
    version: i64,
    /// The endpoint's path.
    endpoint: String,
    /// The name of the field that the secret stood in.
    field: Option<String>,
    /// How it was used.
    #[serde(flatten)]
    total: TotalBody,
}

impl From<UsesRow> for WayItem {
    fn from(UsesRow { version, way, issued, refused, first_used_at, last_use, last_refusal, .. }: UsesRow) -> Self {
        let (endpoint, field) = way.split_once(' ').map_or((way.as_str(), None), |(endpoint, field)| (endpoint, Some(field.to_owned())));
        let total = Total { issued, refused, first_used_at, last_use, last_refusal };
        Self { version, endpoint: endpoint.to_owned(), field, total: total.into() }
    }
}

/// How a key was used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageBody {
    /// Every exchange that was answered by then is counted; later ones follow within about a second.
    #[schema(value_type = String, format = DateTime)]
    as_of: Time,
    /// `hour` or `day`.
    by: &'static str,
    /// The beginning of the first hour or day that was asked for.
    #[schema(value_type = String, format = DateTime)]
    from: Time,
    /// Where they end.
    #[schema(value_type = String, format = DateTime)]
    until: Time,
    /// Hours or days that begin earlier are deleted, or soon will be; that nothing stands there means nothing.
    #[schema(value_type = String, format = DateTime)]
    kept_since: Time,
    /// The counts, oldest first, of hours or days in which anything happened.
    data: Vec<CountItem>,
    /// The ways in by which it ever came, since it was made.
    ways: Vec<WayItem>,
}

impl From<Usage> for UsageBody {
    fn from(Usage { as_of, by, from, until, kept_since, counts, ways }: Usage) -> Self {
        let (data, ways) = (counts.into_iter().map(CountItem::from).collect(), ways.into_iter().map(WayItem::from).collect());
        Self { as_of, by: by.as_str(), from, until, kept_since, data, ways }
    }
}
