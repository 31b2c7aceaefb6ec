//! Programs that ask one thing over and over while the database is away, and what they saw.

use super::{
    calls::{Answer, Caller, Key, Kind},
    history::Nanos,
};
use anyhow::Context as _;
use serde_json::Value;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

/// Between two questions of one program.
const PAUSE: Duration = Duration::from_millis(30);
/// So many keys that no replica has in memory.
const COLD: usize = 12;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Question {
    /// An exchange of a key that is in memory.
    Warm,
    /// An exchange of one that is not.
    Cold,
    /// About a token, by the holder of another one.
    Introspect,
    /// The identity API, by a session.
    Identity,
    /// A revocation.
    Revoke,
    /// The public keys, by which anybody verifies signatures.
    Keys,
    /// `/readyz`.
    Ready,
}

pub(crate) const QUESTIONS: [Question; 7] =
    [Question::Warm, Question::Cold, Question::Introspect, Question::Identity, Question::Revoke, Question::Keys, Question::Ready];

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    pub(crate) question: Question,
    pub(crate) replica: usize,
    pub(crate) started: Nanos,
    pub(crate) ended: Nanos,
    pub(crate) status: Option<u16>,
    pub(crate) has_retry_after: bool,
    /// `active: false`.
    pub(crate) is_inactive: bool,
    /// Of what was neither 200 nor 503.
    pub(crate) body: Value,
}

impl Observation {
    fn new(question: Question, replica: usize, answer: Answer) -> Self {
        Self {
            question,
            replica,
            started: answer.started,
            ended: answer.ended,
            status: answer.status,
            has_retry_after: answer.retry_after.is_some(),
            is_inactive: answer.body.get("active") == Some(&Value::Bool(false)),
            body: if matches!(answer.status, Some(200 | 503)) { Value::Null } else { answer.body },
        }
    }

    /// Whether it is an exchange.
    pub(crate) const fn is_exchange(&self) -> bool {
        matches!(self.question, Question::Warm | Question::Cold)
    }
}

/// What the programs ask about: made anew for each outage.
pub(crate) struct Subjects {
    pub(crate) warm: Key,
    cold: Vec<Key>,
    token: String,
    asker: String,
    /// One for each replica, to be revoked there.
    pub(crate) doomed: Vec<Key>,
}

impl Subjects {
    /// Makes keys, and has every replica exchange the warm one and answer about its token.
    pub(crate) async fn make(owner: &Caller, urls: &[String], name: &str) -> anyhow::Result<Self> {
        let first = urls.first().context("there are replicas")?;
        let (mut cold, mut doomed) = (Vec::new(), Vec::new());
        for number in 0..COLD {
            cold.push(owner.made(first, Kind::Personal, &format!("{name}-cold-{number}")).await?);
        }
        for number in 0..urls.len() {
            doomed.push(owner.made(first, Kind::Personal, &format!("{name}-doomed-{number}")).await?);
        }
        let warm = owner.made(first, Kind::Api, &format!("{name}-warm")).await?;
        let other = owner.made(first, Kind::Personal, &format!("{name}-asker")).await?;
        let (token, asker) = (owner.token(first, &warm).await?, owner.token(first, &other).await?);
        for url in urls {
            owner.token(url, &warm).await?;
            owner.token(url, &other).await?;
            owner.introspect(url, &token, Some(&asker)).await.done("a good token")?;
        }
        Ok(Self { warm, cold, token, asker, doomed })
    }
}

/// The programs.
pub(crate) struct Probes {
    tasks: JoinSet<anyhow::Result<()>>,
    is_over: Arc<AtomicBool>,
    /// Keys that are in no memory are asked about from the outage on, else they would be in it.
    is_away: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Observation>>>,
}

impl Probes {
    pub(crate) fn start(owner: &Caller, urls: &[String], subjects: &Arc<Subjects>) -> Self {
        let mut probes = Self { tasks: JoinSet::new(), is_over: Arc::default(), is_away: Arc::default(), seen: Arc::default() };
        for (replica, url) in urls.iter().enumerate() {
            for question in QUESTIONS {
                let (owner, url, subjects) = (owner.clone(), url.clone(), Arc::clone(subjects));
                let (is_over, is_away, seen) = (Arc::clone(&probes.is_over), Arc::clone(&probes.is_away), Arc::clone(&probes.seen));
                probes.tasks.spawn(async move {
                    let mut number = replica;
                    while !is_over.load(Ordering::Relaxed) {
                        if is_away.load(Ordering::Relaxed) || !matches!(question, Question::Cold | Question::Revoke) {
                            let answer = ask(&owner, &url, question, &subjects, number).await?;
                            seen.lock().unwrap_or_else(PoisonError::into_inner).push(Observation::new(question, replica, answer));
                            number += urls_apart(&subjects);
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                    Ok(())
                });
            }
        }
        probes
    }

    /// The outage begins: from now on also what has no answer in memory is asked for.
    pub(crate) fn away(&self) {
        self.is_away.store(true, Ordering::Relaxed);
    }

    /// Ends them; answers what they saw.
    pub(crate) async fn end(mut self) -> anyhow::Result<Vec<Observation>> {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(task) = self.tasks.join_next().await {
            task??;
        }
        Ok(std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Each replica's program has keys of its own.
fn urls_apart(subjects: &Subjects) -> usize {
    subjects.doomed.len()
}

async fn ask(owner: &Caller, url: &str, question: Question, subjects: &Subjects, number: usize) -> anyhow::Result<Answer> {
    Ok(match question {
        Question::Warm => owner.exchange(url, &subjects.warm).await,
        Question::Cold => owner.exchange(url, subjects.cold.get(number % subjects.cold.len().max(1)).context("there are keys")?).await,
        Question::Introspect => owner.introspect(url, &subjects.token, Some(&subjects.asker)).await,
        Question::Identity => owner.look(url, "").await,
        Question::Revoke => owner.revoke(url, subjects.doomed.get(number % subjects.doomed.len().max(1)).context("there are keys")?).await,
        Question::Keys => owner.get(url, "/.well-known/jwks.json").await,
        Question::Ready => owner.get(url, "/readyz").await,
    })
}
