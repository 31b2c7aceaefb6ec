//! Keys of one organization that somebody should look at, and who still comes to endpoints that have a successor.
//!
//! Of keys only those are listed that live: not revoked, suspended or expired, and, of Personal Access Keys, those whose holder is a member
//! who is not disabled. Each list begins at the organization's own keys in an index; what is asked of the use of a key is found by that key.

use crate::{StoreError, keys::kind_of, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, Time, UserId};

/// Living keys of an organization ($1) of API Keys and of another kind ($2) at a time ($3), with facts, under a condition.
macro_rules! living {
    ($facts:literal, $joins:literal, $condition:literal) => {
        concat!(
            "SELECT k.id, k.kind, k.name, m.user_id, u.email AS user_email, k.created_at, k.created_by, k.expires_at, ",
            $facts,
            " count(*) OVER () AS total
            FROM keys k LEFT JOIN memberships m ON m.id = k.membership_id LEFT JOIN users u ON u.id = m.user_id ",
            $joins,
            " WHERE k.organization_id = $1 AND k.kind IN ('api', $2) AND k.revoked_at IS NULL AND k.suspended_at IS NULL AND k.expires_at > $3
                AND (k.membership_id IS NULL OR (m.ended_at IS NULL AND u.disabled_at IS NULL)) AND ",
            $condition
        )
    };
}

statements! {
    LIST_EXPIRING = living!("", "", "k.expires_at <= $4 ORDER BY k.expires_at, k.id LIMIT $5");
    LIST_NEVER_USED = living!(
        "",
        "",
        "k.created_at < $4 AND k.not_before < $4 AND NOT EXISTS (SELECT 1 FROM key_uses x WHERE x.key_id = k.id AND x.first_used_at IS NOT NULL)
            ORDER BY k.created_at, k.id LIMIT $5"
    );
    LIST_UNUSED = living!(
        "(SELECT max(x.last_used_at) FROM key_uses x WHERE x.key_id = k.id) AS last_used_at,",
        "",
        "EXISTS (SELECT 1 FROM key_uses x WHERE x.key_id = k.id AND x.first_used_at IS NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM key_uses x WHERE x.key_id = k.id AND x.last_used_at >= $4)
            ORDER BY last_used_at, k.id LIMIT $5"
    );
    LIST_REFUSED = living!(
        "(SELECT CAST(sum(c.refused) AS BIGINT) FROM key_use_counts c WHERE c.key_id = k.id AND c.period = 'hour' AND c.begins_at >= $4) AS refused,
            (SELECT x.refused_reason FROM key_uses x WHERE x.key_id = k.id AND x.last_refused_at IS NOT NULL ORDER BY x.last_refused_at DESC LIMIT 1)
                AS refused_reason,
            (SELECT max(x.last_refused_at) FROM key_uses x WHERE x.key_id = k.id) AS last_refused_at,
            (SELECT x.refused_address FROM key_uses x WHERE x.key_id = k.id AND x.last_refused_at IS NOT NULL ORDER BY x.last_refused_at DESC LIMIT 1)
                AS refused_address,
            (SELECT x.refused_user_agent FROM key_uses x WHERE x.key_id = k.id AND x.last_refused_at IS NOT NULL ORDER BY x.last_refused_at DESC LIMIT 1)
                AS refused_user_agent,",
        "",
        "$5 <= (SELECT CAST(sum(c.refused) AS BIGINT) FROM key_use_counts c WHERE c.key_id = k.id AND c.period = 'hour' AND c.begins_at >= $4)
            ORDER BY refused DESC, k.id LIMIT $6"
    );
    LIST_OLD_SECRETS = living!(
        "v.version, v.ends_at, x.last_used_at, x.address, x.user_agent,",
        "JOIN secret_versions v ON v.key_id = k.id JOIN key_uses x ON x.key_id = k.id AND x.version = v.version",
        "v.ended_at IS NULL AND v.ends_at > $3
            AND x.last_used_at >= (SELECT min(n.created_at) FROM secret_versions n WHERE n.key_id = k.id AND n.version > v.version)
            AND NOT EXISTS (SELECT 1 FROM key_uses y WHERE y.key_id = k.id AND y.version = v.version
                AND (y.last_used_at > x.last_used_at OR (y.last_used_at = x.last_used_at AND y.way > x.way)))
            ORDER BY v.ends_at, k.id, v.version LIMIT $4"
    );
    LIST_AT_OLD_ENDPOINTS = living!(
        "(SELECT CAST(sum(o.uses) AS BIGINT) FROM key_old_uses o WHERE o.key_id = k.id AND o.day >= $4) AS uses,
            (SELECT max(o.last_used_at) FROM key_old_uses o WHERE o.key_id = k.id AND o.day >= $4) AS last_used_at,",
        "",
        "EXISTS (SELECT 1 FROM key_old_uses o WHERE o.key_id = k.id AND o.day >= $4) ORDER BY uses DESC, k.id LIMIT $5"
    );
    LIST_CLIENTS = "SELECT way, address, user_agent, CAST(sum(uses) AS BIGINT) AS uses, max(last_used_at) AS last_used_at
        FROM key_old_uses WHERE key_id = $1 AND day >= $2 GROUP BY way, address, user_agent ORDER BY uses DESC, way, address, user_agent LIMIT $3";
    LIST_MAKERS = "SELECT DISTINCT created_by FROM keys
        WHERE organization_id = $1 AND kind = 'api' AND revoked_at IS NULL AND suspended_at IS NULL AND expires_at > $2 ORDER BY created_by";
    LIST_OF_MAKER = living!("", "", "k.created_by = $4 ORDER BY k.created_at, k.id LIMIT $5");
    ADD_OLD_USES = "UPDATE key_old_uses SET uses = uses + $6, last_used_at = CASE WHEN last_used_at < $7 THEN $7 ELSE last_used_at END
        WHERE key_id = $1 AND day = $2 AND way = $3 AND address = $4 AND user_agent = $5";
    COUNT_OLD_USES = "SELECT count(*) AS clients FROM key_old_uses WHERE key_id = $1 AND day = $2";
    INSERT_OLD_USES = "INSERT INTO key_old_uses (key_id, day, way, address, user_agent, uses, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    FIND_OLD_USES_BEFORE = "SELECT key_id FROM key_old_uses WHERE day < $1 LIMIT 1";
    DELETE_OLD_USES_BEFORE = "DELETE FROM key_old_uses WHERE (key_id, day, way, address, user_agent) IN
        (SELECT key_id, day, way, address, user_agent FROM key_old_uses WHERE day < $1 LIMIT $2)";
}

/// A key that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticedKey {
    /// Its id.
    pub id: KeyId,
    /// Its kind.
    pub kind: KeyKind,
    /// Its name.
    pub name: String,
    /// Whose it is, for a Personal Access Key, with the address.
    pub holder: Option<(UserId, String)>,
    /// When it was made.
    pub created_at: Time,
    /// Who made it, by kind and id.
    pub created_by: String,
    /// When it expires.
    pub expires_at: Time,
}

impl NoticedKey {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let (user, email): (Option<UserId>, Option<String>) = (row.get("user_id")?, row.get("user_email")?);
        Ok(Self {
            id: row.get("id")?,
            kind: kind_of(&row.get::<String>("kind")?)?,
            name: row.get("name")?,
            holder: user.zip(email),
            created_at: row.get("created_at")?,
            created_by: row.get("created_by")?,
            expires_at: row.get("expires_at")?,
        })
    }
}

/// The first of a list, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed<T> {
    /// The first ones.
    pub rows: Vec<T>,
    /// How many there are altogether.
    pub total: i64,
}

/// Which keys are looked at, when, and how many of a list are answered.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Where they live.
    pub organization: OrganizationId,
    /// Whose.
    pub keys: Keys,
    /// Now.
    pub now: Time,
    /// At most so many of each list.
    pub limit: i64,
}

/// Kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// API Keys alone.
    Api,
    /// Personal Access Keys too.
    All,
}

impl Look {
    fn values(self) -> [Value; 3] {
        let kind = match self.keys {
            Keys::Api => KeyKind::ApiKey,
            Keys::All => KeyKind::PersonalAccessKey,
        };
        [self.organization.into(), kind.infix().into(), self.now.into()]
    }
}

/// The last contact with a client: when, its address, what it calls itself.
pub type Client = (Time, String, String);

/// A key that is refused often: how often, the last refusal, and its code.
pub type RefusedKey = (NoticedKey, i64, Client, String);

/// A secret that has a successor and is used all the same: its version, the end of its overlap, its last use.
pub type OldSecret = (NoticedKey, i64, Time, Client);

/// A client of an endpoint that has a successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldClient {
    /// Endpoint, and spelling of the field.
    pub way: String,
    /// From where; empty if that is not known, or if there are too many to name.
    pub address: String,
    /// What it calls itself; the same.
    pub user_agent: String,
    /// Exchanges that gave a token.
    pub uses: i64,
    /// The last of them.
    pub last_used_at: Time,
}

async fn list<T>(
    tx: &mut Tx,
    (sql, look): (&'static str, Look),
    more: &[Value],
    read: impl Fn(&Row, NoticedKey) -> Result<T, StoreError>,
) -> Result<Noticed<T>, StoreError> {
    let found = tx.fetch_all(sql, &[&look.values(), more, &[look.limit.into()]].concat()).await?;
    let total = found.first().map_or(Ok(0), |row| row.get("total"))?;
    let rows = found.iter().map(|row| read(row, NoticedKey::read(row)?)).collect::<Result<_, _>>()?;
    Ok(Noticed { rows, total })
}

/// Keys that expire until a time, the first to expire first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_expiring(tx: &mut Tx, look: Look, until: Time) -> Result<Noticed<NoticedKey>, StoreError> {
    list(tx, (LIST_EXPIRING, look), &[until.into()], |_, key| Ok(key)).await
}

/// Keys that were made, and valid, before a time and never gave a token; oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_never_used(tx: &mut Tx, look: Look, before: Time) -> Result<Noticed<NoticedKey>, StoreError> {
    list(tx, (LIST_NEVER_USED, look), &[before.into()], |_, key| Ok(key)).await
}

/// Keys that gave their last token before a time, with when that was; the longest unused first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_unused(tx: &mut Tx, look: Look, since: Time) -> Result<Noticed<(NoticedKey, Time)>, StoreError> {
    list(tx, (LIST_UNUSED, look), &[since.into()], |row, key| Ok((key, row.get("last_used_at")?))).await
}

/// Keys that were refused at least so often since a time; the most often first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_refused(tx: &mut Tx, look: Look, (since, at_least): (Time, i64)) -> Result<Noticed<RefusedKey>, StoreError> {
    let read = |row: &Row, key| {
        let client = (row.get("last_refused_at")?, row.get("refused_address")?, row.get("refused_user_agent")?);
        Ok((key, row.get("refused")?, client, row.get("refused_reason")?))
    };
    list(tx, (LIST_REFUSED, look), &[since.into(), at_least.into()], read).await
}

/// Secrets in their overlap that were used since there is a newer one; the first to end first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_old_secrets(tx: &mut Tx, look: Look) -> Result<Noticed<OldSecret>, StoreError> {
    let read = |row: &Row, key| Ok((key, row.get("version")?, row.get("ends_at")?, (row.get("last_used_at")?, row.get("address")?, row.get("user_agent")?)));
    list(tx, (LIST_OLD_SECRETS, look), &[], read).await
}

/// Keys that were exchanged at endpoints with a successor on the days since one, with how often and when last; the most often first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_at_old_endpoints(tx: &mut Tx, look: Look, since: Time) -> Result<Noticed<(NoticedKey, i64, Time)>, StoreError> {
    list(tx, (LIST_AT_OLD_ENDPOINTS, look), &[since.into()], |row, key| Ok((key, row.get("uses")?, row.get("last_used_at")?))).await
}

/// Who exchanged a key at endpoints with a successor on the days since one; the most often first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_clients(tx: &mut Tx, key: KeyId, since: Time, limit: i64) -> Result<Vec<OldClient>, StoreError> {
    let read = |row: &Row| {
        Ok(OldClient {
            way: row.get("way")?,
            address: row.get("address")?,
            user_agent: row.get("user_agent")?,
            uses: row.get("uses")?,
            last_used_at: row.get("last_used_at")?,
        })
    };
    tx.fetch_all(LIST_CLIENTS, &[key.into(), since.into(), limit.into()]).await?.iter().map(read).collect()
}

/// Who made the API Keys of an organization that live, by kind and id.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_makers(tx: &mut Tx, look: Look) -> Result<Vec<String>, StoreError> {
    tx.fetch_all(LIST_MAKERS, &[look.organization.into(), look.now.into()]).await?.iter().map(|row| row.get("created_by")).collect()
}

/// The keys that one of them made, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_of_maker(tx: &mut Tx, look: Look, maker: &str) -> Result<Noticed<NoticedKey>, StoreError> {
    list(tx, (LIST_OF_MAKER, Look { keys: Keys::Api, ..look }), &[maker.into()], |_, key| Ok(key)).await
}

/// Adds uses of a key by one client on a day. When the key has `most` clients on that day already, another one is not named.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn add_old_uses(tx: &mut Tx, key: KeyId, day: Time, client: &OldClient, most: i64) -> Result<(), StoreError> {
    let values = |client: &OldClient| -> [Value; 7] {
        let OldClient { way, address, user_agent, uses, last_used_at } = client;
        [key.into(), day.into(), way.as_str().into(), address.as_str().into(), user_agent.as_str().into(), (*uses).into(), (*last_used_at).into()]
    };
    if tx.execute(ADD_OLD_USES, &values(client)).await? == 1 {
        return Ok(());
    }
    let there: i64 = tx.fetch_one(COUNT_OLD_USES, &[key.into(), day.into()]).await?.get("clients")?;
    if there < most {
        return tx.execute_one(INSERT_OLD_USES, &values(client)).await;
    }
    let nameless = OldClient { address: String::new(), user_agent: String::new(), ..client.clone() };
    if tx.execute(ADD_OLD_USES, &values(&nameless)).await? == 0 {
        tx.execute_one(INSERT_OLD_USES, &values(&nameless)).await?;
    }
    Ok(())
}

/// Whether there are uses of days before one.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn has_old_uses_before(tx: &mut Tx, day: Time) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND_OLD_USES_BEFORE, &[day.into()]).await.map(|row| row.is_some())
}

/// Deletes uses of days before one, `limit` at most; answers how many.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete_old_uses_before(tx: &mut Tx, day: Time, limit: i64) -> Result<u64, StoreError> {
    tx.execute(DELETE_OLD_USES_BEFORE, &[day.into(), limit.into()]).await
}
