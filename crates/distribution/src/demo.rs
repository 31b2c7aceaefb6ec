//! Sample data for the demo.

use crate::{Distribution, Error};
use keywright_protocol::{OrganizationId, Time};
use std::time::Duration;

/// The demo's organizations.
#[derive(Debug, Clone, Copy)]
pub struct DemoOrganizations {
    /// "Acme".
    pub root: OrganizationId,
    /// "Acme Mobile", its sub-organization.
    pub sub: OrganizationId,
    /// "Globex".
    pub other: OrganizationId,
}

/// Three profiles in the root, one in its sub-organization, two in the other root.
///
/// # Errors
/// As [`Distribution::insert_profile`]; names that are there already are refused.
pub async fn seed(distribution: &Distribution, organizations: DemoOrganizations, now: Time) -> Result<(), Error> {
    let DemoOrganizations { root, sub, other } = organizations;
    let profiles =
        [(root, "Acme iOS"), (root, "Acme Android"), (root, "Acme Beta"), (sub, "Acme Mobile Nightly"), (other, "Globex iOS"), (other, "Globex Android")];
    // One after the other, so that lists have this order.
    for (millis, (organization, name)) in profiles.into_iter().enumerate() {
        let at = now.plus(Duration::from_millis(u64::try_from(millis).unwrap_or_default()));
        distribution.insert_profile(organization, name, at).await?;
    }
    Ok(())
}
