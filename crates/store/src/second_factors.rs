//! The second factor of people: the sealed secret of a device, and the digests of recovery codes.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{Time, UserId};

statements! {
    FIND = "SELECT user_id, sealed, begun_at, confirmed_at, last_step, guesses_back_at FROM second_factors WHERE user_id = $1";
    BEGIN = "INSERT INTO second_factors (user_id, sealed, begun_at, confirmed_at, last_step, guesses_back_at) VALUES ($1, $2, $3, NULL, 0, $3)
        ON CONFLICT (user_id) DO UPDATE SET sealed = $2, begun_at = $3 WHERE second_factors.confirmed_at IS NULL";
    CONFIRM = "UPDATE second_factors SET confirmed_at = $2, last_step = $3 WHERE user_id = $1 AND confirmed_at IS NULL";
    USE_STEP = "UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND confirmed_at IS NOT NULL AND last_step < $2";
    TAKE_GUESS = "UPDATE second_factors SET guesses_back_at = $2 WHERE user_id = $1 AND confirmed_at IS NOT NULL";
    DELETE = "DELETE FROM second_factors WHERE user_id = $1";
    INSERT_CODE = "INSERT INTO recovery_codes (user_id, digest, used_at) VALUES ($1, $2, NULL)";
    USE_CODE = "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND digest = $2 AND used_at IS NULL";
    LIST_CODES = "SELECT digest FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL ORDER BY digest";
    DELETE_CODES = "DELETE FROM recovery_codes WHERE user_id = $1";
    LOSE = "INSERT INTO second_factors (user_id, sealed, begun_at, confirmed_at, last_step, guesses_back_at) VALUES ($1, NULL, $2, $2, 0, $2)
        ON CONFLICT (user_id) DO UPDATE SET sealed = NULL, confirmed_at = $2";
    DELETE_PENDING = "DELETE FROM second_factors WHERE confirmed_at IS NULL";
    PASS_STEPS = "UPDATE second_factors SET last_step = $1 WHERE last_step < $1";
    USE_ALL_CODES = "UPDATE recovery_codes SET used_at = $1 WHERE used_at IS NULL";
}

/// A second factor, asked for already or not.
#[derive(Clone, PartialEq, Eq)]
pub struct SecondFactorRow {
    /// Whose.
    pub user_id: UserId,
    /// The secret, sealed; `None` if it was lost.
    pub sealed: Option<Vec<u8>>,
    /// When the secret was made.
    pub begun_at: Time,
    /// Since when it is asked for.
    pub confirmed_at: Option<Time>,
    /// The last step of time whose code was used.
    pub last_step: i64,
    /// When all guesses have come back that wrong codes took.
    pub guesses_back_at: Time,
}

impl SecondFactorRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            user_id: row.get("user_id")?,
            sealed: row.get("sealed")?,
            begun_at: row.get("begun_at")?,
            confirmed_at: row.get("confirmed_at")?,
            last_step: row.get("last_step")?,
            guesses_back_at: row.get("guesses_back_at")?,
        })
    }
}

/// A user's, if there is one.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, user: UserId) -> Result<Option<SecondFactorRow>, StoreError> {
    tx.fetch_optional(FIND, &[user.into()]).await?.as_ref().map(SecondFactorRow::read).transpose()
}

/// Begins one that is not asked for yet, in the place of another one that is not.
///
/// # Errors
/// `NotFound` if there is one that is asked for.
pub async fn begin(tx: &mut Tx, user: UserId, sealed: &[u8], now: Time) -> Result<(), StoreError> {
    tx.execute_one(BEGIN, &[user.into(), sealed.into(), now.into()]).await
}

/// From now on it is asked for; the code of `step` is used.
///
/// # Errors
/// `NotFound` if there is none, or it is asked for already.
pub async fn confirm(tx: &mut Tx, user: UserId, step: i64, now: Time) -> Result<(), StoreError> {
    tx.execute_one(CONFIRM, &[user.into(), now.into(), step.into()]).await
}

/// Uses the code of a step; `false` if that one was used, or a later one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn use_step(tx: &mut Tx, user: UserId, step: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(USE_STEP, &[user.into(), step.into()]).await? == 1)
}

/// Notes when all guesses will have come back.
///
/// # Errors
/// `NotFound` if there is none that is asked for.
pub async fn take_guess(tx: &mut Tx, user: UserId, guesses_back_at: Time) -> Result<(), StoreError> {
    tx.execute_one(TAKE_GUESS, &[user.into(), guesses_back_at.into()]).await
}

/// Deletes one with its recovery codes; `false` if there is none.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete(tx: &mut Tx, user: UserId) -> Result<bool, StoreError> {
    tx.execute(DELETE_CODES, &[user.into()]).await?;
    Ok(tx.execute(DELETE, &[user.into()]).await? == 1)
}

/// Puts recovery codes in the place of those before, by their digests.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn replace_codes(tx: &mut Tx, user: UserId, digests: &[[u8; 32]]) -> Result<(), StoreError> {
    tx.execute(DELETE_CODES, &[user.into()]).await?;
    for digest in digests {
        tx.execute_one(INSERT_CODE, &[user.into(), digest.as_slice().into()]).await?;
    }
    Ok(())
}

/// Uses a recovery code up; `false` if there is none like that, or not any more.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn use_code(tx: &mut Tx, user: UserId, digest: &[u8], now: Time) -> Result<bool, StoreError> {
    Ok(tx.execute(USE_CODE, &[user.into(), digest.into(), now.into()]).await? == 1)
}

/// The digests of the recovery codes that are not used.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_codes(tx: &mut Tx, user: UserId) -> Result<Vec<Vec<u8>>, StoreError> {
    tx.fetch_all(LIST_CODES, &[user.into()]).await?.iter().map(|row| row.get("digest")).collect()
}

/// Leaves a second factor that nobody can give any more: it is asked for, and there is neither a secret nor a code.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn lose(tx: &mut Tx, user: UserId, now: Time) -> Result<(), StoreError> {
    tx.execute(DELETE_CODES, &[user.into()]).await?;
    tx.execute_one(LOSE, &[user.into(), now.into()]).await
}

/// Deletes those that are not asked for yet, and takes no code up to a step any more, from anybody.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_passing_things(tx: &mut Tx, last_step: i64) -> Result<(), StoreError> {
    tx.execute(DELETE_PENDING, &[]).await?;
    tx.execute(PASS_STEPS, &[last_step.into()]).await.map(drop)
}

/// Takes no recovery code any more that there is, from anybody.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_all_codes(tx: &mut Tx, now: Time) -> Result<(), StoreError> {
    tx.execute(USE_ALL_CODES, &[now.into()]).await.map(drop)
}
