//! People.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{Time, UserId};

statements! {
    INSERT = "INSERT INTO users (id, email, name, password_hash, one_time_since, created_at, disabled_at, deleted_at)
        VALUES ($1, $2, $3, $4, $5, $6, NULL, NULL)";
    FIND = "SELECT id, email, name, created_at, disabled_at FROM users WHERE id = $1 AND deleted_at IS NULL";
    FIND_BY_EMAIL = "SELECT id, email, name, created_at, disabled_at FROM users WHERE email = $1 AND deleted_at IS NULL";
    FIND_CREDENTIALS = "SELECT id, email, name, created_at, disabled_at, password_hash, one_time_since FROM users WHERE email = $1 AND deleted_at IS NULL";
    FIND_CREDENTIALS_BY_ID = "SELECT id, email, name, created_at, disabled_at, password_hash, one_time_since FROM users WHERE id = $1 AND deleted_at IS NULL";
    UPDATE_PASSWORD = "UPDATE users SET password_hash = $2, one_time_since = NULL WHERE id = $1 AND deleted_at IS NULL";
    LIST = "SELECT id, email, name, created_at, disabled_at FROM users WHERE deleted_at IS NULL ORDER BY created_at, id";
    DISABLE = "UPDATE users SET disabled_at = $2 WHERE id = $1 AND deleted_at IS NULL AND disabled_at IS NULL";
    SET_FIRST_PASSWORD = "UPDATE users SET password_hash = $2 WHERE id = $1 AND deleted_at IS NULL AND password_hash IS NULL";
    ENABLE = "UPDATE users SET disabled_at = NULL WHERE id = $1 AND deleted_at IS NULL AND disabled_at IS NOT NULL";
}

/// A person who is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// His id.
    pub id: UserId,
    /// His address, normalised.
    pub email: String,
    /// His name.
    pub name: String,
    /// When he was added.
    pub created_at: Time,
    /// Since when he is disabled.
    pub disabled_at: Option<Time>,
}

/// How a person's password stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// None yet: he gets one by invitation or reset.
    None,
    /// A hash in PHC form.
    Hash(String),
    /// A hash of a password that must be changed at the first sign-in.
    OneTime(String),
}

impl UserRow {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            email: row.get("email")?,
            name: row.get("name")?,
            created_at: row.get("created_at")?,
            disabled_at: row.get("disabled_at")?,
        })
    }
}

/// Adds one.
///
/// # Errors
/// `Conflict` if somebody has that address.
pub async fn insert(tx: &mut Tx, user: &UserRow, password: &Password) -> Result<(), StoreError> {
    let (hash, one_time_since) = match password {
        Password::None => (None, None),
        Password::Hash(hash) => (Some(hash.clone()), None),
        Password::OneTime(hash) => (Some(hash.clone()), Some(user.created_at)),
    };
    let values = [user.id.into(), user.email.as_str().into(), user.name.as_str().into(), hash.into(), one_time_since.into(), user.created_at.into()];
    tx.execute_one(INSERT, &values).await
}

/// One by his id.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, id: UserId) -> Result<Option<UserRow>, StoreError> {
    tx.fetch_optional(FIND, &[id.into()]).await?.as_ref().map(UserRow::read).transpose()
}

/// One by his address, normalised.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_by_email(tx: &mut Tx, email: &str) -> Result<Option<UserRow>, StoreError> {
    tx.fetch_optional(FIND_BY_EMAIL, &[email.into()]).await?.as_ref().map(UserRow::read).transpose()
}

/// A person with what a sign-in needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub user: UserRow,
    /// The hash of his password, in PHC form; `None` if he has none yet.
    pub password_hash: Option<String>,
    /// Since when his password is one to be changed at the first sign-in.
    pub one_time_since: Option<Time>,
}

impl Credentials {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { user: UserRow::read(row)?, password_hash: row.get("password_hash")?, one_time_since: row.get("one_time_since")? })
    }
}

/// One by his address, with what a sign-in needs.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_credentials(tx: &mut Tx, email: &str) -> Result<Option<Credentials>, StoreError> {
    tx.fetch_optional(FIND_CREDENTIALS, &[email.into()]).await?.as_ref().map(Credentials::read).transpose()
}

/// The same by his id.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_credentials_by_id(tx: &mut Tx, id: UserId) -> Result<Option<Credentials>, StoreError> {
    tx.fetch_optional(FIND_CREDENTIALS_BY_ID, &[id.into()]).await?.as_ref().map(Credentials::read).transpose()
}

/// Gives one a password that he chose himself, as a hash in PHC form.
///
/// # Errors
/// `NotFound` if he is deleted.
pub async fn update_password(tx: &mut Tx, id: UserId, hash: &str) -> Result<(), StoreError> {
    tx.execute_one(UPDATE_PASSWORD, &[id.into(), hash.into()]).await
}

/// All of them, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx) -> Result<Vec<UserRow>, StoreError> {
    tx.fetch_all(LIST, &[]).await?.iter().map(UserRow::read).collect()
}

/// Disables one; `false` if he was already.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn disable(tx: &mut Tx, id: UserId, now: Time) -> Result<bool, StoreError> {
    Ok(tx.execute(DISABLE, &[id.into(), now.into()]).await? == 1)
}

/// Takes that back; `false` if he was not.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn enable(tx: &mut Tx, id: UserId) -> Result<bool, StoreError> {
    Ok(tx.execute(ENABLE, &[id.into()]).await? == 1)
}

/// Gives one who has no password yet his first, as a hash in PHC form.
///
/// # Errors
/// `NotFound` if he has one.
pub async fn set_first_password(tx: &mut Tx, id: UserId, hash: &str) -> Result<(), StoreError> {
    tx.execute_one(SET_FIRST_PASSWORD, &[id.into(), hash.into()]).await
}
