//! How long verifiers accept a token after it was taken back, under load; whether receipts tell the same; and what becomes of them when
//! they are cut off.

use crate::{
    library::Hears,
    verifiers::{self, MAX_AGE, Policy, Verdict, Verifier},
    world::{Key, World},
};
use anyhow::{Context as _, bail, ensure};
use keywright_protocol::{
    Position, Time,
    admin::AdminRequest,
    status::receipt::{Receipt, ReceiptState},
};
use serde_json::Value;
use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

/// With a stream, no verifier accepts a token later than this after the acknowledgement.
const STREAM_BOUND: Duration = Duration::from_secs(1);
/// By polling.
const POLL_BOUND: Duration = Duration::from_millis(5_250);
/// Of so many revocations one is followed to its end at those who poll, and its receipt is looked at.
const FOLLOWED: usize = 10;
/// Programs that exchange keys meanwhile.
const LOAD: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Revoke,
    Suspend,
    Role,
    Member,
    Rotate,
}

const KINDS: [Kind; 5] = [Kind::Revoke, Kind::Suspend, Kind::Role, Kind::Member, Kind::Rotate];

/// How late the last acceptances were.
#[derive(Default)]
struct Lateness {
    stream: Vec<Duration>,
    poll: Vec<Duration>,
}

pub(crate) async fn run(binary: &Path, count: usize) -> anyhow::Result<()> {
    let settings = [("KEYWRIGHT_KEYS__API_PER_ROOT", "100000"), ("KEYWRIGHT_LIMITS__KEY_PER_SECOND", "0"), ("KEYWRIGHT_LIMITS__ORGANIZATION_PER_SECOND", "0")];
    let mut world = World::start(binary, &settings).await?;
    let all: Vec<Arc<Verifier>> = verifiers::start(binary, &world.issuer).await?.into_iter().map(Arc::new).collect();
    let owner = world.owner_token().await?;
    let load = Load::start(&world).await?;
    let (mut lateness, mut followed) = (Lateness::default(), JoinSet::new());
    for number in 0..count {
        let kind = KINDS.get(number % KINDS.len()).copied().context("there are kinds")?;
        let key = make(&world, kind, number).await?;
        let token = world.exchange(&key).await?;
        for verifier in &all {
            let known = verifier.ask(&token).await?;
            ensure!(known.verdict == Verdict::Accepted, "{} does not accept a good token", verifier.name);
        }
        let follows = number % FOLLOWED == 0;
        let (mut streaming, mut polling) = (JoinSet::new(), JoinSet::new());
        for verifier in &all {
            let (verifier, token) = (Arc::clone(verifier), token.clone());
            match verifier.hears {
                Hears::Stream => drop(streaming.spawn(async move { until_refused(&verifier, &token, Duration::ZERO).await })),
                Hears::Poll if follows => drop(polling.spawn(async move { until_refused(&verifier, &token, Duration::from_millis(50)).await })),
                Hears::Poll => {}
            }
        }
        let (revision, acknowledged) = take_back(&world, kind, &key).await?;
        let ended = gather(&mut streaming).await?;
        lateness.stream.extend(ended.iter().map(|end| end.last.saturating_duration_since(acknowledged)));
        clean_up(&world, kind, &key).await?;
        if follows {
            let (client, issuer, owner) = (world.client.clone(), world.issuer.clone(), owner.clone());
            followed.spawn(async move {
                let polled = gather(&mut polling).await?;
                let late: Vec<Duration> = polled.iter().map(|end| end.last.saturating_duration_since(acknowledged)).collect();
                let ends: HashMap<String, Time> = ended.into_iter().chain(polled).map(|end| (end.name, end.last_by_clock)).collect();
                check_receipt(&client, &issuer, &owner, revision, &ends).await?;
                Ok::<_, anyhow::Error>(late)
            });
        }
    }
    let mut receipts = 0;
    while let Some(late) = followed.join_next().await {
        lateness.poll.extend(late??);
        receipts += 1;
    }
    let exchanged = load.end().await?;
    println!("{count} revocations of {} kinds, {} verifiers, {exchanged} exchanges meanwhile, {receipts} receipts that agree", KINDS.len(), all.len());
    let beyond = report("stream", &mut lateness.stream, STREAM_BOUND) + report("polling", &mut lateness.poll, POLL_BOUND);
    ensure!(beyond == 0, "{beyond} acceptances were later than the bound");
    cut_off(&mut world, &all).await
}

async fn make(world: &World, kind: Kind, number: usize) -> anyhow::Result<Key> {
    match kind {
        Kind::Revoke | Kind::Suspend | Kind::Rotate => world.api_key(number).await,
        Kind::Role | Kind::Member => world.personal_key(number).await,
    }
}

/// Answers the revision, and when the change was acknowledged.
async fn take_back(world: &World, kind: Kind, key: &Key) -> anyhow::Result<(Position, Instant)> {
    let revision = match (kind, key) {
        (Kind::Revoke, Key::Api { id, .. }) => world.change(AdminRequest::RevokeKey { key: *id }).await?,
        (Kind::Suspend, Key::Api { id, .. }) => world.change(AdminRequest::SuspendKey { key: *id }).await?,
        (Kind::Rotate, Key::Api { id, .. }) => {
            world.administer(AdminRequest::RotateKey { key: *id, overlap_seconds: Some(0), expires_at: None }).await?;
            let acknowledged = Instant::now();
            // The reply names the secret and no revision; the next change has a later one, which tells as much.
            return Ok((world.change(AdminRequest::SuspendKey { key: *id }).await?, acknowledged));
        }
        (Kind::Role, Key::Personal { user, .. }) => world.weaken(*user).await?,
        (Kind::Member, Key::Personal { user, .. }) => world.remove(*user).await?,
        (Kind::Revoke | Kind::Suspend | Kind::Rotate, Key::Personal { .. }) | (Kind::Role | Kind::Member, Key::Api { .. }) => bail!("another kind of key"),
    };
    Ok((revision, Instant::now()))
}

/// A root has so many keys and no more.
async fn clean_up(world: &World, kind: Kind, key: &Key) -> anyhow::Result<()> {
    if let (Kind::Suspend | Kind::Rotate, Key::Api { id, .. }) = (kind, key) {
        world.change(AdminRequest::RevokeKey { key: *id }).await?;
    }
    Ok(())
}

/// The last acceptance of a verifier.
struct End {
    name: String,
    last: Instant,
    last_by_clock: Time,
}

async fn until_refused(verifier: &Verifier, token: &str, pause: Duration) -> anyhow::Result<End> {
    let mut last = verifier.ask(token).await?;
    let started = Instant::now();
    loop {
        let known = verifier.ask(token).await?;
        match known.verdict {
            Verdict::Accepted => last = known,
            Verdict::Refused => return Ok(End { name: verifier.name.clone(), last: last.by, last_by_clock: last.by_clock }),
            Verdict::Unjudged => bail!("{} cannot judge a token although the server is there", verifier.name),
        }
        ensure!(started.elapsed() < Duration::from_secs(30), "{} goes on accepting a token that was taken back", verifier.name);
        tokio::time::sleep(pause).await;
    }
}

async fn gather(asking: &mut JoinSet<anyhow::Result<End>>) -> anyhow::Result<Vec<End>> {
    let mut ends = Vec::new();
    while let Some(end) = asking.join_next().await {
        ends.push(end??);
    }
    Ok(ends)
}

/// Nobody accepted the token after the moment at which its receipt says that he had heard. Both were read from one clock.
async fn check_receipt(client: &reqwest::Client, issuer: &str, owner: &str, revision: Position, ends: &HashMap<String, Time>) -> anyhow::Result<()> {
    // What was reported a moment ago is written within a second.
    let mut receipt = None;
    for _ in 0..100 {
        let answer: Value = client.get(format!("{issuer}/identity/v1/revocations/{revision}")).bearer_auth(owner).send().await?.json().await?;
        let told: Receipt = serde_json::from_value(answer.get("receipt").cloned().with_context(|| format!("no receipt of {revision}: {answer}"))?)?;
        let complete = told.verifiers.len() == verifiers::COUNT && told.verifiers.iter().all(|line| line.state == ReceiptState::Confirmed);
        receipt = Some(told);
        if complete {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let receipt = receipt.context("there is a receipt")?;
    for line in &receipt.verifiers {
        let said = line.confirmed_at.with_context(|| format!("the receipt of {revision} says nothing of {}: {line:?}", line.name))?;
        if let Some(last) = ends.get(&line.name) {
            ensure!(*last <= said.plus(Duration::from_millis(50)), "{} accepted a token at {last}, and had heard of {revision} at {said}", line.name);
        }
    }
    Ok(())
}

/// Prints percentiles; answers how many were beyond the bound.
fn report(what: &str, late: &mut [Duration], bound: Duration) -> usize {
    late.sort_unstable();
    let at = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index of a short list")]
        let index = ((late.len().saturating_sub(1)) as f64 * share).round() as usize;
        late.get(index).copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    println!("{what}: last acceptance after the acknowledgement, of {}: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", late.len(), at(0.5), at(0.99), at(1.0));
    late.iter().filter(|late| **late > bound).count()
}

/// Everything is cut: who is strict refuses once he has heard nothing for too long, who is lenient goes on; nobody takes back what he knows.
async fn cut_off(world: &mut World, all: &[Arc<Verifier>]) -> anyhow::Result<()> {
    let (good, bad) = (world.api_key(usize::MAX).await?, world.api_key(usize::MAX - 1).await?);
    let (good, bad_token) = (world.exchange(&good).await?, world.exchange(&bad).await?);
    for verifier in all {
        for token in [&good, &bad_token] {
            ensure!(verifier.ask(token).await?.verdict == Verdict::Accepted, "{}", verifier.name);
        }
    }
    take_back(world, Kind::Revoke, &bad).await?;
    tokio::time::sleep(POLL_BOUND).await;
    world.kill().await?;
    let cut = Instant::now();
    let latest = MAX_AGE + Duration::from_millis(500);
    while cut.elapsed() < latest + Duration::from_secs(3) {
        for verifier in all {
            let known = verifier.ask(&bad_token).await?;
            ensure!(known.verdict != Verdict::Accepted, "{} took back that a token was taken back", verifier.name);
            let asked = Instant::now();
            let known = verifier.ask(&good).await?;
            let late = asked.saturating_duration_since(cut);
            match (verifier.policy, known.verdict) {
                (Policy::Lenient, verdict) => ensure!(verdict == Verdict::Accepted, "{} is lenient and says {verdict:?}", verifier.name),
                (Policy::Strict, Verdict::Accepted) => ensure!(late <= latest, "{} accepts a token {late:?} after the last it can have heard", verifier.name),
                (Policy::Strict, Verdict::Unjudged) => {}
                (Policy::Strict, Verdict::Refused) => bail!("{} calls a good token bad because its issuer is away", verifier.name),
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for verifier in all.iter().filter(|verifier| verifier.policy == Policy::Strict) {
        ensure!(verifier.ask(&good).await?.verdict == Verdict::Unjudged, "{}", verifier.name);
    }
    world.start_again().await?;
    let back = Instant::now();
    for verifier in all {
        while verifier.ask(&good).await?.verdict != Verdict::Accepted {
            ensure!(back.elapsed() < Duration::from_secs(30), "{} does not find back to its issuer", verifier.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ensure!(verifier.ask(&bad_token).await?.verdict == Verdict::Refused, "{} took back that a token was taken back", verifier.name);
    }
    println!("cut off: every policy held, and all {} found back", all.len());
    Ok(())
}

/// Programs that exchange keys all the time.
pub(crate) struct Load {
    tasks: JoinSet<anyhow::Result<u64>>,
    over: Arc<std::sync::atomic::AtomicBool>,
}

impl Load {
    pub(crate) async fn start(world: &World) -> anyhow::Result<Self> {
        let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..LOAD {
            let Key::Api { name, secret, .. } = world.api_key(1_000_000 + number).await? else { bail!("an API Key") };
            let (client, url, over) = (world.client.clone(), format!("{}/auth/v1/api-key/token", world.issuer), Arc::clone(&over));
            tasks.spawn(async move {
                let mut exchanged = 0;
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let answer = client.post(&url).form(&[("name", &name), ("secret", &secret)]).send().await?;
                    ensure!(answer.status() == 200, "an exchange under load answered {}", answer.status());
                    let _ = answer.bytes().await;
                    exchanged += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Ok(exchanged)
            });
        }
        Ok(Self { tasks, over })
    }

    /// Answers how many exchanges there were.
    pub(crate) async fn end(mut self) -> anyhow::Result<u64> {
        self.over.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut all = 0;
        while let Some(exchanged) = self.tasks.join_next().await {
            all += exchanged??;
        }
        Ok(all)
    }
}
