//! The words that all models share: positions, changes, the log, and what a key may do.

/// How far a history has gone. Compared in this order: the history first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Raised by failover and restore.
    pub history: u8,
    /// Raised by the first statement of every changing transaction.
    pub n: u8,
}

/// What the one key that is looked at may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// What it had in the beginning. Answering this is an acceptance.
    Full,
    /// What is left after the revocation; nothing, perhaps.
    Lesser,
}

/// An entry of the log of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Takes something away from the key.
    Revoke,
    /// Gives it back.
    GiveBack,
    /// Of something else.
    Other,
}

impl Change {
    /// What the key may do from here on, if this change is about it.
    #[must_use]
    pub fn grant(self) -> Option<Grant> {
        match self {
            Self::Revoke => Some(Grant::Lesser),
            Self::GiveBack => Some(Grant::Full),
            Self::Other => None,
        }
    }
}

/// The log of changes of one database, in order: entry `n` has raised the revision to `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Log {
    entries: [Option<Change>; Self::CAPACITY],
}

impl Log {
    /// What fits. A world makes no more changes than that.
    pub const CAPACITY: usize = 4;

    /// The revision.
    #[must_use]
    pub fn n(&self) -> u8 {
        self.entries.iter().flatten().fold(0, |n, _| n + 1)
    }

    /// Appends a change; `None` if the bound of the model is reached.
    pub fn append(&mut self, change: Change) -> Option<()> {
        let free = self.entries.iter_mut().find(|entry| entry.is_none())?;
        *free = Some(change);
        Some(())
    }

    /// The entry that follows revision `n`.
    #[must_use]
    pub fn after(&self, n: u8) -> Option<Change> {
        self.entries.get(usize::from(n)).copied().flatten()
    }

    /// The log without its entries above `n`: what a standby has that was sent no more.
    #[must_use]
    pub fn up_to(&self, n: u8) -> Self {
        let mut shorter = *self;
        for entry in shorter.entries.iter_mut().skip(usize::from(n)) {
            *entry = None;
        }
        shorter
    }

    /// What the key may do by this log.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.entries.iter().flatten().filter_map(|change| change.grant()).next_back().unwrap_or(Grant::Full)
    }
}
