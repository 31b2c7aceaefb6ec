//! What is known of the use of keys. All of it is derived from events of access, and added up.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{KeyId, Time};

/// Rows that one statement adds where there are so many: most of what a statement costs is not its rows.
const TOGETHER: usize = 16;

/// Adds rows of uses to those that are there.
macro_rules! add_uses {
    ($rows:literal) => {
        concat!(
            "INSERT INTO key_uses (key_id, version, way, issued, refused, first_used_at, last_used_at, address, user_agent,
            last_refused_at, refused_address, refused_user_agent, refused_reason)
        VALUES ",
            $rows,
            "
        ON CONFLICT (key_id, version, way) DO UPDATE SET
            issued = key_uses.issued + excluded.issued,
            refused = key_uses.refused + excluded.refused,
            first_used_at = CASE WHEN key_uses.first_used_at IS NULL OR excluded.first_used_at < key_uses.first_used_at
                THEN excluded.first_used_at ELSE key_uses.first_used_at END,
            last_used_at = CASE WHEN key_uses.last_used_at IS NULL OR excluded.last_used_at >= key_uses.last_used_at
                THEN excluded.last_used_at ELSE key_uses.last_used_at END,
            address = CASE WHEN key_uses.last_used_at IS NULL OR excluded.last_used_at >= key_uses.last_used_at
                THEN excluded.address ELSE key_uses.address END,
            user_agent = CASE WHEN key_uses.last_used_at IS NULL OR excluded.last_used_at >= key_uses.last_used_at
                THEN excluded.user_agent ELSE key_uses.user_agent END,
            last_refused_at = CASE WHEN key_uses.last_refused_at IS NULL OR excluded.last_refused_at >= key_uses.last_refused_at
                THEN excluded.last_refused_at ELSE key_uses.last_refused_at END,
            refused_address = CASE WHEN key_uses.last_refused_at IS NULL OR excluded.last_refused_at >= key_uses.last_refused_at
                THEN excluded.refused_address ELSE key_uses.refused_address END,
            refused_user_agent = CASE WHEN key_uses.last_refused_at IS NULL OR excluded.last_refused_at >= key_uses.last_refused_at
                THEN excluded.refused_user_agent ELSE key_uses.refused_user_agent END,
            refused_reason = CASE WHEN key_uses.last_refused_at IS NULL OR excluded.last_refused_at >= key_uses.last_refused_at
                THEN excluded.refused_reason ELSE key_uses.refused_reason END"
        )
    };
}

/// Adds rows of counts to those that are there.
macro_rules! add_counts {
    ($rows:literal) => {
        concat!(
            "INSERT INTO key_use_counts (key_id, period, begins_at, version, issued, refused) VALUES ",
            $rows,
            " ON CONFLICT (key_id, period, begins_at, version) DO UPDATE SET
                issued = key_use_counts.issued + excluded.issued, refused = key_use_counts.refused + excluded.refused"
        )
    };
}

statements! {
    ADD_USES = add_uses!("($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)");
    ADD_USES_TOGETHER = add_uses!(
        "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13), ($14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26),
            ($27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39), ($40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52),
            ($53, $54, $55, $56, $57, $58, $59, $60, $61, $62, $63, $64, $65), ($66, $67, $68, $69, $70, $71, $72, $73, $74, $75, $76, $77, $78),
            ($79, $80, $81, $82, $83, $84, $85, $86, $87, $88, $89, $90, $91), ($92, $93, $94, $95, $96, $97, $98, $99, $100, $101, $102, $103, $104),
            ($105, $106, $107, $108, $109, $110, $111, $112, $113, $114, $115, $116, $117), ($118, $119, $120, $121, $122, $123, $124, $125, $126, $127, $128, $129, $130),
            ($131, $132, $133, $134, $135, $136, $137, $138, $139, $140, $141, $142, $143), ($144, $145, $146, $147, $148, $149, $150, $151, $152, $153, $154, $155, $156),
            ($157, $158, $159, $160, $161, $162, $163, $164, $165, $166, $167, $168, $169), ($170, $171, $172, $173, $174, $175, $176, $177, $178, $179, $180, $181, $182),
            ($183, $184, $185, $186, $187, $188, $189, $190, $191, $192, $193, $194, $195), ($196, $197, $198, $199, $200, $201, $202, $203, $204, $205, $206, $207, $208)"
    );
    LIST_USES = "SELECT key_id, version, way, issued, refused, first_used_at, last_used_at, address, user_agent,
            last_refused_at, refused_address, refused_user_agent, refused_reason
        FROM key_uses WHERE key_id = $1 ORDER BY version, way";
    FIND_USED = "SELECT version FROM key_uses WHERE key_id = $1 AND first_used_at IS NOT NULL LIMIT 1";
    ADD_COUNT = add_counts!("($1, $2, $3, $4, $5, $6)");
    ADD_COUNTS = add_counts!(
        "($1, $2, $3, $4, $5, $6), ($7, $8, $9, $10, $11, $12), ($13, $14, $15, $16, $17, $18), ($19, $20, $21, $22, $23, $24),
            ($25, $26, $27, $28, $29, $30), ($31, $32, $33, $34, $35, $36), ($37, $38, $39, $40, $41, $42), ($43, $44, $45, $46, $47, $48),
            ($49, $50, $51, $52, $53, $54), ($55, $56, $57, $58, $59, $60), ($61, $62, $63, $64, $65, $66), ($67, $68, $69, $70, $71, $72),
            ($73, $74, $75, $76, $77, $78), ($79, $80, $81, $82, $83, $84), ($85, $86, $87, $88, $89, $90), ($91, $92, $93, $94, $95, $96)"
    );
    LIST_COUNTS = "SELECT begins_at, version, issued, refused FROM key_use_counts
        WHERE key_id = $1 AND period = $2 AND begins_at >= $3 AND begins_at < $4 ORDER BY begins_at, version";
    FIND_COUNT_BEFORE = "SELECT version FROM key_use_counts WHERE period = $1 AND begins_at < $2 LIMIT 1";
    DELETE_COUNTS_BEFORE = "DELETE FROM key_use_counts WHERE (key_id, period, begins_at, version) IN
        (SELECT key_id, period, begins_at, version FROM key_use_counts WHERE period = $1 AND begins_at < $2 LIMIT $3)";
    FIND_NETWORK = "SELECT last_used_at FROM key_networks WHERE key_id = $1 AND network = $2";
    PUT_NETWORK = "INSERT INTO key_networks (key_id, network, last_used_at, news_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (key_id, network) DO UPDATE SET
            last_used_at = excluded.last_used_at, news_at = COALESCE(excluded.news_at, key_networks.news_at)";
    COUNT_NETWORKS = "SELECT count(*) AS networks FROM key_networks WHERE key_id = $1";
    LIST_NETWORKS = "SELECT network, last_used_at, news_at FROM key_networks WHERE key_id = $1 ORDER BY network";
    FIND_NETWORK_BEFORE = "SELECT network FROM key_networks WHERE last_used_at < $1 LIMIT 1";
    DELETE_NETWORKS_BEFORE = "DELETE FROM key_networks WHERE (key_id, network) IN
        (SELECT key_id, network FROM key_networks WHERE last_used_at < $1 LIMIT $2)";
    LIST_SECRETS = "SELECT version, created_at, ends_at, ended_at FROM secret_versions WHERE key_id = $1 ORDER BY version";
}

/// One exchange or refusal: when, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// When.
    pub at: Time,
    /// From where; empty if that is not known.
    pub address: String,
    /// What the client called itself; empty if it said nothing.
    pub user_agent: String,
}

/// The last refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRefusal {
    /// When, and of whom.
    pub contact: Contact,
    /// Its code.
    pub reason: String,
}

/// The uses of one secret version of a key by one way in: those that are there, or those to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsesRow {
    /// The key.
    pub key_id: KeyId,
    /// Which of its secrets.
    pub version: i64,
    /// Endpoint, and spelling of the field.
    pub way: String,
    /// Exchanges that gave a token.
    pub issued: i64,
    /// Exchanges that were refused.
    pub refused: i64,
    /// The first one that gave a token.
    pub first_used_at: Option<Time>,
    /// The last one that gave a token.
    pub last_use: Option<Contact>,
    /// The last one that was refused.
    pub last_refusal: Option<LastRefusal>,
}

impl UsesRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let contact = |at: Option<Time>, address, user_agent| {
            at.map(|at| Ok::<_, StoreError>(Contact { at, address: row.get(address)?, user_agent: row.get(user_agent)? })).transpose()
        };
        let refusal = contact(row.get("last_refused_at")?, "refused_address", "refused_user_agent")?;
        Ok(Self {
            key_id: row.get("key_id")?,
            version: row.get("version")?,
            way: row.get("way")?,
            issued: row.get("issued")?,
            refused: row.get("refused")?,
            first_used_at: row.get("first_used_at")?,
            last_use: contact(row.get("last_used_at")?, "address", "user_agent")?,
            last_refusal: refusal.map(|contact| Ok::<_, StoreError>(LastRefusal { contact, reason: row.get("refused_reason")? })).transpose()?,
        })
    }

    /// In the order of the columns.
    fn values(&self) -> [Value; 13] {
        let (use_, refusal) = (self.last_use.as_ref(), self.last_refusal.as_ref());
        let refused = refusal.map(|refusal| &refusal.contact);
        let address = |contact: Option<&Contact>| contact.map(|contact| contact.address.clone()).unwrap_or_default();
        let user_agent = |contact: Option<&Contact>| contact.map(|contact| contact.user_agent.clone()).unwrap_or_default();
        [
            self.key_id.into(),
            self.version.into(),
            self.way.as_str().into(),
            self.issued.into(),
            self.refused.into(),
            self.first_used_at.into(),
            use_.map(|contact| contact.at).into(),
            address(use_).into(),
            user_agent(use_).into(),
            refused.map(|contact| contact.at).into(),
            address(refused).into(),
            user_agent(refused).into(),
            refusal.map(|refusal| refusal.reason.clone()).unwrap_or_default().into(),
        ]
    }
}

/// What counts are made over; each begins where UTC has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Period {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// As it is stored, and as it is asked for.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// How long one is, in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        match self {
            Self::Hour => 60 * 60 * 1000,
            Self::Day => 24 * 60 * 60 * 1000,
        }
    }

    /// The beginning of the one that a time is in.
    #[must_use]
    pub const fn beginning(self, at: Time) -> Time {
        Time::from_millis(at.as_millis().div_euclid(self.millis()).saturating_mul(self.millis()))
    }
}

/// How often a secret version was used in a period: what is there, or what to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountRow {
    /// The beginning of the period.
    pub begins_at: Time,
    /// Which secret.
    pub version: i64,
    /// Exchanges that gave a token.
    pub issued: i64,
    /// Exchanges that were refused.
    pub refused: i64,
}

/// A network that a key was used from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRow {
    /// In CIDR notation.
    pub network: String,
    /// When it last was; up to an hour later in fact.
    pub last_used_at: Time,
    /// When it came from there after it had been used elsewhere alone; `None` for where it was used first.
    pub news_at: Option<Time>,
}

/// A secret version as its organization sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretRow {
    /// Counted from 1.
    pub version: i64,
    /// When it was made.
    pub created_at: Time,
    /// End of its overlap.
    pub ends_at: Option<Time>,
    /// When it was ended at once.
    pub ended_at: Option<Time>,
}

/// Adds uses to those that are there, no two of the same key, version and way. They may be older than these.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn add(tx: &mut Tx, uses: &[UsesRow]) -> Result<(), StoreError> {
    add_together(tx, (ADD_USES, ADD_USES_TOGETHER), uses, UsesRow::values).await
}

/// By as few statements as there may be: one for one row, one for many.
async fn add_together<R: Sync, const N: usize>(
    tx: &mut Tx,
    (one, many): (&'static str, &'static str),
    rows: &[R],
    values: fn(&R) -> [Value; N],
) -> Result<(), StoreError> {
    let together = rows.chunks_exact(TOGETHER);
    let rest = together.remainder();
    for rows in together {
        tx.execute(many, &rows.iter().flat_map(values).collect::<Vec<_>>()).await?;
    }
    for row in rest {
        tx.execute_one(one, &values(row)).await?;
    }
    Ok(())
}

/// The uses of a key, by secret version and way in.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, key: KeyId) -> Result<Vec<UsesRow>, StoreError> {
    tx.fetch_all(LIST_USES, &[key.into()]).await?.iter().map(UsesRow::read).collect()
}

/// Whether a key was ever exchanged for a token.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn was_used(tx: &mut Tx, key: KeyId) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND_USED, &[key.into()]).await.map(|row| row.is_some())
}

/// Adds counts to those that are there, no two of the same key, period and version.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn add_counts(tx: &mut Tx, counts: &[(KeyId, Period, CountRow)]) -> Result<(), StoreError> {
    let values = |(key, period, count): &(KeyId, Period, CountRow)| {
        let CountRow { begins_at, version, issued, refused } = *count;
        [(*key).into(), period.as_str().into(), begins_at.into(), version.into(), issued.into(), refused.into()]
    };
    add_together(tx, (ADD_COUNT, ADD_COUNTS), counts, values).await
}

/// The counts of a key in the periods that begin from a time on and before another one, oldest first. Where nothing happened there
/// is no row.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_counts(tx: &mut Tx, key: KeyId, period: Period, (from, until): (Time, Time)) -> Result<Vec<CountRow>, StoreError> {
    let rows = tx.fetch_all(LIST_COUNTS, &[key.into(), period.as_str().into(), from.into(), until.into()]).await?;
    let read =
        |row: &Row| Ok(CountRow { begins_at: row.get("begins_at")?, version: row.get("version")?, issued: row.get("issued")?, refused: row.get("refused")? });
    rows.iter().map(read).collect()
}

/// Whether there are counts of periods that began before a time.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn has_counts_before(tx: &mut Tx, period: Period, before: Time) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND_COUNT_BEFORE, &[period.as_str().into(), before.into()]).await.map(|row| row.is_some())
}

/// Deletes counts of periods that began before a time, `limit` at most; answers how many.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete_counts_before(tx: &mut Tx, period: Period, before: Time, limit: i64) -> Result<u64, StoreError> {
    tx.execute(DELETE_COUNTS_BEFORE, &[period.as_str().into(), before.into(), limit.into()]).await
}

/// When a key was last used from a network, as it was last written.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_network(tx: &mut Tx, key: KeyId, network: &str) -> Result<Option<Time>, StoreError> {
    tx.fetch_optional(FIND_NETWORK, &[key.into(), network.into()]).await?.map(|row| row.get("last_used_at")).transpose()
}

/// Writes when a key was last used from a network, and since when that is news; without it that stays as it is.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn put_network(tx: &mut Tx, key: KeyId, network: &NetworkRow) -> Result<(), StoreError> {
    tx.execute_one(PUT_NETWORK, &[key.into(), network.network.as_str().into(), network.last_used_at.into(), network.news_at.into()]).await
}

/// How many networks there are of a key.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_networks(tx: &mut Tx, key: KeyId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_NETWORKS, &[key.into()]).await?.get("networks")
}

/// The networks that a key was used from.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_networks(tx: &mut Tx, key: KeyId) -> Result<Vec<NetworkRow>, StoreError> {
    let read = |row: &Row| Ok(NetworkRow { network: row.get("network")?, last_used_at: row.get("last_used_at")?, news_at: row.get("news_at")? });
    tx.fetch_all(LIST_NETWORKS, &[key.into()]).await?.iter().map(read).collect()
}

/// Whether there are networks that were last used before a time.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn has_networks_before(tx: &mut Tx, before: Time) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND_NETWORK_BEFORE, &[before.into()]).await.map(|row| row.is_some())
}

/// Deletes networks that were last used before a time, `limit` at most; answers how many.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete_networks_before(tx: &mut Tx, before: Time, limit: i64) -> Result<u64, StoreError> {
    tx.execute(DELETE_NETWORKS_BEFORE, &[before.into(), limit.into()]).await
}

/// The secret versions of a key, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_secrets(tx: &mut Tx, key: KeyId) -> Result<Vec<SecretRow>, StoreError> {
    let read = |row: &Row| {
        Ok(SecretRow { version: row.get("version")?, created_at: row.get("created_at")?, ends_at: row.get("ends_at")?, ended_at: row.get("ended_at")? })
    };
    tx.fetch_all(LIST_SECRETS, &[key.into()]).await?.iter().map(read).collect()
}
