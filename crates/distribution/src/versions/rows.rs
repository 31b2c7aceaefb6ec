//! The rows of app versions. No statement finds one by its id alone: profile and organization are always asked for too.

use crate::{
    ids::{FileId, VersionId},
    statements,
};
use keywright_db::{Row, StoreError, Tx, Value};
use keywright_protocol::{OrganizationId, ProfileId, Time};
use uuid::Uuid;

/// A row of `app_versions`, without profile and organization, which the caller knows.
#[derive(Clone)]
pub(crate) struct VersionRow {
    pub(crate) id: VersionId,
    pub(crate) file: FileId,
    pub(crate) file_name: String,
    /// `ios`, `android`.
    pub(crate) platform: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) size: i64,
    pub(crate) sha256: Vec<u8>,
    pub(crate) message: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

statements! {
    INSERT = "
        INSERT INTO app_versions (id, organization_id, profile_id, file_id, file_name, platform, version, size, sha256, message, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    // The profile shows what is newest now.
    SHOW = "
        UPDATE profiles SET
          ios_version = (SELECT version FROM app_versions WHERE profile_id = $1 AND platform = 'ios' ORDER BY created_at DESC, id DESC LIMIT 1),
          android_version = (SELECT version FROM app_versions WHERE profile_id = $1 AND platform = 'android' ORDER BY created_at DESC, id DESC LIMIT 1)
        WHERE id = $1 AND organization_id = $2";
    LIST = "
        SELECT id, file_id, file_name, platform, version, size, sha256, message, created_at, updated_at FROM app_versions
        WHERE organization_id = $1 AND profile_id = $2 ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4";
    COUNT = "SELECT COUNT(*) AS total FROM app_versions WHERE organization_id = $1 AND profile_id = $2";
    GET = "
        SELECT id, file_id, file_name, platform, version, size, sha256, message, created_at, updated_at FROM app_versions
        WHERE organization_id = $1 AND profile_id = $2 AND id = $3";
    UPDATE_MESSAGE = "
        UPDATE app_versions SET message = $4, updated_at = $5 WHERE organization_id = $1 AND profile_id = $2 AND id = $3
        RETURNING id, file_id, file_name, platform, version, size, sha256, message, created_at, updated_at";
    DELETE = "DELETE FROM app_versions WHERE organization_id = $1 AND profile_id = $2 AND id = $3 RETURNING file_id";
}

type Place = (OrganizationId, ProfileId);

pub(crate) async fn insert(tx: &mut Tx, (organization, profile): Place, row: &VersionRow) -> Result<(), StoreError> {
    let values: [Value; 12] = [
        row.id.into(),
        organization.into(),
        profile.into(),
        row.file.into(),
        row.file_name.as_str().into(),
        row.platform.clone().into(),
        row.version.clone().into(),
        row.size.into(),
        row.sha256.clone().into(),
        row.message.clone().into(),
        row.created_at.into(),
        row.updated_at.into(),
    ];
    tx.execute_one(INSERT, &values).await?;
    tx.execute_one(SHOW, &[profile.into(), organization.into()]).await
}

/// The newest first, and how many there are.
pub(super) async fn list(tx: &mut Tx, (organization, profile): Place, (limit, offset): (i64, i64)) -> Result<(Vec<VersionRow>, i64), StoreError> {
    let total = tx.fetch_one(COUNT, &[organization.into(), profile.into()]).await?.get("total")?;
    let rows = tx.fetch_all(LIST, &[organization.into(), profile.into(), limit.into(), offset.into()]).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total))
}

/// # Errors
/// `NotFound`.
pub(super) async fn get(tx: &mut Tx, (organization, profile): Place, id: VersionId) -> Result<VersionRow, StoreError> {
    read(&tx.fetch_one(GET, &[organization.into(), profile.into(), id.into()]).await?)
}

/// # Errors
/// `NotFound`.
pub(super) async fn update_message(
    tx: &mut Tx,
    (organization, profile): Place,
    id: VersionId,
    (message, now): (Option<String>, Time),
) -> Result<VersionRow, StoreError> {
    read(&tx.fetch_one(UPDATE_MESSAGE, &[organization.into(), profile.into(), id.into(), message.into(), now.into()]).await?)
}

/// Its file, which is nobody's from here on.
///
/// # Errors
/// `NotFound`.
pub(super) async fn delete(tx: &mut Tx, (organization, profile): Place, id: VersionId) -> Result<FileId, StoreError> {
    let file: Uuid = tx.fetch_one(DELETE, &[organization.into(), profile.into(), id.into()]).await?.get("file_id")?;
    tx.execute_one(SHOW, &[profile.into(), organization.into()]).await?;
    Ok(file.into())
}

fn read(row: &Row) -> Result<VersionRow, StoreError> {
    let (id, file): (Uuid, Uuid) = (row.get("id")?, row.get("file_id")?);
    Ok(VersionRow {
        id: id.into(),
        file: file.into(),
        file_name: row.get("file_name")?,
        platform: row.get("platform")?,
        version: row.get("version")?,
        size: row.get("size")?,
        sha256: row.get("sha256")?,
        message: row.get("message")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
