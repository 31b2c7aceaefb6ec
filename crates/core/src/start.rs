//! Starting: what must be there and fit together before anything is answered.

use crate::{
    Core, Error, KeyFile, Published,
    access_log::AccessLog,
    catalog::{self, Preset},
    chance,
    database::Moved,
    keyring::{self, Keyring, lifecycle::SigningKeyTimes},
    limits::{Limits, Rates},
    log::Keeping,
    memory::GrantCache,
    passwords::Hashing,
    replica::{self, Replica},
    status::Status,
};
use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keywright_db::{Db, Location, OpenError, Tx, Writes};
use keywright_protocol::{
    Clock, Time,
    catalog::Document,
    jwk::{Algorithm, Purpose},
};
use keywright_store::{MIGRATIONS, StoreError, catalogs, changes, replicas, settings, signing_keys};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

const SEAL_CHECK: &str = "seal check";

/// Who may give roles that he lacks himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleGiving {
    /// Nobody: what is given lies within the giver's own permissions.
    WithinOwn,
    /// Whoever may change roles gives any but Owner, as in the Appcircle API.
    ManagersGiveAny,
}

/// Whether tokens of keys invite and change roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysBring {
    /// Within their own grant.
    WithinGrant,
    /// They do not.
    Nobody,
}

/// What an operator sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The public URL: `iss`, and the base of every link.
    pub issuer: String,
    /// First part of every key.
    pub key_prefix: String,
    /// How tokens are signed.
    pub algorithm: Algorithm,
    /// How long signing keys sign, and how long they are published before.
    pub signing_keys: SigningKeyTimes,
    /// How long a token lives.
    pub token_life: Duration,
    /// How long a key lives when nobody says otherwise.
    pub key_life_default: Duration,
    /// How long it may live.
    pub key_life_ceiling: Duration,
    /// Unrevoked Personal Access Keys of one member.
    pub personal_access_keys_per_member: i64,
    /// Unrevoked API Keys of a root and its sub-organizations.
    pub api_keys_per_root: i64,
    /// Direct members of a root and its sub-organizations; `None` for any number.
    pub members_per_root: Option<i64>,
    /// Sub-organizations of a root; `None` for any number.
    pub sub_organizations_per_root: Option<i64>,
    /// Who may give roles that he lacks himself.
    pub role_giving: RoleGiving,
    /// Whether tokens of keys invite and change roles.
    pub keys_bring: KeysBring,
    /// Keys remembered for exchanges.
    pub remembered_keys: usize,
    /// Limits against guessing and floods.
    pub limits: Rates,
    /// Events of access that wait in memory at most, while the database cannot be written.
    pub access_events_waiting: usize,
    /// How long events of the logs are kept.
    pub keeping: Keeping,
    /// A catalog that comes with the program.
    pub preset: Option<Preset>,
    /// The operator's own catalog, TOML.
    pub own_catalog: Option<String>,
    /// Where this process listens, if it is one of several on its database; `None` if it has that alone.
    pub replica_at: Option<String>,
}

impl Settings {
    /// The defaults, for an issuer; without limits, whose defaults are the configuration's.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            issuer: issuer.into(),
            key_prefix: "kw".to_owned(),
            algorithm: Algorithm::ES256,
            signing_keys: SigningKeyTimes::default(),
            token_life: Duration::from_secs(60 * 60),
            key_life_default: DAY * 182,
            key_life_ceiling: DAY * 365,
            personal_access_keys_per_member: 25,
            api_keys_per_root: 1_000,
            members_per_root: None,
            sub_organizations_per_root: None,
            role_giving: RoleGiving::WithinOwn,
            keys_bring: KeysBring::WithinGrant,
            remembered_keys: 100_000,
            limits: Rates::OFF,
            access_events_waiting: 100_000,
            keeping: Keeping::default(),
            preset: None,
            own_catalog: None,
            replica_at: None,
        }
    }
}

/// Why it does not start. Each is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Another public URL than the database knows.
    #[error("the database belongs to {known}, but public_url is {configured}: tokens carry that name, so it cannot change; set public_url back")]
    OtherIssuer {
        /// Since the first start.
        known: String,
        /// Now.
        configured: String,
    },
    /// The key file is of another installation.
    #[error("the key file does not belong to this database; put back the one that was beside it")]
    OtherKeyFile,
    /// There is nothing to open yet.
    #[error("this database was never started with; run `keywright serve` on it once first")]
    NeverStarted,
    /// It is served elsewhere since.
    #[error(
        "this database was moved to {0}, and is not served from any more: start with that one; if nobody ever did, `keywright db reopen --nothing-changed` opens this one again"
    )]
    Moved(String),
    /// Something would have to be changed in a history that is shut.
    #[error(
        "this database is shut since {0}, because revocations may be lost, and what is configured would change it (catalog, algorithm or life of tokens): run `keywright db reopen` first"
    )]
    Shut(Time),
    /// Something in the settings or the database is not usable.
    #[error(transparent)]
    Core(#[from] Error),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Core(error.into())
    }
}

impl Core {
    /// Opens the database, makes what a first start needs (issuer, signing keys, catalog), and loads what is remembered.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(location: &Location, key_file: KeyFile, settings: Settings, clock: Clock) -> Result<Arc<Self>, StartError> {
        let db = open(location).await?;
        Self::start_on(db, key_file, settings, clock).await
    }

    /// The issuer of a database; `None` if it was never started with. It is brought to this program's schema.
    ///
    /// # Errors
    /// [`StartError::Open`] and [`StartError::Core`].
    pub async fn issuer_of(location: &Location) -> Result<Option<String>, StartError> {
        let db = Db::open(location, Writes::Revisioned, MIGRATIONS).await?;
        let known = db.read(|tx| Box::pin(async move { settings::find(tx, settings::ISSUER).await })).await;
        db.close().await;
        Ok(known?)
    }

    /// Opens a database as it stands, for an act of administration while no server runs: issuer, signing keys and catalog are
    /// those that are stored, whatever the settings say.
    ///
    /// # Errors
    /// [`StartError::NeverStarted`] and the others.
    pub async fn open_as_it_stands(location: &Location, key_file: KeyFile, settings: Settings, clock: Clock) -> Result<Arc<Self>, StartError> {
        let db = open(location).await?;
        let known = db.read(|tx| Box::pin(async move { settings::find(tx, settings::ISSUER).await })).await?;
        let issuer = known.ok_or(StartError::NeverStarted)?;
        let key_file = Arc::new(key_file);
        let sealed = db.read(|tx| Box::pin(async move { settings::find(tx, settings::SEAL_CHECK).await })).await?;
        check_key_file(&key_file, sealed)?;
        Self::assemble(db, key_file, Settings { issuer, ..settings }, clock).await
    }

    /// Like [`Core::start`], on a database that is open.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_on(db: Db, key_file: KeyFile, settings: Settings, clock: Clock) -> Result<Arc<Self>, StartError> {
        let document = catalog::assemble(settings.preset, settings.own_catalog.as_deref())?;
        let key_file = Arc::new(key_file);
        let first = First {
            key_file: Arc::clone(&key_file),
            issuer: settings.issuer.clone(),
            algorithm: settings.algorithm,
            token_life: settings.token_life,
            document,
            is_replica: settings.replica_at.is_some(),
            now: clock.now(),
        };
        let first = Arc::new(first);
        let asked = Arc::clone(&first);
        let shut = match settings.replica_at {
            Some(_) => replica::find_shut(&db, clock.now()).await?,
            None => None,
        };
        let mut made = None;
        let (is_done, catalog) = db.read(move |tx| Box::pin(async move { asked.is_done(tx).await })).await?;
        if catalog == InForce::Later {
            tracing::warn!(
                "the configured catalog was in force before the one that is, which other replicas serve with: that one stays; bring catalog.file up to date here, or put yours in force with `keywright catalog apply`"
            );
        }
        if !is_done {
            if let Some(since) = shut {
                return Err(StartError::Shut(since));
            }
            let write = db.write(move |tx| {
                tx.ring();
                Box::pin(async move { first.make(tx).await })
            });
            made = Some((write.await?.position, clock.steady()));
        }
        let core = Self::assemble(db, key_file, settings, clock).await?;
        if let Some((position, committed)) = made {
            // It may take something away, and this is the answer.
            core.wait_for_others(position, committed).await?;
        }
        if shut.is_none() {
            core.open_access_log(core.clock.now()).await?;
        }
        Ok(core)
    }

    async fn assemble(db: Db, key_file: Arc<KeyFile>, settings: Settings, clock: Clock) -> Result<Arc<Self>, StartError> {
        // Before anything is loaded: from here on the others wait for this process.
        let replica = match &settings.replica_at {
            Some(address) => Some(Replica::join(&db, address.clone(), clock.now()).await?),
            None => None,
        };
        let process = replica.as_ref().map_or_else(chance::id, |replica| Ok(replica.process()))?;
        let loaded =
            db.read(|tx| Box::pin(async move { Ok::<_, Error>((changes::position(tx).await?, Published::read(tx).await?, longer_tokens_end_at(tx).await?)) }));
        let (position, Published { marks, key_rows, catalog_row }, longer_tokens_end_at) = loaded.await?;
        let keyring = Keyring::open(&key_rows, &key_file)?;
        let catalog = Self::publish(&settings.issuer, &keyring, &catalog_row, clock.now())?;
        let core = Arc::new(Self {
            replica,
            status: Status::new(position, marks),
            roots: quick_cache::sync::Cache::new(10_000),
            memory: GrantCache::new(settings.remembered_keys, position),
            issuer: settings.issuer.clone(),
            token_life_seconds: i64::try_from(settings.token_life.as_secs()).unwrap_or(i64::MAX),
            longer_tokens_end_at,
            pepper: key_file.pepper(),
            key_file,
            catalog: ArcSwap::from_pointee(catalog),
            keyring: ArcSwap::from_pointee(keyring),
            following: tokio::sync::Mutex::new(()),
            hashing: Hashing::default(),
            limits: Limits::new(&settings.limits, &clock),
            resets: Arc::new(Semaphore::new(crate::resets::AT_A_TIME)),
            access_log: AccessLog::new(settings.access_events_waiting, process),
            mail_put: Arc::default(),
            changed: Arc::default(),
            db,
            clock,
            settings,
        });
        if let Some(replica) = &core.replica {
            replica.keep_anew(position, core.clock.steady());
        }
        core.note_reached(position);
        Ok(core)
    }
}

/// Opens a database that was not moved elsewhere.
async fn open(location: &Location) -> Result<Db, StartError> {
    let db = Db::open(location, Writes::Revisioned, MIGRATIONS).await?;
    match db.read(|tx| Box::pin(async move { Moved::find(tx).await })).await? {
        None => Ok(db),
        Some(moved) => {
            db.close().await;
            Err(StartError::Moved(moved.into_place()))
        }
    }
}

/// Whether the key file opens what was sealed at the first start.
pub(crate) fn check_key_file(key_file: &KeyFile, sealed: Option<String>) -> Result<(), StartError> {
    let sealed = sealed.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    key_file.open(SEAL_CHECK, &sealed).map(|_| ()).map_err(|_| StartError::OtherKeyFile)
}

/// How long tokens lived at the last start.
async fn token_life(tx: &mut Tx) -> Result<Option<Duration>, StoreError> {
    let stored = settings::find(tx, settings::TOKEN_LIFE).await?;
    stored.map(|seconds| seconds.parse().map(Duration::from_secs).map_err(|_| StoreError::Corrupt)).transpose()
}

async fn longer_tokens_end_at(tx: &mut Tx) -> Result<Time, StoreError> {
    match settings::find(tx, settings::LONGER_TOKENS_END_AT).await? {
        Some(millis) => millis.parse().map(Time::from_millis).map_err(|_| StoreError::Corrupt),
        None => Ok(Time::from_millis(0)),
    }
}

/// What a first start leaves in the database, and every later one finds.
struct First {
    key_file: Arc<KeyFile>,
    issuer: String,
    algorithm: Algorithm,
    token_life: Duration,
    document: Document,
    is_replica: bool,
    now: Time,
}

/// The catalog in force, seen from the configured one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InForce {
    /// The same.
    Same,
    /// None, or another one.
    Other,
    /// One that came after it, by which other replicas serve: to go back to it would give again what was taken away.
    Later,
}

impl First {
    /// Whether nothing is to be written, and how the catalog stands. Refuses what does not belong together.
    async fn is_done(&self, tx: &mut Tx) -> Result<(bool, InForce), StartError> {
        let Some(known) = settings::find(tx, settings::ISSUER).await? else {
            return Ok((false, InForce::Other));
        };
        if known != self.issuer {
            return Err(StartError::OtherIssuer { known, configured: self.issuer.clone() });
        }
        check_key_file(&self.key_file, settings::find(tx, settings::SEAL_CHECK).await?)?;
        let keys = signing_keys::list(tx).await?;
        let keys_stand = keys.iter().filter(|key| keyring::is_active(key) && key.algorithm == self.algorithm).count() == Purpose::ALL.len();
        let catalog = self.in_force(tx).await?;
        let life_stands = token_life(tx).await? == Some(self.token_life);
        Ok((keys_stand && catalog != InForce::Other && life_stands, catalog))
    }

    async fn in_force(&self, tx: &mut Tx) -> Result<InForce, StoreError> {
        let is_mine = |document: &String| serde_json::from_str::<Document>(document).is_ok_and(|known| known == self.document);
        if catalogs::find_in_force(tx).await?.is_some_and(|row| is_mine(&row.document)) {
            return Ok(InForce::Same);
        }
        let is_older = self.is_replica && !replicas::list(tx).await?.is_empty() && catalogs::list_documents(tx).await?.iter().any(is_mine);
        Ok(if is_older { InForce::Later } else { InForce::Other })
    }

    async fn make(&self, tx: &mut Tx) -> Result<(), StartError> {
        if settings::find(tx, settings::ISSUER).await?.is_none() {
            settings::insert(tx, settings::ISSUER, &self.issuer).await?;
            let sealed = self.key_file.seal(SEAL_CHECK, b"Keywright")?;
            settings::insert(tx, settings::SEAL_CHECK, &STANDARD.encode(sealed)).await?;
        }
        if let Some(longer) = token_life(tx).await?.filter(|known| *known > self.token_life) {
            let end_at = self.now.plus(longer).max(longer_tokens_end_at(tx).await?);
            settings::put(tx, settings::LONGER_TOKENS_END_AT, &end_at.as_millis().to_string()).await?;
        }
        settings::put(tx, settings::TOKEN_LIFE, &self.token_life.as_secs().to_string()).await?;
        keyring::ensure(tx, &self.key_file, self.algorithm, self.now).await?;
        if self.in_force(tx).await? == InForce::Other {
            catalog::ensure(tx, &self.document, self.now).await?;
        }
        Ok(())
    }
}
