//! Tokens for less than everything: for one API of several, for fewer permissions, for a shorter time; made from a key, or from another
//! token, which they never outlive and never exceed (RFC 8693).

use crate::{
    Context, Core, Error, Refusal, TokenActor,
    access_log::{Known, Use},
    alive::{alive, session_ends_at},
    authorize::{HeldSession, live_session, roles_of},
    exchange::{IssuedToken, Subject},
    grant::{self, Grant, granted},
    keys::addresses::Addresses,
    sessions,
};
use keywright_db::Tx;
use keywright_protocol::{
    Catalog, KeyKind, OrganizationId, Time,
    catalog::{PermissionSet, is_custom},
    claims::MAX_SCOPE_BYTES,
};
use keywright_store::{
    changes,
    generations::{self, Origin},
    keys::{self, CredentialRow},
    organizations,
};
use std::sync::Arc;
use uuid::Uuid;

/// A snapshot is read again when its generation was not open yet; not for ever.
const READS: usize = 5;
/// Permissions that a refusal names.
const NAMED: usize = 5;

/// What is asked of an exchange. By default all that there is, in the credential's own organization, for the default audience.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The organization the token is to be for.
    pub organization_id: Option<OrganizationId>,
    /// The API it is to be for: an audience of the catalog, or the issuer.
    pub audience: Option<&'a str>,
    /// Permissions, with spaces between them, and no others (RFC 6749, section 3.3).
    pub scope: Option<&'a str>,
    /// Seconds that it is to live at most.
    pub expires_in: Option<i64>,
}

/// A token, and what it may do.
pub struct ScopedToken {
    /// The token.
    pub token: IssuedToken,
    /// Its permissions, with spaces between them; `None` if they are too many for a token to name.
    pub scope: Option<String>,
}

/// A token that was found good, as what another one is made from or as what is taken back.
#[derive(Debug, Clone)]
pub struct HeldToken {
    /// Whose it is.
    pub actor: TokenActor,
    /// What it is for.
    pub audience: String,
    /// When it expires, in seconds since 1970.
    pub expires_at: i64,
    /// What it points at.
    pub status_index: u64,
}

impl Wanted<'_> {
    /// Whether it is what everybody gets who asks for nothing.
    pub(crate) fn is_plain(&self, catalog: &Catalog) -> bool {
        self.scope.is_none() && self.audience.is_none_or(|audience| catalog.default_audience() == Some(audience))
    }

    /// The second a token expires that is made now.
    pub(crate) fn expires(&self, now: i64, life: i64) -> i64 {
        now.saturating_add(self.expires_in.map_or(life, |seconds| seconds.min(life)))
    }

    /// What a key may do of what is asked for.
    ///
    /// # Errors
    /// [`Error::OutOfReach`], [`Error::NothingGranted`], [`Error::Target`], [`Error::Scope`].
    pub(crate) fn grant(&self, row: &CredentialRow, catalog: &Catalog, issuer: &str) -> Result<Grant, Error> {
        let audience = self.known_audience(catalog, issuer)?;
        self.narrow(grant::effective_for(row, catalog, audience)?, catalog)
    }

    /// `None` is the issuer itself.
    pub(crate) fn known_audience<'c>(&'c self, catalog: &'c Catalog, issuer: &str) -> Result<Option<&'c str>, Error> {
        match self.audience {
            None => Ok(catalog.default_audience()),
            Some(audience) if audience == issuer => Ok(None),
            Some(audience) if catalog.audience(Some(audience)).is_some() => Ok(Some(audience)),
            Some(_) => {
                let known = catalog.document().apis.values().filter_map(|api| api.audience.as_deref());
                let known = std::iter::once(issuer).chain(known).collect::<Vec<_>>().join(", ");
                Err(Error::Target(format!("there is no API with that audience here; resource or audience must be one of: {known}")))
            }
        }
    }

    /// The permissions that are asked for, all of which must be there.
    fn narrow(&self, mut grant: Grant, catalog: &Catalog) -> Result<Grant, Error> {
        let Some(scope) = self.scope else { return Ok(grant) };
        let of_audience = catalog.audience(grant.audience.as_deref()).cloned().unwrap_or_default();
        let is_known = |id: &str| catalog.index(id).is_some_and(|index| of_audience.contains(index));
        if let Some(unknown) = scope.split(' ').filter(|id| !id.is_empty()).find(|id| !is_known(id)) {
            let shown: String = unknown.chars().filter(char::is_ascii_graphic).take(64).collect();
            return Err(Error::Scope(format!(
                "scope names `{shown}`, which is no permission of this API; send ids of permissions, with one space between two"
            )));
        }
        let asked = catalog.scope(scope);
        let beyond = asked.without(&grant.permissions);
        let missing: Vec<&str> = catalog.ids(&beyond).take(NAMED).collect();
        if !missing.is_empty() {
            return Err(Error::Scope(format!(
                "scope goes beyond what there is to give, which does not include {}; leave that out, or ask for a role with it",
                missing.join(", ")
            )));
        }
        if asked.is_empty() {
            return Err(Error::Scope("scope names no permission; leave it out for all that there are".to_owned()));
        }
        (grant.permissions, grant.roles) = (asked, Vec::new());
        Ok(grant)
    }
}

/// The permissions of a grant as a text, unless that is too long.
pub(crate) fn scope_of(grant: &Grant, catalog: &Catalog) -> Option<String> {
    let scope = catalog.ids(&grant.permissions).collect::<Vec<_>>().join(" ");
    (scope.len() <= MAX_SCOPE_BYTES).then_some(scope)
}

/// What stands behind a token now.
struct Behind {
    id: Uuid,
    email: String,
    home: OrganizationId,
    grant: Grant,
    /// By which that was resolved.
    catalog: Arc<Catalog>,
    /// `None` if there is none open yet.
    status_index: Option<i64>,
    ends_at: Time,
    /// What tokens of it are made from.
    origin: Origin,
    used: Use,
}

impl Core {
    /// Makes a token from another one: for fewer permissions, for a shorter time, or for a sub-organization of its own. It never does more
    /// and never lives longer, and what ends the other one's generation has ended it too, or does so.
    ///
    /// # Errors
    /// As [`Core::exchange_for`].
    pub async fn narrow(self: &Arc<Self>, ctx: &Context, token: &HeldToken, wanted: Wanted<'_>) -> Result<ScopedToken, Error> {
        if wanted.audience.is_some_and(|audience| audience != token.audience) {
            return Err(Error::Target(format!("this token is for {}; for another API exchange what it was made from", token.audience)));
        }
        self.limits.look_at_address(ctx.client_ip)?;
        if token.actor.key_kind != KeyKind::Session {
            self.limits.exchange(token.actor.key_id, token.actor.organization_id)?;
        }
        let target = wanted.organization_id.unwrap_or(token.actor.organization_id);
        for _ in 0..READS {
            let (core, asking, held) = (Arc::clone(self), ctx.clone(), token.clone());
            let read = self.db.read(move |tx| Box::pin(async move { core.behind(tx, &asking, &held, target).await })).await;
            let behind = match read {
                Ok(behind) => behind,
                Err(refused) => {
                    let by = self.use_of(token).await;
                    return self.noted(ctx, (Err(refused), by));
                }
            };
            let Some(index) = behind.status_index else {
                self.open_generation(behind.origin, target, ctx.now).await?;
                continue;
            };
            let issued = self.narrowed(ctx.now, token, &wanted, &behind, index);
            return self.noted(ctx, (issued, Some(behind.used)));
        }
        Err(Error::Unavailable)
    }

    /// What the log is told of a token whose refusal says no more of it.
    async fn use_of(&self, token: &HeldToken) -> Option<Use> {
        let actor = &token.actor;
        if actor.key_kind == KeyKind::Session {
            return None;
        }
        let root_id = self.root_of(actor.organization_id).await.ok()??;
        let known = Known { actor_kind: "key", actor_id: actor.key_id.as_uuid(), email: String::new(), root_id, version: actor.key_version };
        Some(Use { of: Arc::new(known), organization_id: actor.organization_id, revision: self.memory.applied().n })
    }

    fn narrowed(&self, now: Time, token: &HeldToken, wanted: &Wanted<'_>, behind: &Behind, index: i64) -> Result<ScopedToken, Error> {
        let catalog = &behind.catalog;
        let grant = wanted.narrow(within(behind.grant.clone(), token, catalog)?, catalog)?;
        let subject = Subject {
            id: behind.id,
            email: &behind.email,
            key_id: token.actor.key_id,
            key_kind: token.actor.key_kind,
            key_version: token.actor.key_version,
            home: behind.home,
        };
        let fixed = self.fixed_claims(&subject, &grant, catalog, index)?;
        let issued = now.as_seconds();
        let expires = wanted.expires(issued, self.token_life_seconds).min(token.expires_at).min(behind.ends_at.as_seconds());
        if expires <= issued {
            return Err(Refusal::TakenBack.into());
        }
        Ok(ScopedToken { token: self.sign(&fixed, issued, expires)?, scope: scope_of(&grant, catalog) })
    }

    /// What a token was made from, as of one snapshot in which that still lives.
    async fn behind(&self, tx: &mut Tx, ctx: &Context, token: &HeldToken, target: OrganizationId) -> Result<Behind, Error> {
        let actor = &token.actor;
        let place = organizations::find(tx, target).await?.ok_or(Error::OutOfReach)?;
        if place.id != actor.organization_id && place.root_id != actor.organization_id {
            return Err(Error::OutOfReach);
        }
        let audience = (token.audience != self.issuer).then_some(token.audience.as_str());
        let catalog = self.catalog_in(tx, Some(&place)).await?;
        if actor.key_kind == KeyKind::Session {
            let session = live_session(tx, HeldSession::from(actor), ctx.now).await?;
            let origin = token.origin(Some(session.user_id));
            require_open(tx, origin, token).await?;
            let roles = roles_of(tx, &place, session.user_id).await?.ok_or(Error::OutOfReach)?;
            let grant = granted(place.id, &roles, &catalog, audience)?;
            let status_index = generations::find_open(tx, origin, target).await?;
            let (id, email, ends_at) = (session.user_id.as_uuid(), session.email.clone(), session_ends_at(&session));
            let used = sessions::session_use(session, Some(place), changes::position(tx).await?);
            return Ok(Behind { id, email, home: target, grant, catalog, status_index, ends_at, origin, used });
        }
        let row = keys::find_by_id(tx, actor.key_id, actor.key_version, Some(target)).await?;
        let row = row.filter(|row| self.is_ours(row)).ok_or(Refusal::Unknown)?;
        alive(&row, ctx.now)?;
        Addresses::of(&row)?.check(ctx.client_ip)?;
        let origin = Origin::key(row.key_id, row.version);
        require_open(tx, origin, token).await?;
        let grant = grant::effective_for(&row, &catalog, audience)?;
        let subject = Subject::of_key(&row);
        let (id, email) = (subject.id, subject.email.to_owned());
        let used = Use { of: Known::of_key(&row), organization_id: target, revision: row.position.n };
        let ends_at = row.version_ends_at.map_or(row.expires_at, |ends_at| ends_at.min(row.expires_at));
        let status_index = row.target.as_ref().and_then(|found| found.status_index);
        Ok(Behind { id, email, home: row.organization_id, grant, catalog, status_index, ends_at, origin, used })
    }
}

impl HeldToken {
    /// What it was made from.
    pub(crate) fn origin(&self, session_of: Option<keywright_protocol::UserId>) -> Origin {
        Origin { id: self.actor.key_id, version: self.actor.key_version.unwrap_or_default(), session_of }
    }
}

/// The token's generation has not ended meanwhile.
async fn require_open(tx: &mut Tx, origin: Origin, token: &HeldToken) -> Result<(), Error> {
    let open = generations::find_open(tx, origin, token.actor.organization_id).await?;
    let is_open = open.and_then(|index| u64::try_from(index).ok()) == Some(token.status_index);
    if is_open { Ok(()) } else { Err(Refusal::TakenBack.into()) }
}

/// As much of a grant as the token has itself.
fn within(mut grant: Grant, token: &HeldToken, catalog: &Catalog) -> Result<Grant, Error> {
    let held: PermissionSet = catalog.scope(&token.actor.permissions.join(" "));
    // A token names roles of the catalog; what others add is among its permissions.
    let names_no_other = grant.roles.iter().filter(|role| !is_custom(role)).all(|role| token.actor.roles.contains(role));
    if !names_no_other || !grant.permissions.is_within(&held) {
        grant.permissions.intersect(&held);
        grant.roles = Vec::new();
    }
    if grant.permissions.is_empty() { Err(Error::NothingGranted) } else { Ok(grant) }
}
