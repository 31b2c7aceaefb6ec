//! The rows of profiles and their SQL. No statement finds a profile by its id alone: the organization is always asked for too.

use super::{Listing, Profile};
use crate::statements;
use keywright_db::{Row, StoreError, Tx, Value};
use keywright_protocol::{OrganizationId, ProfileId, Time};
use std::collections::HashMap;
use uuid::Uuid;

/// A row of `profiles`, without the organization, which the caller knows.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ProfileRow {
    pub(super) id: ProfileId,
    pub(super) name: String,
    pub(super) pinned: bool,
    /// 1 none, 2 individual, 3 static user and password, 4 LDAP, 5 SSO.
    pub(super) authentication_type: i64,
    pub(super) username: Option<String>,
    /// In the PHC string format.
    pub(super) password_hash: Option<String>,
    pub(super) auto_send_enabled: bool,
    pub(super) created_at: Time,
    pub(super) updated_at: Time,
    /// Of the newest app version; written with these alone.
    pub(super) ios_version: Option<String>,
    pub(super) android_version: Option<String>,
}

statements! {
    LIST = r"
        SELECT id, name, pinned, authentication_type, username, password_hash, auto_send_enabled, created_at, updated_at, ios_version, android_version
        FROM profiles WHERE organization_id = $1 AND name_folded LIKE $2 ESCAPE '\'
        ORDER BY created_at, id LIMIT $3 OFFSET $4";
    COUNT = r"SELECT COUNT(*) AS total FROM profiles WHERE organization_id = $1 AND name_folded LIKE $2 ESCAPE '\'";
    // Of the same page.
    LIST_TESTING_GROUPS = r"
        SELECT g.profile_id, g.testing_group_id
        FROM profile_testing_groups g JOIN (
          SELECT id FROM profiles WHERE organization_id = $1 AND name_folded LIKE $2 ESCAPE '\'
          ORDER BY created_at, id LIMIT $3 OFFSET $4
        ) p ON p.id = g.profile_id
        ORDER BY g.profile_id, g.position";
    GET = "
        SELECT id, name, pinned, authentication_type, username, password_hash, auto_send_enabled, created_at, updated_at, ios_version, android_version
        FROM profiles WHERE id = $1 AND organization_id = $2";
    GET_TESTING_GROUPS = "SELECT testing_group_id FROM profile_testing_groups WHERE profile_id = $1 ORDER BY position";
    // Writes what is there already, so that another replica's update waits until this transaction is over.
    LOCK = "
        UPDATE profiles SET updated_at = updated_at WHERE id = $1 AND organization_id = $2
        RETURNING id, name, pinned, authentication_type, username, password_hash, auto_send_enabled, created_at, updated_at, ios_version, android_version";
    INSERT = "
        INSERT INTO profiles (id, organization_id, name, name_folded, pinned, authentication_type, username, password_hash, auto_send_enabled, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    UPDATE = "
        UPDATE profiles SET name = $3, name_folded = $4, pinned = $5, authentication_type = $6, username = $7, password_hash = $8,
          auto_send_enabled = $9, updated_at = $10
        WHERE id = $1 AND organization_id = $2";
    DELETE_TESTING_GROUPS = "DELETE FROM profile_testing_groups WHERE profile_id = $1";
    INSERT_TESTING_GROUP = "INSERT INTO profile_testing_groups (profile_id, position, testing_group_id) VALUES ($1, $2, $3)";
    HOLD = "UPDATE profiles SET updated_at = updated_at WHERE id = $1 AND organization_id = $2";
    CHECK = "SELECT 1 AS one FROM profiles WHERE id = $1 AND organization_id = $2";
    DELETE = "DELETE FROM profiles WHERE id = $1 AND organization_id = $2";
}

/// One page in order of creation, and the number of those on all pages.
pub(super) async fn list(tx: &mut Tx, organization: OrganizationId, listing: &Listing) -> Result<(Vec<Profile>, i64), StoreError> {
    let pattern = listing.pattern();
    let total: i64 = tx.fetch_one(COUNT, &[organization.into(), pattern.as_str().into()]).await?.get("total")?;
    let values: [Value; 4] = [organization.into(), pattern.into(), listing.limit().into(), listing.offset().into()];
    let rows = tx.fetch_all(LIST, &values).await?;
    let mut groups: HashMap<ProfileId, Vec<Uuid>> = HashMap::new();
    for row in tx.fetch_all(LIST_TESTING_GROUPS, &values).await? {
        groups.entry(row.get("profile_id")?).or_default().push(row.get("testing_group_id")?);
    }
    let profiles = rows.iter().map(|row| {
        let row = read(row)?;
        let testing_groups = groups.remove(&row.id).unwrap_or_default();
        Ok(Profile { row, testing_groups })
    });
    Ok((profiles.collect::<Result<_, StoreError>>()?, total))
}

/// # Errors
/// `NotFound` when this organization has no such profile.
pub(super) async fn get(tx: &mut Tx, organization: OrganizationId, id: ProfileId) -> Result<Profile, StoreError> {
    let row = read(&tx.fetch_one(GET, &[id.into(), organization.into()]).await?)?;
    Ok(Profile { row, testing_groups: testing_groups(tx, id).await? })
}

/// The same for a profile that is going to be changed: nobody else changes it until this transaction is over.
///
/// # Errors
/// `NotFound` when this organization has no such profile.
pub(super) async fn lock(tx: &mut Tx, organization: OrganizationId, id: ProfileId) -> Result<Profile, StoreError> {
    let row = read(&tx.fetch_one(LOCK, &[id.into(), organization.into()]).await?)?;
    Ok(Profile { row, testing_groups: testing_groups(tx, id).await? })
}

/// # Errors
/// `Conflict` when the organization has a profile of this name.
pub(super) async fn insert(tx: &mut Tx, organization: OrganizationId, row: &ProfileRow) -> Result<(), StoreError> {
    let values: [Value; 11] = [
        row.id.into(),
        organization.into(),
        row.name.as_str().into(),
        fold(&row.name).into(),
        i64::from(row.pinned).into(),
        row.authentication_type.into(),
        row.username.clone().into(),
        row.password_hash.clone().into(),
        i64::from(row.auto_send_enabled).into(),
        row.created_at.into(),
        row.updated_at.into(),
    ];
    tx.execute_one(INSERT, &values).await
}

/// # Errors
/// `Conflict` when the organization has another profile of this name.
pub(super) async fn update(tx: &mut Tx, organization: OrganizationId, profile: &Profile) -> Result<(), StoreError> {
    let row = &profile.row;
    let values: [Value; 10] = [
        row.id.into(),
        organization.into(),
        row.name.as_str().into(),
        fold(&row.name).into(),
        i64::from(row.pinned).into(),
        row.authentication_type.into(),
        row.username.clone().into(),
        row.password_hash.clone().into(),
        i64::from(row.auto_send_enabled).into(),
        row.updated_at.into(),
    ];
    tx.execute_one(UPDATE, &values).await
}

/// The caller has the profile locked.
pub(super) async fn replace_testing_groups(tx: &mut Tx, id: ProfileId, groups: &[Uuid]) -> Result<(), StoreError> {
    tx.execute(DELETE_TESTING_GROUPS, &[id.into()]).await?;
    for (position, group) in (0_i64..).zip(groups) {
        tx.execute_one(INSERT_TESTING_GROUP, &[id.into(), position.into(), (*group).into()]).await?;
    }
    Ok(())
}

/// # Errors
/// `NotFound` when this organization has no such profile.
pub(super) async fn check(tx: &mut Tx, organization: OrganizationId, id: ProfileId) -> Result<(), StoreError> {
    tx.fetch_one(CHECK, &[id.into(), organization.into()]).await.map(drop)
}

/// Keeps it from being changed or deleted until this transaction is over.
///
/// # Errors
/// `NotFound` when this organization has no such profile.
pub(super) async fn hold(tx: &mut Tx, organization: OrganizationId, id: ProfileId) -> Result<(), StoreError> {
    tx.execute_one(HOLD, &[id.into(), organization.into()]).await
}

/// # Errors
/// `NotFound` when this organization has no such profile.
pub(super) async fn delete(tx: &mut Tx, organization: OrganizationId, id: ProfileId) -> Result<(), StoreError> {
    tx.execute_one(DELETE, &[id.into(), organization.into()]).await
}

/// As names are compared when somebody searches.
pub(super) fn fold(name: &str) -> String {
    name.to_lowercase()
}

async fn testing_groups(tx: &mut Tx, id: ProfileId) -> Result<Vec<Uuid>, StoreError> {
    tx.fetch_all(GET_TESTING_GROUPS, &[id.into()]).await?.iter().map(|row| row.get("testing_group_id")).collect()
}

fn read(row: &Row) -> Result<ProfileRow, StoreError> {
    Ok(ProfileRow {
        id: row.get("id")?,
        name: row.get("name")?,
        pinned: row.get::<i64>("pinned")? != 0,
        authentication_type: row.get("authentication_type")?,
        username: row.get("username")?,
        password_hash: row.get("password_hash")?,
        auto_send_enabled: row.get::<i64>("auto_send_enabled")? != 0,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        ios_version: row.get("ios_version")?,
        android_version: row.get("android_version")?,
    })
}
