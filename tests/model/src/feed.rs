//! What verifiers hear: lists, a stream, and what makes both old.
//!
//! Two replicas serve, one verifier listens. What the other models prove is assumed: a replica with a lease has applied all that is
//! acknowledged, so a mutation is acknowledged when every replica with a lease has applied it. A tick is a second of the servers' time; the
//! age of what a verifier knows is counted in ticks.

mod steps;

use crate::{
    Extent,
    protocol::Protocol,
    words::{Change, Log, Position},
};
use stateright::{Model, Property};

/// Always: no token is accepted `max_staleness` after its revocation was acknowledged.
pub const NOTHING_IS_ACCEPTED_PAST_ITS_BOUND: &str = "nothing is accepted past its bound";
/// Always: what a verifier has once refused it never accepts.
pub const NOTHING_REFUSED_IS_ACCEPTED_AGAIN: &str = "nothing refused is accepted again";
/// Sometimes: a revocation reaches a verifier by a list.
pub const HEARD_BY_LIST: &str = "a revocation is heard of by a list";
/// Sometimes: a revocation reaches a verifier by the stream.
pub const HEARD_BY_STREAM: &str = "a revocation is heard of by the stream";
/// Sometimes: a verifier that has heard nothing for too long is up to date again.
pub const FOUND_BACK: &str = "a verifier finds back";
/// Sometimes: a verifier follows a new history.
pub const FOLLOWS_A_NEW_HISTORY: &str = "a verifier follows a new history";

/// What is explored.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Which rules are kept.
    pub protocol: Protocol,
    /// `max_staleness` in ticks.
    pub max_staleness: u8,
    /// How many other changes are made at most.
    pub others: u8,
    /// Who serves.
    pub servers: &'static [Who],
    /// Whether a failover may happen; what is not acknowledged may be lost by it.
    pub fails_over: bool,
}

/// A replica that serves the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// One.
    A,
    /// The other one.
    B,
}

/// What a replica has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Server {
    /// How far it has applied the log.
    pub applied: Position,
    /// The change that set the token's bit, where it has applied it.
    pub revoked_at: Option<Position>,
    /// Whether a lease runs.
    pub leased: bool,
}

/// A list, or a piece of news, on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Document {
    /// What it begins at; a list begins at nothing.
    pub from: Option<Position>,
    /// Its position.
    pub to: Position,
    /// Whether it sets the bit.
    pub bit: bool,
    /// Ticks since the time that it carries.
    pub age: u8,
}

/// What the verifier knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    /// The position.
    pub position: Position,
    /// The token's bit.
    pub bit: bool,
    /// Ticks since the server's time that came with it.
    pub age: u8,
}

/// A connection that news come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// Which replica's it is.
    pub server: Who,
    /// What was sent already.
    pub sent: Position,
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Of the primary.
    pub history: u8,
    /// The primary's log of changes.
    pub log: Log,
    /// How many other changes may still be made.
    pub others: u8,
    /// A replica.
    pub a: Server,
    /// Another one.
    pub b: Server,
    /// Ticks since the revocation was acknowledged.
    pub acknowledged: Option<u8>,
    /// A list on its way.
    pub list: Option<Document>,
    /// The stream.
    pub stream: Option<Stream>,
    /// News on their way.
    pub news: Option<Document>,
    /// What the verifier knows.
    pub status: Option<Status>,
    /// Whether it has known that the bit is set.
    pub has_refused: bool,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum Action {
    Tick,
    Commit(Change),
    Apply(Who),
    LoseLease(Who),
    RenewLease(Who),
    Acknowledge,
    FailOver(u8),
    ServeList(Who),
    LoseList,
    ListArrives,
    OpenStream(Who),
    SendNews,
    NewsArrive,
    StreamBreaks,
}

impl State {
    /// The primary's position.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { history: self.history, n: self.log.n() }
    }

    fn server(&self, who: Who) -> &Server {
        match who {
            Who::A => &self.a,
            Who::B => &self.b,
        }
    }

    fn server_mut(&mut self, who: Who) -> &mut Server {
        match who {
            Who::A => &mut self.a,
            Who::B => &mut self.b,
        }
    }
}

impl Feed {
    /// Two replicas, one revocation and another change.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, max_staleness: 2, others: 1, servers: &[Who::A, Who::B], fails_over: false }
    }

    /// With a failover that loses what is not acknowledged, and uses its numbers again. In the short form one replica serves.
    #[must_use]
    pub fn failing_over(protocol: Protocol, extent: Extent) -> Self {
        let servers: &[Who] = match extent {
            Extent::Short => &[Who::A],
            Extent::Full => &[Who::A, Who::B],
        };
        Self { servers, fails_over: true, ..Self::new(protocol) }
    }

    /// Whether the verifier would accept the token now.
    fn accepts(&self, state: &State) -> bool {
        state.status.is_some_and(|status| !status.bit && status.age < self.max_staleness)
    }

    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Tick => self.tick(state),
            Action::Commit(change) => self.commit(state, change),
            Action::Apply(who) => self.apply(state, who),
            Action::LoseLease(who) => self.lose_lease(state, who),
            Action::RenewLease(who) => self.renew_lease(state, who),
            Action::Acknowledge => self.acknowledge(state),
            Action::FailOver(n) => self.fail_over(state, n),
            Action::ServeList(who) => self.serve_list(state, who),
            Action::LoseList => self.lose_list(state),
            Action::ListArrives => self.list_arrives(state),
            Action::OpenStream(who) => self.open_stream(state, who),
            Action::SendNews => self.send_news(state),
            Action::NewsArrive => self.news_arrive(state),
            Action::StreamBreaks => self.stream_breaks(state),
        }
    }
}

impl Model for Feed {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            history: 0,
            log: Log::default(),
            others: self.others,
            a: Server::default(),
            b: Server::default(),
            acknowledged: None,
            list: None,
            stream: None,
            news: None,
            status: None,
            has_refused: false,
        }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        actions.extend([Action::Tick, Action::Commit(Change::Revoke), Action::Commit(Change::Other), Action::Acknowledge]);
        actions.extend([Action::FailOver(0), Action::FailOver(1), Action::FailOver(2)]);
        actions.extend([Action::LoseList, Action::ListArrives, Action::SendNews, Action::NewsArrive, Action::StreamBreaks]);
        for who in self.servers.iter().copied() {
            actions.extend([Action::Apply(who), Action::LoseLease(who), Action::RenewLease(who), Action::ServeList(who), Action::OpenStream(who)]);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.step(&mut state, action)?;
        state.has_refused |= state.status.is_some_and(|status| status.bit);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(NOTHING_IS_ACCEPTED_PAST_ITS_BOUND, |feed: &Self, state: &State| {
                state.acknowledged.is_none_or(|age| age < feed.max_staleness) || !feed.accepts(state)
            }),
            Property::always(NOTHING_REFUSED_IS_ACCEPTED_AGAIN, |feed: &Self, state: &State| !(state.has_refused && feed.accepts(state))),
            Property::sometimes(HEARD_BY_LIST, |_, state: &State| state.has_refused && state.stream.is_none()),
            Property::sometimes(HEARD_BY_STREAM, |_, state: &State| {
                let news = state.news.zip(state.status);
                news.is_some_and(|(news, status)| news.bit && !status.bit && news.from <= Some(status.position))
            }),
            Property::sometimes(FOUND_BACK, |feed: &Self, state: &State| {
                let is_old = state.status.is_some_and(|status| status.age >= feed.max_staleness);
                is_old && state.news.is_some_and(|news| news.age < feed.max_staleness && news.to >= state.status.map_or(news.to, |status| status.position))
            }),
        ];
        if self.fails_over {
            properties.push(Property::sometimes(FOLLOWS_A_NEW_HISTORY, |_, state: &State| state.status.is_some_and(|status| status.position.history == 1)));
        }
        properties
    }
}
