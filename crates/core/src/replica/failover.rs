//! What becomes of a history when the database is on another server or timeline than it was.

use super::{Keeper, Replica, WAIT, in_time};
use crate::{Core, Error, recovery};
use keywright_db::{Aside, Db, Server, Standby, Tx};
use keywright_protocol::{Position, Time};
use keywright_store::{
    changes::{self, Begins, Cluster},
    replicas,
};
use std::sync::Arc;

/// How a database's history stands to the server that it is on.
enum History {
    /// It goes on where it was.
    Open,
    /// Nothing is answered in it.
    Shut(Time),
    /// Another one has just begun.
    Another,
}

/// The server that is written to, and what the database says of where its history is.
pub(super) async fn stands(tx: &mut Tx) -> Result<(Server, Cluster), Error> {
    let server = tx.server().await?.ok_or(Error::Internal("there are no replicas on this database"))?;
    Ok((server, changes::find_cluster(tx).await?))
}

/// For what is done on the word of a history: that it is on this server, and open.
pub(super) async fn check_goes_on(tx: &mut Tx) -> Result<(), Error> {
    let (server, known) = stands(tx).await?;
    if known.shut_at.is_none() && known.name.is_none_or(|name| name == server.cluster) { Ok(()) } else { Err(Error::Unavailable) }
}

/// Notes where the history is if nobody has; where it is elsewhere, another one begins.
async fn settle(aside: &mut Aside, (server, known): (Server, Cluster), standby: Standby, now: Time) -> Result<History, Error> {
    let here = server.cluster;
    let Some(name) = known.name else {
        let noted = aside.run(|tx| Box::pin(async move { changes::note_cluster(tx, &here).await.map_err(Error::from) }));
        in_time(noted).await?;
        return Ok(known.shut_at.map_or(History::Open, History::Shut));
    };
    if name == here {
        return Ok(known.shut_at.map_or(History::Open, History::Shut));
    }
    let is_failover = here.split('/').next() == name.split('/').next();
    let begins = match (is_failover, standby) {
        (true, Standby::Required) => Begins::Open,
        (true, Standby::AsItIs) => Begins::ShutForReplicas(now),
        (false, _) => Begins::Shut(now),
    };
    let told = (name.clone(), here.clone());
    let begun = aside.run(|tx| Box::pin(async move { changes::begin_history(tx, (&name, &here), begins, now).await.map_err(Error::from) }));
    if in_time(begun).await? {
        let (from, to) = told;
        match begins {
            Begins::Open => tracing::warn!(from, to, "the database server has failed over; a new history begins"),
            Begins::ShutForReplicas(_) | Begins::Shut(_) => {
                tracing::error!(from, to, "the database is another one, or has failed over without a synchronous standby")
            }
        }
    }
    Ok(History::Another)
}

/// Before a replica starts: whether its database's history is where it was, and open. Nothing can be changed before that is settled.
/// It gives the time since when it is shut.
pub(crate) async fn find_shut(db: &Db, now: Time) -> Result<Option<Time>, Error> {
    let Some(mut aside) = db.aside() else { return Ok(None) };
    loop {
        let stands = in_time(aside.run(|tx| Box::pin(stands(tx)))).await?;
        match settle(&mut aside, stands, db.standby(), now).await? {
            History::Open => return Ok(None),
            History::Shut(since) => return Ok(Some(since)),
            History::Another => {}
        }
    }
}

impl Core {
    /// Whether the history goes on where it was, and is open. After a failover, a restore or a move another one begins: numbers may be
    /// used again, and what memory holds is of no use. Where commits wait for a standby, a new timeline of the same server has all that was
    /// acknowledged; elsewhere nobody knows, so that nothing is answered before somebody has looked.
    pub(super) async fn check_server(&self, replica: &Replica, keeper: &mut Keeper, (server, known): (Server, Cluster)) -> Result<(), Error> {
        if self.db.standby() == Standby::Required && !server.names_standby {
            if !std::mem::replace(&mut keeper.has_told, true) {
                tracing::error!("database.require_sync is set, and the server names no synchronous standby any more: nothing is answered until it does");
            }
            return Err(Error::Unavailable);
        }
        let (cluster, forked) = (server.cluster.clone(), known.forked);
        match settle(&mut keeper.aside, (server, known), self.db.standby(), self.clock.now()).await? {
            History::Open => {
                (keeper.has_told, keeper.shut_since, keeper.written_back) = (false, None, None);
                Ok(())
            }
            History::Shut(since) => {
                let missing = match forked {
                    Some(forked) => self.make_up(replica, keeper, (cluster, forked)).await?,
                    None => "nobody knows what",
                };
                if !missing.is_empty() && !std::mem::replace(&mut keeper.has_told, true) {
                    tracing::error!(%since, missing, "this database is shut, since revocations may be lost: nothing is answered until `keywright db reopen`");
                }
                Err(Error::Unavailable)
            }
            // The next renewal finds it.
            History::Another => Err(Error::Unavailable),
        }
    }

    /// After a failover that may have lost changes: writes back what this replica knows of them, once; and opens another history when all
    /// have done so that were there, and no lease of before runs any more. Answers what that waits for, for people; nothing if it is a moment.
    async fn make_up(&self, replica: &Replica, keeper: &mut Keeper, (cluster, forked): (String, Position)) -> Result<&'static str, Error> {
        let (me, now, key_file) = (replica.me(), self.clock.now(), Arc::clone(&self.key_file));
        let seen = match keeper.shut_since {
            Some((fork, seen)) if fork == forked => seen,
            _ => keeper.shut_since.insert((forked, self.clock.steady())).1,
        };
        let rows = self.db.read_of_any_history(|tx| Box::pin(async move { replicas::list(tx).await.map_err(Error::from) })).await?;
        let owes = rows.iter().any(|row| row.instance == me && row.owes);
        let lost = match replica.find_lost(forked, self.clock.steady()) {
            None if owes => return Ok("what was taken away since is more than this replica remembers"),
            lost => lost.flatten(),
        };
        // Also where its row is a new one: it may be the only one that knows.
        if owes || (lost.is_some() && keeper.written_back != Some(forked)) {
            let written = self.db.write_though_shut(move |tx| {
                Box::pin(async move {
                    if changes::find_cluster(tx).await?.forked != Some(forked) {
                        return Err(Error::Unavailable);
                    }
                    let narrowed = recovery::write_back(tx, (key_file, now), forked, lost).await?;
                    replicas::pay(tx, me).await?;
                    Ok(narrowed)
                })
            });
            let narrowed = written.await?.value;
            keeper.written_back = Some(forked);
            tracing::warn!(%forked, narrowed, "what this replica knows to be taken away since the failover's position is taken away again");
            return Ok("");
        }
        if rows.iter().any(|row| row.owes) {
            return Ok("a replica that was there before has not said yet what it knows; if it comes back, it will");
        }
        if self.clock.steady().saturating_sub(seen) <= WAIT {
            return Ok("");
        }
        let opened = self.db.write_though_shut(move |tx| Box::pin(async move { recovery::open_after_failover(tx, &cluster, forked, now).await }));
        if opened.await?.value {
            tracing::warn!("all replicas have written back what they know: the database is open again");
        }
        Ok("")
    }
}
