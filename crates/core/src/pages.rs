//! What pages for people show together, read together: one snapshot, one question who asks.

use crate::{
    Context, Core, Error,
    explain::Me,
    keys::{
        api::{self, ApiKey},
        personal,
    },
    operator::operator_organization,
    organizations::Organization,
    usage::Period,
};
use keywright_protocol::{KeyId, OrganizationId, Time};
use keywright_store::{
    custom_roles,
    key_lists::{self, DayUses},
    member_lists,
    page::{Page, Part},
};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// What it takes to see the members.
const VIEW_MEMBERS: &str = "organization.member.view";

/// What every page of an organization needs.
#[derive(Debug)]
pub struct Surroundings {
    /// Whoever asks, in that organization; an error if it is not his.
    pub me: Result<Me, Error>,
    /// The organizations that he has business in, as [`Core::list_organizations`] tells them.
    pub organizations: Vec<Organization>,
    /// Whether that organization is the one whose Owners look after the installation.
    pub is_operator: bool,
    /// Keys and names of the roles of its root's own, by key; empty if it is not his.
    pub custom_roles: Vec<(String, String)>,
}

/// How much there is in an organization, as far as whoever asks may see it; of keys those that are not revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Personal Access Keys: all for an Owner, otherwise one's own.
    pub personal_access_keys: i64,
    /// API Keys.
    pub api_keys: Option<i64>,
    /// Members, those of the root included.
    pub members: Option<i64>,
}

/// API Keys with their use by day.
#[derive(Debug)]
pub struct UsedApiKeys {
    /// A page of them.
    pub keys: Page<ApiKey>,
    /// The first day.
    pub since: Time,
    /// By key; days without use are left out.
    pub days: HashMap<KeyId, Vec<DayUses>>,
}

impl Core {
    /// What every page of an organization needs. That somebody has no business there is no error here: what he has elsewhere stands beside.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unavailable`].
    pub async fn surroundings(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Surroundings, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let organizations = core.organizations_for(tx, &ctx).await?;
                    let is_operator = operator_organization(tx).await? == Some(organization);
                    let me = match core.me_in(tx, &ctx, organization).await {
                        Err(error) if error.is_outage() => return Err(error),
                        me => me,
                    };
                    let custom_roles = match &me {
                        Ok(me) => custom_roles::list(tx, me.organization.row.root_id).await?.into_iter().map(|row| (row.role.key, row.name)).collect(),
                        Err(_) => Vec::new(),
                    };
                    Ok(Surroundings { me, organizations, is_operator, custom_roles })
                })
            })
            .await
    }

    /// How much there is in an organization.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Refused`].
    pub async fn counts(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Counts, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    let place = &authority.place;
                    let personal_access_keys = personal::count(tx, &authority).await?;
                    let api_keys = if authority.may(api::VIEW) { Some(key_lists::count_api(tx, organization).await?) } else { None };
                    let root = (!place.is_root()).then_some(place.root_id);
                    let members = if authority.may(VIEW_MEMBERS) { Some(member_lists::count(tx, organization, root).await?) } else { None };
                    Ok(Counts { personal_access_keys, api_keys, members })
                })
            })
            .await
    }

    /// A page of an organization's API Keys, each with its use by day.
    ///
    /// # Errors
    /// As [`Core::list_api_keys`].
    pub async fn list_used_api_keys(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        (part, life): (Part, Duration),
    ) -> Result<UsedApiKeys, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    core.authority(tx, &ctx, organization).await?.require(api::VIEW)?;
                    let since = Period::Day.beginning(ctx.now.minus(life));
                    let mut days: HashMap<KeyId, Vec<DayUses>> = HashMap::new();
                    for uses in key_lists::list_api_uses(tx, organization, part, since).await? {
                        days.entry(uses.key_id).or_default().push(uses);
                    }
                    Ok(UsedApiKeys { keys: api::list(tx, organization, part).await?, since, days })
                })
            })
            .await
    }
}
