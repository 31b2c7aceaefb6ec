//! Histories that must be refused, each for its own reason, and histories that must not.

use super::*;
use Act::{Exchange, Introspect, Issue, Narrow, Revoke, Widen};
use Outcome::{Other, Refused, Unavailable, Unsure};

const WIDE: Outcome = Outcome::Accepted(Reach::Wide);
const LESS: Outcome = Outcome::Accepted(Reach::Narrow);
const YES: Outcome = WIDE;
const ALIVE: State = State::Active(Reach::Wide);
const WEAK: State = State::Active(Reach::Narrow);

/// A history in the making. Acknowledged writes get revisions in the order in which they are told.
struct Story(History);

/// Key 0 was made from 0 to 10.
fn story() -> Story {
    Story(History { operations: Vec::new(), ends: vec![End { api: ALIVE, database: ALIVE }] }).of(0, Issue, (0, 10), YES)
}

impl Story {
    fn of(mut self, key: usize, act: Act, (started, ended): (Nanos, Nanos), outcome: Outcome) -> Self {
        let number = i64::try_from(self.0.operations.len()).unwrap();
        let mut operation = Operation { key, act, replica: number.unsigned_abs() as usize % 3, started, ended, outcome, revision: None };
        operation.revision = (operation.is_write() && operation.is_accepted()).then_some(Position { history: 1, n: number + 1 });
        self.0.operations.push(operation);
        self
    }

    fn then(self, act: Act, times: (Nanos, Nanos), outcome: Outcome) -> Self {
        self.of(0, act, times, outcome)
    }

    /// Of the last one.
    fn revision(mut self, revision: Option<i64>) -> Self {
        self.0.operations.last_mut().unwrap().revision = revision.map(|n| Position { history: 1, n });
        self
    }

    fn ends(mut self, api: State, database: State) -> History {
        self.0.ends[0] = End { api, database };
        self.0
    }

    fn end(self, state: State) -> History {
        self.ends(state, state)
    }

    /// Another key, made from 0 to 10 as well.
    fn another(mut self, state: State) -> Self {
        self.0.ends.push(End { api: state, database: state });
        let key = self.0.ends.len() - 1;
        self.of(key, Issue, (0, 10), YES).revision(Some(1_000 + key as i64))
    }
}

fn name(violation: &Violation) -> &'static str {
    match violation {
        Violation::AcceptedAfterRevocation { .. } => "accepted after revocation",
        Violation::AcceptedAfterNarrowing { .. } => "accepted after narrowing",
        Violation::RefusedAfterWidening { .. } => "refused after widening",
        Violation::RefusedWithoutCause { .. } => "refused without cause",
        Violation::UnexpectedAnswer { .. } => "unexpected answer",
        Violation::Lost { .. } => "lost",
        Violation::OutOfNothing { .. } => "out of nothing",
        Violation::TwoEnds { .. } => "two ends",
        Violation::RevisionsOutOfOrder { .. } => "revisions out of order",
        Violation::NoRevision { .. } => "no revision",
        Violation::Impossible { .. } => "impossible",
    }
}

/// Key 0 exchanged, then revoked from 40 to 50.
fn used_and_revoked() -> Story {
    story().then(Exchange, (20, 30), YES).then(Revoke, (40, 50), YES)
}

/// Key 0 exchanged, then less of it from 40 to 50.
fn used_and_narrowed() -> Story {
    story().then(Exchange, (20, 30), WIDE).then(Narrow, (40, 50), LESS)
}

fn bad() -> Vec<(&'static str, History, &'static str)> {
    let mut all = bad_uses();
    all.extend(bad_changes());
    all
}

fn bad_uses() -> Vec<(&'static str, History, &'static str)> {
    vec![
        ("an exchange after the acknowledgement", used_and_revoked().then(Exchange, (51, 60), YES).end(State::Revoked), "accepted after revocation"),
        ("an introspection after it", used_and_revoked().then(Introspect(1), (51, 60), YES).end(State::Revoked), "accepted after revocation"),
        (
            "accepted after the first of two revocations, before the second is acknowledged",
            used_and_revoked().then(Revoke, (52, 80), YES).then(Exchange, (55, 60), YES).end(State::Revoked),
            "accepted after revocation",
        ),
        (
            "accepted after a repeat was acknowledged, the first having been cut",
            story().then(Revoke, (20, 30), Unsure).then(Revoke, (40, 50), YES).then(Exchange, (51, 60), YES).end(State::Revoked),
            "accepted after revocation",
        ),
        (
            "refused by one replica, accepted later by another",
            used_and_revoked().then(Exchange, (52, 55), Refused).then(Exchange, (60, 70), YES).end(State::Revoked),
            "accepted after revocation",
        ),
        ("an acknowledged key is gone", story().end(State::Absent), "lost"),
        ("an acknowledged revocation is gone", used_and_revoked().end(ALIVE), "lost"),
        ("it is gone in the database, the API tells of it from memory", used_and_revoked().ends(State::Revoked, ALIVE), "lost"),
        ("the key is in the API alone", story().ends(ALIVE, State::Absent), "two ends"),
        ("revoked by nobody", story().end(State::Revoked), "out of nothing"),
        ("401 in an outage", story().then(Exchange, (20, 30), Refused).end(ALIVE), "refused without cause"),
        ("inactive in an outage", story().then(Exchange, (20, 30), YES).then(Introspect(1), (40, 50), Refused).end(ALIVE), "refused without cause"),
        (
            "401 before the revocation had even begun",
            story().then(Exchange, (20, 30), Refused).then(Revoke, (40, 50), YES).end(State::Revoked),
            "refused without cause",
        ),
        ("500", story().then(Exchange, (20, 30), Other(500)).end(ALIVE), "unexpected answer"),
        ("401 to who revokes", story().then(Revoke, (20, 30), Refused).end(ALIVE), "unexpected answer"),
        ("an old token with a role that was taken away", used_and_narrowed().then(Introspect(1), (60, 70), YES).end(WEAK), "accepted after narrowing"),
        ("a new token with it", used_and_narrowed().then(Exchange, (60, 70), WIDE).end(WEAK), "accepted after narrowing"),
        (
            "an old token lives again when the role is given back",
            used_and_narrowed().then(Widen, (60, 70), WIDE).then(Introspect(1), (80, 90), YES).end(ALIVE),
            "accepted after narrowing",
        ),
        (
            "a token without a role that was given back",
            used_and_narrowed().then(Widen, (60, 70), WIDE).then(Exchange, (80, 90), LESS).end(ALIVE),
            "refused after widening",
        ),
        (
            "an old token is dead because a role was given",
            story().then(Narrow, (12, 14), LESS).then(Exchange, (20, 30), LESS).then(Widen, (40, 50), WIDE).then(Introspect(2), (60, 70), Refused).end(ALIVE),
            "refused without cause",
        ),
    ]
}

fn bad_changes() -> Vec<(&'static str, History, &'static str)> {
    vec![
        ("an acknowledged loss of a role is gone", used_and_narrowed().end(ALIVE), "lost"),
        ("an acknowledged gain of a role is gone", used_and_narrowed().then(Widen, (60, 70), WIDE).end(WEAK), "lost"),
        ("a role is gone that nobody took", story().end(WEAK), "out of nothing"),
        ("a later change with a lower revision", used_and_revoked().revision(Some(0)).end(State::Revoked), "revisions out of order"),
        (
            "a later change with the same revision, of another key",
            story().another(State::Revoked).of(1, Revoke, (20, 30), YES).revision(Some(1)).end(ALIVE),
            "revisions out of order",
        ),
        ("no revision", used_and_revoked().revision(None).end(State::Revoked), "no revision"),
        ("time runs backwards", story().then(Exchange, (30, 20), YES).end(ALIVE), "impossible"),
        ("a token out of nothing", story().then(Introspect(7), (30, 40), YES).end(ALIVE), "impossible"),
        ("a token that was not given yet", story().then(Exchange, (30, 60), YES).then(Introspect(1), (40, 50), YES).end(ALIVE), "impossible"),
        ("a key that is not known", story().of(5, Exchange, (30, 60), YES).end(ALIVE), "impossible"),
        (
            "one bad key among good ones",
            story().another(State::Revoked).of(1, Revoke, (20, 30), YES).revision(Some(2_000)).of(1, Exchange, (31, 32), YES).end(ALIVE),
            "accepted after revocation",
        ),
    ]
}

fn good() -> Vec<(&'static str, History)> {
    let mut all = good_uses();
    all.extend(good_changes());
    all
}

fn good_uses() -> Vec<(&'static str, History)> {
    vec![
        ("nothing", History::default()),
        ("made and left alone", story().end(ALIVE)),
        ("used and revoked, then refused", used_and_revoked().then(Exchange, (60, 70), Refused).then(Introspect(1), (60, 70), Refused).end(State::Revoked)),
        ("accepted while the revocation is under way", used_and_revoked().then(Exchange, (45, 48), YES).end(State::Revoked)),
        ("asked for before the acknowledgement, answered long after", used_and_revoked().then(Exchange, (49, 5_000), YES).end(State::Revoked)),
        ("asked for at the very moment", used_and_revoked().then(Exchange, (50, 60), YES).end(State::Revoked)),
        (
            "refused by one replica and accepted by another while it is under way",
            used_and_revoked().then(Exchange, (41, 42), Refused).then(Exchange, (43, 44), YES).end(State::Revoked),
        ),
        ("a revocation that was cut has taken effect", story().then(Revoke, (20, 30), Unsure).then(Exchange, (40, 50), Refused).end(State::Revoked)),
        ("a revocation that was cut has not", story().then(Revoke, (20, 30), Unsure).then(Exchange, (40, 50), YES).end(ALIVE)),
        (
            "a revocation that was cut takes effect later",
            story().then(Revoke, (20, 30), Unsure).then(Exchange, (40, 50), YES).then(Exchange, (60, 70), Refused).end(State::Revoked),
        ),
        (
            "503 to a revocation, which took effect all the same",
            story().then(Revoke, (20, 30), Unavailable).then(Exchange, (40, 50), Refused).end(State::Revoked),
        ),
        ("503 to a revocation, which did not", story().then(Revoke, (20, 30), Unavailable).then(Exchange, (40, 50), YES).end(ALIVE)),
        (
            "503 to everything else",
            used_and_revoked()
                .then(Exchange, (32, 35), Unavailable)
                .then(Introspect(1), (60, 70), Unavailable)
                .then(Exchange, (60, 90), Unsure)
                .end(State::Revoked),
        ),
        (
            "a repeat, refused in between",
            used_and_revoked().then(Exchange, (55, 58), Refused).then(Revoke, (60, 70), YES).then(Exchange, (71, 72), Refused).end(State::Revoked),
        ),
        (
            "accepted before a repeat is acknowledged, the first having been cut",
            story().then(Revoke, (20, 30), Unsure).then(Exchange, (45, 48), YES).then(Revoke, (40, 50), YES).end(State::Revoked),
        ),
    ]
}

fn good_changes() -> Vec<(&'static str, History)> {
    vec![
        ("a key whose making was cut, and which is not there", story().another(State::Absent).of(1, Issue, (0, 10), Unsure).end(ALIVE))
            .without_first_of_second(),
        ("a role taken away and its tokens dead", used_and_narrowed().then(Introspect(1), (60, 70), Refused).then(Exchange, (60, 70), LESS).end(WEAK)),
        (
            "and given back: old tokens stay dead, new ones have it",
            used_and_narrowed()
                .then(Widen, (60, 70), WIDE)
                .then(Introspect(1), (80, 90), Refused)
                .then(Exchange, (80, 90), WIDE)
                .then(Introspect(5), (95, 99), YES)
                .end(ALIVE),
        ),
        (
            "a weak token outlives that the role is given back",
            used_and_narrowed().then(Exchange, (52, 55), LESS).then(Widen, (60, 70), WIDE).then(Introspect(3), (80, 90), YES).end(ALIVE),
        ),
        (
            "a role that was perhaps given back",
            used_and_narrowed().then(Widen, (60, 70), Unsure).then(Exchange, (80, 90), WIDE).then(Exchange, (95, 99), LESS).end(WEAK),
        ),
        (
            "taken and given at once: the revisions tell the order",
            story().then(Narrow, (20, 60), LESS).then(Widen, (20, 60), WIDE).then(Exchange, (70, 80), WIDE).end(ALIVE),
        ),
        (
            "writes at once have revisions in any order",
            story()
                .another(State::Revoked)
                .of(1, Revoke, (20, 40), YES)
                .revision(Some(5_000))
                .then(Revoke, (25, 35), YES)
                .revision(Some(4_000))
                .end(State::Revoked),
        ),
        ("another history is higher", used_and_revoked().in_history(2, 1).end(State::Revoked)),
        (
            "a role whose taking was given up as unanswered, and which goes later",
            story().then(Narrow, (20, 30), Unsure).then(Exchange, (40, 50), WIDE).then(Introspect(2), (60, 70), Refused).end(WEAK),
        ),
        (
            "a role that was taken while the token was made",
            story().then(Exchange, (20, 60), WIDE).then(Narrow, (30, 40), LESS).then(Introspect(1), (70, 80), Refused).end(WEAK),
        ),
    ]
}

/// A story whose second key is known by nothing but what was cut.
trait WithoutFirstOfSecond {
    fn without_first_of_second(self) -> Self;
}

impl WithoutFirstOfSecond for (&'static str, History) {
    fn without_first_of_second(mut self) -> Self {
        self.1.operations.retain(|operation| operation.key != 1 || !operation.is_accepted());
        self
    }
}

impl Story {
    /// Of the last one.
    fn in_history(mut self, history: i64, n: i64) -> Self {
        self.0.operations.last_mut().unwrap().revision = Some(Position { history, n });
        self
    }
}

#[test]
fn every_bad_history_is_refused_for_its_reason() {
    let bad = bad();
    assert!(bad.len() >= 20);
    for (story, history, reason) in bad {
        let (_, found) = check(&history);
        let names: Vec<&str> = found.iter().map(name).collect();
        assert!(names.contains(&reason), "{story}: {names:?} and not {reason}");
        assert!(found.iter().all(|violation| !violation.to_string().is_empty()));
    }
}

#[test]
fn every_good_history_passes() {
    let good = good();
    assert!(good.len() >= 20);
    for (story, history) in good {
        let (_, found) = check(&history);
        assert!(found.is_empty(), "{story}: {found:?}");
    }
}

#[test]
fn what_was_looked_at_is_counted() {
    let history =
        story().then(Exchange, (20, 30), YES).then(Revoke, (40, 50), YES).then(Exchange, (60, 70), Refused).then(Revoke, (80, 90), YES).end(State::Revoked);
    let (checked, found) = check(&history);
    assert!(found.is_empty());
    assert_eq!(checked, Checked { revocations: 2, narrowings: 0, successes: 1, successes_of_revoked: 1, refusals_after: 1 });
}

/// Of a good history with one answer turned round, something is found: nothing of it goes unlooked at.
#[test]
fn a_refusal_after_the_acknowledgement_that_is_turned_round_is_found() {
    let mut turned = 0;
    for (story, history) in good() {
        let first =
            history.operations.iter().filter(|revocation| revocation.act == Revoke && revocation.is_accepted()).map(|revocation| revocation.ended).min();
        let Some(acknowledged) = first else { continue };
        for (at, operation) in history.operations.iter().enumerate() {
            if operation.outcome == Refused && operation.key == 0 && acknowledged < operation.started {
                let mut other = history.clone();
                other.operations[at].outcome = YES;
                assert!(check(&other).1.iter().any(|violation| name(violation) == "accepted after revocation"), "{story}, {at}");
                turned += 1;
            }
        }
    }
    assert!(turned >= 3, "{turned}");
}
