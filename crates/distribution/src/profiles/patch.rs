//! A change of a profile: what it says, whether it can be, and which permissions it takes.

use super::{CHANGE_SETTINGS, MANAGE, Profile, SELECT_AUTHENTICATION, rows::ProfileRow, shapes::ProfilePatch};
use crate::{Error, groups, names::Name};
use keywright_protocol::ids::parse_guid;
use uuid::Uuid;

const MAX_USERNAME_CHARS: usize = 128;
const MAX_PASSWORD_BYTES: usize = 1024;
const MAX_TESTING_GROUPS: usize = 100;

/// What becomes of each member; `None` leaves it as it is.
#[derive(Default)]
pub(crate) struct Change {
    name: Option<Name>,
    pinned: Option<bool>,
    testing_groups: Option<Vec<Uuid>>,
    authentication_type: Option<i64>,
    /// Empty takes it away.
    username: Option<String>,
    /// Empty takes it away.
    password: Option<String>,
    auto_send_enabled: Option<bool>,
}

impl Change {
    /// # Errors
    /// [`Error::Invalid`] names the first member that cannot be as it is, and says what can.
    pub(crate) fn from_patch(patch: ProfilePatch) -> Result<Self, Error> {
        let settings = patch.settings.unwrap_or_default();
        Ok(Self {
            name: patch.name.as_deref().map(Name::new).transpose()?,
            pinned: patch.pinned,
            testing_groups: patch.testing_group_ids.map(|ids| testing_groups(ids.unwrap_or_default())).transpose()?,
            authentication_type: settings.authentication_type.map(authentication_type).transpose()?,
            username: settings.username.map(username).transpose()?,
            password: settings.password.map(password).transpose()?,
            auto_send_enabled: settings.auto_send_enabled,
        })
    }

    /// The password apart from the rest, because it has to be hashed first.
    pub(super) fn without_password(mut self) -> (Self, Option<String>) {
        let password = self.password.take();
        (self, password)
    }

    /// Whether it has something in it that is not shown to everybody: that it is refused, or is not, would tell it.
    pub(super) fn names_a_user(&self) -> bool {
        self.username.is_some()
    }

    /// The profile as it will be, and the permissions for what becomes different.
    pub(super) fn apply(self, before: &Profile) -> (Profile, Vec<&'static str>) {
        let was = &before.row;
        let row = ProfileRow {
            name: self.name.map_or_else(|| was.name.clone(), Name::into_string),
            pinned: self.pinned.unwrap_or(was.pinned),
            authentication_type: self.authentication_type.unwrap_or(was.authentication_type),
            username: self.username.map_or_else(|| was.username.clone(), |username| Some(username).filter(|name| !name.is_empty())),
            auto_send_enabled: self.auto_send_enabled.unwrap_or(was.auto_send_enabled),
            ..was.clone()
        };
        let testing_groups = self.testing_groups.unwrap_or_else(|| before.testing_groups.clone());
        let mut needed = Vec::new();
        if row.name != was.name || row.pinned != was.pinned {
            needed.push(MANAGE);
        }
        if row.username != was.username || row.auto_send_enabled != was.auto_send_enabled || testing_groups != before.testing_groups {
            needed.push(CHANGE_SETTINGS);
        }
        // Whoever changes with whom it is shared must see these groups; their order is no secret.
        if !joined(&before.testing_groups, &testing_groups).is_empty() || !joined(&testing_groups, &before.testing_groups).is_empty() {
            needed.push(groups::VIEW);
        }
        if row.authentication_type != was.authentication_type {
            needed.push(SELECT_AUTHENTICATION);
        }
        (Profile { row, testing_groups }, needed)
    }
}

/// Those of the second list that are not in the first.
pub(super) fn joined(before: &[Uuid], after: &[Uuid]) -> Vec<Uuid> {
    after.iter().filter(|id| !before.contains(id)).copied().collect()
}

fn authentication_type(number: i64) -> Result<i64, Error> {
    if (1..=5).contains(&number) {
        Ok(number)
    } else {
        Err(Error::Invalid("settings.authenticationType must be 1 (none), 2 (individual), 3 (static), 4 (LDAP) or 5 (SSO)".to_owned()))
    }
}

fn username(name: String) -> Result<String, Error> {
    if name.chars().count() > MAX_USERNAME_CHARS || name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!("settings.username must have at most {MAX_USERNAME_CHARS} characters and no control characters; choose another")));
    }
    Ok(name)
}

fn password(password: String) -> Result<String, Error> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(Error::Invalid(format!("settings.password must have at most {MAX_PASSWORD_BYTES} bytes; choose another")));
    }
    Ok(password)
}

/// In the order given, each once.
fn testing_groups(texts: Vec<String>) -> Result<Vec<Uuid>, Error> {
    if texts.len() > MAX_TESTING_GROUPS {
        return Err(Error::Invalid(format!("testingGroupIds must have at most {MAX_TESTING_GROUPS} elements; send fewer")));
    }
    let mut ids = Vec::with_capacity(texts.len());
    for text in texts {
        let id = parse_guid(&text)
            .map_err(|_| Error::Invalid("each of testingGroupIds must be a valid GUID; take them from the list of testing groups".to_owned()))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}
