//! The rows of reservations. One is found by its id alone for whoever has its number; otherwise organization and profile are asked for too.

use crate::{
    ids::{FileId, UploadId},
    names::FileName,
    statements,
};
use keywright_db::{StoreError, Tx, Value};
use keywright_protocol::{OrganizationId, ProfileId, Time};
use uuid::Uuid;

/// A reservation.
pub(super) struct UploadRow {
    pub(super) organization: OrganizationId,
    pub(super) profile: ProfileId,
    pub(super) size: i64,
    pub(super) sealed_token: Vec<u8>,
    pub(super) expires_at: Time,
    /// Its file and that one's digest, once it is there.
    pub(super) file: Option<(FileId, Vec<u8>)>,
}

statements! {
    INSERT = "
        INSERT INTO uploads (id, organization_id, profile_id, created_at, expires_at, file_name, size, sealed_token, file_id, sha256)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, NULL)";
    FIND = "SELECT organization_id, profile_id, size, sealed_token, expires_at, file_id, sha256, file_name FROM uploads WHERE id = $1";
    FIND_NAMED = "
        SELECT organization_id, profile_id, size, sealed_token, expires_at, file_id, sha256, file_name FROM uploads
        WHERE id = $1 AND organization_id = $2 AND profile_id = $3";
    COUNT_OPEN = "SELECT COUNT(*) AS total FROM uploads WHERE organization_id = $1 AND expires_at > $2";
    ARRIVE = "UPDATE uploads SET file_id = $2, sha256 = $3, expires_at = $4 WHERE id = $1 AND file_id IS NULL";
    TAKE = "DELETE FROM uploads WHERE id = $1 AND organization_id = $2 AND profile_id = $3 AND file_id = $4";
    FILES_OF = "
        SELECT file_id FROM uploads WHERE profile_id = $1 AND file_id IS NOT NULL
        UNION ALL SELECT file_id FROM app_versions WHERE profile_id = $1";
}

pub(super) async fn insert(tx: &mut Tx, id: UploadId, row: &UploadRow, (name, now): (&FileName, Time)) -> Result<(), StoreError> {
    let values: [Value; 8] = [
        id.into(),
        row.organization.into(),
        row.profile.into(),
        now.into(),
        row.expires_at.into(),
        name.as_str().into(),
        row.size.into(),
        row.sealed_token.clone().into(),
    ];
    tx.execute_one(INSERT, &values).await
}

pub(super) async fn find(tx: &mut Tx, id: UploadId) -> Result<Option<UploadRow>, StoreError> {
    tx.fetch_optional(FIND, &[id.into()]).await?.as_ref().map(read).transpose()
}

/// With the name it was asked for with.
pub(super) async fn find_named(
    tx: &mut Tx,
    (organization, profile): (OrganizationId, ProfileId),
    id: UploadId,
) -> Result<Option<(UploadRow, FileName)>, StoreError> {
    let Some(row) = tx.fetch_optional(FIND_NAMED, &[id.into(), organization.into(), profile.into()]).await? else { return Ok(None) };
    let name = FileName::new(&row.get::<String>("file_name")?).unwrap_or_else(|_| FileName::unknown());
    Ok(Some((read(&row)?, name)))
}

/// How many an organization has that can still be sent to or committed.
pub(super) async fn count_open(tx: &mut Tx, organization: OrganizationId, now: Time) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_OPEN, &[organization.into(), now.into()]).await?.get("total")
}

/// # Errors
/// `NotFound` if it has a file, or is over.
pub(super) async fn arrive(tx: &mut Tx, id: UploadId, (file, sha256): (FileId, &[u8]), expires_at: Time) -> Result<(), StoreError> {
    tx.execute_one(ARRIVE, &[id.into(), file.into(), sha256.into(), expires_at.into()]).await
}

/// Whether it was there, with this file.
pub(super) async fn take(tx: &mut Tx, (organization, profile): (OrganizationId, ProfileId), (id, file): (UploadId, FileId)) -> Result<bool, StoreError> {
    Ok(tx.execute(TAKE, &[id.into(), organization.into(), profile.into(), file.into()]).await? == 1)
}

/// All files of a profile, received or committed.
pub(super) async fn files_of(tx: &mut Tx, profile: ProfileId) -> Result<Vec<FileId>, StoreError> {
    tx.fetch_all(FILES_OF, &[profile.into()]).await?.iter().map(|row| row.get::<Uuid>("file_id").map(FileId::from)).collect()
}

fn read(row: &keywright_db::Row) -> Result<UploadRow, StoreError> {
    let file: Option<Uuid> = row.get("file_id")?;
    Ok(UploadRow {
        organization: row.get("organization_id")?,
        profile: row.get("profile_id")?,
        size: row.get("size")?,
        sealed_token: row.get("sealed_token")?,
        expires_at: row.get("expires_at")?,
        file: file.map(FileId::from).zip(row.get::<Option<Vec<u8>>>("sha256")?),
    })
}
