//! Organizations by id or by name.

use super::{Connection, Failure};
use clap::Args;
use keywright_client::Place;
use keywright_protocol::{OrganizationId, identity::OrganizationItem};

/// Which organization.
#[derive(Debug, Clone, Args)]
pub(super) struct OrganizationArg {
    /// Another organization than one's own, by its id or its name
    #[arg(long = "org", value_name = "ID|NAME")]
    organization: Option<String>,
}

impl OrganizationArg {
    pub(super) async fn find(&self, connection: &mut Connection) -> Result<Option<OrganizationId>, Failure> {
        match &self.organization {
            None => Ok(None),
            Some(text) => find(connection, text).await.map(Some),
        }
    }

    /// The same as a place of the identity API.
    pub(super) async fn place(&self, connection: &mut Connection) -> Result<Place, Failure> {
        Ok(self.find(connection).await?.map_or(Place::Current, Place::Organization))
    }
}

/// An organization by its id, or by its name among those within reach.
pub(super) async fn find(connection: &mut Connection, text: &str) -> Result<OrganizationId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let mut found: Vec<OrganizationItem> = Vec::new();
    let (mut page, mut seen) = (1, 0);
    loop {
        let listed = connection.ask(async |caller| caller.organizations(text, page).await).await?;
        seen += listed.data.len();
        let is_end = listed.data.is_empty() || seen >= listed.total;
        found.extend(listed.data.into_iter().filter(|organization| organization.name.to_lowercase() == text.to_lowercase()));
        if is_end {
            break;
        }
        page += 1;
    }
    match found.as_slice() {
        [one] => Ok(one.id),
        [] => Err(Failure::failed(format!(
            "no organization within reach is called \"{text}\"; name one by its id; your organizations are at /identity/v1/organizations"
        ))),
        several => {
            let ids: Vec<String> = several.iter().map(|organization| organization.id.to_string()).collect();
            Err(Failure::failed(format!("several organizations are called \"{text}\"; name one by its id: {}", ids.join(", "))))
        }
    }
}
