//! The drill `replicas`: clients ask three replicas for everything at once while things go wrong, and what was answered is checked.

use super::{
    calls::{Answer, Caller, Key, Kind, reach_of, roles_reach},
    checker,
    cluster::{Cluster, REPLICAS},
    figures::{Dice, between, percentiles},
    history::{Act, End, History, Operation, Outcome, Reach, State},
    injections::{self, Sabotage},
};
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::JoinSet,
    time::Instant,
};

/// Clients that ask one thing after another.
const CLIENTS: usize = 40;
/// Of these so many may wait for one replica, so that one which stands still does not stop them all.
const AT_ONE: usize = 16;
/// Keys that are asked about at the same time.
const KEYS: usize = 40;
/// A revoked key is asked about so often before it is left alone.
const PROBES: usize = 30;
/// Tokens that are remembered of a key.
const TOKENS: usize = 4;
/// Between two questions of a client.
const PAUSE: Duration = Duration::from_millis(4);
/// After a question that nobody took.
const NOBODY: Duration = Duration::from_millis(50);
/// Of so many operations one fault of each kind is done at full length.
const OPERATIONS_PER_FAULT: usize = 1_000;
/// At least so many of each kind.
const LEAST_FAULTS: usize = 2;

/// What clients have to ask about.
struct Subject {
    number: usize,
    key: Key,
    is_revoked: AtomicBool,
    probes: AtomicUsize,
    /// Their numbers in the history, and what they may do.
    tokens: Mutex<VecDeque<(usize, String)>>,
}

struct World {
    owner: Caller,
    urls: Vec<String>,
    waiting: Vec<Semaphore>,
    subjects: Mutex<Vec<Arc<Subject>>>,
    keys: Mutex<Vec<Key>>,
    names: AtomicUsize,
    history: Mutex<Vec<Operation>>,
    /// Why there was no answer, how often.
    unanswered: Mutex<BTreeMap<String, usize>>,
    is_over: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the drill until `count` operations and all faults are done.
pub(crate) async fn run(binary: &Path, count: usize, seed: u64, sabotage: Option<Sabotage>) -> anyhow::Result<()> {
    let mut cluster = Cluster::start(binary).await?;
    let world = Arc::new(World {
        owner: cluster.owner.clone(),
        urls: cluster.urls(),
        waiting: (0..REPLICAS).map(|_| Semaphore::new(AT_ONE)).collect(),
        subjects: Mutex::default(),
        keys: Mutex::default(),
        names: AtomicUsize::new(0),
        history: Mutex::default(),
        unanswered: Mutex::default(),
        is_over: AtomicBool::new(false),
    });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(ask_on(Arc::clone(&world), Dice::new(seed.wrapping_add(number as u64 + 1))));
    }
    let started = Instant::now();
    while locked(&world.subjects).len() < KEYS / 2 {
        ensure!(started.elapsed() < Duration::from_secs(60), "no keys can be made\n{}", cluster.logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let each = (count / OPERATIONS_PER_FAULT).max(LEAST_FAULTS);
    let injected = injections::inject(&mut cluster, each, &mut Dice::new(seed), sabotage).await.with_context(|| cluster.logs())?;
    while locked(&world.history).len() < count && !clients.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.is_over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client??;
    }
    let took = started.elapsed();
    cluster.until_ready(Duration::from_secs(30)).await?;
    let (operations, keys) = (std::mem::take(&mut *locked(&world.history)), std::mem::take(&mut *locked(&world.keys)));
    let history = History { operations, ends: ends(&cluster, &keys).await? };
    println!("{} operations in {:.0} s by {CLIENTS} clients on {} keys, seed {seed}", history.operations.len(), took.as_secs_f64(), history.ends.len());
    tell(&history, &injected);
    println!("no answer: {:?}", locked(&world.unanswered));
    let (checked, found) = checker::check(&history);
    println!(
        "checked: {} acknowledged revocations, {} of roles; {} successes, {} of them of keys that were revoked; {} refusals after the acknowledgement",
        checked.revocations, checked.narrowings, checked.successes, checked.successes_of_revoked, checked.refusals_after
    );
    for violation in found.iter().take(20) {
        println!("  {violation}");
    }
    ensure!(found.is_empty(), "{} violations of the contract; seed {seed}\n{}", found.len(), cluster.logs());
    ensure!(checked.revocations > 0 && checked.refusals_after > 0 && checked.narrowings > 0, "nothing was put to the test");
    Ok(())
}

/// One client, to the end.
async fn ask_on(world: Arc<World>, mut dice: Dice) -> anyhow::Result<()> {
    while !world.is_over.load(Ordering::Relaxed) {
        let (subject, living) = {
            let subjects = locked(&world.subjects);
            (dice.one_of(&subjects).map(Arc::clone), subjects.iter().filter(|subject| !subject.is_revoked.load(Ordering::Relaxed)).count())
        };
        match (subject, dice.below(100)) {
            (Some(subject), 0..45) => world.exchange(&subject, dice.below(REPLICAS)).await,
            (Some(subject), 45..82) => world.introspect(&subject, &mut dice).await,
            (Some(subject), 82..88) if KEYS / 4 < living => world.revoke(&subject, dice.below(REPLICAS)).await,
            (Some(subject), 88..96) => world.change_roles(&subject, &mut dice).await,
            (Some(_), _) if KEYS <= living => {}
            (Some(_) | None, _) => world.issue(&mut dice).await,
        }
        world.retire();
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

impl World {
    /// Leave to ask a replica: the one that was meant, or the next one for which not too many wait.
    async fn leave(&self, meant: usize) -> Option<(usize, &str, SemaphorePermit<'_>)> {
        for number in (meant..meant + REPLICAS).map(|number| number % REPLICAS) {
            if let Some(permit) = self.waiting.get(number).and_then(|waiting| waiting.try_acquire().ok()) {
                return Some((number, self.urls.get(number)?, permit));
            }
        }
        None
    }

    /// Its number in the history.
    fn note(&self, operation: Operation) -> usize {
        let mut history = locked(&self.history);
        history.push(operation);
        history.len() - 1
    }

    /// Counts why there was no answer, if there was none. Whoever finds nobody comes again a little later.
    async fn wonder(&self, answer: &Answer) {
        if answer.status.is_none() {
            *locked(&self.unanswered).entry(answer.body.as_str().unwrap_or_default().to_owned()).or_default() += 1;
            tokio::time::sleep(NOBODY).await;
        }
    }

    async fn issue(&self, dice: &mut Dice) {
        let Some((replica, url, _permit)) = self.leave(dice.below(REPLICAS)).await else { return };
        let kind = if dice.below(2) == 0 { Kind::Personal } else { Kind::Api };
        let name = format!("drill-{}", self.names.fetch_add(1, Ordering::Relaxed));
        let (answer, key) = self.owner.make(url, kind, &name).await;
        self.wonder(&answer).await;
        let number = {
            let mut keys = locked(&self.keys);
            // One whose making was not answered has no id; nobody asks about it.
            keys.push(key.clone().unwrap_or_else(|| Key::unknown(kind)));
            keys.len() - 1
        };
        self.note(Operation {
            key: number,
            act: Act::Issue,
            replica,
            started: answer.started,
            ended: answer.ended,
            outcome: answer.outcome(Reach::Wide),
            revision: answer.revision,
        });
        if let Some(key) = key {
            let subject = Subject { number, key, is_revoked: AtomicBool::new(false), probes: AtomicUsize::new(0), tokens: Mutex::default() };
            locked(&self.subjects).push(Arc::new(subject));
        }
    }

    async fn exchange(&self, subject: &Subject, meant: usize) {
        let Some((replica, url, _permit)) = self.leave(meant).await else { return };
        let answer = self.owner.exchange(url, &subject.key).await;
        self.wonder(&answer).await;
        let token = answer.text("access_token");
        let reach = token.as_deref().map_or(Reach::Wide, |token| reach_of(token, subject.key.kind));
        let (started, ended, outcome) = (answer.started, answer.ended, answer.outcome(reach));
        let number = self.note(Operation { key: subject.number, act: Act::Exchange, replica, started, ended, outcome, revision: None });
        subject.probes.fetch_add(1, Ordering::Relaxed);
        if let Some(token) = token {
            let mut tokens = locked(&subject.tokens);
            tokens.push_back((number, token));
            if tokens.len() > TOKENS {
                tokens.pop_front();
            }
        }
    }

    async fn introspect(&self, subject: &Subject, dice: &mut Dice) {
        let token = {
            let tokens = locked(&subject.tokens);
            tokens.get(dice.below(tokens.len())).cloned()
        };
        let (Some((number, token)), Some((replica, url, _permit))) = (token, self.leave(dice.below(REPLICAS)).await) else { return };
        let answer = self.owner.introspect(url, &token, None).await;
        self.wonder(&answer).await;
        let (started, ended, outcome) = (answer.started, answer.ended, answer.outcome(Reach::Wide));
        // A 401 is for who asks; that there is no such token is said otherwise.
        let outcome = if answer.status == Some(401) { Outcome::Other(401) } else { outcome };
        self.note(Operation { key: subject.number, act: Act::Introspect(number), replica, started, ended, outcome, revision: None });
        subject.probes.fetch_add(1, Ordering::Relaxed);
    }

    /// Revokes, and if that is acknowledged asks all replicas at once.
    async fn revoke(&self, subject: &Subject, meant: usize) {
        {
            let Some((replica, url, _permit)) = self.leave(meant).await else { return };
            let answer = self.owner.revoke(url, &subject.key).await;
            self.note_change(subject, Act::Revoke, replica, &answer).await;
            subject.is_revoked.store(true, Ordering::Relaxed);
            if !matches!(answer.outcome(Reach::Wide), Outcome::Accepted(_)) {
                return;
            }
        }
        tokio::join!(self.exchange(subject, 0), self.exchange(subject, 1), self.exchange(subject, 2));
    }

    async fn change_roles(&self, subject: &Subject, dice: &mut Dice) {
        if subject.key.kind != Kind::Api || subject.is_revoked.load(Ordering::Relaxed) {
            return;
        }
        let (act, reach) = if dice.below(2) == 0 { (Act::Narrow, Reach::Narrow) } else { (Act::Widen, Reach::Wide) };
        {
            let Some((replica, url, _permit)) = self.leave(dice.below(REPLICAS)).await else { return };
            let answer = self.owner.let_reach(url, &subject.key, reach).await;
            // A revoked key cannot be changed, which is no fault: somebody was faster.
            if !matches!(answer.status, Some(404 | 409)) {
                self.note_change(subject, act, replica, &answer).await;
            }
        }
        tokio::join!(self.exchange(subject, 0), self.exchange(subject, 1), self.exchange(subject, 2));
    }

    async fn note_change(&self, subject: &Subject, act: Act, replica: usize, answer: &Answer) {
        self.wonder(answer).await;
        let (started, ended, outcome) = (answer.started, answer.ended, answer.outcome(Reach::Wide));
        self.note(Operation { key: subject.number, act, replica, started, ended, outcome, revision: answer.revision });
    }

    /// Lets go of keys that were asked about for long enough.
    fn retire(&self) {
        let is_done = |subject: &Arc<Subject>| subject.is_revoked.load(Ordering::Relaxed) && PROBES < subject.probes.load(Ordering::Relaxed);
        locked(&self.subjects).retain(|subject| !is_done(subject));
    }
}

/// How every key ended, as a replica tells it and as it stands in the database.
async fn ends(cluster: &Cluster, keys: &[Key]) -> anyhow::Result<Vec<End>> {
    let mut by_api = HashMap::new();
    let url = &cluster.nodes.first().context("there are replicas")?.url;
    for kind in [Kind::Personal, Kind::Api] {
        for page in 1.. {
            let answer = cluster.owner.look(url, &format!("/{}?perPage=200&page={page}", kind.path())).await.done("keys could not be listed")?;
            let items = answer.body.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
            if items.is_empty() {
                break;
            }
            by_api.extend(items.iter().filter_map(|item| Some((item.get("id")?.as_str()?.to_owned(), state_of(item, kind)))));
        }
    }
    let rows = "SELECT id, kind, revoked_at IS NULL, EXISTS (SELECT 1 FROM key_roles WHERE key_id = id AND role = 'view-build') FROM keys";
    let rows = cluster.postgres.query(rows).await?;
    let by_database: HashMap<String, State> = rows.iter().filter_map(|row| row_state(row)).collect();
    let state = |states: &HashMap<String, State>, key: &Key| states.get(&key.id).copied().unwrap_or(State::Absent);
    Ok(keys.iter().map(|key| End { api: state(&by_api, key), database: state(&by_database, key) }).collect())
}

fn state_of(item: &Value, kind: Kind) -> State {
    if item.get("state").and_then(Value::as_str) == Some("Revoked") {
        return State::Revoked;
    }
    let grants = item.get("grants").and_then(Value::as_array).into_iter().flatten();
    let roles = grants.filter_map(|grant| grant.get("roles")?.as_array()).flatten().filter_map(Value::as_str);
    State::Active(if kind == Kind::Api { roles_reach(roles) } else { Reach::Wide })
}

fn row_state(row: &str) -> Option<(String, State)> {
    let mut columns = row.split('|');
    let (id, kind, is_active, has_role) = (columns.next()?, columns.next()?, columns.next()? == "t", columns.next()? == "t");
    let reach = if kind == "pak" || has_role { Reach::Wide } else { Reach::Narrow };
    Some((id.to_owned(), if is_active { State::Active(reach) } else { State::Revoked }))
}

fn tell(history: &History, injected: &injections::Injected) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for operation in &history.operations {
        let act = match operation.act {
            Act::Issue => "issue",
            Act::Exchange => "exchange",
            Act::Introspect(_) => "introspect",
            Act::Revoke => "revoke",
            Act::Narrow => "take a role away",
            Act::Widen => "give it back",
        };
        let outcome = match operation.outcome {
            Outcome::Accepted(_) => "yes",
            Outcome::Refused => "no",
            Outcome::Unavailable => "503",
            Outcome::Unsure => "no answer",
            Outcome::Other(_) => "other",
        };
        *counts.entry((act, outcome)).or_default() += 1;
    }
    for (fault, windows) in &injected.windows {
        let is_within = |operation: &&Operation| windows.iter().any(|(from, to)| *from <= operation.started && operation.started < *to);
        let changes = history.operations.iter().filter(|operation| operation.is_write() && operation.is_accepted()).filter(is_within);
        let mut times: Vec<_> = changes.map(|change| between(change.started, change.ended)).collect();
        println!("changes that were asked for during {fault:?} and acknowledged: {}", percentiles(&mut times));
    }
    let counted: Vec<String> = counts.iter().map(|((act, outcome), count)| format!("{act} {outcome} {count}")).collect();
    println!("operations: {}", counted.join(", "));
    let faults: Vec<String> = injected.faults.iter().map(|(fault, count)| format!("{fault:?} {count}")).collect();
    println!("faults: {}; {} notifications dropped, {} connections to the database", faults.join(", "), injected.dropped, injected.connections);
}
