//! What every operation is told about its request.

use crate::Error;
use keywright_protocol::{KeyId, OrganizationId, RequestId, SessionId, Time, UserId};
use std::net::IpAddr;

/// Who acts; from the verified credential alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Nobody has been verified.
    Anonymous,
    /// Whoever holds an access token of a key.
    Token(TokenActor),
    /// A person who has signed in.
    Person(PersonActor),
    /// Somebody on the host itself: `keywright admin`, the first start, the demo.
    System,
}

/// What a verified access token says about its holder. What he may do is computed anew, and lies within these permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenActor {
    /// The key that was exchanged for it.
    pub key_id: KeyId,
    /// The organization it is for.
    pub organization_id: OrganizationId,
    /// Ids of the permissions that it carries.
    pub permissions: Vec<String>,
}

/// A person, by his session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonActor {
    /// Who.
    pub user_id: UserId,
    /// By which session.
    pub session_id: SessionId,
    /// When he last gave his password.
    pub confirmed_at: Time,
}

/// First argument of every operation.
#[derive(Debug, Clone)]
pub struct Context {
    /// Read once a request.
    pub now: Time,
    /// Who acts.
    pub actor: Actor,
    /// The request's id, as in `X-Request-Id`.
    pub request_id: RequestId,
    /// Where it came from, through the configured proxies.
    pub client_ip: Option<IpAddr>,
    /// What the client calls itself; for the log, never a condition.
    pub user_agent: Option<String>,
}

impl Context {
    /// For acts on the host.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness for the request's id.
    pub fn system(now: Time) -> Result<Self, Error> {
        Ok(Self { now, actor: Actor::System, request_id: crate::chance::id()?, client_ip: None, user_agent: None })
    }

    /// Operations that only the host itself may do.
    ///
    /// # Errors
    /// [`Error::HostOnly`] for everybody else.
    pub fn authorize_host(&self) -> Result<(), Error> {
        match self.actor {
            Actor::System => Ok(()),
            Actor::Anonymous | Actor::Token(_) | Actor::Person(_) => Err(Error::HostOnly),
        }
    }
}
