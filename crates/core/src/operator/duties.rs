//! Who may do what to the installation, and to organizations from outside of them.

use super::Scopes;
use crate::{
    Actor, Context, Core, Error, OperatorActor,
    authorize::{Authority, By},
    error::Forbidden,
};
use keywright_db::Tx;
use keywright_protocol::{OperatorScope, OrganizationId};
use keywright_store::{
    operator_keys,
    organizations::{self, OrganizationRow},
    settings,
};

const ORGANIZATION: Error = Error::NotFound("organization");

impl Core {
    /// An operator key that acts, at this moment. It is asked anew in the transaction that it acts in.
    ///
    /// # Errors
    /// [`Error::Refused`] if it does not live any more; [`Error::Invalid`] for a change without a word about for whom.
    pub(crate) async fn operator(&self, tx: &mut Tx, ctx: &Context, actor: &OperatorActor) -> Result<By, Error> {
        let found = operator_keys::find_version(tx, actor.key_id, actor.version).await?;
        let scopes = self.check_operator_key(found.as_ref(), ctx)?;
        if tx.is_change() && actor.on_behalf_of.is_none() {
            let reason = "say in this query parameter for whom it is done, in 1 to 128 characters; it is written down with each change by an operator key";
            return Err(Error::Invalid { field: "onBehalfOf", reason: reason.to_owned() });
        }
        Ok(By::Operator { id: actor.key_id, scopes, on_behalf_of: actor.on_behalf_of.clone() })
    }

    /// What an operator key may do in an organization. The operator organization and what hangs under it are not there for it:
    /// who could give roles or keys there could make himself an Owner of the installation.
    ///
    /// # Errors
    /// As [`Core::operator`]; [`Error::Forbidden`] for a key whose scopes are no matter of an organization; [`Error::NotFound`].
    pub(crate) async fn operator_authority(
        &self,
        tx: &mut Tx,
        ctx: &Context,
        actor: &OperatorActor,
        place: Option<OrganizationRow>,
    ) -> Result<Authority, Error> {
        let by = self.operator(tx, ctx, actor).await?;
        refuse_users_alone(&by)?;
        let kept = operator_organization(tx).await?;
        let place = place.filter(|place| kept != Some(place.root_id)).ok_or(ORGANIZATION)?;
        let catalog = self.catalog_in(tx, Some(&place)).await?;
        Ok(Authority::of_operator(place, catalog, by))
    }

    /// The organizations that an operator key sees: all but the operator organization's tree.
    ///
    /// # Errors
    /// As [`Core::operator_authority`].
    pub(crate) async fn organizations_of_operator(&self, tx: &mut Tx, ctx: &Context, actor: &OperatorActor) -> Result<Vec<OrganizationRow>, Error> {
        refuse_users_alone(&self.operator(tx, ctx, actor).await?)?;
        let kept = operator_organization(tx).await?;
        Ok(organizations::list(tx).await?.into_iter().filter(|place| kept != Some(place.root_id)).collect())
    }

    /// Whoever does something to the installation as a whole: the host, or an operator key with a scope. `what` begins the
    /// sentence for everybody else.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; as [`Core::operator`].
    pub(crate) async fn duty(&self, tx: &mut Tx, ctx: &Context, scope: OperatorScope, what: &'static str) -> Result<By, Error> {
        match &ctx.actor {
            Actor::System => Ok(By::Host),
            Actor::Operator(actor) => {
                let by = self.operator(tx, ctx, actor).await?;
                by.require_scope(scope)?;
                Ok(by)
            }
            Actor::Anonymous => Err(Error::HostOnly),
            Actor::Token(_) | Actor::Person(_) => {
                Err(Forbidden::because(format!("{what} is for operator keys with the scope `{scope}`, and for `keywright admin` on the host")).into())
            }
        }
    }

    /// Whoever looks after operator keys: the host, or an Owner of the operator organization who has just given his password.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody else, operator keys included; [`Error::NotFresh`].
    pub(crate) async fn installation_owner(&self, tx: &mut Tx, ctx: &Context, what: &'static str) -> Result<By, Error> {
        if ctx.actor == Actor::System {
            return Ok(By::Host);
        }
        let Some(owner) = self.as_installation_owner(tx, ctx).await? else {
            return Err(Forbidden::because(format!("{what} is for Owners of the operator organization, and for `keywright admin` on the host")).into());
        };
        owner.require_fresh_person(ctx.now, what)?;
        Ok(owner.by)
    }

    /// Whoever looks at what is the installation's: the host, or an Owner of the operator organization.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody else.
    pub(crate) async fn installation_reader(&self, tx: &mut Tx, ctx: &Context) -> Result<(), Error> {
        if ctx.actor == Actor::System || (matches!(ctx.actor, Actor::Person(_)) && self.as_installation_owner(tx, ctx).await?.is_some()) {
            return Ok(());
        }
        Err(Forbidden::because("this is for Owners of the operator organization, signed in, and for `keywright admin` on the host").into())
    }

    /// Whoever acts on a root from outside: the host, an operator key with the scope `organizations`, or a fresh Owner of the
    /// operator organization.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a root that is unknown or no business of the actor's; [`Error::Forbidden`], [`Error::NotFresh`].
    pub(crate) async fn over_root(&self, tx: &mut Tx, ctx: &Context, id: OrganizationId, what: &'static str) -> Result<(By, OrganizationRow), Error> {
        match &ctx.actor {
            Actor::System => Ok((By::Host, organizations::find(tx, id).await?.ok_or(ORGANIZATION)?)),
            Actor::Anonymous => Err(Error::HostOnly),
            Actor::Operator(_) => {
                let Authority { by, place, .. } = self.authority(tx, ctx, id).await?;
                by.require_scope(OperatorScope::Organizations)?;
                Ok((by, place))
            }
            Actor::Token(_) | Actor::Person(_) => {
                if let Some(owner) = self.as_installation_owner(tx, ctx).await? {
                    owner.require_fresh_person(ctx.now, what)?;
                    return Ok((owner.by, organizations::find(tx, id).await?.ok_or(ORGANIZATION)?));
                }
                // Whoever belongs there is told why not; for everybody else it is not there.
                self.authority(tx, ctx, id).await?;
                Err(Forbidden::because(format!("{what} is for Owners of the operator organization, and for operator keys with the scope `organizations`"))
                    .into())
            }
        }
    }

    /// The actor in the operator organization, if he is an Owner there.
    async fn as_installation_owner(&self, tx: &mut Tx, ctx: &Context) -> Result<Option<Authority>, Error> {
        let Some(home) = operator_organization(tx).await? else { return Ok(None) };
        match self.authority(tx, ctx, home).await {
            Ok(authority) => Ok(Some(authority).filter(Authority::is_owner)),
            Err(Error::NotFound(_) | Error::Forbidden(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A key for users alone has no business in organizations.
fn refuse_users_alone(by: &By) -> Result<(), Error> {
    match by {
        By::Operator { scopes, .. } if *scopes == Scopes::of(&[OperatorScope::Users])? => {
            Err(Forbidden::because("this operator key has the scope `users` alone, which opens no organization; use a key with the scope that is needed")
                .into())
        }
        By::Host | By::Key { .. } | By::Person { .. } | By::Operator { .. } => Ok(()),
    }
}

/// The operator organization, once there is one.
pub(crate) async fn operator_organization(tx: &mut Tx) -> Result<Option<OrganizationId>, Error> {
    let stored = settings::find(tx, settings::OPERATOR_ORGANIZATION).await?;
    stored.map(|id| id.parse().map_err(|_| Error::Internal("the operator organization's id cannot be read"))).transpose()
}

impl By {
    /// Asks an operator key for a scope; nobody else has any, nor needs one.
    ///
    /// # Errors
    /// [`Error::Forbidden`] names it.
    pub(crate) fn require_scope(&self, scope: OperatorScope) -> Result<(), Error> {
        match self {
            Self::Operator { scopes, .. } if !scopes.has(scope) => {
                let reason = format!("this operator key lacks the scope `{scope}`; it has: {}", scopes.to_stored());
                Err(Forbidden::because(reason).into())
            }
            Self::Host | Self::Key { .. } | Self::Person { .. } | Self::Operator { .. } => Ok(()),
        }
    }

    /// Whether it is an operator key with a scope.
    #[must_use]
    pub(crate) fn has_scope(&self, scope: OperatorScope) -> bool {
        match self {
            Self::Operator { scopes, .. } => scopes.has(scope),
            Self::Host | Self::Key { .. } | Self::Person { .. } => false,
        }
    }

    /// What the log says more about it: an operator key acts for somebody. That is quoted, so that no name passes for the rest.
    pub(crate) fn told(&self, reason: String) -> String {
        match self {
            Self::Operator { on_behalf_of: Some(whom), .. } => {
                let whom = serde_json::Value::from(whom.as_str());
                if reason.is_empty() { format!("on behalf of {whom}") } else { format!("on behalf of {whom}: {reason}") }
            }
            Self::Host | Self::Key { .. } | Self::Person { .. } | Self::Operator { on_behalf_of: None, .. } => reason,
        }
    }
}
