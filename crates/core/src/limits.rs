//! Limits against guessing and floods: token buckets for exchanges, sign-ins and links.
//!
//! Whoever guesses pays, never whom he guesses at. A refused key costs the address that it came from. A known key costs itself
//! and its organization, so that one which runs wild slows nobody else. A wrong password costs the account only together with
//! where it came from, unless it is tried from many places (`docs/decisions/0009-limits.md`).
//!
//! Buckets are this process's own and full at its start. Where several serve one database, each gives its part of every limit.

mod buckets;

pub use buckets::Rate;

use crate::{Error, invitations::digest_of};
use buckets::{Buckets, Level};
use keywright_protocol::{Clock, KeyId, OrganizationId, SessionId};
use std::{fmt, net::IpAddr};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Refused keys from one address.
    RefusedKeys,
    /// Exchanges of one key.
    Key,
    /// Exchanges of all keys of one organization.
    Organization,
    /// Sign-ins, changes of passwords and uses of links from one address.
    SignIn,
    /// Failed sign-ins to one account from one address, or wrong passwords in one session.
    AccountAndAddress,
    /// Failed sign-ins to one account from everywhere.
    Account,
    /// Wrong codes of one account's second factor; counted in the database.
    SecondFactor,
}

impl Policy {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RefusedKeys => "refused-keys",
            Self::Key => "key",
            Self::Organization => "organization",
            Self::SignIn => "sign-in",
            Self::AccountAndAddress => "account-and-address",
            Self::Account => "account",
            Self::SecondFactor => "second-factor",
        }
    }
}

/// What is left of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Of which.
    pub policy: Policy,
    /// How many at once.
    pub quota: u32,
    /// Seconds in which all of them come back.
    pub window: u64,
    /// How many are left.
    pub left: u32,
    /// Seconds until there is one again; 0 while there is one.
    pub wait: u64,
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.policy {
            Policy::RefusedKeys => {
                "too many keys from your address were refused; this limit is the address's, so good keys from it wait too: correct the one that is wrong, and"
            }
            Policy::Key => "this key is exchanged too often; use each access token until it expires, and",
            Policy::Organization => "the keys of this organization are exchanged too often; use each access token until it expires, and",
            Policy::SignIn => "too many sign-ins, password changes or links came from your address;",
            Policy::AccountAndAddress | Policy::Account => "too many wrong passwords or codes were given for this account;",
            Policy::SecondFactor => {
                "too many wrong codes were given for this account by somebody who knows its password; if that was not you, change the password; sign in with a recovery code, or"
            }
        })?;
        match self.wait {
            1 => f.write_str(" try again in a second"),
            2..120 => write!(f, " try again in {} seconds", self.wait),
            _ => write!(f, " try again in {} minutes", self.wait.div_ceil(60)),
        }
    }
}

/// What an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Refused keys from one address.
    pub refused_keys: Rate,
    /// Exchanges of one key.
    pub key: Rate,
    /// Exchanges of all keys of one organization.
    pub organization: Rate,
    /// Sign-ins, changes of passwords and uses of links from one address.
    pub sign_in: Rate,
    /// Failed sign-ins to one account from one address.
    pub account_and_address: Rate,
    /// Failed sign-ins to one account from everywhere.
    pub account: Rate,
    /// Buckets of each kind that are remembered.
    pub buckets: usize,
}

impl Rates {
    /// No limits.
    pub const OFF: Self = Self {
        refused_keys: Rate::OFF,
        key: Rate::OFF,
        organization: Rate::OFF,
        sign_in: Rate::OFF,
        account_and_address: Rate::OFF,
        account: Rate::OFF,
        buckets: 1,
    };
}

/// Buckets of one policy.
struct Limit {
    policy: Policy,
    buckets: Buckets,
}

impl Limit {
    fn take(&self, bucket: u128) -> Result<(), Allowance> {
        self.buckets.take(bucket).map(|_| ()).map_err(|level| self.allowance(level))
    }

    fn look(&self, bucket: u128) -> Result<Option<Allowance>, Allowance> {
        let looked = self.buckets.look(bucket);
        looked.map(|level| level.map(|level| self.allowance(level))).map_err(|level| self.allowance(level))
    }

    fn allowance(&self, level: Level) -> Allowance {
        Allowance { policy: self.policy, quota: level.burst, window: level.window, left: level.left, wait: level.wait }
    }
}

/// All limits of a server. Without an address (a request over a unix socket) the limits by address do not hold.
pub struct Limits {
    refused_keys: Limit,
    key: Limit,
    organization: Limit,
    sign_in: Limit,
    account_and_address: Limit,
    account: Limit,
}

impl Limits {
    /// With all buckets full.
    #[must_use]
    pub fn new(rates: &Rates, clock: &Clock) -> Self {
        let limit = |policy, rate| Limit { policy, buckets: Buckets::new(rate, rates.buckets, clock.clone()) };
        Self {
            refused_keys: limit(Policy::RefusedKeys, rates.refused_keys),
            key: limit(Policy::Key, rates.key),
            organization: limit(Policy::Organization, rates.organization),
            sign_in: limit(Policy::SignIn, rates.sign_in),
            account_and_address: limit(Policy::AccountAndAddress, rates.account_and_address),
            account: limit(Policy::Account, rates.account),
        }
    }

    /// Whether keys are taken from an address at all. Takes nothing: what is good costs no address.
    pub(crate) fn look_at_address(&self, address: Option<IpAddr>) -> Result<(), Allowance> {
        address.map_or(Ok(()), |address| self.refused_keys.look(network(address)).map(|_| ()))
    }

    /// A key from this address was refused.
    pub(crate) fn refused_key(&self, address: Option<IpAddr>) {
        if let Some(address) = address {
            // None is left if many were refused at the same time; the next one finds that.
            let _ = self.refused_keys.take(network(address));
        }
    }

    /// An exchange of a key that is known and lives.
    pub(crate) fn exchange(&self, key: KeyId, organization: OrganizationId) -> Result<(), Allowance> {
        self.key.take(key.as_uuid().as_u128())?;
        self.organization.take(organization.as_uuid().as_u128())
    }

    /// A sign-in, a change of a password, or a use of a link.
    pub(crate) fn sign_in(&self, address: Option<IpAddr>) -> Result<(), Allowance> {
        address.map_or(Ok(()), |address| self.sign_in.take(network(address)))
    }

    /// A password is about to be checked for an account, whether there is one or not; `email` is normalised.
    pub(crate) fn attempt(&self, email: &str, address: Option<IpAddr>, place: Place) -> Result<Attempt<'_>, Allowance> {
        let here = address.map(|address| bucket_of(&format!("{email}\n{:x}", network(address))));
        let mut attempt = Attempt { limits: self, here: None, everywhere: None };
        if let Some(bucket) = here {
            self.account_and_address.take(bucket)?;
            attempt.here = Some(bucket);
        }
        let everywhere = bucket_of(email);
        match (self.account.take(everywhere), place) {
            (Ok(()), _) => attempt.everywhere = Some(everywhere),
            (Err(_), Place::Known) => {}
            (Err(empty), Place::New) => {
                attempt.give_back();
                return Err(empty);
            }
        }
        Ok(attempt)
    }

    /// A password is about to be checked for whoever is signed in already. Guesses at his account from elsewhere do not hinder him.
    pub(crate) fn attempt_in(&self, session: SessionId) -> Result<Attempt<'_>, Allowance> {
        let bucket = session.as_uuid().as_u128();
        self.account_and_address.take(bucket)?;
        Ok(Attempt { limits: self, here: Some(bucket), everywhere: None })
    }

    /// What an address has left of refused keys.
    #[must_use]
    pub fn refused_keys_left(&self, address: Option<IpAddr>) -> Option<Allowance> {
        left(&self.refused_keys, address)
    }

    /// What an address has left of sign-ins.
    #[must_use]
    pub fn sign_ins_left(&self, address: Option<IpAddr>) -> Option<Allowance> {
        left(&self.sign_in, address)
    }

    /// From now on so many replicas share each limit: what one of them gives is a part of it, so that all together give no more than is set.
    pub(crate) fn share(&self, sharers: u32) {
        self.all().into_iter().for_each(|limit| limit.buckets.share(sharers));
    }

    /// Forgets buckets that are full. To be done now and then, so that memory comes back after a flood.
    pub fn forget_full(&self) {
        self.all().into_iter().for_each(|limit| limit.buckets.forget_full());
    }

    /// Buckets that are remembered, by policy.
    #[must_use]
    pub fn remembered(&self) -> [(Policy, usize); 6] {
        self.all().map(|limit| (limit.policy, limit.buckets.len()))
    }

    const fn all(&self) -> [&Limit; 6] {
        [&self.refused_keys, &self.key, &self.organization, &self.sign_in, &self.account_and_address, &self.account]
    }
}

fn left(limit: &Limit, address: Option<IpAddr>) -> Option<Allowance> {
    limit.look(network(address?)).unwrap_or_else(Some)
}

/// Whether somebody is where he works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// He has a session that was begun there, or came by a link that was mailed to him.
    Known,
    /// Nobody knows.
    New,
}

/// A password that is about to be checked. It has been paid for as if it were wrong; when that cannot be told any more, because
/// whoever asked went away, it stays so.
pub(crate) struct Attempt<'a> {
    limits: &'a Limits,
    here: Option<u128>,
    everywhere: Option<u128>,
}

impl Attempt<'_> {
    /// Gives back what was paid, unless the password was wrong, or the code.
    pub(crate) fn settle<T>(self, checked: Result<T, Error>) -> Result<T, Error> {
        if !matches!(checked, Err(Error::WrongPassword | Error::WrongSecondFactor)) {
            self.give_back();
        }
        checked
    }

    fn give_back(&self) {
        if let Some(bucket) = self.here {
            self.limits.account_and_address.buckets.give_back(bucket);
        }
        if let Some(bucket) = self.everywhere {
            self.limits.account.buckets.give_back(bucket);
        }
    }
}

/// The bucket of an address. All of an IPv6 /64 is one: it is what one customer is given, and he could take another address of it for
/// each guess.
pub(crate) fn network(address: IpAddr) -> u128 {
    const HOST: u128 = u64::MAX as u128;
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() & !HOST,
    }
}

fn bucket_of(text: &str) -> u128 {
    digest_of(text).first_chunk().map(|half| u128::from_be_bytes(*half)).unwrap_or_default()
}
