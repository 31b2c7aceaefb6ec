//! How those are called of whom the logs tell, also when they are gone.

use crate::{StoreError, statements};
use keywright_db::Tx;
use keywright_protocol::OrganizationId;
use uuid::Uuid;

statements! {
    ORGANIZATION = "SELECT name FROM organizations WHERE id = $1";
    USER = "SELECT name, email FROM users WHERE id = $1";
    KEY = "SELECT keys.name AS name, COALESCE(users.email, keys.email, '') AS email
        FROM keys LEFT JOIN memberships ON memberships.id = keys.membership_id LEFT JOIN users ON users.id = memberships.user_id
        WHERE keys.id = $1";
}

/// How somebody is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Called {
    /// The name of a person or a key.
    pub name: String,
    /// The e-mail address of a person, of a Personal Access Key's holder, or the generated identity of an API Key.
    pub email: String,
}

/// An organization's name; deleted ones keep theirs.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn of_organization(tx: &mut Tx, id: OrganizationId) -> Result<Option<String>, StoreError> {
    tx.fetch_optional(ORGANIZATION, &[id.into()]).await?.map(|row| row.get("name")).transpose()
}

/// A user's name and address.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn of_user(tx: &mut Tx, id: Uuid) -> Result<Option<Called>, StoreError> {
    called(tx, USER, id).await
}

/// A key's, whatever kind it is of.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn of_key(tx: &mut Tx, id: Uuid) -> Result<Option<Called>, StoreError> {
    called(tx, KEY, id).await
}

async fn called(tx: &mut Tx, sql: &'static str, id: Uuid) -> Result<Option<Called>, StoreError> {
    let row = tx.fetch_optional(sql, &[id.into()]).await?;
    row.map(|row| Ok(Called { name: row.get("name")?, email: row.get("email")? })).transpose()
}
