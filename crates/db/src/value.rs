//! What goes into a statement and what comes out of a row: five types, the same on both engines.

use crate::{Engine, StoreError, error};
use keywright_protocol::{DeliveryId, InvitationId, KeyId, MembershipId, OrganizationId, ProfileId, SessionId, Time, UserId, WebhookId};
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type, TypeInfo, ValueRef, postgres::PgRow, sqlite::SqliteRow};
use uuid::Uuid;

/// A value for a placeholder. `None` is NULL, which PostgreSQL wants to know the type of.
#[derive(Clone, Debug)]
pub enum Value {
    /// TEXT.
    Text(Option<String>),
    /// INTEGER on SQLite, BIGINT on PostgreSQL.
    Int(Option<i64>),
    /// BLOB on SQLite, BYTEA on PostgreSQL.
    Bytes(Option<Vec<u8>>),
    /// BLOB of 16 bytes on SQLite, UUID on PostgreSQL.
    Id(Option<Uuid>),
    /// Milliseconds since the epoch: INTEGER on SQLite, BIGINT on PostgreSQL.
    Time(Option<Time>),
}

macro_rules! into_value {
    ($($from:ty => $variant:ident: $convert:expr;)+) => { $(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(Some($convert(value)))
            }
        }
        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$variant(value.map($convert))
            }
        }
    )+ };
}

into_value! {
    &str => Text: str::to_owned;
    String => Text: std::convert::identity;
    i64 => Int: std::convert::identity;
    &[u8] => Bytes: <[u8]>::to_vec;
    Vec<u8> => Bytes: std::convert::identity;
    Uuid => Id: std::convert::identity;
    OrganizationId => Id: OrganizationId::as_uuid;
    UserId => Id: UserId::as_uuid;
    MembershipId => Id: MembershipId::as_uuid;
    KeyId => Id: KeyId::as_uuid;
    ProfileId => Id: ProfileId::as_uuid;
    InvitationId => Id: InvitationId::as_uuid;
    SessionId => Id: SessionId::as_uuid;
    WebhookId => Id: WebhookId::as_uuid;
    DeliveryId => Id: DeliveryId::as_uuid;
    Time => Time: std::convert::identity;
}

/// One row of an answer.
pub struct Row(pub(crate) Cells);

pub(crate) enum Cells {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column, by its name (or its `AS`). `Option<T>` where it may be NULL.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if there is no such column, or it holds another type or an unexpected NULL.
    pub fn get<T: Column>(&self, column: &str) -> Result<T, StoreError> {
        T::get(self, column)
    }

    fn decode<T>(&self, column: &str, stored: &[&str]) -> Result<Option<T>, StoreError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match &self.0 {
            Cells::Postgres(row) => row.try_get(column).map_err(|error| error::sort(Engine::Postgres, &error)),
            Cells::Sqlite(row) => {
                let sorted = |error| error::sort(Engine::Sqlite, &error);
                // The driver takes TEXT for bytes and ids, PostgreSQL would not.
                let cell = row.try_get_raw(column).map_err(sorted)?;
                if !cell.is_null() && !stored.contains(&cell.type_info().name()) {
                    return Err(corrupt(column, "another type"));
                }
                row.try_get(column).map_err(sorted)
            }
        }
    }

    fn text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.decode(column, &["TEXT"])
    }

    /// PostgreSQL's literals and `CASE`s are INTEGER where nothing says BIGINT.
    fn int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        if let Cells::Postgres(row) = &self.0
            && row.try_get_raw(column).is_ok_and(|cell| cell.type_info().name() == "INT4")
        {
            return Ok(self.decode::<i32>(column, &[])?.map(i64::from));
        }
        self.decode(column, &["INTEGER"])
    }

    fn bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.decode(column, &["BLOB"])
    }

    fn id(&self, column: &str) -> Result<Option<Uuid>, StoreError> {
        self.decode(column, &["BLOB"])
    }
}

fn corrupt(column: &str, found: &str) -> StoreError {
    tracing::error!(column, found, "unexpected value in a row");
    StoreError::Corrupt
}

mod sealed {
    pub trait Sealed {}
}

/// What [`Row::get`] can give: `String`, `i64`, `Vec<u8>`, `Uuid`, the typed ids and `Time`, and an `Option` of each.
pub trait Column: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn get(row: &Row, column: &str) -> Result<Self, StoreError>;
}

macro_rules! column {
    ($($to:ty: $read:ident, $convert:expr;)+) => { $(
        impl sealed::Sealed for $to {}
        impl Column for $to {
            fn get(row: &Row, column: &str) -> Result<Self, StoreError> {
                row.$read(column)?.map($convert).ok_or_else(|| corrupt(column, "NULL"))
            }
        }
        impl sealed::Sealed for Option<$to> {}
        impl Column for Option<$to> {
            fn get(row: &Row, column: &str) -> Result<Self, StoreError> {
                Ok(row.$read(column)?.map($convert))
            }
        }
    )+ };
}

column! {
    String: text, std::convert::identity;
    i64: int, std::convert::identity;
    Vec<u8>: bytes, std::convert::identity;
    Uuid: id, std::convert::identity;
    OrganizationId: id, OrganizationId::from;
    UserId: id, UserId::from;
    MembershipId: id, MembershipId::from;
    KeyId: id, KeyId::from;
    ProfileId: id, ProfileId::from;
    InvitationId: id, InvitationId::from;
    SessionId: id, SessionId::from;
    WebhookId: id, WebhookId::from;
    DeliveryId: id, DeliveryId::from;
    Time: int, Time::from_millis;
}
