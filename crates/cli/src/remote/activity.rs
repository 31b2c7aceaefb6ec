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
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// Between two looks at what happens.
const PAUSE: Duration = Duration::from_secs(2);
/// Accesses are written in batches, and may come behind changes that happened later: so far back every look reaches.
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
    let mut events = read(&mut connection, place, &filter, most).await?;
    events.reverse();
    if !args.follow {
        return output.list(&events, &["at", "who", "what", "about", "end", "address", "more"], |event| cells(event).to_vec());
    }
    for event in &events {
        line(&output, event)?;
    }
    follow(connection, (place, filter), events, &output).await
}

/// The latest events, latest first.
async fn read(connection: &mut Connection, place: Place, filter: &ActivityFilter, most: u32) -> Result<Vec<EventItem>, Failure> {
    let (mut events, mut cursor) = (Vec::new(), None);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    loop {
        let page = connection.ask(async |caller| caller.activity(place, filter, cursor.as_deref()).await).await?;
        events.extend(page.events);
        cursor = page.next_cursor;
        if events.len() >= most || cursor.is_none() {
            events.truncate(most);
            return Ok(events);
        }
    }
}

async fn follow(mut connection: Connection, (place, filter): (Place, ActivityFilter), told: Vec<EventItem>, output: &Output) -> Result<(), Failure> {
    let start = connection.clock().now();
    let mut seen: BTreeMap<Uuid, Time> = told.iter().map(|event| (event.id, event.at)).collect();
    // What was left out at the beginning stays so; what is written late is not.
    let not_before = told.last().map(|event| event.at).or(filter.from).unwrap_or(start);
    let mut is_away = false;
    loop {
        tokio::time::sleep(PAUSE).await;
        let from = connection.clock().now().minus(OVERLAP).max(not_before);
        let filter = ActivityFilter { from: Some(from), ..filter.clone() };
        let mut events = match read(&mut connection, place, &filter, u32::MAX).await {
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
        is_away = false;
        events.reverse();
        for event in events {
            if seen.insert(event.id, event.at).is_none() {
                line(output, &event)?;
            }
        }
        seen.retain(|_, at| *at >= from);
    }
}

fn line(output: &Output, event: &EventItem) -> Result<(), Failure> {
    match output.format() {
        OutputFormat::Json => output.json_line(event),
        OutputFormat::Table => output.line(&cells(event).map(|cell| shown(&cell)).join("  ")),
    }
}

fn cells(event: &EventItem) -> [String; 7] {
    let actor = &event.actor;
    let who = [&actor.email, &actor.name, &actor.kind].into_iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
    let text = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [event.at.to_string(), who, event.action.clone(), text(&event.subject), event.outcome.clone(), text(&event.address), event.reason.clone()]
}
