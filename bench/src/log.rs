//! The logs under a long load, with the time stepped: what they cost on disk and to read, and what is left when they are pruned.

use anyhow::{Context as _, ensure};
use keywright_core::{
    Context, Core, Credential, KeyFile, Location, Settings,
    activity::{Filter, Log},
    catalog::Preset,
    demo,
    log::chain::Checker,
};
use keywright_protocol::{Clock, OrganizationId, Time};
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Readings of one kind of page.
const READINGS: u32 = 100;
/// Clients, each with an address of its own.
const CLIENTS: u32 = 200;

/// Fills the logs of an empty folder and prints what came of it.
pub(crate) fn run(folder: &Path, seconds: u32, per_second: u32) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    ensure!(fs::read_dir(folder)?.next().is_none(), "{} is not empty", folder.display());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(fill(folder, seconds, per_second))
}

async fn fill(folder: &Path, seconds: u32, per_second: u32) -> anyhow::Result<()> {
    let mut settings = Settings::new("https://auth.example.com");
    settings.preset = Some(Preset::Appcircle);
    settings.remembered_keys = 1_000;
    let clock = Clock::stepped(Time::from_seconds(1_800_000_000));
    let location = Location::Sqlite { path: folder.join("identity.sqlite3") };
    let core = Core::start(&location, KeyFile::generate()?, settings, clock.clone()).await?;
    let world = demo::build(&core, &Context::system(clock.now())?).await?;
    let (empty, key) = (size(folder)?, world.api_keys.get("acme-ci").context("the demo has that key")?);

    let (mut writing, begun) = (Duration::ZERO, clock.now());
    for second in 0..seconds {
        for number in 0..per_second {
            let client = second.wrapping_mul(31).wrapping_add(number) % CLIENTS;
            let address = std::net::Ipv4Addr::from(0x0a00_0000 + client);
            let ctx = Context { client_ip: Some(address.into()), user_agent: Some("curl/8.14.1".into()), ..Context::system(clock.now())? };
            let personal = world.personal_access_keys.values().nth(number as usize % world.personal_access_keys.len()).context("there are keys")?;
            let credential =
                if number % 2 == 0 { Credential::ApiKey { name: "acme-ci", secret: &key.secret } } else { Credential::PersonalAccessKey(personal) };
            core.exchange(&ctx, credential, None).await?;
        }
        let before = cpu()?;
        core.flush_access_log(clock.now()).await?;
        writing += cpu()? - before;
        clock.advance(SECOND);
    }
    let events = u64::from(seconds) * u64::from(per_second);
    let full = size(folder)?;
    let root = world.acme.id;
    let told = |what: &str, value: Value| println!("{what}: {value}");
    told("events", json!(events));
    told("bytes", json!({ "all": full - empty, "perEvent": (full - empty) / events.max(1) }));
    told("writing, CPU microseconds an event", json!(micros(writing) / u128::from(events.max(1))));

    let middle = begun.plus(SECOND * (seconds / 2));
    let tree = Filter { sub_organizations: true, ..Filter::default() };
    let pages = [
        ("latest", tree.clone()),
        ("before the middle", Filter { until: Some(middle), ..tree.clone() }),
        ("an actor that is nowhere", Filter { actor: Some("nobody at all".to_owned()), ..tree.clone() }),
        ("refusals, of which there are none", Filter { outcome: Some("refused".to_owned()), ..tree.clone() }),
        ("changes", Filter { log: Some(Log::Changes), ..tree }),
    ];
    for (what, filter) in pages {
        told(&format!("page of 50, {what}, CPU microseconds"), json!(page(&core, root, &clock, &filter).await?));
    }
    told("chain", json!(check(&core, root, &clock).await?));
    clock.advance(DAY * 92);
    let removed = core.prune_logs(clock.now()).await?;
    told("links pruned", json!(removed));
    told("chain behind that", json!(check(&core, root, &clock).await?));
    core.close().await;
    told("bytes then, with pages that are free to be used again", json!(size(folder)?));
    Ok(())
}

/// The mean of several readings.
async fn page(core: &Arc<Core>, root: OrganizationId, clock: &Clock, filter: &Filter) -> anyhow::Result<u128> {
    let ctx = Context::system(clock.now())?;
    let before = cpu()?;
    for _ in 0..READINGS {
        core.activity(&ctx, Some(root), filter.clone(), None, 50).await?;
    }
    Ok(micros(cpu()? - before) / u128::from(READINGS))
}

/// What a checker says of a whole chain.
async fn check(core: &Arc<Core>, root: OrganizationId, clock: &Clock) -> anyhow::Result<String> {
    let (ctx, mut checker, mut after) = (Context::system(clock.now())?, Checker::new(root, None), 0);
    loop {
        let links = core.chain(&ctx, Some(root), after).await?;
        for link in &links {
            checker.follow(link)?;
        }
        match links.last() {
            Some(last) => after = last.sequence,
            None => break,
        }
    }
    let whole = checker.end()?;
    Ok(format!("whole, up to {}, {} links removed", whole.head.context("it has an end")?.sequence, whole.pruned))
}

/// Bytes of the files in a folder.
fn size(folder: &Path) -> anyhow::Result<u64> {
    fs::read_dir(folder)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}

/// User and system time of this process (proc(5), `/proc/pid/stat`, fields 14 and 15), in ticks of a hundredth of a second.
fn cpu() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').context("a name in brackets")?.1;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn micros(time: Duration) -> u128 {
    time.as_micros()
}
