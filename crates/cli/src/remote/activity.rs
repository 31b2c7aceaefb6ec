//! `keywright activity`: what happened, and what happens.

use super::{
    Common, Connection, Failure,
    environment::Environment,
    organization::OrganizationArg,
    output::{Output, OutputFormat, shown},
    when::When,
};
use clap::{Args, ValueEnum};
use keywright_client::{ActivityFilter, Place};
use keywright_protocol::{Time, activity::EventItem};
use std::time::Duration;

/// Between two looks at what happens.
const PAUSE: Duration = Duration::from_secs(2);
/// Accesses are written in batches, after they happened: so far before the last look every look reaches.
const OVERLAP: Duration = Duration::from_secs(120);
/// Events a page.
const PAGE: u32 = 200;

/// What it takes.
#[derive(Debug, Args)]
pub struct ActivityArgs {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    organization: OrganizationArg,
    /// Go on with what happens, until it is ended; an event a line
    #[arg(long)]
    follow: bool,
    /// From this time on, or from so long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// How many events at most, the latest of them; 50 without --since
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// One of the two logs
    #[arg(long, value_enum)]
    log: Option<Log>,
    /// Only what was done by this person or key: a part of the name or the address
    #[arg(long, default_value = "")]
    actor: String,
    /// Only this, in the words of the log, such as "API Key Create"
    #[arg(long, default_value = "")]
    action: String,
    /// Only with this end: done, issued, refused or lost
    #[arg(long, default_value = "")]
    outcome: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Log {
    /// What was changed, and who signed in
    Changes,
    /// What was exchanged, and what was refused
    Access,
}

pub(super) async fn run(args: ActivityArgs, environment: &Environment) -> Result<(), Failure> {
    let output = args.common.output();
    let mut connection = Connection::open(&args.common, environment).await?;
    let place = args.organization.place(&mut connection).await?;
    let now = connection.clock().now();
    let log = match args.log {
        None => "",
        Some(Log::Changes) => "changes",
        Some(Log::Access) => "access",
    };
    let from = args.since.map(|since| since.before(now));
    let filter = ActivityFilter { log: log.to_owned(), from, until: None, action: args.action, actor: args.actor, outcome: args.outcome, limit: Some(PAGE) };
    let most = args.limit.unwrap_or(if from.is_some() { u32::MAX } else { 50 });
    let mut events = read(&mut connection, place, &filter, Part::Latest(usize::try_from(most).unwrap_or(usize::MAX))).await?;
    events.reverse();
    if !args.follow {
        return output.list(&events, &["at", "who", "what", "about", "end", "address", "more"], |event| cells(event).to_vec());
    }
    for event in &events {
        line(&output, event)?;
    }
    let link = events.iter().map(|event| event.sequence).max().unwrap_or_default();
    follow(connection, (place, filter), (link, now), &output).await
}

/// Which part of the list is read.
#[derive(Clone, Copy)]
enum Part {
    /// So many of the latest.
    Latest(usize),
    /// What was written behind this link of the chain. A link is written whole, and later ones stand before it.
    Behind(i64),
}

/// Events, latest first.
async fn read(connection: &mut Connection, place: Place, filter: &ActivityFilter, part: Part) -> Result<Vec<EventItem>, Failure> {
    let (mut events, mut cursor) = (Vec::new(), None);
    loop {
        let page = connection.ask(async |caller| caller.activity(place, filter, cursor.as_deref()).await).await?;
        events.extend(page.events);
        cursor = page.next_cursor;
        let is_enough = match part {
            Part::Latest(most) => events.len() >= most,
            Part::Behind(link) => events.last().is_some_and(|event: &EventItem| event.sequence <= link),
        };
        if is_enough || cursor.is_none() {
            match part {
                Part::Latest(most) => events.truncate(most),
                Part::Behind(link) => events.retain(|event| event.sequence > link),
            }
            return Ok(events);
        }
    }
}

/// Tells what is written from now on; `link` is the last one that was told, and 0 if none was.
async fn follow(
    mut connection: Connection,
    (place, filter): (Place, ActivityFilter),
    (mut link, mut read_at): (i64, Time),
    output: &Output,
) -> Result<(), Failure> {
    let mut is_away = false;
    loop {
        tokio::time::sleep(PAUSE).await;
        // Where nothing was told yet, the time keeps a look from going through the whole log.
        let asked_at = connection.clock().now();
        let from = filter.from.max(Some(read_at.minus(OVERLAP)));
        let events = match read(&mut connection, place, &ActivityFilter { from, ..filter.clone() }, Part::Behind(link)).await {
            Ok(events) => events,
            Err(failure) if failure.may_pass() => {
                if !is_away {
                    output.remark("the server does not answer at the moment; it is asked again every two seconds");
                }
                is_away = true;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        (is_away, read_at) = (false, asked_at);
        for event in events.iter().rev() {
            line(output, event)?;
            link = link.max(event.sequence);
        }
    }
}

fn line(output: &Output, event: &EventItem) -> Result<(), Failure> {
    match output.format() {
        OutputFormat::Json => output.json_line(event),
        OutputFormat::Table => output.line(cells(event).map(|cell| shown(&cell)).join("  ").trim_end()),
    }
}

fn cells(event: &EventItem) -> [String; 7] {
    let actor = &event.actor;
    let who = [&actor.email, &actor.name, &actor.kind].into_iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
    let text = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [event.at.to_string(), who, event.action.clone(), text(&event.subject), event.outcome.clone(), text(&event.address), event.reason.clone()]
}
