//! What there is: databases, replicas, the mutation that waits.

use crate::words::{Change, Grant, Log, Position};

/// A database node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// The primary of the beginning; cut off once the other one is promoted, but whoever holds a connection may still read it.
    First,
    /// The standby, which is promoted by a failover.
    Second,
}

/// A replica. A revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// The one that carries out the mutation. Its clock is what ticks are counted by.
    A,
    /// Another one.
    B,
    /// One that joins; or B's successor on the same machine.
    C,
}

/// The row of a replica in the table of leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// What its replica said last; `None` as long as it has loaded nothing.
    pub applied: Option<Position>,
}

/// A database node's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Database {
    /// Raised when it is promoted.
    pub history: u8,
    /// The revision row and the log of changes.
    pub log: Log,
    /// B's row.
    pub b: Option<Row>,
    /// C's row.
    pub c: Option<Row>,
}

impl Database {
    /// The position a reader finds here.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { history: self.history, n: self.log.n() }
    }

    /// A replica's row. A's is left out: A answers only when it has applied the change itself, which says more.
    #[must_use]
    pub fn row(&self, who: Who) -> Option<Row> {
        match who {
            Who::A => None,
            Who::B => self.b,
            Who::C => self.c,
        }
    }

    /// Sets or deletes a replica's row.
    pub fn set_row(&mut self, who: Who, row: Option<Row>) {
        match who {
            Who::A => {}
            Who::B => self.b = row,
            Who::C => self.c = row,
        }
    }
}

/// Whether a replica runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// It takes no part in this model.
    Never,
    /// Not yet, or its row is gone and it starts anew: without memory, and with a new instance.
    Absent,
    /// It has a row, or is about to write it, and has loaded nothing.
    Joining,
    /// It has loaded.
    Up,
}

/// A renewal under way. Ages count ticks of the replica's own clock since it was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// None.
    Idle,
    /// The clock is noted, the row's UPDATE is on its way.
    Noted {
        /// Since the clock was noted.
        age: u8,
    },
    /// Only where the position is read before the row is written.
    ReadFirst {
        /// Since the clock was noted.
        age: u8,
        /// What must be applied.
        at: Position,
    },
    /// The row is written, the position is asked for.
    Written {
        /// Since the clock was noted.
        age: u8,
        /// Where the row was written.
        site: Site,
    },
    /// The position is known; the lease counts once the replica has applied it.
    Read {
        /// Since the clock was noted.
        age: u8,
        /// What must be applied.
        at: Position,
    },
}

/// What was acknowledged when a request began: `None` if nothing was, or if another mutation is under way, so that either answer is right.
pub type Promise = Option<Grant>;

/// A request to exchange the key that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// None.
    Idle,
    /// The clock was read, a lease was running.
    Checked(Promise),
    /// Memory has nothing; a snapshot was read and is on its way.
    Fetching {
        /// When the request began.
        promise: Promise,
        /// The snapshot's position.
        at: Position,
        /// What it says.
        grant: Grant,
    },
    /// Only where the check comes late: memory was read, no clock yet.
    ReadUnchecked(Promise, Grant),
}

/// One server process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    /// Whether it runs.
    pub life: Life,
    /// How far it has applied the log.
    pub applied: Position,
    /// What it remembers of the key.
    pub memory: Option<Grant>,
    /// Ticks of its own clock since the noted time of the lease that runs; `None` without one.
    pub lease: Option<u8>,
    /// The renewal under way.
    pub renewal: Renewal,
    /// The request under way.
    pub request: Request,
    /// Ticks since its clock missed one.
    pub steady: u8,
}

/// The mutation at A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// None under way.
    Idle,
    /// Only where the wait is counted from here: sent, not yet carried out.
    Sent {
        /// Ticks since.
        age: u8,
    },
    /// Committed; the answer is on its way to A.
    Landed {
        /// Its position.
        at: Position,
        /// Ticks that count already, zero by the protocol.
        age: u8,
    },
    /// The commit returned, A waits for the others.
    Waiting {
        /// Its position.
        at: Position,
        /// Ticks since the commit returned.
        age: u8,
    },
    /// The client has its answer.
    Acknowledged {
        /// Its position.
        at: Position,
        /// What it waited for.
        by: By,
    },
}

/// What ended the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Every row had reached the position.
    Rows,
    /// W passed.
    Time,
}

/// What is on its way to B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// Nothing, or nothing any more.
    Silent,
    /// A notification of the last commit. It may be lost, and it may arrive more than once.
    Notifies,
}

/// What A knows of a row: whether it moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watch {
    /// Written since A looked.
    pub moved: bool,
    /// Ticks since A saw it for the first time as it is.
    pub stood: u8,
}

/// What must never happen, once it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// Nothing.
    Nothing,
    /// A request that began after the revocation's acknowledgement was answered with what was taken away.
    Accepted,
    /// A request that began after the acknowledgement that it was given back was refused it.
    Refused,
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The primary of the beginning.
    pub first: Database,
    /// The promoted one; empty before.
    pub second: Database,
    /// Which is the primary.
    pub live: Site,
    /// Changes on the first node that are not on the standby: commits whose wait for it was cancelled.
    pub unreplicated: u8,
    /// A's process.
    pub a: Replica,
    /// B's process.
    pub b: Replica,
    /// C's process.
    pub c: Replica,
    /// The mutation at A.
    pub mutation: Mutation,
    /// What it changes.
    pub change: Change,
    /// What is acknowledged and not being changed.
    pub promise: Promise,
    /// How often A's client may still try.
    pub attempts: u8,
    /// How many other changes may still be made.
    pub others: u8,
    /// How many commits may still return with a warning.
    pub warnings: u8,
    /// The network to B.
    pub network: Network,
    /// What A knows of B's row.
    pub watch_b: Watch,
    /// What A knows of C's row.
    pub watch_c: Watch,
    /// What has gone wrong.
    pub broken: Broken,
}

impl State {
    /// A database node.
    #[must_use]
    pub fn database(&self, site: Site) -> &Database {
        match site {
            Site::First => &self.first,
            Site::Second => &self.second,
        }
    }

    /// A database node, to change.
    pub fn database_mut(&mut self, site: Site) -> &mut Database {
        match site {
            Site::First => &mut self.first,
            Site::Second => &mut self.second,
        }
    }

    /// The primary.
    #[must_use]
    pub fn primary(&self) -> &Database {
        self.database(self.live)
    }

    /// The primary, to change.
    pub fn primary_mut(&mut self) -> &mut Database {
        self.database_mut(self.live)
    }

    /// A process.
    #[must_use]
    pub fn replica(&self, who: Who) -> &Replica {
        match who {
            Who::A => &self.a,
            Who::B => &self.b,
            Who::C => &self.c,
        }
    }

    /// A process, to change.
    pub fn replica_mut(&mut self, who: Who) -> &mut Replica {
        match who {
            Who::A => &mut self.a,
            Who::B => &mut self.b,
            Who::C => &mut self.c,
        }
    }

    /// What A knows of a row.
    pub fn watch_mut(&mut self, who: Who) -> Option<&mut Watch> {
        match who {
            Who::A => None,
            Who::B => Some(&mut self.watch_b),
            Who::C => Some(&mut self.watch_c),
        }
    }
}
