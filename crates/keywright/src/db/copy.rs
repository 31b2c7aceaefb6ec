//! `keywright db copy`: from SQLite to PostgreSQL, back, or to another server.

use super::progress::Shown;
use crate::Place;
use anyhow::{Context as _, bail};
use clap::Args;
use keywright_core::{
    Location,
    database::{Afterwards, Moving, TableDigest},
};
use keywright_distribution::moving as profiles;
use keywright_protocol::Clock;
use keywright_server::{
    config::{Config, Database, Flags},
    data_dir::{Age, DataDir},
};
use std::path::{Path, PathBuf};

/// What it takes.
#[derive(Args)]
pub(crate) struct CopyArgs {
    #[command(flatten)]
    place: Place,
    /// Where it is: sqlite: for the data folder, sqlite:FOLDER for another one; postgres: for database.url (--database-url, or the
    /// environment), or a whole URL, whose password belongs into PGPASSWORD or a password file
    #[arg(long)]
    from: String,
    /// Where it goes, said in the same way; an empty database, or a folder without one
    #[arg(long)]
    to: String,
    /// Leave the source as it is, so that it can be served from: for a rehearsal
    #[arg(long)]
    keep_source_open: bool,
}

/// Where one of the two ends is.
#[derive(PartialEq, Eq)]
enum Where {
    /// A file in a folder.
    Folder(PathBuf),
    /// A server. The URL may have a password in it.
    Server(String),
}

pub(super) async fn run(args: CopyArgs) -> anyhow::Result<()> {
    let config = args.place.load(Flags::default())?;
    let (from, to) = (Where::read("--from", &args.from, &config)?, Where::read("--to", &args.to, &config)?);
    let (source, target) = (from.location(&config), to.location(&config));
    if let Location::Sqlite { path } = &source
        && !path.exists()
    {
        bail!("there is no database at {}; name another folder with --from", path.display());
    }
    // Before a folder is made.
    if from.is_same(&to) {
        bail!("source and target are the same database");
    }
    let held = [from.take()?, to.take()?];
    let keys = match held.iter().flatten().find(|folder| is_same(folder.path(), &config.data_dir)) {
        Some(folder) => folder.key_file_of(Age::Started)?,
        None if config.data_dir.is_dir() => DataDir::share(&config.data_dir)?.key_file_of(Age::Started)?,
        None => bail!("there is no data folder {}; name the one with the key file with --data-dir", config.data_dir.display()),
    };

    let mut shown = Shown::new("keys and people");
    let mut moving = Moving::begin(&source, &target, &keys, &mut |progress| shown.show(progress)).await?;
    let mut copied = moving.copy(&mut |progress| shown.show(progress)).await?;
    shown.end();
    if profiles::exists(&from.profiles(&config)).await? {
        let mut shown = Shown::new("distribution API");
        let also = profiles::copy(&from.profiles(&config), &to.profiles(&config), &mut |progress| shown.show(progress)).await;
        shown.end();
        copied.extend(also.context("the distribution API's database")?);
    }
    let afterwards = if args.keep_source_open { Afterwards::Open } else { Afterwards::Shut };
    let position = moving.finish(afterwards, &Clock::System).await?;

    report(&copied);
    println!("{} is copied to {}, checked, and goes on at position {position}", source.describe(), target.describe());
    next_steps(&config, (&from, &to), afterwards);
    Ok(())
}

impl Where {
    /// What stands there is not repeated: there may be a password in it.
    fn read(option: &str, text: &str, config: &Config) -> anyhow::Result<Self> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let folder = if path.is_empty() { config.data_dir.clone() } else { PathBuf::from(path) };
            // The file itself is as good a name.
            let Location::Sqlite { path: file } = Database::default().identity_at(Path::new("")) else { bail!("{option} cannot be read") };
            return match folder.parent() {
                Some(parent) if folder.ends_with(&file) => Ok(Self::Folder(parent.to_owned())),
                _ if folder.is_file() => bail!("{option} names a file that is not called {}: name its folder, or give it that name", file.display()),
                _ => Ok(Self::Folder(folder)),
            };
        }
        let rest = text.strip_prefix("postgres:").or_else(|| text.strip_prefix("postgresql:"));
        match (rest, &config.database.url) {
            (Some(""), Some(url)) => Ok(Self::Server(url.clone())),
            (Some(""), None) => bail!("{option} is the configured PostgreSQL database, and there is none: set database.url, or give --database-url"),
            (Some(rest), _) if rest.starts_with("//") => Ok(Self::Server(text.to_owned())),
            _ => bail!("{option} must begin with sqlite: or postgres://"),
        }
    }

    fn database(&self, config: &Config) -> Database {
        match self {
            Self::Folder(_) => Database::default(),
            Self::Server(url) => Database { url: Some(url.clone()), ..config.database.clone() },
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::Server(_) => Path::new(""),
        }
    }

    fn location(&self, config: &Config) -> Location {
        self.database(config).identity_at(self.folder())
    }

    fn profiles(&self, config: &Config) -> Location {
        self.database(config).distribution_at(self.folder())
    }

    /// Takes the folder alone, as a server does.
    fn take(&self) -> anyhow::Result<Option<DataDir>> {
        match self {
            Self::Folder(folder) => Ok(Some(DataDir::take(folder)?)),
            Self::Server(_) => Ok(None),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder(one), Self::Folder(other)) => is_same(one, other),
            _ => self == other,
        }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn report(tables: &[TableDigest]) {
    println!("{:<26} {:>10}  sha256", "table", "rows");
    for TableDigest { table, rows, sha256 } in tables {
        let digest: String = sha256.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        println!("{table:<26} {rows:>10}  {digest}");
    }
}

fn next_steps(config: &Config, (from, to): (&Where, &Where), afterwards: Afterwards) {
    let data_dir = config.data_dir.display();
    match to {
        Where::Server(_) => {
            println!("go on with: keywright serve --data-dir {data_dir}, and that database as database.url (KEYWRIGHT_DATABASE__URL, --database-url)")
        }
        Where::Folder(folder) => {
            if !is_same(folder, &config.data_dir) {
                println!("copy the key file {data_dir}/keywright.key into {} first, mode 0600", folder.display());
            }
            println!("go on with: keywright serve --data-dir {}, and without database.url", folder.display());
        }
    }
    match (afterwards, from) {
        (Afterwards::Open, _) => println!("the source is open: serve from one of the two alone, and do not use this copy later, when the source has changed"),
        (Afterwards::Shut, Where::Folder(_)) => {
            println!("the source is shut; keep the key file, and delete the old database files when a backup of the new database is made")
        }
        (Afterwards::Shut, Where::Server(_)) => println!("the source is shut; drop it when a backup of the new database is made"),
    }
}
