//! Who holds an access token, from the database's point of view and not the token's.

use crate::{Core, Error, Refusal, alive::alive, grant};
use keywright_protocol::{KeyId, OrganizationId, Time, auth::UserInfo};
use keywright_store::keys;

impl Core {
    /// The holder of a verified token. Its key must still live and still have a grant where the token is for.
    ///
    /// # Errors
    /// As an exchange of the same key would now.
    pub async fn user_info(&self, now: Time, key: KeyId, organization: OrganizationId) -> Result<UserInfo, Error> {
        let row = self.db.read(|tx| Box::pin(async move { keys::find_by_id(tx, key, Some(organization)).await.map_err(Error::from) })).await?;
        let row = row.filter(|row| self.is_ours(row)).ok_or(Refusal::Unknown)?;
        alive(&row, now)?;
        grant::effective(&row, &self.catalog().catalog)?;
        let (sub, email, name) = match row.holder {
            Some(holder) => (holder.user_id.to_string(), holder.email, holder.name),
            None => (row.key_id.to_string(), row.key_email.unwrap_or_default(), row.name),
        };
        Ok(UserInfo { sub, preferred_username: email.clone(), email, name, current_organization_id: organization })
    }
}
