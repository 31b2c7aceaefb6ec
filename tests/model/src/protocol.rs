//! Which rules of the protocol are kept.

/// The protocol, whole or without some of its rules.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    without: &'static [Mutant],
}

impl Protocol {
    /// All rules are kept.
    pub const WHOLE: Self = Self { without: &[] };

    /// Some rules are broken.
    #[must_use]
    pub const fn without(mutants: &'static [Mutant]) -> Self {
        Self { without: mutants }
    }

    /// Whether it deviates in this way.
    #[must_use]
    pub fn has(&self, mutant: Mutant) -> bool {
        self.without.contains(&mutant)
    }
}

/// A rule broken. Numbers are those of the traps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A mutation answers as soon as A has applied it.
    NoWait,
    /// 1: the lease is counted from the answer.
    LeaseCountedFromTheAnswer,
    /// 2: a renewal reads no position.
    RenewalLearnsNothing,
    /// A lease is renewed without writing the row.
    RenewedByARead,
    /// 3: the wait is counted from sending the commit.
    WaitCountedFromSending,
    /// 4: A waits for L and not for W.
    WaitOfOneLease,
    /// 5: rows that stood still for L are taken for expired.
    OldRowsSkipped,
    /// The row of a replica that does not answer is skipped.
    DeadRowSkipped,
    /// 6: rows of dead replicas stay for ever.
    DeadRowsKept,
    /// 6: rows that stood still for L are deleted.
    RowDeletedByAge,
    /// 6: a row is deleted though it has moved since A looked.
    RowDeletedUnconditionally,
    /// 6: a renewal inserts the row if it is gone, and memory stays.
    Upsert,
    /// A renewal reads the position before it writes the row.
    PositionBeforeRow,
    /// 7: a process that starts has the id of the one before it.
    SameInstanceAfterRestart,
    /// 8: who joins loads, then writes the row, and counts the lease.
    LoadBeforeRow,
    /// 9: without a lease the database answers.
    AnswerWithoutLease,
    /// 10: a snapshot below what is applied is used.
    OldConnectionTrusted,
    /// 11: a snapshot is judged when it is asked for, and kept when it arrives.
    LateCacheFill,
    /// 12: memory is read before the clock.
    CheckAfterRead,
    /// 13: the lease is a flag, and a timer takes it down.
    LeaseAsFlag,
    /// 14: who changes something takes its position for applied.
    JumpsToItsOwn,
    /// A mutation is acknowledged before A has applied it.
    OwnMemoryForgotten,
    /// 15: "already revoked" is answered at once.
    RepeatAnswersAtOnce,
    /// "Already revoked" is found by reading alone.
    RepeatCommitsNothing,
    /// 16: what gives something back is answered at once.
    WideningAnswersAtOnce,
    /// 19: positions are compared by their number alone.
    PositionsWithoutHistory,
    /// 19: the promoted node takes changes before somebody, who renews a lease there, sees that it is another one and raises the history.
    ChangesBeforeAnotherHistory,
    /// A notification is applied by itself.
    HintIsBelieved,
    /// The position is read through another connection than the one that wrote the row.
    PositionFromAnotherConnection,
    /// The rows are read in a snapshot that may not have the mutation.
    RowsFromAnotherConnection,
    /// A commit that PostgreSQL answers with a warning is taken for done.
    WarningIsSuccess,
    /// A row's UPDATE that PostgreSQL answers with a warning is taken for done.
    RenewalTrustsWarning,
    /// 17: who waits for the others keeps the connection that its poller needs.
    WaitsWithConnection,
    /// Positions come from a sequence and not from a row whose lock lasts until the commit.
    SequenceInsteadOfRow,
    /// A transaction reads first and raises the revision then.
    ReadsBeforeRaising,
    /// 18: the status index is read apart from the grant.
    IndexApartFromGrant,
    /// An index is used again.
    IndexReused,
    /// Nobody writes back what an asynchronous failover lost.
    NoWriteBack,
    /// 20: the new history opens before everybody has written back.
    WriteBackTooLate,
    /// 21: the old primary is not stopped.
    OldPrimaryRuns,
    /// The new history opens before W has passed.
    OpensBeforeWait,
    /// Mutations are acknowledged while the new history is shut.
    MutatesWhileShut,
    /// A mutation of the old history is acknowledged by rows of the new one.
    WaitsAcrossHistories,
    /// Memory is not emptied at a new history.
    MemoryOutlivesHistory,
    /// A lease goes on at a new history.
    LeaseOutlivesHistory,
    /// 22: a replica without a lease serves list and stream.
    FeedWithoutLease,
    /// 23: a verifier counts the age of what it knows from when that arrived.
    AgeByReceipt,
    /// 24: lists come through an HTTP cache, and carry no time.
    ListThroughCache,
    /// 25: a stream begins with now.
    StreamFromNow,
    /// 26: the id of a stream is a number without its history.
    BareStreamId,
    /// A verifier takes a list that is older than what it knows.
    LowerPositionTaken,
    /// A verifier forgets bits when it loads anew.
    BitsCleared,
}
