//! App versions: what was uploaded to a profile.

pub(crate) mod routes;
mod rows;
mod shapes;

pub(crate) use rows::{STATEMENTS, VersionRow, insert};
pub(crate) use shapes::VersionOut;

use crate::{
    Error,
    error::{Thing, id},
    files::{self, Files},
    ids::VersionId,
    names::message,
    profiles::{self, Listing},
};
use keywright_db::{Db, StoreError, Tx};
use keywright_protocol::{OrganizationId, ProfileId, Time};
use keywright_verify::Verified;
use std::sync::Arc;

/// Add, change and delete app versions.
pub(crate) const MANAGE: &str = "distribution.app-version.manage";
/// Download them.
pub(crate) const DOWNLOAD: &str = "distribution.app-version.download";

/// So many stand in a profile, the newest ones.
pub(crate) const SHOWN_IN_PROFILE: i64 = 100;

/// The operations. Each sees the app versions of one organization and no others.
#[derive(Clone)]
pub(crate) struct Versions {
    db: Db,
    files: Files,
}

impl Versions {
    pub(crate) fn new(db: Db, files: Files) -> Self {
        Self { db, files }
    }

    /// One page, the newest first, and how many there are on all pages.
    pub(crate) async fn list(&self, organization: OrganizationId, profile: &str, listing: Listing) -> Result<(Vec<VersionRow>, i64), Error> {
        let profile: ProfileId = id(profile, Thing::Profile)?;
        let list = self.db.read(move |tx| {
            Box::pin(async move {
                profiles::check(tx, organization, profile).await?;
                Ok::<_, Error>(rows::list(tx, (organization, profile), (listing.limit(), listing.offset())).await?)
            })
        });
        list.await
    }

    pub(crate) async fn get(&self, organization: OrganizationId, (profile, version): (&str, &str)) -> Result<VersionRow, Error> {
        let (profile, version): (ProfileId, VersionId) = (id(profile, Thing::Profile)?, id(version, Thing::AppVersion)?);
        let get = self.db.read(move |tx| {
            Box::pin(async move {
                profiles::check(tx, organization, profile).await?;
                rows::get(tx, (organization, profile), version).await.map_err(Error::of(Thing::AppVersion))
            })
        });
        get.await
    }

    pub(crate) async fn update_message(&self, caller: &Arc<Verified>, (profile, version): (&str, &str), text: String, now: Time) -> Result<VersionRow, Error> {
        let (profile, version): (ProfileId, VersionId) = (id(profile, Thing::Profile)?, id(version, Thing::AppVersion)?);
        let (organization, message) = (caller.organization_id(), message(text)?);
        let update = self.db.write(move |tx| {
            Box::pin(async move {
                profiles::check(tx, organization, profile).await?;
                rows::update_message(tx, (organization, profile), version, (message, now)).await.map_err(Error::of(Thing::AppVersion))
            })
        });
        Ok(update.await?.value)
    }

    pub(crate) async fn delete(&self, caller: &Arc<Verified>, (profile, version): (&str, &str), now: Time) -> Result<VersionId, Error> {
        let (profile, version): (ProfileId, VersionId) = (id(profile, Thing::Profile)?, id(version, Thing::AppVersion)?);
        let organization = caller.organization_id();
        let delete = self.db.write(move |tx| {
            Box::pin(async move {
                profiles::check(tx, organization, profile).await?;
                let file = rows::delete(tx, (organization, profile), version).await.map_err(Error::of(Thing::AppVersion))?;
                files::rows::doom_new(tx, file, organization, now).await?;
                Ok::<_, Error>(file)
            })
        });
        self.files.remove(vec![delete.await?.value]);
        Ok(version)
    }

    /// The file, opened.
    pub(crate) async fn open(&self, caller: &Arc<Verified>, ids: (&str, &str)) -> Result<(VersionRow, tokio::fs::File), Error> {
        let row = self.get(caller.organization_id(), ids).await?;
        match self.files.open_file(row.file).await? {
            Some((file, length)) if i64::try_from(length) == Ok(row.size) => Ok((row, file)),
            Some(_) | None => {
                tracing::error!(app_version = %row.id, "the file of an app version is missing in the folder, or is not whole");
                Err(Error::FileMissing)
            }
        }
    }
}

/// The newest ones of a profile.
pub(crate) async fn newest(tx: &mut Tx, organization: OrganizationId, profile: ProfileId) -> Result<Vec<VersionRow>, StoreError> {
    Ok(rows::list(tx, (organization, profile), (SHOWN_IN_PROFILE, 0)).await?.0)
}
