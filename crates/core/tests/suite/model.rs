//! Random histories, on the real thing and on a reference that was written from the rules alone: the same answers, the same rows, the
//! same tokens. A history that fails is told with its seed, without the operations that it fails without.
//!
//! `TEST_SEED=n` repeats one history on SQLite and PostgreSQL; `TEST_HISTORIES=n` does so many.

mod acts;
mod compare;
pub(crate) mod operations;
pub(crate) mod reference;
pub(crate) mod resolver;
pub(crate) mod world;

use crate::support;
use keywright_db::{Db, Location, Writes, testing};
use operations::{Dice, Operation};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tempfile::TempDir;
use world::{Bench, VARIANTS};

const OPERATIONS: usize = 50;
/// More than processors: a history mostly waits for the threads of its database.
const WORKERS: usize = 4;
/// A database is thrown away after so many histories: what counts up in it makes it slow.
const HISTORIES_PER_DATABASE: usize = 40;

/// So many histories must have seen every operation succeed and fail.
const EXPRESSIVE: u64 = 50;

/// How often which operation had which outcome.
type Tally = BTreeMap<(&'static str, &'static str), usize>;

#[derive(Clone, Copy)]
enum Engine {
    Sqlite,
    Postgres,
}

/// Reddens when a conjunct of `alive` is left out, when a statement about keys, memberships, users or organizations says OR for AND or
/// names no organization, when generations end that must not or do not that must, and when memory forgets too little.
#[test]
fn histories_agree_with_the_rules_on_sqlite() {
    explore(Engine::Sqlite, support::extent(160, 20_000));
}

#[test]
fn histories_agree_with_the_rules_on_postgres() {
    explore(Engine::Postgres, support::extent(12, 2_000));
}

fn explore(engine: Engine, count: usize) {
    let count = support::variable("TEST_HISTORIES").unwrap_or(count as u64);
    let (first, count) = support::variable("TEST_SEED").map_or((0, count), |seed| (seed, 1));
    let next = AtomicU64::new(first);
    let tally: Mutex<Tally> = Mutex::default();
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut benches: [Option<Place>; VARIANTS] = std::array::from_fn(|_| None);
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if first + count <= seed {
                    return Ok(());
                }
                let variant = usize::try_from(seed % VARIANTS as u64).unwrap();
                let place = match benches[variant].take() {
                    Some(place) if place.histories < HISTORIES_PER_DATABASE => place,
                    Some(_) | None => Place::open(engine, variant).await,
                };
                let place = benches[variant].insert(place);
                place.histories += 1;
                let told = run(&place.bench, seed).await;
                for (what, count) in std::mem::take(&mut *place.bench.tally.borrow_mut()) {
                    *tally.lock().unwrap().entry(what).or_default() += count;
                }
                if let Err(told) = told {
                    next.store(first + count, Ordering::Relaxed);
                    return Err(told);
                }
            }
        })
    };
    let told: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().unwrap().err()).collect()
    });
    assert!(told.is_empty(), "{}", told.join("\n\n"));
    let tally = tally.into_inner().unwrap();
    println!("{tally:#?}");
    if count >= EXPRESSIVE {
        // A history that only knocks at closed doors would agree with anything.
        for operation in tally.keys().map(|(operation, _)| *operation).filter(|operation| !["advance", "exchange"].contains(operation)) {
            let done = tally.get(&(operation, "done")).copied().unwrap_or_default();
            let all: usize = tally.iter().filter(|((of, _), _)| *of == operation).map(|(_, count)| count).sum();
            assert!(all / 10 < done && done < all, "{operation}: {done} of {all} succeed");
        }
    }
}

/// A database with a core on it.
struct Place {
    bench: Bench,
    histories: usize,
    _folder: Option<TempDir>,
}

impl Place {
    async fn open(engine: Engine, variant: usize) -> Self {
        let (db, folder) = match engine {
            Engine::Sqlite => {
                // What waits for no disk is many times faster.
                let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
                let location = Location::Sqlite { path: folder.path().join("test.db") };
                (Db::open(&location, Writes::Revisioned, keywright_store::MIGRATIONS).await.unwrap(), Some(folder))
            }
            Engine::Postgres => (testing::postgres(Writes::Revisioned, keywright_store::MIGRATIONS).await.db.clone(), None),
        };
        Self { bench: Bench::start(db, variant).await, histories: 0, _folder: folder }
    }
}

async fn run(bench: &Bench, seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed);
    // Each operation brings its own chance for what is looked at afterwards, so that it stays the same when others are left out.
    let history: Vec<(u64, Operation)> = (0..OPERATIONS).map(|_| (dice.next(), Operation::draw(&mut dice))).collect();
    match bench.run(seed, &history).await {
        Ok(()) => Ok(()),
        Err(problem) => Err(shrink(bench, seed, history, problem).await),
    }
}

/// Leaves out what the failure does not need.
async fn shrink(bench: &Bench, seed: u64, mut history: Vec<(u64, Operation)>, mut problem: String) -> String {
    let mut length = history.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at < history.len() {
            let end = (at + length).min(history.len());
            let shorter = [&history[..at], &history[end..]].concat();
            match bench.run(seed, &shorter).await {
                Ok(()) => at = end,
                Err(told) => (history, problem) = (shorter, told),
            }
        }
        length /= 2;
    }
    let listed: Vec<String> = history.iter().enumerate().map(|(at, (_, operation))| format!("  {at}: {operation:?}")).collect();
    format!("the history of TEST_SEED={seed} fails, reduced to {} operations:\n{}\n{problem}", history.len(), listed.join("\n"))
}
