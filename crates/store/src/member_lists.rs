//! Members page by page, each with his roles: the direct ones, then those by inheritance, each oldest first.

use crate::{
    StoreError,
    memberships::{self, split_roles},
    page::{Page, Part},
    statements,
    users::UserRow,
};
use keywright_db::{Row, Tx};
use keywright_protocol::{MembershipId, OrganizationId};

/// A member on the page `p` of memberships; `d` is his direct membership in `$1`, `r` the one in the root `$2`.
macro_rules! member {
    ($($from:tt)+) => {
        concat!(
            "SELECT u.id, u.email, u.name, u.created_at, u.disabled_at, d.id AS direct_id, r.id AS inherited_id,
                (SELECT string_agg(x.role, ' ') FROM membership_roles x WHERE x.membership_id = d.id) AS own_roles,
                (SELECT string_agg(x.role, ' ') FROM membership_roles x WHERE x.membership_id = r.id) AS inherited_roles
            FROM (", $($from)+, ") p
            JOIN users u ON u.id = p.user_id
            LEFT JOIN memberships d ON d.organization_id = $1 AND d.user_id = p.user_id AND d.ended_at IS NULL
            LEFT JOIN memberships r ON r.organization_id = $2 AND r.user_id = p.user_id AND r.ended_at IS NULL
            ORDER BY p.created_at, p.id"
        )
    };
}

statements! {
    LIST_DIRECT = member!("SELECT m.id, m.user_id, m.created_at FROM memberships m
        WHERE m.organization_id = $1 AND m.ended_at IS NULL ORDER BY m.created_at, m.id LIMIT $3 OFFSET $4");
    LIST_HEIRS = member!("SELECT m.id, m.user_id, m.created_at FROM memberships m
        WHERE m.organization_id = $2 AND m.ended_at IS NULL AND NOT EXISTS
            (SELECT 1 FROM memberships x WHERE x.organization_id = $1 AND x.user_id = m.user_id AND x.ended_at IS NULL)
        ORDER BY m.created_at, m.id LIMIT $3 OFFSET $4");
    COUNT_BOTH = "SELECT count(*) AS members FROM memberships d
        JOIN memberships r ON r.organization_id = $2 AND r.user_id = d.user_id AND r.ended_at IS NULL
        WHERE d.organization_id = $1 AND d.ended_at IS NULL";
}

/// A user who belongs to an organization, directly, through its root, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Who.
    pub user: UserRow,
    /// His own roles there, sorted; `None` if he is no direct member.
    pub own: Option<Vec<String>>,
    /// His roles in the root, sorted, where that is another organization; `None` if he is no member of it.
    pub inherited: Option<Vec<String>>,
}

impl MemberRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let roles = |id: &str, roles: &str| -> Result<_, StoreError> {
            let joined: Option<String> = row.get(roles)?;
            Ok(row.get::<Option<MembershipId>>(id)?.map(|_| split_roles(joined)))
        };
        Ok(Self { user: UserRow::read(row)?, own: roles("direct_id", "own_roles")?, inherited: roles("inherited_id", "inherited_roles")? })
    }
}

/// How many members [`list`] has in all.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count(tx: &mut Tx, organization: OrganizationId, root: Option<OrganizationId>) -> Result<i64, StoreError> {
    let direct = memberships::count(tx, organization).await?;
    let Some(root) = root else { return Ok(direct) };
    let both: i64 = tx.fetch_one(COUNT_BOTH, &[organization.into(), root.into()]).await?.get("members")?;
    Ok(direct + memberships::count(tx, root).await? - both)
}

/// The members of an organization. `root` is its root, if that is another one, whose members it inherits.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, organization: OrganizationId, root: Option<OrganizationId>, part: Part) -> Result<Page<MemberRow>, StoreError> {
    let direct = memberships::count(tx, organization).await?;
    let mut rows = fetch(tx, LIST_DIRECT, (organization, root), part).await?;
    let Some(root) = root else { return Ok(Page { rows, total: direct }) };
    rows.append(&mut fetch(tx, LIST_HEIRS, (organization, Some(root)), part.after(direct)).await?);
    Ok(Page { rows, total: count(tx, organization, Some(root)).await? })
}

async fn fetch(
    tx: &mut Tx,
    list: &'static str,
    (organization, root): (OrganizationId, Option<OrganizationId>),
    part: Part,
) -> Result<Vec<MemberRow>, StoreError> {
    let [limit, offset] = part.values();
    tx.fetch_all(list, &[organization.into(), root.into(), limit, offset]).await?.iter().map(MemberRow::read).collect()
}
