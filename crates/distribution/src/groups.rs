//! Testing groups and who is in them.

pub(crate) mod routes;
mod rows;
mod shapes;

pub(crate) use rows::{STATEMENTS, exist};

use crate::{
    Error,
    error::Thing,
    ids::GroupId,
    names::{Name, email},
    profiles::Listing,
};
use keywright_db::Db;
use keywright_protocol::{OrganizationId, Time};
use rows::GroupRow;

/// See testing groups.
pub(crate) const VIEW: &str = "distribution-group.group.view";
/// Make, rename and delete them.
pub(crate) const MANAGE: &str = "distribution-group.group.manage";
/// See who is in them.
pub(crate) const VIEW_TESTERS: &str = "distribution-group.tester.view";
/// Change who is in them.
pub(crate) const MANAGE_TESTERS: &str = "distribution-group.tester.manage";

/// Testers of a group.
pub(crate) const MAX_TESTERS: i64 = 1_000;

/// A group and the addresses in it, in alphabetical order.
pub(crate) struct Group {
    row: GroupRow,
    testers: Vec<String>,
}

/// The operations. Each sees the groups of one organization and no others.
#[derive(Clone)]
pub(crate) struct Groups {
    db: Db,
}

/// What becomes of testers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Testers {
    Add,
    Remove,
}

impl Groups {
    pub(crate) fn new(db: Db) -> Self {
        Self { db }
    }

    /// One page in order of creation, and how many there are on all pages.
    pub(crate) async fn list(&self, organization: OrganizationId, listing: Listing) -> Result<(Vec<GroupRow>, i64), Error> {
        self.db.read(move |tx| Box::pin(async move { rows::list(tx, organization, (listing.limit(), listing.offset())).await.map_err(Error::from) })).await
    }

    pub(crate) async fn get(&self, organization: OrganizationId, id: GroupId) -> Result<Group, Error> {
        let get = self.db.read(move |tx| {
            Box::pin(async move {
                let row = rows::get(tx, organization, id).await.map_err(Error::of(Thing::TestingGroup))?;
                Ok::<_, Error>(Group { row, testers: rows::testers(tx, id).await? })
            })
        });
        get.await
    }

    pub(crate) async fn insert(&self, organization: OrganizationId, name: Name, now: Time) -> Result<Group, Error> {
        let row = GroupRow { id: GroupId::random(), name: name.into_string(), created_at: now, updated_at: now };
        let insert = self.db.write(move |tx| {
            Box::pin(async move {
                rows::insert(tx, organization, &row).await.map_err(Error::of(Thing::TestingGroup))?;
                Ok::<_, Error>(Group { row, testers: Vec::new() })
            })
        });
        Ok(insert.await?.value)
    }

    pub(crate) async fn rename(&self, organization: OrganizationId, id: GroupId, name: Name, now: Time) -> Result<Group, Error> {
        let update = self.db.write(move |tx| {
            Box::pin(async move {
                let row = rows::rename(tx, organization, id, (&name.into_string(), now)).await.map_err(Error::of(Thing::TestingGroup))?;
                Ok::<_, Error>(Group { row, testers: rows::testers(tx, id).await? })
            })
        });
        Ok(update.await?.value)
    }

    /// Profiles are shared with it no longer.
    pub(crate) async fn delete(&self, organization: OrganizationId, id: GroupId) -> Result<(), Error> {
        let delete = self.db.write(move |tx| Box::pin(async move { rows::delete(tx, organization, id).await.map_err(Error::of(Thing::TestingGroup)) }));
        delete.await?;
        Ok(())
    }

    /// Who is in it already stays, who is not there is not missed.
    pub(crate) async fn change_testers(
        &self,
        organization: OrganizationId,
        id: GroupId,
        what: Testers,
        addresses: Vec<String>,
        now: Time,
    ) -> Result<Group, Error> {
        if addresses.is_empty() {
            return Err(Error::Invalid("the array must name at least one address; send for example [\"qa@example.com\"]".to_owned()));
        }
        let addresses: Vec<String> = addresses.iter().map(|address| email(address)).collect::<Result<_, _>>()?;
        let change = self.db.write(move |tx| {
            Box::pin(async move {
                let row = rows::touch(tx, organization, id, now).await.map_err(Error::of(Thing::TestingGroup))?;
                for address in &addresses {
                    match what {
                        Testers::Add => rows::insert_tester(tx, id, address, now).await?,
                        Testers::Remove => rows::delete_tester(tx, id, address).await?,
                    }
                }
                let testers = rows::testers(tx, id).await?;
                if i64::try_from(testers.len()).unwrap_or(i64::MAX) > MAX_TESTERS {
                    return Err(Error::Invalid(format!("a testing group must have at most {MAX_TESTERS} testers; make another one for the others")));
                }
                Ok::<_, Error>(Group { row, testers })
            })
        });
        Ok(change.await?.value)
    }
}
