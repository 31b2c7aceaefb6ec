//! A resource API (profiles, testing groups, app versions) that is protected through keywright-verify and nothing else.
//!
//! It is a resource server like anybody's: it knows access tokens, the catalog's permissions and its own rows and files; of users,
//! keys and roles it knows nothing. [`Distribution::router`] mounts into any axum application.
//!
//! A request's way: `AuthLayer` checks the token, the handler (`profiles::routes`, `versions::routes`, ..) names the permission it
//! needs, the operation beside it reads or writes within the token's organization, its `rows` have the SQL. Files come and go in
//! `files`; how an upload finds its way there is in `uploads`.

mod body;
pub mod demo;
mod error;
mod files;
mod groups;
mod ids;
pub mod moving;
mod multipart;
mod names;
mod openapi;
mod password;
mod profiles;
mod routes;
mod tasks;
mod uploads;
mod versions;

pub use error::{Error, Refusal, Thing};
pub use keywright_db::{Location, OpenError, StoreError};
pub use openapi::openapi;
pub use uploads::routes::brings_a_file;

use axum::{Router, extract::DefaultBodyLimit};
use files::Files;
use groups::Groups;
use keywright_db::{Db, Migration, Writes, statements};
use keywright_protocol::{Clock, OrganizationId, ProfileId, Time};
use keywright_verify::{AuthLayer, Verifier};
use profiles::Profiles;
use std::{path::PathBuf, sync::Arc};
use uploads::Uploads;
use utoipa_axum::router::OpenApiRouter;
use versions::Versions;

/// What it needs in the catalog: the ids of the permissions it asks for.
pub const PERMISSIONS: &[&str] = &[
    profiles::VIEW,
    profiles::MANAGE,
    profiles::CHANGE_SETTINGS,
    profiles::SELECT_AUTHENTICATION,
    profiles::VIEW_AUTHENTICATION,
    versions::MANAGE,
    versions::DOWNLOAD,
    groups::VIEW,
    groups::MANAGE,
    groups::VIEW_TESTERS,
    groups::MANAGE_TESTERS,
];

/// A request's body is never longer, in bytes, unless it brings a file.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// Longest file when nobody says otherwise, in bytes.
pub const DEFAULT_MAX_FILE_BYTES: u64 = 3 * 1024 * 1024 * 1024;

/// The tables, for [`Distribution::over`].
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "profiles",
        sqlite: include_str!("../migrations/sqlite/0001_profiles.sql"),
        postgres: include_str!("../migrations/postgres/0001_profiles.sql"),
    },
    Migration {
        version: 2,
        name: "app_versions",
        sqlite: include_str!("../migrations/sqlite/0002_app_versions.sql"),
        postgres: include_str!("../migrations/postgres/0002_app_versions.sql"),
    },
];

/// Every statement of this crate.
pub fn all_statements() -> impl Iterator<Item = &'static str> {
    [profiles::STATEMENTS, groups::STATEMENTS, versions::STATEMENTS, uploads::STATEMENTS, files::STATEMENTS, tasks::STATEMENTS].into_iter().flatten().copied()
}

/// Where files are, and how long they may be.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// The folder, made if it is missing. Several replicas share it.
    pub folder: PathBuf,
    /// Longest file, in bytes.
    pub max_bytes: u64,
}

/// Why it does not start; one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The folder.
    #[error("the folder of files {path} cannot be used: {error}; give one that this user may write", path = .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// The distribution API over a database and a folder of its own.
#[derive(Clone)]
pub struct Distribution {
    db: Db,
    files: Files,
    clock: Clock,
}

/// What the handlers share.
#[derive(Clone)]
struct App {
    db: Db,
    profiles: Profiles,
    groups: Groups,
    versions: Versions,
    uploads: Uploads,
    clock: Clock,
}

impl Distribution {
    /// Opens the database, brings its tables up to date, and begins to clear away what broke off.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open(location: &Location, files: &FileSettings, clock: Clock) -> Result<Self, StartError> {
        Self::over(Db::open(location, Writes::Plain, MIGRATIONS).await?, files, clock)
    }

    /// The same over a database that was opened with [`MIGRATIONS`] and plain writes. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError::Folder`].
    pub fn over(db: Db, files: &FileSettings, clock: Clock) -> Result<Self, StartError> {
        let opened = Files::open(db.clone(), &files.folder, files.max_bytes, clock.clone());
        let files = opened.map_err(|error| StartError::Folder { path: files.folder.clone(), error })?;
        Ok(Self { db, files, clock })
    }

    /// All routes, `/distribution/v1/..` and `/distribution/v2/..` alike, and `/task/v1/..`, complete with the check of tokens. There
    /// is no fallback among them, so that it can be merged into a larger router. `base` is what upload URLs begin with: scheme, host
    /// and port under which clients reach this API.
    ///
    /// Requests of [`brings_a_file`] may take long; whoever cuts others off leaves them their time.
    pub fn router(&self, verifier: Arc<Verifier>, base: &str) -> Router {
        let (router, _) = routes().split_for_parts();
        let (db, files, clock) = (self.db.clone(), self.files.clone(), self.clock.clone());
        let app = App {
            profiles: Profiles::new(db.clone(), files.clone()),
            groups: Groups::new(db.clone()),
            versions: Versions::new(db.clone(), files.clone()),
            uploads: Uploads::new(db.clone(), files, clock.clone(), Arc::clone(&verifier), base),
            clock: clock.clone(),
            db,
        };
        router.route_layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).route_layer(AuthLayer::new(verifier, clock)).with_state(app)
    }

    /// Makes a profile without a token, for sample data.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unusable name, [`Error::NameTaken`] for one that the organization has already,
    /// [`Error::Unavailable`] and [`Error::Internal`] for the database.
    pub async fn insert_profile(&self, organization: OrganizationId, name: &str, now: Time) -> Result<ProfileId, Error> {
        let name = names::Name::new(name)?;
        Ok(Profiles::new(self.db.clone(), self.files.clone()).insert(organization, name, now).await?.id())
    }

    /// Clears away what has run out, broke off or was deleted, as it happens by itself once a minute.
    pub async fn tidy(&self) {
        self.files.tidy().await;
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db.ping().await
    }

    /// Finishes what waits, and closes the database.
    pub async fn close(&self) {
        self.files.close().await;
        self.db.close().await;
    }
}

/// The routes and what is documented of them, from one source.
fn routes() -> OpenApiRouter<App> {
    let versioned =
        || OpenApiRouter::new().merge(profiles::router()).merge(versions::routes::router()).merge(uploads::routes::router()).merge(groups::routes::router());
    OpenApiRouter::new().nest("/distribution/v2", versioned()).nest("/distribution/v1", versioned()).nest("/task/v1", tasks::router())
}
