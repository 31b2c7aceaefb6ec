//! The database as a whole: how it is, its schema, and moving it from one engine or server to another.
//!
//! A move loses nothing. Keys, sessions and tokens are what they were: rows are copied as they are, and what is sealed in them is opened by
//! the same key file. Another history begins with it, as after a restore, so that no position of the copy is one that its source may give
//! out, should somebody go on with it; whoever follows the log of changes loads anew. The source is shut in the transaction that held it.

mod moving;

pub use keywright_db::copy::{BATCH, CopyError, Progress, Step, TableDigest};
pub use moving::{Afterwards, MoveError, Moving};

use crate::{Context, Error, KeyFile, StartError, authorize::By, log, start::check_key_file};
use keywright_db::{Access, Db, Engine, Location, Look, OpenError, Tx, Whole, Writes, newest_version};
use keywright_protocol::{Clock, Position, Time};
use keywright_store::{
    MIGRATIONS, StoreError,
    changes::{self, Cluster},
    replicas::{self, ReplicaRow},
    settings,
};
use serde::Serialize;
use std::fmt::Write as _;

/// How a database is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStatus {
    /// Its engine, and the release of that.
    pub engine: String,
    /// The last migration that ran; `None` if there is nothing yet.
    pub schema: Option<i64>,
    /// The last one of this program.
    pub newest: i64,
    /// How much room it takes, in bytes.
    pub bytes: i64,
    /// Whether it is a copy that is not finished.
    pub is_unfinished: bool,
    /// How far it is; `None` where the schema is another one, or the copy unfinished.
    pub revision: Option<String>,
    /// Since when nothing is answered.
    pub shut_at: Option<Time>,
    /// Where it was moved to.
    pub moved_to: Option<String>,
    /// What `keywright serve` says to its server, if that is not as it must be.
    pub refused: Option<String>,
    /// The processes that serve it together.
    pub replicas: Vec<ReplicaLine>,
}

/// A process that serves a database, or has lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaLine {
    /// Where it listens.
    pub address: String,
    /// How far it had come.
    pub applied: String,
    /// When it said so, by its own clock.
    pub renewed_at: Time,
    /// Whether it has not written back yet what it knows of the time before the database was shut.
    pub owes: bool,
}

impl DatabaseStatus {
    /// What has to be done before this program can serve it, if anything.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        match self.schema {
            _ if self.refused.is_some() => self.refused.clone(),
            _ if self.is_unfinished => Some("it is a copy that is not finished: run the same `keywright db copy` again".to_owned()),
            None => Some("there is nothing in it yet: `keywright serve` makes what it needs, or `keywright db copy` fills it".to_owned()),
            Some(found) if self.newest < found => Some("its schema is of a later release: use that one".to_owned()),
            Some(found) if found < self.newest => {
                Some("its schema is older than this program: the next start brings it up to date, or `keywright db migrate`".to_owned())
            }
            Some(_) => match (&self.moved_to, self.shut_at) {
                (Some(place), _) => Some(format!("it was moved to {place}: use that one; if nobody ever did, `keywright db reopen --nothing-changed`")),
                (None, Some(_)) => Some("it is shut, since revocations may be lost: `keywright db reopen`".to_owned()),
                (None, None) => None,
            },
        }
    }
}

/// How a database is. Nothing is changed, and others may serve it meanwhile.
///
/// # Errors
/// [`StartError::Open`] and [`StartError::Core`].
pub async fn status(location: &Location) -> Result<DatabaseStatus, StartError> {
    let mut whole = Whole::open(location, Access::Look).await?;
    let Look { engine, version, schema, unfinished, bytes } = whole.look().await?;
    let engine = match engine {
        Engine::Sqlite => format!("SQLite {version}"),
        Engine::Postgres => format!("PostgreSQL {version}"),
    };
    let newest = newest_version(MIGRATIONS);
    let mut status = DatabaseStatus {
        engine,
        schema,
        newest,
        bytes,
        is_unfinished: unfinished.is_some(),
        revision: None,
        shut_at: None,
        moved_to: None,
        refused: location.check().await.err().map(|error| error.to_string()),
        replicas: Vec::new(),
    };
    if schema == Some(newest) && !status.is_unfinished {
        let Known { position, cluster, moved, rows } = Known::read(whole.tx()).await?;
        status.revision = Some(position.to_string());
        status.shut_at = cluster.shut_at;
        status.moved_to = moved.map(Moved::into_place);
        let line = |row: ReplicaRow| ReplicaLine { address: row.address, applied: row.applied.to_string(), renewed_at: row.renewed_at, owes: row.owes };
        status.replicas = rows.into_iter().map(line).collect();
    }
    Ok(status)
}

/// What a database says of itself, in one snapshot.
struct Known {
    position: Position,
    cluster: Cluster,
    moved: Option<Moved>,
    rows: Vec<ReplicaRow>,
}

impl Known {
    async fn read(tx: &mut Tx) -> Result<Self, Error> {
        Ok(Self {
            position: changes::position(tx).await?,
            cluster: changes::find_cluster(tx).await?,
            moved: Moved::find(tx).await?,
            rows: replicas::list(tx).await?,
        })
    }
}

/// Where a database has gone.
pub(crate) struct Moved {
    /// The digest of what was copied.
    of: [u8; 32],
    /// The history that began there.
    history: i64,
    place: String,
}

impl Moved {
    /// Of what stands in the settings.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        Some(Self { of: from_hex(parts.next()?)?, history: parts.next()?.parse().ok()?, place: parts.next()?.to_owned() })
    }

    pub(crate) async fn find(tx: &mut Tx) -> Result<Option<Self>, StoreError> {
        settings::find(tx, settings::MOVED_TO).await?.map(|text| Self::parse(&text).ok_or(StoreError::Corrupt)).transpose()
    }

    async fn insert(&self, tx: &mut Tx) -> Result<(), StoreError> {
        settings::insert(tx, settings::MOVED_TO, &format!("{} {} {}", hex(&self.of), self.history, self.place)).await
    }

    pub(crate) fn into_place(self) -> String {
        self.place
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// Brings a database to this program's schema, and says from which to which.
///
/// # Errors
/// [`OpenError`].
pub async fn migrate(location: &Location) -> Result<(Option<i64>, i64), OpenError> {
    let is_new = matches!(location, Location::Sqlite { path } if !path.exists());
    let before = if is_new {
        None
    } else {
        let look = Whole::open(location, Access::Look).await?.look().await;
        look.map_err(|error| OpenError::Unreachable(error.to_string()))?.schema
    };
    Db::open(location, Writes::Revisioned, MIGRATIONS).await?.close().await;
    Ok((before, newest_version(MIGRATIONS)))
}

/// Opens a database again that was moved, for the case that nobody has served from the copy: everything goes on as it was.
///
/// # Errors
/// [`MoveError::NotMoved`] and the others.
pub async fn reopen_moved(location: &Location, key_file: &KeyFile, clock: &Clock) -> Result<Position, MoveError> {
    Db::open(location, Writes::Revisioned, MIGRATIONS).await?.close().await;
    let mut whole = Whole::open(location, Access::Hold).await?;
    let Moved { history, place, .. } = Moved::find(whole.tx()).await?.ok_or(MoveError::NotMoved)?;
    check_key_file(key_file, settings::find(whole.tx(), settings::SEAL_CHECK).await?).map_err(|_| MoveError::OtherKeyFile)?;
    let now = clock.now();
    let reopened = whole.reopen(now.as_seconds().max(history.saturating_add(1)), |tx| {
        Box::pin(async move {
            settings::delete(tx, settings::MOVED_TO).await?;
            if let Some(server) = tx.server().await? {
                changes::open(tx, &server.cluster).await?;
            }
            let told = (place, "opened again; nobody has served from the copy".to_owned());
            log::change(tx, &Context::system(now)?, &By::Host, log::Where::Installation, log::Action::Move, told).await?;
            Ok::<_, MoveError>(())
        })
    });
    Ok(reopened.await?.position)
}
