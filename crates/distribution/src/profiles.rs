//! Distribution profiles: what can be done with them, and by whom.

mod list;
mod patch;
mod routes;
mod rows;
mod shapes;

pub(crate) use list::Listing;
pub(crate) use patch::Change;
pub(crate) use routes::{ViewProfiles, router};
pub(crate) use rows::STATEMENTS;

use crate::{
    Error,
    error::{Thing, require},
    files::Files,
    groups, ids,
    names::Name,
    password::Passwords,
    uploads,
    versions::{self, VersionRow},
};
use keywright_db::{Db, StoreError, Tx};
use keywright_protocol::{OrganizationId, ProfileId, Time};
use keywright_verify::Verified;
use rows::ProfileRow;
use std::sync::Arc;
use uuid::Uuid;

/// See profiles.
pub(crate) const VIEW: &str = "distribution.profile.view";
/// Make profiles, rename and pin them.
pub(crate) const MANAGE: &str = "distribution.profile.manage";
/// Change testing groups, automatic sending, and the user name and password of static authentication.
pub(crate) const CHANGE_SETTINGS: &str = "distribution.profile.settings";
/// Choose how testers authenticate.
pub(crate) const SELECT_AUTHENTICATION: &str = "distribution.auth.select";
/// See more of authentication than its type.
pub(crate) const VIEW_AUTHENTICATION: &str = "distribution.auth.view";

/// A profile and the testing groups it is shared with, in their order.
pub(crate) struct Profile {
    row: ProfileRow,
    testing_groups: Vec<Uuid>,
}

impl Profile {
    pub(crate) fn id(&self) -> ProfileId {
        self.row.id
    }
}

/// The operations. Each sees the profiles of one organization and no others.
#[derive(Clone)]
pub(crate) struct Profiles {
    db: Db,
    files: Files,
    passwords: Passwords,
}

impl Profiles {
    pub(crate) fn new(db: Db, files: Files) -> Self {
        Self { db, files, passwords: Passwords::new() }
    }

    /// One page in order of creation, and how many there are on all pages.
    pub(crate) async fn list(&self, organization: OrganizationId, listing: Listing) -> Result<(Vec<Profile>, i64), Error> {
        self.db.read(move |tx| Box::pin(async move { rows::list(tx, organization, &listing).await.map_err(Error::from) })).await
    }

    pub(crate) async fn get(&self, organization: OrganizationId, id: ProfileId) -> Result<Profile, Error> {
        self.db.read(move |tx| Box::pin(async move { rows::get(tx, organization, id).await.map_err(Error::of(Thing::Profile)) })).await
    }

    /// The same with its newest app versions.
    pub(crate) async fn get_whole(&self, organization: OrganizationId, id: ProfileId) -> Result<(Profile, Vec<VersionRow>), Error> {
        let get = self.db.read(move |tx| {
            Box::pin(async move {
                let profile = rows::get(tx, organization, id).await.map_err(Error::of(Thing::Profile))?;
                Ok::<_, Error>((profile, versions::newest(tx, organization, id).await?))
            })
        });
        get.await
    }

    /// With all that was uploaded to it.
    pub(crate) async fn delete(&self, organization: OrganizationId, id: ProfileId, now: Time) -> Result<(), Error> {
        let delete = self.db.write(move |tx| {
            Box::pin(async move {
                rows::lock(tx, organization, id).await.map_err(Error::of(Thing::Profile))?;
                let files = uploads::doom_of(tx, organization, id, now).await?;
                rows::delete(tx, organization, id).await?;
                Ok::<_, Error>(files)
            })
        });
        self.files.remove(delete.await?.value);
        Ok(())
    }

    pub(crate) async fn insert(&self, organization: OrganizationId, name: Name, now: Time) -> Result<Profile, Error> {
        let row = ProfileRow {
            id: ids::random().into(),
            name: name.into_string(),
            pinned: false,
            authentication_type: 1,
            username: None,
            password_hash: None,
            auto_send_enabled: false,
            created_at: now,
            updated_at: now,
            ios_version: None,
            android_version: None,
        };
        let insert = self.db.write(move |tx| {
            Box::pin(async move {
                rows::insert(tx, organization, &row).await.map_err(Error::of(Thing::Profile))?;
                Ok::<_, Error>(Profile { row, testing_groups: Vec::new() })
            })
        });
        Ok(insert.await?.value)
    }

    /// Changes what `change` names, if `caller` may change each value that becomes another one. What stays as it is needs no
    /// permission, because clients send it along. A password always counts as another one: comparing would tell it.
    pub(crate) async fn update(&self, caller: Arc<Verified>, id: ProfileId, change: Change, now: Time) -> Result<Profile, Error> {
        let (change, password) = change.without_password();
        if password.is_some() || (change.names_a_user() && !caller.may(VIEW_AUTHENTICATION)) {
            require(&caller, CHANGE_SETTINGS)?;
        }
        let organization = caller.organization_id();
        if password.is_some() {
            // Hashing takes long: not for a profile that there is none of.
            self.get(organization, id).await?;
        }
        let password_hash = match password {
            None => None,
            Some(cleared) if cleared.is_empty() => Some(None),
            Some(password) => Some(Some(self.passwords.hash(password).await?)),
        };
        let update = self.db.write(move |tx| {
            Box::pin(async move {
                let before = rows::lock(tx, organization, id).await.map_err(Error::of(Thing::Profile))?;
                let (mut after, needed) = change.apply(&before);
                for permission in needed {
                    require(&caller, permission)?;
                }
                if let Some(hash) = password_hash {
                    after.row.password_hash = hash;
                }
                if after.row != before.row || after.testing_groups != before.testing_groups {
                    after.row.updated_at = now;
                    rows::update(tx, organization, &after).await.map_err(Error::of(Thing::Profile))?;
                }
                if after.testing_groups != before.testing_groups {
                    if !groups::exist(tx, organization, &patch::joined(&before.testing_groups, &after.testing_groups)).await? {
                        return Err(no_such_group());
                    }
                    rows::replace_testing_groups(tx, id, &after.testing_groups).await.map_err(|error| match error {
                        // Deleted by another replica in between.
                        StoreError::Conflict { .. } => no_such_group(),
                        other @ (StoreError::NotFound | StoreError::Busy | StoreError::Unavailable | StoreError::Corrupt) => other.into(),
                    })?;
                }
                Ok::<_, Error>(after)
            })
        });
        Ok(update.await?.value)
    }
}

/// Whether this organization has such a profile.
///
/// # Errors
/// [`Error::NotFound`].
pub(crate) async fn check(tx: &mut Tx, organization: OrganizationId, id: ProfileId) -> Result<(), Error> {
    rows::check(tx, organization, id).await.map_err(Error::of(Thing::Profile))
}

/// The same in a write: nobody deletes it until this transaction is over, so that no file is left behind.
///
/// # Errors
/// [`Error::NotFound`].
pub(crate) async fn hold(tx: &mut Tx, organization: OrganizationId, id: ProfileId) -> Result<(), Error> {
    rows::hold(tx, organization, id).await.map_err(Error::of(Thing::Profile))
}

fn no_such_group() -> Error {
    Error::Invalid("each of testingGroupIds must be a testing group of this organization; GET /distribution/v2/testing-groups lists those there are".to_owned())
}
