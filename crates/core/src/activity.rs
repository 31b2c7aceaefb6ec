//! What happened, for those who may know: both logs, read from the end backwards, in the order of the chain.
//!
//! A page examines a bounded part of the log. With a filter that matches little it may hold few events, or none, and still not be the
//! last one: the list goes on as long as there is a cursor.

use crate::{
    Context, Core, Error, Forbidden,
    authorize::Authority,
    log::chain::{self, Head, Link},
};
use keywright_db::Tx;
use keywright_protocol::{OrganizationId, Time, catalog::OWNER};
use keywright_store::{
    access_log,
    access_log::AccessRow,
    log,
    log::{Place, Window},
    names,
};
pub use keywright_store::{log::EventRow, names::Called};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// Who may read it.
const VIEW: &str = "organization.activity.view";
/// What one page may cost: an event that is examined counts one, a row that is read counts [`ROW`].
const BUDGET: usize = 4_000;
const ROW: usize = 8;
/// Rows of each log that are read at once.
const CHUNK: i64 = 64;
/// Accesses are written up to this long after they happened; later only after the database was away for longer.
const LATE: Duration = Duration::from_secs(60 * 60);

/// One of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// What altered something, and sign-ins.
    Changes,
    /// Exchanges, refusals of known keys, gaps.
    Access,
}

/// Which events are asked for; all of those that match each of what is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Of one log.
    pub log: Option<Log>,
    /// From then on.
    pub from: Option<Time>,
    /// Before then.
    pub until: Option<Time>,
    /// Also those of the sub-organizations. For Owners of a root.
    pub sub_organizations: bool,
    /// This action, in the words of the log.
    pub action: Option<String>,
    /// This outcome.
    pub outcome: Option<String>,
    /// Done by somebody whose name or address has this in it, in any case of letters, or whose id it is.
    pub actor: Option<String>,
}

/// An event with the names of those it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What happened.
    pub event: EventRow,
    /// How whoever did it is called; empty for the host and for what is unknown.
    pub actor: Called,
    /// The name of the organization; empty for the installation as a whole.
    pub organization: String,
}

/// Whose events somebody wants to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// One organization's.
    Organization,
    /// A root's and those of everything below it.
    Tree,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Latest first.
    pub events: Vec<Told>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<String>,
}

/// An event's place in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct At(i64, Time, Uuid);

impl At {
    fn of(event: &EventRow) -> Self {
        Self(event.sequence, event.at, event.id)
    }
}

impl Core {
    /// What happened in an organization, or with `None` in the installation as a whole, latest first: at most `limit` events, behind
    /// those of an earlier page with its cursor.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::HostOnly`] for the installation; [`Error::Invalid`] for a cursor that is not
    /// of this list.
    pub async fn activity(
        self: &Arc<Self>,
        ctx: &Context,
        organization: Option<OrganizationId>,
        filter: Filter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Activity, Error> {
        let purpose = purpose(organization, &filter)?;
        let before = cursor.map(|cursor| self.open_cursor(&purpose, cursor)).transpose()?;
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let (place, root) = core.may_read(tx, &ctx, organization, if filter.sub_organizations { Asked::Tree } else { Asked::Organization }).await?;
                    let window = window(tx, root, &filter, before).await?;
                    let mut list = List { place, window, filter, before, limit, budget: BUDGET, names: Names::default(), told: Vec::new() };
                    let next = list.read(tx).await?;
                    let next = next.map(|at| core.seal_cursor(&purpose, at)).transpose()?;
                    Ok(Activity { events: list.told, next })
                })
            })
            .await
    }

    /// The links of a root's chain, or of the installation's, behind one (0 for all), with all that they stand for: some of them, none
    /// at the end. With them anybody can check the chain ([`chain::Checker`]).
    ///
    /// # Errors
    /// As [`Core::activity`]; [`Error::Forbidden`] for whoever is not Owner of a root.
    pub async fn chain(self: &Arc<Self>, ctx: &Context, root: Option<OrganizationId>, after: i64) -> Result<Vec<Link>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let (_, root) = core.may_read(tx, &ctx, root, Asked::Tree).await?;
                    chain::links(tx, root, after).await
                })
            })
            .await
    }

    /// The end of a root's chain, or of the installation's; `None` if nothing ever happened there.
    ///
    /// # Errors
    /// As [`Core::chain`].
    pub async fn chain_head(self: &Arc<Self>, ctx: &Context, root: Option<OrganizationId>) -> Result<Option<Head>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let (_, root) = core.may_read(tx, &ctx, root, Asked::Tree).await?;
                    chain::head(tx, root).await
                })
            })
            .await
    }

    /// What somebody may read, and whose chain that is in.
    async fn may_read(&self, tx: &mut Tx, ctx: &Context, organization: Option<OrganizationId>, asked: Asked) -> Result<(Place, OrganizationId), Error> {
        let Some(organization) = organization else {
            ctx.authorize_host()?;
            let nil = OrganizationId::from(Uuid::nil());
            return Ok((Place::Tree(nil), nil));
        };
        let authority = self.authority(tx, ctx, organization).await?;
        authority.require(VIEW)?;
        if asked == Asked::Organization {
            return Ok((Place::Organization(organization), authority.place.root_id));
        }
        require_root_owner(&authority)?;
        Ok((Place::Tree(organization), organization))
    }
}

fn require_root_owner(authority: &Authority) -> Result<(), Error> {
    let refuse = |reason: &str, roles: Vec<String>| Err(Forbidden { reason: reason.to_owned(), permission: None, roles }.into());
    if authority.place.id != authority.place.root_id {
        return refuse("a sub-organization has none below it, and its events are in its root's chain; ask for the root's", Vec::new());
    }
    if !authority.is_owner() {
        return refuse(
            "what happened in sub-organizations too, and the chain of it all, is for Owners of the root; ask one of them, or for one organization alone",
            vec![OWNER.to_owned()],
        );
    }
    Ok(())
}

/// What a cursor is sealed for: it opens nowhere else.
fn purpose(organization: Option<OrganizationId>, filter: &Filter) -> Result<String, Error> {
    serde_json::to_string(&("activity", organization, filter)).map_err(|_| Error::Internal("a filter cannot be written"))
}

/// Which links may have what is asked for.
async fn window(tx: &mut Tx, root: OrganizationId, filter: &Filter, before: Option<At>) -> Result<Window, Error> {
    const END: i64 = i64::MAX;
    let first = match filter.from {
        // Nothing is written before it happens.
        Some(from) => log::find_first_at(tx, root, from).await?.unwrap_or(END),
        None => 0,
    };
    let mut last = before.map_or(END, |before| before.0);
    if let Some(until) = filter.until
        && let Some(behind) = log::find_first_at(tx, root, until.plus(LATE)).await?
    {
        last = last.min(behind);
    }
    Ok(Window { first, last, until: filter.until.unwrap_or(Time::from_millis(END)) })
}

/// A list in the making.
struct List {
    place: Place,
    window: Window,
    filter: Filter,
    before: Option<At>,
    limit: usize,
    budget: usize,
    names: Names,
    told: Vec<Told>,
}

impl List {
    /// Reads until there is enough, nothing more, or the budget is spent. Answers behind which event it goes on.
    async fn read(&mut self, tx: &mut Tx) -> Result<Option<At>, Error> {
        let (mut changes, mut accesses) = (Changes::new(self.window), Accesses::new(self.window));
        changes.ended = self.filter.log == Some(Log::Access);
        accesses.ended = self.filter.log == Some(Log::Changes);
        loop {
            let (change, batch) = (changes.peek(tx, self.place).await?, accesses.peek(tx, self.place).await?);
            let mut events = match (change, batch) {
                (None, None) => return Ok(None),
                (change, batch) if change > batch => {
                    self.budget = self.budget.saturating_sub(ROW);
                    changes.rows.pop_front().into_iter().collect::<Vec<_>>()
                }
                (_, batch) => self.batch(&mut accesses, batch.unwrap_or_default())?,
            };
            events.sort_unstable_by_key(|event| std::cmp::Reverse(At::of(event)));
            for event in events {
                let at = At::of(&event);
                if self.before.is_some_and(|before| before <= at) {
                    continue;
                }
                self.budget = self.budget.saturating_sub(1);
                self.tell(tx, event).await?;
                if self.told.len() >= self.limit || self.budget == 0 {
                    return Ok(Some(at));
                }
            }
        }
    }

    /// The events of a link.
    fn batch(&mut self, accesses: &mut Accesses, sequence: i64) -> Result<Vec<EventRow>, Error> {
        let mut events = Vec::new();
        while let Some(((root, _), row)) = accesses.rows.pop_front_if(|((_, of), _)| *of == sequence) {
            self.budget = self.budget.saturating_sub(ROW);
            events.append(&mut row.read((root, sequence))?);
        }
        Ok(events)
    }

    /// Adds an event, if it is asked for.
    async fn tell(&mut self, tx: &mut Tx, event: EventRow) -> Result<(), Error> {
        let Filter { from, until, action, outcome, actor: wanted, .. } = &self.filter;
        let is_other = |wanted: &Option<String>, found: &str| wanted.as_ref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(found));
        let is_outside = from.is_some_and(|from| event.at < from) || until.is_some_and(|until| until <= event.at);
        if is_outside || is_other(action, &event.action) || is_other(outcome, &event.outcome) {
            return Ok(());
        }
        let actor = self.names.actor(tx, &event).await?;
        if let Some(wanted) = wanted {
            let wanted = wanted.to_lowercase();
            let is_id = event.actor_id.is_some_and(|id| id.hyphenated().to_string() == wanted);
            if !is_id && ![&actor.name, &actor.email].iter().any(|text| text.to_lowercase().contains(&wanted)) {
                return Ok(());
            }
        }
        let organization = self.names.organization(tx, event.organization_id).await?;
        self.told.push(Told { event, actor, organization });
        Ok(())
    }
}

/// Changes from the end backwards.
struct Changes {
    window: Window,
    rows: VecDeque<EventRow>,
    ended: bool,
}

impl Changes {
    fn new(window: Window) -> Self {
        Self { window, rows: VecDeque::new(), ended: false }
    }

    /// The link of the next one.
    async fn peek(&mut self, tx: &mut Tx, place: Place) -> Result<Option<i64>, Error> {
        if self.rows.is_empty() && !self.ended {
            self.rows = log::list_back(tx, place, &self.window, CHUNK).await?.into();
            match self.rows.back() {
                Some(row) => self.window.last = row.sequence - 1,
                None => self.ended = true,
            }
        }
        Ok(self.rows.front().map(|row| row.sequence))
    }
}

/// Rows of accesses from the end backwards. Those of one link are there together.
struct Accesses {
    window: Window,
    rows: VecDeque<((OrganizationId, i64), AccessRow)>,
    ended: bool,
}

impl Accesses {
    fn new(window: Window) -> Self {
        Self { window, rows: VecDeque::new(), ended: false }
    }

    /// The link of the next one.
    async fn peek(&mut self, tx: &mut Tx, place: Place) -> Result<Option<i64>, Error> {
        let mut chunk = CHUNK;
        while self.rows.is_empty() && !self.ended {
            let mut rows = access_log::list_back(tx, place, &self.window, chunk).await?;
            if i64::try_from(rows.len()).unwrap_or(i64::MAX) < chunk {
                self.ended = true;
            } else if let Some(last) = rows.last().map(|((_, sequence), _)| *sequence) {
                // There may be more of the last link.
                rows.retain(|((_, sequence), _)| *sequence != last);
                self.window.last = last;
            }
            self.rows = rows.into();
            // A link with more rows than that.
            chunk = chunk.saturating_mul(4);
        }
        Ok(self.rows.front().map(|((_, sequence), _)| *sequence))
    }
}

/// Names that were looked up already.
#[derive(Default)]
struct Names {
    actors: HashMap<(bool, Uuid), Called>,
    organizations: HashMap<OrganizationId, String>,
}

impl Names {
    async fn actor(&mut self, tx: &mut Tx, event: &EventRow) -> Result<Called, Error> {
        let Some(id) = event.actor_id else { return Ok(Called::default()) };
        let is_user = match event.actor_kind.as_str() {
            "user" => true,
            // The operator's keys are his own affair.
            "key" => false,
            _ => return Ok(Called::default()),
        };
        if let Some(known) = self.actors.get(&(is_user, id)) {
            return Ok(known.clone());
        }
        let found = if is_user { names::of_user(tx, id).await? } else { names::of_key(tx, id).await? }.unwrap_or_default();
        self.actors.insert((is_user, id), found.clone());
        Ok(found)
    }

    async fn organization(&mut self, tx: &mut Tx, id: OrganizationId) -> Result<String, Error> {
        if let Some(known) = self.organizations.get(&id) {
            return Ok(known.clone());
        }
        let found = names::of_organization(tx, id).await?.unwrap_or_default();
        self.organizations.insert(id, found.clone());
        Ok(found)
    }
}
