//! What every operation is told about its request.

use crate::Error;
use keywright_protocol::{KeyId, RequestId, Time, UserId};
use std::net::IpAddr;

/// Who acts; from the verified credential alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Nobody has been verified.
    Anonymous,
    /// A person.
    User(UserId),
    /// An API Key.
    ApiKey(KeyId),
    /// Somebody on the host itself: `keywright admin`, the first start, the demo.
    System,
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
}

impl Context {
    /// For acts on the host.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness for the request's id.
    pub fn system(now: Time) -> Result<Self, Error> {
        Ok(Self { now, actor: Actor::System, request_id: crate::chance::id()?, client_ip: None })
    }

    /// Operations that only the host itself may do.
    ///
    /// # Errors
    /// [`Error::HostOnly`] for everybody else.
    pub fn authorize_host(&self) -> Result<(), Error> {
        match self.actor {
            Actor::System => Ok(()),
            Actor::Anonymous | Actor::User(_) | Actor::ApiKey(_) => Err(Error::HostOnly),
        }
    }
}
