//! Distribution profiles: what can be done with them, and by whom.

mod list;
mod patch;
mod routes;
mod rows;
mod shapes;

pub(crate) use list::Listing;
pub(crate) use patch::{Change, ProfileName};
pub(crate) use routes::router;

use crate::{Error, error::Refusal, password::Passwords};
use keywright_db::Db;
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
    passwords: Passwords,
}

impl Profiles {
    pub(crate) fn new(db: Db) -> Self {
        Self { db, passwords: Passwords::new() }
    }

    /// One page in order of creation, and how many there are on all pages.
    pub(crate) async fn list(&self, organization: OrganizationId, listing: Listing) -> Result<(Vec<Profile>, i64), Error> {
        self.db.read(move |tx| Box::pin(async move { rows::list(tx, organization, &listing).await.map_err(Error::from) })).await
    }

    pub(crate) async fn get(&self, organization: OrganizationId, id: ProfileId) -> Result<Profile, Error> {
        self.db.read(move |tx| Box::pin(async move { rows::get(tx, organization, id).await.map_err(Error::from) })).await
    }

    pub(crate) async fn insert(&self, organization: OrganizationId, name: ProfileName, now: Time) -> Result<Profile, Error> {
        let row = ProfileRow {
            id: random_id(),
            name: name.into_string(),
            pinned: false,
            authentication_type: 1,
            username: None,
            password_hash: None,
            auto_send_enabled: false,
            created_at: now,
            updated_at: now,
        };
        let insert = self.db.write(move |tx| {
            Box::pin(async move {
                rows::insert(tx, organization, &row).await?;
                Ok::<_, Error>(Profile { row, testing_groups: Vec::new() })
            })
        });
        Ok(insert.await?.value)
    }

    /// Changes what `change` names, if `caller` may change each value that becomes another one. What stays as it is needs no
    /// permission, because clients send it along. A password always counts as another one: comparing would tell it.
    pub(crate) async fn update(&self, caller: Arc<Verified>, id: ProfileId, change: Change, now: Time) -> Result<Profile, Error> {
        let (change, password) = change.without_password();
        if password.is_some() {
            require(&caller, CHANGE_SETTINGS)?;
        }
        let password_hash = match password {
            None => None,
            Some(cleared) if cleared.is_empty() => Some(None),
            Some(password) => Some(Some(self.passwords.hash(password).await?)),
        };
        let organization = caller.organization_id();
        let update = self.db.write(move |tx| {
            Box::pin(async move {
                let before = rows::lock(tx, organization, id).await?;
                let (mut after, needed) = change.apply(&before);
                for permission in needed {
                    require(&caller, permission)?;
                }
                if let Some(hash) = password_hash {
                    after.row.password_hash = hash;
                }
                if after.row != before.row || after.testing_groups != before.testing_groups {
                    after.row.updated_at = now;
                    rows::update(tx, organization, &after).await?;
                }
                if after.testing_groups != before.testing_groups {
                    rows::replace_testing_groups(tx, id, &after.testing_groups).await?;
                }
                Ok::<_, Error>(after)
            })
        });
        Ok(update.await?.value)
    }
}

fn require(caller: &Arc<Verified>, permission: &'static str) -> Result<(), Error> {
    if caller.may(permission) { Ok(()) } else { Err(Error::Forbidden(Refusal { caller: Arc::clone(caller), permission })) }
}

#[expect(clippy::disallowed_methods, reason = "this room's one home of random ids; it takes none from the identity service")]
fn random_id() -> ProfileId {
    ProfileId::from(Uuid::new_v4())
}
