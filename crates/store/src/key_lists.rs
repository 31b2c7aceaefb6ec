//! Keys page by page, oldest first. Only the rows of the page are read and joined; those before it are skipped in an index.

use crate::{
    StoreError,
    managed_keys::{KeyRecord, KeyRole, record_where},
    page::{Page, Part},
    statements,
};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{KeyId, OrganizationId, Time, UserId};

/// Ids of the API Keys on a page: organization, limit, offset.
macro_rules! api_page {
    () => {
        "SELECT i.id FROM keys i WHERE i.organization_id = $1 AND i.kind = 'api' ORDER BY i.created_at, i.id LIMIT $2 OFFSET $3"
    };
}

statements! {
    LIST_API = record_where!("k.id IN (", api_page!(), ") ORDER BY k.created_at, k.id");
    LIST_API_ROLES = concat!(
        "SELECT key_id, organization_id, role FROM key_roles WHERE key_id IN (", api_page!(), ") ORDER BY key_id, organization_id, role"
    );
    LIST_API_USES = concat!(
        "SELECT key_id, begins_at, CAST(sum(issued) AS BIGINT) AS issued, CAST(sum(refused) AS BIGINT) AS refused FROM key_use_counts
            WHERE period = 'day' AND begins_at >= $4 AND key_id IN (", api_page!(), ") GROUP BY key_id, begins_at"
    );
    COUNT_API = "SELECT count(*) AS keys FROM keys WHERE organization_id = $1 AND kind = 'api'";
    LIST_PERSONAL = record_where!(
        "k.id IN (SELECT i.id FROM keys i WHERE i.organization_id = $1 AND i.kind = 'pak' ORDER BY i.created_at, i.id LIMIT $2 OFFSET $3)
            ORDER BY k.created_at, k.id"
    );
    COUNT_PERSONAL = "SELECT count(*) AS keys FROM keys WHERE organization_id = $1 AND kind = 'pak'";
    LIST_OF_HOLDER = record_where!(
        "k.id IN (SELECT i.id FROM keys i JOIN memberships x ON x.id = i.membership_id
                WHERE x.organization_id = $1 AND x.user_id = $2 ORDER BY i.created_at, i.id LIMIT $3 OFFSET $4)
            ORDER BY k.created_at, k.id"
    );
    COUNT_LIVING_API = "SELECT count(*) AS keys FROM keys WHERE organization_id = $1 AND kind = 'api' AND revoked_at IS NULL";
    COUNT_LIVING_PERSONAL = "SELECT count(*) AS keys FROM keys WHERE organization_id = $1 AND kind = 'pak' AND revoked_at IS NULL";
    COUNT_LIVING_OF_HOLDER = "SELECT count(*) AS keys FROM keys k JOIN memberships m ON m.id = k.membership_id
        WHERE m.organization_id = $1 AND m.user_id = $2 AND k.revoked_at IS NULL";
    COUNT_OF_HOLDER = "SELECT count(*) AS keys FROM keys k JOIN memberships m ON m.id = k.membership_id WHERE m.organization_id = $1 AND m.user_id = $2";
}

/// API Keys of an organization in whatever state, with the roles of those on the page, which are in the order of the keys' ids.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_api(tx: &mut Tx, organization: OrganizationId, part: Part) -> Result<(Page<KeyRecord>, Vec<KeyRole>), StoreError> {
    let page = page(tx, (LIST_API, COUNT_API), &[organization.into()], part).await?;
    let [limit, offset] = part.values();
    let roles = tx.fetch_all(LIST_API_ROLES, &[organization.into(), limit, offset]).await?;
    Ok((page, roles.iter().map(KeyRole::read).collect::<Result<_, _>>()?))
}

/// How often a key was used on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayUses {
    /// Which key.
    pub key_id: KeyId,
    /// Which day, by its beginning (UTC).
    pub begins_at: Time,
    /// Tokens that were issued.
    pub issued: i64,
    /// Exchanges that were refused.
    pub refused: i64,
}

/// How often the API Keys on the same page were used, by day; days without use are left out.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_api_uses(tx: &mut Tx, organization: OrganizationId, part: Part, since: Time) -> Result<Vec<DayUses>, StoreError> {
    let [limit, offset] = part.values();
    let rows = tx.fetch_all(LIST_API_USES, &[organization.into(), limit, offset, since.into()]).await?;
    let read =
        |row: &Row| Ok(DayUses { key_id: row.get("key_id")?, begins_at: row.get("begins_at")?, issued: row.get("issued")?, refused: row.get("refused")? });
    rows.iter().map(read).collect()
}

/// How many API Keys an organization has that are not revoked.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_api(tx: &mut Tx, organization: OrganizationId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_LIVING_API, &[organization.into()]).await?.get("keys")
}

/// The same of its Personal Access Keys.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_personal(tx: &mut Tx, organization: OrganizationId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_LIVING_PERSONAL, &[organization.into()]).await?.get("keys")
}

/// The same of one holder's Personal Access Keys.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_of_holder(tx: &mut Tx, organization: OrganizationId, holder: UserId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_LIVING_OF_HOLDER, &[organization.into(), holder.into()]).await?.get("keys")
}

/// Personal Access Keys of an organization, whoever holds them, in whatever state.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_personal(tx: &mut Tx, organization: OrganizationId, part: Part) -> Result<Page<KeyRecord>, StoreError> {
    page(tx, (LIST_PERSONAL, COUNT_PERSONAL), &[organization.into()], part).await
}

/// The same of one holder, those of memberships that have ended included.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_of_holder(tx: &mut Tx, organization: OrganizationId, holder: UserId, part: Part) -> Result<Page<KeyRecord>, StoreError> {
    page(tx, (LIST_OF_HOLDER, COUNT_OF_HOLDER), &[organization.into(), holder.into()], part).await
}

/// Both statements take what the list is of; the list then limit and offset.
async fn page(tx: &mut Tx, (list, count): (&'static str, &'static str), of: &[Value], part: Part) -> Result<Page<KeyRecord>, StoreError> {
    let rows = tx.fetch_all(list, &[of, &part.values()].concat()).await?.iter().map(KeyRecord::read).collect::<Result<_, _>>()?;
    Ok(Page { rows, total: tx.fetch_one(count, of).await?.get("keys")? })
}
