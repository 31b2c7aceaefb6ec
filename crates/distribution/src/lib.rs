//! A resource API (profiles, testing groups, app versions) that is protected through keywright-verify and nothing else.
//!
//! It is a resource server like anybody's: it knows access tokens, the catalog's permissions and its own rows; of users, keys
//! and roles it knows nothing. [`Distribution::router`] mounts into any axum application.
//!
//! A request's way: `AuthLayer` checks the token, the handler in `profiles::routes` names the permission it needs, the
//! operation in `profiles` reads or writes within the token's organization, `profiles::rows` has the SQL.

mod body;
pub mod demo;
mod error;
pub mod moving;
mod openapi;
mod password;
mod profiles;

pub use error::Error;
pub use keywright_db::{Location, OpenError, StoreError};
pub use openapi::openapi;

use axum::{Router, extract::DefaultBodyLimit};
use keywright_db::{Db, Migration, Writes};
use keywright_protocol::{Clock, OrganizationId, ProfileId, Time};
use keywright_verify::{AuthLayer, Verifier};
use profiles::Profiles;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// What it needs in the catalog: the ids of the permissions it asks for.
pub const PERMISSIONS: &[&str] = &[profiles::VIEW, profiles::MANAGE, profiles::CHANGE_SETTINGS, profiles::SELECT_AUTHENTICATION, profiles::VIEW_AUTHENTICATION];

/// A request's body is never longer, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// The tables, for [`Distribution::over`].
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "profiles",
    sqlite: include_str!("../migrations/sqlite/0001_profiles.sql"),
    postgres: include_str!("../migrations/postgres/0001_profiles.sql"),
}];

/// The distribution API over a database of its own.
#[derive(Clone)]
pub struct Distribution {
    db: Db,
}

/// What the handlers share.
#[derive(Clone)]
struct App {
    profiles: Profiles,
    clock: Clock,
}

impl Distribution {
    /// Opens the database and brings its tables up to date.
    ///
    /// # Errors
    /// [`OpenError`] says in a sentence what is wrong with the database and what to do.
    pub async fn open(location: &Location) -> Result<Self, OpenError> {
        Ok(Self::over(Db::open(location, Writes::Plain, MIGRATIONS).await?))
    }

    /// The same over a database that was opened with [`MIGRATIONS`] and plain writes.
    #[must_use]
    pub fn over(db: Db) -> Self {
        Self { db }
    }

    /// All routes, `/distribution/v1/..` and `/distribution/v2/..` alike, complete with the check of tokens. There is no
    /// fallback among them, so that it can be merged into a larger router.
    pub fn router(&self, verifier: Arc<Verifier>, clock: Clock) -> Router {
        let (router, _) = routes().split_for_parts();
        router
            .route_layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .route_layer(AuthLayer::new(verifier, clock.clone()))
            .with_state(App { profiles: Profiles::new(self.db.clone()), clock })
    }

    /// Makes a profile without a token, for sample data.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unusable name, [`Error::NameTaken`] for one that the organization has already,
    /// [`Error::Unavailable`] and [`Error::Internal`] for the database.
    pub async fn insert_profile(&self, organization: OrganizationId, name: &str, now: Time) -> Result<ProfileId, Error> {
        let name = profiles::ProfileName::new(name)?;
        Ok(Profiles::new(self.db.clone()).insert(organization, name, now).await?.id())
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db.ping().await
    }

    /// Finishes writes that wait and closes the database.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// The routes and what is documented of them, from one source.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().nest("/distribution/v2", profiles::router()).nest("/distribution/v1", profiles::router())
}
