//! The steps of the feed.

use super::{Document, Feed, Server, State, Status, Stream, Who};
use crate::{
    protocol::Mutant,
    words::{Change, Position},
};

impl Feed {
    /// A second passes.
    pub(super) fn tick(&self, state: &mut State) -> Option<()> {
        let documents = [&mut state.list, &mut state.news].into_iter().flatten().map(|document| &mut document.age);
        let ages = documents.chain(state.status.as_mut().map(|status| &mut status.age)).chain(state.acknowledged.as_mut());
        for age in ages {
            *age = self.max_staleness.min(*age + 1);
        }
        Some(())
    }

    /// A change commits.
    pub(super) fn commit(&self, state: &mut State, change: Change) -> Option<()> {
        match change {
            Change::Revoke if state.acknowledged.is_some() || revoked_at(state).is_some() => return None,
            Change::Revoke => {}
            Change::Other | Change::GiveBack => state.others = state.others.checked_sub(1)?,
        }
        state.log.append(change)
    }

    /// A replica follows the log in order, or loads another history.
    pub(super) fn apply(&self, state: &mut State, who: Who) -> Option<()> {
        let (position, log, revoked_at) = (state.position(), state.log, revoked_at(state));
        let server = state.server_mut(who);
        if server.applied.history < position.history {
            *server = Server { applied: position, revoked_at, leased: server.leased };
            return Some(());
        }
        log.after(server.applied.n)?;
        server.applied.n += 1;
        if revoked_at == Some(server.applied) {
            server.revoked_at = revoked_at;
        }
        Some(())
    }

    /// A lease runs out.
    pub(super) fn lose_lease(&self, state: &mut State, who: Who) -> Option<()> {
        state.server_mut(who).leased = false;
        Some(())
    }

    /// A lease begins: the replica has applied the position that it read.
    pub(super) fn renew_lease(&self, state: &mut State, who: Who) -> Option<()> {
        let position = state.position();
        let server = state.server_mut(who);
        if server.applied != position {
            return None;
        }
        server.leased = true;
        Some(())
    }

    /// The revocation is acknowledged: every replica with a lease has applied it.
    pub(super) fn acknowledge(&self, state: &mut State) -> Option<()> {
        let at = revoked_at(state)?;
        let knows = |server: Server| !server.leased || server.applied >= at;
        if state.acknowledged.is_some() || !knows(state.a) || !knows(state.b) {
            return None;
        }
        state.acknowledged = Some(0);
        Some(())
    }

    /// Another history begins with the first `n` changes. What is acknowledged is among them.
    pub(super) fn fail_over(&self, state: &mut State, n: u8) -> Option<()> {
        let kept = state.log.up_to(n);
        let loses_acknowledged = state.acknowledged.is_some() && revoked_at(state).is_none_or(|at| at.n > n);
        if !self.fails_over || state.history == 1 || n > state.log.n() || loses_acknowledged {
            return None;
        }
        (state.history, state.log) = (1, kept);
        Some(())
    }

    /// Whether a replica may serve lists and news: with a lease alone.
    fn may_serve(&self, server: &Server) -> bool {
        server.leased || self.protocol.has(Mutant::FeedWithoutLease)
    }

    /// A replica answers with a list, which carries position and time.
    pub(super) fn serve_list(&self, state: &mut State, who: Who) -> Option<()> {
        let server = *state.server(who);
        if state.list.is_some() || !self.may_serve(&server) {
            return None;
        }
        state.list = Some(Document { from: None, to: server.applied, bit: server.revoked_at.is_some(), age: 0 });
        Some(())
    }

    /// The list never arrives.
    pub(super) fn lose_list(&self, state: &mut State) -> Option<()> {
        state.list = None;
        Some(())
    }

    /// The list arrives. What is lower than what is known is refused, and no bit is cleared.
    pub(super) fn list_arrives(&self, state: &mut State) -> Option<()> {
        let list = state.list?;
        let age = if self.protocol.has(Mutant::ListThroughCache) { 0 } else { list.age };
        if !self.protocol.has(Mutant::ListThroughCache) {
            state.list = None;
        }
        let known = state.status;
        let is_lower = known.is_some_and(|status| list.to < status.position);
        let replaces = self.protocol.has(Mutant::LowerPositionTaken);
        if is_lower && !replaces {
            return Some(());
        }
        let forgets = replaces || (self.protocol.has(Mutant::BitsCleared) && known.is_some_and(|status| status.position.history < list.to.history));
        let known_bit = !forgets && known.is_some_and(|status| status.bit);
        state.status = Some(Status { position: list.to, bit: list.bit || known_bit, age });
        if state.stream.is_some_and(|stream| stream.sent.history != list.to.history) {
            state.stream = None;
        }
        Some(())
    }

    /// The verifier connects, and says what it knows: the stream goes on from there, if the replica has the same history.
    pub(super) fn open_stream(&self, state: &mut State, who: Who) -> Option<()> {
        let server = *state.server(who);
        let known = state.status?.position;
        if state.stream.is_some() || !self.may_serve(&server) {
            return None;
        }
        let sent = if self.protocol.has(Mutant::StreamFromNow) {
            server.applied
        } else if self.protocol.has(Mutant::BareStreamId) {
            Position { n: known.n, ..server.applied }
        } else if known.history == server.applied.history {
            known
        } else {
            return None;
        };
        state.stream = Some(Stream { server: who, sent });
        Some(())
    }

    /// News since what was sent: bits, position, time. Nothing new is a heartbeat.
    pub(super) fn send_news(&self, state: &mut State) -> Option<()> {
        let mut stream = state.stream?;
        let server = *state.server(stream.server);
        if state.news.is_some() || !self.may_serve(&server) || server.applied.history != stream.sent.history || server.applied < stream.sent {
            return None;
        }
        let bit = server.revoked_at.is_some_and(|at| at > stream.sent);
        state.news = Some(Document { from: Some(stream.sent), to: server.applied, bit, age: 0 });
        stream.sent = server.applied;
        state.stream = Some(stream);
        Some(())
    }

    /// News arrive. They are applied if they begin at or before what is known, in the same history.
    pub(super) fn news_arrive(&self, state: &mut State) -> Option<()> {
        let news = state.news.take()?;
        let age = if self.protocol.has(Mutant::AgeByReceipt) { 0 } else { news.age };
        let trusts = self.protocol.has(Mutant::StreamFromNow) || self.protocol.has(Mutant::BareStreamId);
        let status = state.status.as_mut()?;
        let follows = news.from.is_some_and(|from| from.history == status.position.history && from <= status.position);
        status.bit |= news.bit;
        if trusts || (follows && news.to >= status.position) {
            (status.position, status.age) = (news.to, age);
        }
        Some(())
    }

    /// The connection ends, and what was on its way is lost.
    pub(super) fn stream_breaks(&self, state: &mut State) -> Option<()> {
        state.stream.take()?;
        state.news = None;
        Some(())
    }
}

/// Where the revocation is in the primary's log.
fn revoked_at(state: &State) -> Option<Position> {
    let n = (0..state.log.n()).find(|n| state.log.after(*n) == Some(Change::Revoke))?;
    Some(Position { history: state.history, n: n + 1 })
}
