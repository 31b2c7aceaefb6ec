//! What every operation is told about its request.

use crate::{Error, Forbidden, Refusal, idempotency::Once, usage::Way};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, RequestId, SessionId, Time, UserId};
use std::{net::IpAddr, sync::Arc};

/// Who acts; from the verified credential alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Nobody has been verified.
    Anonymous,
    /// Whoever holds an access token of a key.
    Token(TokenActor),
    /// A person who has signed in.
    Person(PersonActor),
    /// An operator key.
    Operator(OperatorActor),
    /// Somebody on the host itself: `keywright admin`, the first start, the demo.
    System,
}

/// What a verified access token says about its holder. What he may do is computed anew, and lies within these permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenActor {
    /// The key that was exchanged for it.
    pub key_id: KeyId,
    /// What kind of key that is. For a session the key's id is the session's.
    pub key_kind: KeyKind,
    /// Which of the key's secrets was exchanged; when it ends, what was made from it opens nothing here any more. `None` in tokens from
    /// before that was noted.
    pub key_version: Option<i64>,
    /// The organization it is for.
    pub organization_id: OrganizationId,
    /// Roles that it was made with.
    pub roles: Vec<String>,
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

/// An operator key, by the secret version that was presented. What it may do is read anew in each transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorActor {
    /// Which.
    pub key_id: KeyId,
    /// The secret version.
    pub version: i64,
    /// For whom it acts; every change needs it. 1 to 128 characters, for the log.
    pub on_behalf_of: Option<String>,
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
    pub user_agent: Option<Arc<str>>,
    /// What makes a repetition of this request known as one.
    pub once: Option<Once>,
    /// By which way a key came in that is exchanged; for usage, never a condition.
    pub way: Way,
}

impl Context {
    /// For acts on the host.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness for the request's id.
    pub fn system(now: Time) -> Result<Self, Error> {
        Ok(Self { now, actor: Actor::System, request_id: crate::chance::id()?, client_ip: None, user_agent: None, once: None, way: Way::default() })
    }

    /// Operations that only the host itself may do.
    ///
    /// # Errors
    /// [`Error::HostOnly`] for everybody else.
    pub fn authorize_host(&self) -> Result<(), Error> {
        match self.actor {
            Actor::System => Ok(()),
            Actor::Anonymous | Actor::Token(_) | Actor::Person(_) | Actor::Operator(_) => Err(Error::HostOnly),
        }
    }

    /// Operations of a person on his own sessions and password.
    ///
    /// # Errors
    /// [`Error::Refused`] for nobody, [`Error::Forbidden`] for the holder of an access token: what a token was made from stays
    /// out of its reach.
    pub fn authorize_person(&self) -> Result<&PersonActor, Error> {
        match &self.actor {
            Actor::Person(person) => Ok(person),
            Actor::Anonymous => Err(Refusal::UnknownSession.into()),
            Actor::Token(_) | Actor::Operator(_) | Actor::System => {
                let how = "sign in with POST /auth/v1/sessions and send the sessionToken that it answers; an access token does not do it";
                Err(Forbidden::because(format!("this needs the session itself: {how}")).into())
            }
        }
    }

    /// Where the request came from, as it is kept; empty if that is not known.
    pub(crate) fn address_text(&self) -> String {
        self.client_ip.map(|address| address.to_string()).unwrap_or_default()
    }

    /// What the client calls itself, as it is kept.
    pub(crate) fn user_agent_text(&self) -> String {
        self.user_agent.iter().flat_map(|text| text.chars()).filter(|character| !character.is_control()).take(KEPT_OF_USER_AGENT).collect()
    }

    /// The same for whoever keeps it in memory: shared, unless there is too much of it.
    pub(crate) fn user_agent_shared(&self) -> Option<Arc<str>> {
        match &self.user_agent {
            Some(text) if text.len() <= KEPT_OF_USER_AGENT && !text.contains(char::is_control) => Some(Arc::clone(text)),
            Some(_) => Some(self.user_agent_text().into()),
            None => None,
        }
    }
}

/// Characters of it.
const KEPT_OF_USER_AGENT: usize = 200;
