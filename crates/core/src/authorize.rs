//! Who may do what: the first line of every operation. It runs in the operation's own transaction, so that nothing changes
//! between the question and the act.

use crate::{
    Actor, Context, Core, Error, PersonActor, Refusal, TokenActor,
    alive::{alive, alive_session},
    error::Forbidden,
    grant,
    grant::effective_roles,
    keys::addresses::Addresses,
    operator::{Scopes, carrier},
};
use keywright_db::Tx;
use keywright_protocol::{
    Catalog, KeyId, KeyKind, OperatorScope, OrganizationId, SessionId, Time, UserId,
    catalog::{OWNER, PermissionSet},
};
use keywright_store::{keys, memberships, organizations, organizations::OrganizationRow, sessions, sessions::SessionRow, users};
use std::{sync::Arc, time::Duration};

/// How long after a password a session is fresh.
pub const FRESH: Duration = Duration::from_secs(5 * 60);
const ORGANIZATION: Error = Error::NotFound("organization");

/// What somebody may do in one organization, at this moment.
pub struct Authority {
    /// The organization.
    pub place: OrganizationRow,
    /// The catalog that was asked, with the custom roles of the organization's root.
    pub catalog: Arc<Catalog>,
    /// Who it is.
    pub by: By,
    permissions: Permissions,
    roles: Vec<String>,
}

enum Permissions {
    /// The host's.
    All,
    Some(PermissionSet),
}

/// Who acts, with what the log and the rules need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// The host.
    Host,
    /// A key, through an access token.
    Key {
        /// Which.
        id: KeyId,
        /// Whose it is, for a Personal Access Key.
        holder: Option<UserId>,
    },
    /// An operator key.
    Operator {
        /// Which.
        id: KeyId,
        /// What it was granted.
        scopes: Scopes,
        /// For whom it acts, for the log.
        on_behalf_of: Option<String>,
    },
    /// A person who has signed in.
    Person {
        /// Who.
        id: UserId,
        /// When he last gave his password; `None` if he acts through an access token, which is never fresh.
        confirmed_at: Option<Time>,
    },
}

impl Core {
    /// What the actor may do in an organization. One that is unknown and one that he has no business in are the same.
    ///
    /// # Errors
    /// [`Error::NotFound`] for these; [`Error::Refused`] if the actor himself does not authenticate any more.
    pub(crate) async fn authority(&self, tx: &mut Tx, ctx: &Context, organization: OrganizationId) -> Result<Authority, Error> {
        let place = organizations::find(tx, organization).await?;
        let catalog = self.catalog_in(tx, place.as_ref()).await?;
        match &ctx.actor {
            Actor::Anonymous => Err(Error::HostOnly),
            Actor::System => Ok(Authority { place: place.ok_or(ORGANIZATION)?, catalog, by: By::Host, permissions: Permissions::All, roles: Vec::new() }),
            Actor::Token(token) if token.key_kind == KeyKind::Session => {
                let session = live_session(tx, token.into(), ctx.now).await?;
                let place = place.ok_or(ORGANIZATION)?;
                if token.organization_id != place.id && token.organization_id != place.root_id {
                    return Err(ORGANIZATION);
                }
                let roles = roles_of(tx, &place, session.user_id).await?.ok_or(ORGANIZATION)?;
                let mut permissions = catalog.permissions(&roles);
                permissions.intersect(&catalog.scope(&token.permissions.join(" ")));
                let by = By::Person { id: session.user_id, confirmed_at: None };
                Ok(Authority { place, catalog, by, permissions: Permissions::Some(permissions), roles }.within_token(token))
            }
            Actor::Token(token) => {
                let reach = place.as_ref().is_none_or(|place| token.organization_id == place.id || token.organization_id == place.root_id);
                let mut authority = self.of_key(tx, (token.key_id, token.key_version), (organization, place.filter(|_| reach)), (ctx.now, Some(ctx))).await?;
                if let Permissions::Some(permissions) = &mut authority.permissions {
                    permissions.intersect(&catalog.scope(&token.permissions.join(" ")));
                }
                Ok(authority.within_token(token))
            }
            Actor::Operator(operator) => self.operator_authority(tx, ctx, operator, place).await,
            Actor::Person(person) => {
                let session = live_session(tx, person.into(), ctx.now).await?;
                let place = place.ok_or(ORGANIZATION)?;
                let roles = roles_of(tx, &place, session.user_id).await?.ok_or(ORGANIZATION)?;
                let permissions = Permissions::Some(catalog.permissions(&roles));
                let by = By::Person { id: session.user_id, confirmed_at: Some(session.confirmed_at) };
                Ok(Authority { place, catalog, by, permissions, roles })
            }
        }
    }

    /// What a person will be able to do in an organization, once its suspension is taken back; `None` for whoever is no person, and for
    /// whoever is no member there.
    pub(crate) async fn authority_when_resumed(&self, tx: &mut Tx, ctx: &Context, organization: OrganizationId) -> Result<Option<Authority>, Error> {
        let (Actor::Person(person), Some(place)) = (&ctx.actor, organizations::find(tx, organization).await?) else { return Ok(None) };
        let catalog = self.catalog_in(tx, Some(&place)).await?;
        let session = live_session(tx, person.into(), ctx.now).await?;
        let roles = roles_when_resumed(tx, &place, session.user_id).await?;
        Ok(roles.map(|roles| {
            let by = By::Person { id: session.user_id, confirmed_at: Some(session.confirmed_at) };
            let permissions = Permissions::Some(catalog.permissions(&roles));
            Authority { place, catalog, by, permissions, roles }
        }))
    }

    /// What a key may do in an organization, if it lives, by one of its secrets (`None`: the newest), and, by a request, if it is taken
    /// from where that came from.
    async fn of_key(
        &self,
        tx: &mut Tx,
        (id, version): (KeyId, Option<i64>),
        (asked, place): (OrganizationId, Option<OrganizationRow>),
        (now, by_request): (Time, Option<&Context>),
    ) -> Result<Authority, Error> {
        let catalog = self.catalog_in(tx, place.as_ref()).await?;
        let row = keys::find_by_id(tx, id, version, Some(asked)).await?;
        let row = row.filter(|row| self.is_ours(row)).ok_or(Refusal::Unknown)?;
        alive(&row, now)?;
        // What is not exchanged from there is not used from there either.
        if let Some(ctx) = by_request {
            Addresses::of(&row)?.check(ctx.client_ip)?;
        }
        let place = place.ok_or(ORGANIZATION)?;
        let grant = grant::effective_for(&row, &catalog, None).map_err(|error| if error == Error::OutOfReach { ORGANIZATION } else { error })?;
        let holder = row.holder.map(|holder| holder.user_id);
        let by = By::Key { id: row.key_id, holder };
        Ok(Authority { place, catalog, by, permissions: Permissions::Some(grant.permissions), roles: grant.roles })
    }

    /// What whoever did something earlier may do in an organization now, by his kind and id as they were kept. A person counts as
    /// freshly confirmed: that was asked when he did it.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Refused`] if he may not act there any more.
    pub(crate) async fn standing(&self, tx: &mut Tx, who: &str, organization: OrganizationId, now: Time) -> Result<Authority, Error> {
        let place = organizations::find(tx, organization).await?.ok_or(ORGANIZATION)?;
        let catalog = self.catalog_in(tx, Some(&place)).await?;
        match parse_by(who) {
            Some(("key", id)) => self.of_key(tx, (KeyId::from(id), None), (organization, Some(place)), (now, None)).await,
            Some(("user", id)) => {
                let user = users::find(tx, UserId::from(id)).await?.filter(|user| user.disabled_at.is_none()).ok_or(ORGANIZATION)?;
                let roles = roles_of(tx, &place, user.id).await?.ok_or(ORGANIZATION)?;
                let permissions = Permissions::Some(catalog.permissions(&roles));
                Ok(Authority { place, catalog, by: By::Person { id: user.id, confirmed_at: Some(now) }, permissions, roles })
            }
            Some(("operator-key", id)) => {
                let by = self.standing_operator(tx, KeyId::from(id), now).await?;
                Ok(Authority::of_operator(place, catalog, by))
            }
            None if who == "host" => Ok(Authority { place, catalog, by: By::Host, permissions: Permissions::All, roles: Vec::new() }),
            _ => Err(ORGANIZATION),
        }
    }
}

/// What somebody's kind and id read in the text of [`By`].
pub(crate) fn parse_by(text: &str) -> Option<(&str, uuid::Uuid)> {
    let (kind, id) = text.split_once(' ')?;
    Some((kind, id.parse().ok()?))
}

/// A session as somebody holds it: by the secret that it had, or by a token that was made while it had that.
#[derive(Clone, Copy)]
pub(crate) struct HeldSession {
    id: SessionId,
    /// When the password was given that this secret came with. A later one came with another secret; `None` in tokens from before
    /// that was noted.
    confirmed_at: Option<Time>,
}

impl From<&PersonActor> for HeldSession {
    fn from(person: &PersonActor) -> Self {
        Self { id: person.session_id, confirmed_at: Some(person.confirmed_at) }
    }
}

impl From<&TokenActor> for HeldSession {
    fn from(token: &TokenActor) -> Self {
        Self { id: SessionId::from(token.key_id.as_uuid()), confirmed_at: token.key_version.map(Time::from_millis) }
    }
}

/// A session that lives at this moment, under the secret by which it is held. Confirming a password or changing it gives it another
/// one: whoever came with the old one, however shortly before, must not become fresh by that.
///
/// # Errors
/// [`Error::Refused`] if there is none.
pub(crate) async fn live_session(tx: &mut Tx, held: HeldSession, now: Time) -> Result<SessionRow, Error> {
    let session = sessions::find(tx, held.id).await?.ok_or(Refusal::UnknownSession)?;
    alive_session(&session, now)?;
    if held.confirmed_at.is_some_and(|confirmed_at| confirmed_at != session.confirmed_at) {
        return Err(Refusal::UnknownSession.into());
    }
    Ok(session)
}

/// A person's effective roles in an organization; `None` if he is no member there, by inheritance neither, or if it or its root is
/// suspended.
pub(crate) async fn roles_of(tx: &mut Tx, place: &OrganizationRow, user: UserId) -> Result<Option<Vec<String>>, Error> {
    let root = organizations::find(tx, place.root_id).await?.ok_or(ORGANIZATION)?;
    if place.suspended_at.is_some() || root.suspended_at.is_some() {
        return Ok(None);
    }
    roles_when_resumed(tx, place, user).await
}

/// The same, whether it is suspended or not.
async fn roles_when_resumed(tx: &mut Tx, place: &OrganizationRow, user: UserId) -> Result<Option<Vec<String>>, Error> {
    let own = memberships::find(tx, place.id, user).await?;
    let inherited = memberships::find(tx, place.root_id, user).await?;
    if own.is_none() && inherited.is_none() {
        return Ok(None);
    }
    let (own, inherited) = (own.map(|member| member.roles).unwrap_or_default(), inherited.map(|member| member.roles).unwrap_or_default());
    Ok(Some(effective_roles(&own, &inherited).to_vec()))
}

impl Authority {
    /// What an operator key's scopes permit. It holds no role anywhere.
    #[must_use]
    pub(crate) fn of_operator(place: OrganizationRow, catalog: Arc<Catalog>, by: By) -> Self {
        let permissions = match &by {
            By::Operator { scopes, .. } => scopes.permissions(&catalog),
            By::Host | By::Key { .. } | By::Person { .. } => PermissionSet::default(),
        };
        Self { place, catalog, by, permissions: Permissions::Some(permissions), roles: Vec::new() }
    }

    /// A token that was made when its holder was less than Owner is none of an Owner, also where his permissions were all there are.
    fn within_token(mut self, token: &TokenActor) -> Self {
        if !token.roles.iter().any(|role| role == OWNER) {
            self.roles.retain(|role| role != OWNER);
        }
        self
    }

    /// Whether it includes a permission.
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        match &self.permissions {
            Permissions::All => true,
            Permissions::Some(set) => self.catalog.index(permission).is_some_and(|index| set.contains(index)),
        }
    }

    /// The roles that hold there: those that there are, for a key; Owner alone for an Owner's.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Ids of everything that it includes, in alphabetical order.
    #[must_use]
    pub fn permission_ids(&self) -> Vec<String> {
        match &self.permissions {
            Permissions::All => self.catalog.ids(&self.catalog.permissions(&[OWNER])).map(str::to_owned).collect(),
            Permissions::Some(set) => self.catalog.ids(set).map(str::to_owned).collect(),
        }
    }

    /// Asks for a permission.
    ///
    /// # Errors
    /// [`Error::Forbidden`] names it and the roles that carry it.
    pub fn require(&self, permission: &'static str) -> Result<(), Error> {
        if self.may(permission) {
            return Ok(());
        }
        if let By::Operator { scopes, .. } = &self.by {
            let needed = carrier(permission).map_or_else(|| "no scope carries it".to_owned(), |scope| format!("it needs the scope `{scope}`"));
            let reason = format!("this operator key may not do that, which takes {permission}: {needed}, and it has: {}", scopes.to_stored());
            return Err(Forbidden { reason, permission: Some(permission.to_owned()), roles: Vec::new() }.into());
        }
        let roles: Vec<String> = self.catalog.roles_with(permission).map(str::to_owned).collect();
        let held = if self.roles.is_empty() { "no role".to_owned() } else { self.roles.join(", ") };
        let reason = format!(
            "this needs the permission {permission} in {}, where you have {held}; ask one of its Owners for one of these roles: {}",
            self.place.name,
            roles.join(", ")
        );
        Err(Forbidden { reason, permission: Some(permission.to_owned()), roles }.into())
    }

    /// Whether the actor holds Owner there, and may act as one: a token that was made when he was less, or that carries less, does
    /// not follow him up. The host counts as one.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        let acts_as_one = match &self.permissions {
            Permissions::All => true,
            // A token carries what is for this server; other audiences' permissions are not missing in it.
            Permissions::Some(own) => grant::granted(self.place.id, &[OWNER.to_owned()], &self.catalog, None).is_ok_and(|all| all.permissions.is_within(own)),
        };
        self.by == By::Host || (acts_as_one && self.roles.iter().any(|role| role == OWNER))
    }

    /// What the step from some roles to others would give that the actor does not have; nothing, if he may give it.
    #[must_use]
    pub fn lacks(&self, before: &[String], after: &[String]) -> PermissionSet {
        match &self.permissions {
            Permissions::All => PermissionSet::default(),
            Permissions::Some(own) => grant::beyond(&self.catalog, own, before, after),
        }
    }

    /// The same, or for an operator key with a scope.
    ///
    /// # Errors
    /// Those.
    pub(crate) fn require_fresh_or_scope(&self, now: Time, what: &'static str, scope: OperatorScope) -> Result<(), Error> {
        if self.by.has_scope(scope) { Ok(()) } else { self.require_fresh_person(now, what) }
    }

    /// Asks for a person who gave his password within the last five minutes; `what` completes the sentence.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a key, whatever its roles, operator keys included; [`Error::NotFresh`] for a session that is too old.
    pub fn require_fresh_person(&self, now: Time, what: &'static str) -> Result<(), Error> {
        match &self.by {
            By::Host => Ok(()),
            By::Key { .. } => {
                let how =
                    "sign in with POST /auth/v1/sessions, and repeat it within five minutes with the sessionToken; a key cannot do it, whatever its roles";
                Err(Forbidden::because(format!("{what} needs a person with a fresh session: {how}")).into())
            }
            By::Operator { .. } => Err(Forbidden::because(format!(
                "{what} needs a person who has just given his password with POST /auth/v1/sessions; an operator key cannot do it"
            ))
            .into()),
            By::Person { confirmed_at: None, .. } => {
                let how = "send the sessionToken itself, within five minutes of giving the password; an access token made from it cannot do it";
                Err(Forbidden::because(format!("{what} needs a person with a fresh session: {how}")).into())
            }
            By::Person { confirmed_at: Some(confirmed_at), .. } if now < confirmed_at.plus(FRESH) => Ok(()),
            By::Person { .. } => Err(Error::NotFresh(what)),
        }
    }
}

impl By {
    /// Its kind and id for the log.
    #[must_use]
    pub fn for_log(&self) -> (&'static str, Option<uuid::Uuid>) {
        match self {
            Self::Host => ("host", None),
            Self::Key { id, .. } => ("key", Some(id.as_uuid())),
            Self::Operator { id, .. } => ("operator-key", Some(id.as_uuid())),
            Self::Person { id, .. } => ("user", Some(id.as_uuid())),
        }
    }
}
