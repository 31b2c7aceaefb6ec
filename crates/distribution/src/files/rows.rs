//! The rows of loose files, and what runs out.

use crate::{
    ids::{FileId, UploadId},
    statements,
};
use keywright_db::{StoreError, Tx};
use keywright_protocol::{OrganizationId, Time};

/// A file that no other row has.
pub(super) struct Loose {
    pub(super) id: FileId,
    pub(super) noted_at: Time,
    pub(super) is_doomed: bool,
}

statements! {
    INSERT = "INSERT INTO loose_files (id, organization_id, noted_at, upload_id, doomed_at) VALUES ($1, $2, $3, $4, NULL)";
    CLAIM = "DELETE FROM loose_files WHERE id = $1 AND doomed_at IS NULL";
    DOOM = "UPDATE loose_files SET doomed_at = $2 WHERE id = $1 AND doomed_at IS NULL";
    DOOM_NEW = "INSERT INTO loose_files (id, organization_id, noted_at, doomed_at) VALUES ($1, $2, $3, $3)";
    DELETE = "DELETE FROM loose_files WHERE id = $1";
    LIST = "SELECT id, noted_at, CASE WHEN doomed_at IS NULL THEN 0 ELSE 1 END AS is_doomed FROM loose_files ORDER BY noted_at, id";
    COUNT_UNDER_WAY = "SELECT COUNT(*) AS total FROM loose_files WHERE organization_id = $1 AND upload_id IS NULL AND doomed_at IS NULL";
    END_UPLOADS = "
        DELETE FROM uploads WHERE (file_id IS NOT NULL AND expires_at <= $1) OR (file_id IS NULL AND expires_at <= $2)
        RETURNING organization_id, file_id";
    DELETE_TASKS = "DELETE FROM tasks WHERE created_at <= $1";
}

pub(super) async fn insert(tx: &mut Tx, id: FileId, (organization, upload): (OrganizationId, Option<UploadId>), now: Time) -> Result<(), StoreError> {
    tx.execute_one(INSERT, &[id.into(), organization.into(), now.into(), upload.map(UploadId::as_uuid).into()]).await
}

/// # Errors
/// `NotFound` if it is doomed.
pub(super) async fn claim(tx: &mut Tx, id: FileId) -> Result<(), StoreError> {
    tx.execute_one(CLAIM, &[id.into()]).await
}

/// Whether it was loose until now.
pub(super) async fn doom(tx: &mut Tx, id: FileId, now: Time) -> Result<bool, StoreError> {
    Ok(tx.execute(DOOM, &[id.into(), now.into()]).await? > 0)
}

/// A file whose row goes in this transaction.
pub(crate) async fn doom_new(tx: &mut Tx, id: FileId, organization: OrganizationId, now: Time) -> Result<(), StoreError> {
    tx.execute_one(DOOM_NEW, &[id.into(), organization.into(), now.into()]).await
}

pub(super) async fn delete(tx: &mut Tx, id: FileId) -> Result<(), StoreError> {
    tx.execute(DELETE, &[id.into()]).await.map(drop)
}

pub(super) async fn list(tx: &mut Tx) -> Result<Vec<Loose>, StoreError> {
    let rows = tx.fetch_all(LIST, &[]).await?;
    let loose = rows.iter().map(|row| {
        let id: uuid::Uuid = row.get("id")?;
        Ok(Loose { id: id.into(), noted_at: row.get("noted_at")?, is_doomed: row.get::<i64>("is_doomed")? != 0 })
    });
    loose.collect()
}

/// How many an organization has that come in one request.
pub(super) async fn count_under_way(tx: &mut Tx, organization: OrganizationId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_UNDER_WAY, &[organization.into()]).await?.get("total")
}

/// Ends reservations: with a file that nobody committed, and without one when nobody can be sending any more.
pub(super) async fn end_uploads(tx: &mut Tx, received_until: Time, reserved_until: Time) -> Result<(), StoreError> {
    for row in tx.fetch_all(END_UPLOADS, &[received_until.into(), reserved_until.into()]).await? {
        if let Some(id) = row.get::<Option<uuid::Uuid>>("file_id")? {
            doom_new(tx, id.into(), row.get("organization_id")?, received_until).await?;
        }
    }
    Ok(())
}

pub(super) async fn delete_tasks(tx: &mut Tx, until: Time) -> Result<(), StoreError> {
    tx.execute(DELETE_TASKS, &[until.into()]).await.map(drop)
}
