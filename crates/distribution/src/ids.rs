//! Ids of what is this API's own. A file's is never one that a client sent.

use keywright_db::Value;
use keywright_protocol::ids::{NotAGuid, parse_guid};
use serde::Serialize;
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub(crate) struct $name(Uuid);

        impl $name {
            /// One that nobody has.
            pub(crate) fn random() -> Self {
                Self(random())
            }

            pub(crate) fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Value {
            fn from(id: $name) -> Self {
                id.as_uuid().into()
            }
        }

        impl FromStr for $name {
            type Err = NotAGuid;

            fn from_str(text: &str) -> Result<Self, NotAGuid> {
                parse_guid(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    )+ };
}

ids! {
    /// A testing group.
    GroupId;
    /// An app version.
    VersionId;
    /// A reservation; on the wire it is the `fileId` of an upload in three steps.
    UploadId;
    /// A file in the folder: its name there.
    FileId;
    /// A task.
    TaskId;
}

#[expect(clippy::disallowed_methods, reason = "this room's one home of random ids; it takes none from the identity service")]
pub(crate) fn random() -> Uuid {
    Uuid::new_v4()
}
