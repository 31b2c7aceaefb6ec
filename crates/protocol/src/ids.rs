//! Typed ids: an organization's id does not compile where a user's is meant.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// A text that is not a GUID in its hyphenated form (`8-4-4-4-12` hexadecimal digits, any case).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a GUID such as 6f9619ff-8b86-4011-b42d-00c04fc964ff")]
pub struct NotAGuid;

/// Reads a GUID in its hyphenated form only; braces, URNs and the bare 32 digits are refused.
///
/// # Errors
/// [`NotAGuid`] for anything else.
pub fn parse_guid(text: &str) -> Result<Uuid, NotAGuid> {
    if text.len() != 36 {
        return Err(NotAGuid);
    }
    Uuid::try_parse(text).map_err(|_| NotAGuid)
}

/// Reads a GUID in any of its forms, and says in our own words what is wrong with another text.
struct GuidVisitor;

impl de::Visitor<'_> for GuidVisitor {
    type Value = Uuid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a GUID such as 6f9619ff-8b86-4011-b42d-00c04fc964ff")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Uuid, E> {
        Uuid::try_parse(text).map_err(|_| E::custom(NotAGuid))
    }
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The bare GUID.
            #[must_use]
            pub fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(GuidVisitor).map(Self)
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
    };
}

typed_id! {
    /// An organization, root or sub-organization. Never used again, also after deletion.
    OrganizationId
}
typed_id! {
    /// A person.
    UserId
}
typed_id! {
    /// A user's direct membership in one organization. Leaving and joining again makes another one, so that the keys of the
    /// first stay dead.
    MembershipId
}
typed_id! {
    /// A Personal Access Key, an API Key or an operator key; the same through all of its secret versions.
    KeyId
}
typed_id! {
    /// An invitation.
    InvitationId
}
typed_id! {
    /// The session of a person who has signed in.
    SessionId
}
typed_id! {
    /// A distribution profile.
    ProfileId
}
typed_id! {
    /// A webhook. Never used again, also after deletion.
    WebhookId
}
typed_id! {
    /// Something that is delivered to a webhook; the same at each attempt.
    DeliveryId
}
typed_id! {
    /// One request, as in the `X-Request-Id` header.
    RequestId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_a_guid() {
        let id = "6F9619FF-8B86-d011-b42d-00c04fc964ff";
        assert_eq!(id.parse::<OrganizationId>().unwrap().to_string(), id.to_lowercase());
        for bad in ["", "Acme", "6f9619ff8b86d011b42d00c04fc964ff", "{6f9619ff-8b86-d011-b42d-00c04fc964ff}", "6f9619ff-8b86-d011-b42d-00c04fc964fg"] {
            assert_eq!(bad.parse::<OrganizationId>(), Err(NotAGuid), "{bad}");
        }
    }

    /// Reddens when somebody who sends a name is told about the characters of UUIDs.
    #[test]
    fn a_name_where_an_id_belongs_is_answered_with_an_example() {
        let id = "6f9619ff-8b86-d011-b42d-00c04fc964ff";
        assert_eq!(serde_json::from_str::<OrganizationId>(&format!("\"{id}\"")).unwrap().to_string(), id);
        for bad in ["\"Acme\"", "\"\"", "7"] {
            let told = serde_json::from_str::<OrganizationId>(bad).unwrap_err().to_string();
            assert!(told.contains("a GUID such as 6f9619ff-8b86-4011-b42d-00c04fc964ff"), "{bad}: {told}");
        }
    }
}
