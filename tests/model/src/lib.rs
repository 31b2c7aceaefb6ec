//! The protocol that keeps a revocation's promise, explored exhaustively.
//!
//! The promise: once a revocation is acknowledged, no request that starts later is answered with what was taken away, on any replica, whatever becomes
//! of messages, processes, clocks, and the primary. Here are models of the protocol that keeps it, small enough that every order of their
//! steps can be tried. A model has one function for each step of the protocol, by the step's name, to be read beside the implementation.
//! Each rule can be broken by itself ([`protocol::Mutant`]); for each there is a test that a history is found which breaks the promise.
//!
//! ```console
//! $ cargo test -p keywright-model
//! $ TEST_EXTENT=full cargo test -p keywright-model -- --nocapture
//! ```
//!
//! # The models
//!
//! | model | what it has |
//! |---|---|
//! | [`cluster`] | client, database, replicas: leases, log, memory, misses, acknowledgement, rows, joining, restart, failover with synchronous replication |
//! | [`opening`] | failover with asynchronous replication: the new history opens shut, what was lost is written back |
//! | [`feed`] | two replicas that serve list and stream, a verifier, histories |
//! | [`generations`] | tokens, their status index, and what ends it |
//! | [`writers`] | two transactions and a reader of the log: the lock of the revision row |
//! | [`waiters`] | two mutations that wait for each other |
//!
//! # The protocol, as `cluster` has it
//!
//! - *Renewal*: `renew_note_clock`; `renew_write_row`, durably, by an UPDATE, with what is applied; `renew_read_position` through the same
//!   connection; `renew_count` once that is applied: the lease runs L from the noted time. `join` is the first renewal of a new instance: its
//!   row is inserted, then it loads. Whose UPDATE finds no row starts anew.
//! - *Following*: `poll_log` applies the log in order, through any connection; a higher history is loaded anew, a lower one ignored.
//! - *Answering*: `answer_check_lease` reads the clock, then `answer_from_memory`, or `answer_miss` and `answer_miss_arrives`: a snapshot below what
//!   is applied by then, or of another history, is neither used nor kept.
//! - *Mutation*: `revoke_commit` (a repeat commits, too), `commit_returns`, `acknowledge`: A has applied it, and every row has reached it, read in a
//!   snapshot that has it, or W has passed since the commit returned. `commit_unsure` and `revoke_commit_warned` are 503.
//! - *Rows*: `look_at_row`, `delete_row` when it has stood still for W, unless it has moved.
//! - *Failover*: `fail_over`. The promoted node has all that was durable and raises the history before it takes anything; the other one is cut off, and
//!   still read by whoever holds a connection. What it committed without the standby (a cancelled wait) is visible there, and lost.
//!
//! # What is bounded, and what is not
//!
//! Time is in ticks of A's clock, who waits; other clocks miss at most one tick of any W, so W of A's are at least L of theirs. L is 2 and W is 3
//! (in `fine_ticks` 5 and 6, which is 2 s and 2.4 s). All ages are relative and end somewhere, so neither time nor the number of renewals,
//! polls, requests, deletions, lost or doubled notifications and restarts of a slot is bounded. Any process may stand still between any two of its
//! steps for any time. Bounded are: one revocation, then perhaps its opposite; one repeat; one other change; one commit with a warning; one failover;
//! three replicas; one request at a time at a replica, which is enough, since what it leaves behind is in memory.
//!
//! # What it abstracts from
//!
//! - One key. Others don't meet it: memory is emptied by key, and forgetting more is always right.
//! - A is the only one that revokes, and answers from memory as though its lease never ended: more than the protocol allows, since A acknowledges
//!   only what it has applied. So A's row is left out. Who revokes at B is an A, and the others are B to it.
//! - A renewal counts at once when it can: one that counts later serves less. A request begins when its clock is read: one that waited before is
//!   bound by less. The row tells what is applied when the UPDATE is carried out: what was applied when it was sent is less, and waited for longer.
//! - A joiner loads facts together with the position. Who starts anew loses the request at hand.
//! - In `opening`, a renewal and a request are one step, and leases last W. In `feed`, a lease is what `cluster` proves of it: who has one has
//!   applied all that is acknowledged.
//! - A virtual machine that is paused together with its clock is outside of what a lease can see.
//!
//! By argument only, since they are about one process or one transaction: suspending an organization sets all its bits in one transaction; a token's
//! `exp` is counted from the check and not from the signature; a cache of verdicts is memory, with the same lease and the same log; a restored
//! backup opens when later revocations are replayed, or by a flag that revokes the signing keys.
//!
//! # Rules, and what goes red without them
//!
//! Numbers are those of the traps that the design fell into. *accepted*: a request that starts after the acknowledgement succeeds. *lost*: the primary
//! does not have what was acknowledged.
//!
//! | mutant | trap | red | world |
//! |---|---|---|---|
//! | `NoWait` | | accepted | `pair` |
//! | `OwnMemoryForgotten` | | accepted | `pair` |
//! | `LeaseCountedFromTheAnswer` | 1 | accepted | `remembering` |
//! | `RenewalLearnsNothing` | 2 | accepted | `pair` |
//! | `RenewedByARead` | | accepted | `failing_over` |
//! | `WaitCountedFromSending` | 3 | accepted | `pair` |
//! | `WaitOfOneLease` | 4 | accepted | `pair` |
//! | `OldRowsSkipped` | 5 | accepted | `rows` |
//! | `DeadRowSkipped` | | accepted | `rows` |
//! | `DeadRowsKept` | 6 | no mutation after a replica's death is acknowledged without W | `rows` |
//! | `RowDeletedByAge`, `RowDeletedUnconditionally` | 6 | accepted | `rows` |
//! | `Upsert` with `PositionBeforeRow` | 6 | accepted; by either alone nothing | `rows` |
//! | `SameInstanceAfterRestart` | 7 | accepted | `restarting` |
//! | `LoadBeforeRow` | 8 | accepted | `joining` |
//! | `AnswerWithoutLease` | 9 | accepted | `failing_over` |
//! | `OldConnectionTrusted` | 10 | accepted | `failing_over` |
//! | `LateCacheFill` | 11 | accepted | `pair` |
//! | `CheckAfterRead` | 12 | accepted | `remembering` |
//! | `LeaseAsFlag` | 13 | accepted | `pair` |
//! | `JumpsToItsOwn` | 14 | accepted | `busy` |
//! | `HintIsBelieved` | 14 | accepted | `notified` |
//! | `RepeatAnswersAtOnce` | 15 | accepted | `busy` |
//! | `RepeatCommitsNothing` | | lost | `whole` |
//! | `WideningAnswersAtOnce` | 16 | refused, though given back | `giving_back` |
//! | `WaitsWithConnection` | 17 | somebody waits for ever | `waiters` |
//! | `IndexApartFromGrant`, `IndexReused` | 18 | a token that says too much has a living index | `generations` |
//! | `PositionsWithoutHistory` | 19 | accepted | `losing_an_unsure_change` |
//! | `ChangesBeforeAnotherHistory` | 19 | accepted | `noticing_a_failover` |
//! | `PositionFromAnotherConnection` | | accepted | `failing_over` |
//! | `RowsFromAnotherConnection` | | accepted | `joining_over_failover` |
//! | `WarningIsSuccess` | | lost | `whole` |
//! | `RenewalTrustsWarning` | | accepted | `failing_over` |
//! | `SequenceInsteadOfRow` | | a change below what was seen is missed | `writers` |
//! | `ReadsBeforeRaising` | | a key survives its holder | `writers` |
//! | `NoWriteBack`, `WriteBackTooLate` | 20 | lost | `opening` |
//! | `OldPrimaryRuns` | 21 | accepted | `opening` |
//! | `OpensBeforeWait`, `MutatesWhileShut`, `WaitsAcrossHistories` | | accepted | `opening` |
//! | `MemoryOutlivesHistory`, `LeaseOutlivesHistory` | | accepted | `opening` |
//! | `FeedWithoutLease` | 22 | a token is accepted past its bound | `feed` |
//! | `AgeByReceipt` | 23 | the same | `feed` |
//! | `ListThroughCache` | 24 | the same | `feed` |
//! | `StreamFromNow` | 25 | the same | `feed` |
//! | `BareStreamId` | 26 | the same | `feed`, failing over |
//! | `LowerPositionTaken`, `BitsCleared` | | what was refused is accepted again | `feed` |
//!
//! One test is red with all rules kept, and expects that: with asynchronous replication, a replica that joined *and* revoked within what was lost is
//! unknown to the new primary, and so is its revocation.
//!
//! # Sizes
//!
//! Unique states with all rules kept, as the tests print them. All tests together take half a minute of one processor; at full extent six minutes.
//!
//! | world | states |
//! |---|---|
//! | `pair`, `remembering` | 9,852, 2,993 |
//! | `busy` | 389,551 |
//! | `notified` | 170,538 |
//! | `giving_back` | 190,408 |
//! | `rows` | 365,260 |
//! | `joining`, `joining_over_failover` | 291,060, 122,570 |
//! | `restarting` | 534,335 |
//! | `losing_an_unsure_change` | 474,254 |
//! | `whole` | 1,808,181 |
//! | at full extent: `fine_ticks`, `rows_over_failover` | 5,263,476, 6,152,905 |
//! | `third`, `restarting_over_failover` | 930,315, 17,946,823 |
//! | `whole` | 22,394,510 |
//! | `opening`, with an operator who gives up the missing, and with W = 3 | 159,831, 609,792, 1,150,376 |
//! | `feed`, failing over, and at full extent | 220,640, 161,093, 4,428,159 |
//! | `generations`, `waiters`, `writers` | 86, 135, 22 |

pub mod cluster;
pub mod feed;
pub mod generations;
pub mod opening;
pub mod protocol;
pub mod waiters;
pub mod words;
pub mod writers;

/// How much is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What every change must pass.
    Short,
    /// Larger bounds.
    Full,
}
