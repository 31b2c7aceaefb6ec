//! Moving the profiles from one engine or server to another, together with the installation that they belong to.

use crate::MIGRATIONS;
pub use keywright_db::copy::{CopyError, Progress, TableDigest};
use keywright_db::{
    Access, Db, Location, OpenError, Whole, Writes,
    copy::{BATCH, Begun, LeftOut, Origin, Target},
};

/// Whether there is a database of this API.
///
/// # Errors
/// [`CopyError`].
pub async fn exists(location: &Location) -> Result<bool, CopyError> {
    if matches!(location, Location::Sqlite { path } if !path.exists()) {
        return Ok(false);
    }
    Ok(Whole::open(&location.as_it_is(), Access::Look).await?.look().await?.schema.is_some())
}

/// Brings its tables up to date, and does nothing else.
///
/// # Errors
/// [`OpenError`].
pub async fn migrate(location: &Location) -> Result<(), OpenError> {
    Db::open(location, Writes::Plain, MIGRATIONS).await?.close().await;
    Ok(())
}

/// Copies all rows into an empty database, checks them, and leaves the source as it is. What was interrupted goes on where it stopped; what is
/// there already is only compared.
///
/// # Errors
/// [`CopyError`].
pub async fn copy(from: &Location, to: &Location, told: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Vec<TableDigest>, CopyError> {
    let mut origin = Origin::hold(from, MIGRATIONS, LeftOut::default()).await?;
    origin.read(told).await?;
    let mut target = match Target::begin(to, &origin).await? {
        Begun::Same => return Ok(origin.tables().to_vec()),
        Begun::Target(target) => target,
    };
    target.fill(&mut origin, BATCH, told).await?;
    let tables = target.check(origin.tables(), told).await?;
    target.finish(None, |_| Box::pin(async { Ok::<_, CopyError>(()) })).await?;
    Ok(tables)
}
