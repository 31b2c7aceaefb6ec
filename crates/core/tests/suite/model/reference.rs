//! The rules of the domain, written down a second time: maps, sets and sentences. Nothing here is taken from `core`.
//!
//! A refusal is everything that stands against an operation; which of several reasons an implementation names first is its own
//! affair. What must come first does: whoever does not authenticate learns nothing else, whoever has no business in an organization
//! learns that there is none, and whoever lacks the permission does not learn what is there.

use super::resolver::{OWNER, Resolver, Set};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// Milliseconds since the epoch.
pub(crate) type Millis = i64;

pub(crate) const SECOND: Millis = 1_000;
pub(crate) const HOUR: Millis = 3_600 * SECOND;
pub(crate) const DAY: Millis = 24 * HOUR;

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum No {
    Refused,
    Forbidden,
    NotFound,
    Conflict,
    Invalid,
}

impl No {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
        }
    }
}

pub(crate) type Verdict<T = ()> = Result<T, Vec<No>>;

#[derive(Debug, Clone)]
pub(crate) struct Organization {
    pub(crate) root: usize,
    pub(crate) name: String,
    pub(crate) suspended: bool,
}

/// A direct membership. Whoever comes back gets another one.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    pub(crate) place: usize,
    pub(crate) user: usize,
    pub(crate) roles: Set,
    pub(crate) ended: bool,
}

/// Roles by organization.
pub(crate) type Grants = BTreeMap<usize, Set>;

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Of a membership.
    Personal(usize),
    /// Of an organization.
    Api(Grants),
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) home: usize,
    pub(crate) name: String,
    pub(crate) names: Set,
    pub(crate) not_before: Millis,
    pub(crate) expires: Millis,
    pub(crate) suspended: bool,
    pub(crate) revoked: bool,
    pub(crate) protected: bool,
    /// From where it is taken: 0 everywhere, 1 a network, 2 a part of that.
    pub(crate) narrowness: usize,
    /// When each secret ends, if it does.
    pub(crate) secrets: Vec<Option<Millis>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) user: usize,
    pub(crate) since: Millis,
    pub(crate) ended: bool,
}

/// An access token, verified.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) key: usize,
    pub(crate) place: usize,
    pub(crate) roles: Set,
    pub(crate) permissions: Rc<Set>,
}

#[derive(Debug, Clone)]
pub(crate) enum Actor {
    Host,
    Person(usize),
    Token(Token),
}

/// What the operator has set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) managers_give_any: bool,
    pub(crate) keys_bring: bool,
    pub(crate) personal_limit: usize,
    pub(crate) api_limit: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct NewApi {
    pub(crate) name: String,
    pub(crate) grants: Grants,
    pub(crate) not_before: Option<Millis>,
    pub(crate) expires: Option<Millis>,
    pub(crate) narrowness: usize,
    pub(crate) protected: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Patch {
    pub(crate) name: Option<String>,
    pub(crate) grants: Option<Grants>,
    pub(crate) not_before: Option<Millis>,
    pub(crate) narrowness: Option<usize>,
    pub(crate) protected: Option<bool>,
}

/// What an exchange gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) roles: Set,
    pub(crate) permissions: Rc<Set>,
    /// When the token expires; a token counts whole seconds.
    pub(crate) expires: Millis,
}

/// Everything there is.
pub(crate) struct Model<'a> {
    pub(crate) resolver: &'a Resolver,
    pub(crate) rules: Rules,
    pub(crate) now: Millis,
    pub(crate) organizations: Vec<Organization>,
    /// Who is disabled.
    pub(crate) users: Vec<bool>,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) keys: Vec<Key>,
    pub(crate) sessions: Vec<Session>,
    /// The keys that the last operation was about: no other's tokens may end by it.
    pub(crate) touched: BTreeSet<usize>,
}

/// What somebody is in an organization.
pub(super) struct Standing {
    pub(super) host: bool,
    pub(super) key: bool,
    pub(super) user: Option<usize>,
    pub(super) fresh: bool,
    pub(super) owner: bool,
    pub(super) permissions: Rc<Set>,
}

impl Standing {
    pub(super) fn may(&self, permission: &str) -> bool {
        self.host || self.permissions.contains(permission)
    }

    pub(super) fn covers<'a>(&self, mut permissions: impl Iterator<Item = &'a String>) -> bool {
        permissions.all(|permission| self.may(permission))
    }

    pub(super) fn needs(&self, permission: &str) -> Verdict {
        against(&[(!self.may(permission), No::Forbidden)])
    }
}

/// All that applies of a list of objections.
pub(super) fn against(objections: &[(bool, No)]) -> Verdict {
    let no: Vec<No> = objections.iter().filter(|(applies, _)| *applies).map(|(_, no)| *no).collect();
    if no.is_empty() { Ok(()) } else { Err(no) }
}

impl<'a> Model<'a> {
    pub(crate) fn new(resolver: &'a Resolver, rules: Rules, now: Millis) -> Self {
        let (organizations, users, memberships) = (Vec::new(), Vec::new(), Vec::new());
        Self { resolver, rules, now, organizations, users, memberships, keys: Vec::new(), sessions: Vec::new(), touched: BTreeSet::new() }
    }

    pub(super) fn root(&self, place: usize) -> usize {
        self.organizations[place].root
    }

    /// Neither it nor its root is suspended.
    fn is_open(&self, place: usize) -> bool {
        !self.organizations[place].suspended && !self.organizations[self.root(place)].suspended
    }

    pub(crate) fn own(&self, place: usize, user: usize) -> Option<usize> {
        self.memberships.iter().position(|member| member.place == place && member.user == user && !member.ended)
    }

    pub(super) fn own_roles(&self, place: usize, user: usize) -> Set {
        self.own(place, user).map(|at| self.memberships[at].roles.clone()).unwrap_or_default()
    }

    /// Own roles replace the root's; with none of one's own the root's hold. `None` for whoever is no member at all.
    pub(crate) fn roles(&self, place: usize, user: usize) -> Option<Set> {
        let (own, inherited) = (self.own(place, user), self.own(self.root(place), user));
        own.or(inherited)?;
        let roles = self.own_roles(place, user);
        Some(if roles.is_empty() { self.own_roles(self.root(place), user) } else { roles })
    }

    pub(crate) fn is_owner(&self, place: usize, user: usize) -> bool {
        self.roles(place, user).is_some_and(|roles| roles.contains(OWNER))
    }

    pub(crate) fn holder(&self, key: usize) -> Option<usize> {
        match &self.keys[key].kind {
            Kind::Personal(membership) => Some(self.memberships[*membership].user),
            Kind::Api(_) => None,
        }
    }

    pub(super) fn is_api(&self, key: usize) -> bool {
        matches!(self.keys[key].kind, Kind::Api(_))
    }

    /// Everything that is dead about a secret of a key, by the codes of the refusals.
    pub(crate) fn dead(&self, key: usize, secret: usize) -> BTreeSet<&'static str> {
        let it = &self.keys[key];
        let (holder_disabled, membership_ended) = match &it.kind {
            Kind::Personal(membership) => (self.users[self.memberships[*membership].user], self.memberships[*membership].ended),
            Kind::Api(_) => (false, false),
        };
        let reasons = [
            (it.revoked, "key_revoked"),
            (it.secrets[secret].is_some_and(|end| end <= self.now), "key_secret_replaced"),
            (it.expires <= self.now, "key_expired"),
            (self.now < it.not_before, "key_not_yet_valid"),
            (it.suspended, "key_suspended"),
            (!self.is_open(it.home), "organization_disabled"),
            (holder_disabled, "holder_disabled"),
            (membership_ended, "membership_ended"),
        ];
        reasons.into_iter().filter(|(applies, _)| *applies).map(|(_, code)| code).collect()
    }

    /// A key opens its own organization, a root's key what hangs under the root too.
    fn reaches(&self, key: usize, place: usize) -> bool {
        let home = self.keys[key].home;
        self.organizations.get(place).is_some_and(|organization| !organization.suspended && (place == home || organization.root == home))
    }

    fn granted(&self, key: usize, place: usize) -> (Set, Rc<Set>) {
        let mut roles = match &self.keys[key].kind {
            Kind::Personal(membership) => self.roles(place, self.memberships[*membership].user).unwrap_or_default(),
            Kind::Api(grants) => grants.get(&place).cloned().unwrap_or_default(),
        };
        if roles.contains(OWNER) {
            roles.retain(|role| role == OWNER);
        }
        let permissions = self.resolver.permissions(&roles).intersection(&self.resolver.of_tokens).cloned().collect();
        (roles, Rc::new(permissions))
    }

    pub(crate) fn exchange(&self, key: usize, secret: usize, place: usize) -> Result<Granted, BTreeSet<&'static str>> {
        let dead = self.dead(key, secret);
        if !dead.is_empty() {
            return Err(dead);
        }
        if !self.reaches(key, place) {
            return Err(["organization_out_of_reach"].into());
        }
        let (roles, permissions) = self.granted(key, place);
        if permissions.is_empty() {
            return Err(["nothing_granted"].into());
        }
        let whole = |time: Millis| time / SECOND * SECOND;
        let expires = whole(self.now + HOUR).min(whole(self.end(key, secret)));
        Ok(Granted { roles, permissions, expires })
    }

    /// When a secret ends by itself.
    pub(crate) fn end(&self, key: usize, secret: usize) -> Millis {
        let it = &self.keys[key];
        it.secrets[secret].unwrap_or(Millis::MAX).min(it.expires)
    }

    /// What a key is granted somewhere; `None` where it does not reach.
    pub(crate) fn granted_in(&self, key: usize, place: usize) -> Option<Rc<Set>> {
        self.reaches(key, place).then(|| self.granted(key, place).1)
    }

    pub(super) fn standing(&self, actor: &Actor, place: usize) -> Verdict<Standing> {
        let exists = place < self.organizations.len();
        match actor {
            Actor::Host => {
                against(&[(!exists, No::NotFound)])?;
                Ok(Standing { host: true, key: false, user: None, fresh: true, owner: true, permissions: Rc::default() })
            }
            Actor::Person(session) => {
                let Session { user, since, ended } = self.sessions[*session];
                against(&[(ended || self.users[user] || since + 12 * HOUR <= self.now, No::Refused)])?;
                let roles = if exists && self.is_open(place) { self.roles(place, user) } else { None };
                let roles = roles.ok_or(vec![No::NotFound])?;
                let permissions = self.resolver.permissions(&roles);
                Ok(Standing { host: false, key: false, user: Some(user), fresh: self.now < since + 300 * SECOND, owner: roles.contains(OWNER), permissions })
            }
            Actor::Token(token) => {
                let newest = self.keys[token.key].secrets.len() - 1;
                // In a history tokens are used from nowhere, which is on no list.
                against(&[(!self.dead(token.key, newest).is_empty() || self.keys[token.key].narrowness != 0, No::Refused)])?;
                let covered = exists && (place == token.place || self.root(place) == token.place);
                against(&[(!covered || !self.reaches(token.key, place), No::NotFound)])?;
                let (roles, granted) = self.granted(token.key, place);
                against(&[(granted.is_empty(), No::Forbidden)])?;
                let permissions: Set = granted.intersection(&token.permissions).cloned().collect();
                // A token that was made for less does not follow its holder up.
                let owner = roles.contains(OWNER) && token.roles.contains(OWNER) && self.resolver.of_tokens.is_subset(&permissions);
                Ok(Standing { host: false, key: true, user: self.holder(token.key), fresh: false, owner, permissions: Rc::new(permissions) })
            }
        }
    }
}
