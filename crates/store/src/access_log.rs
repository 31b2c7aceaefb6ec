//! The log of access: exchanges, refusals of known keys, gaps. Its events hang on links of the same chains as changes do, many
//! on one.

use crate::{StoreError, log::EventRow, statements};
use keywright_db::{Tx, Value};
use keywright_protocol::OrganizationId;
use uuid::Uuid;

/// Events of one statement. More of them would not be faster: SQLite looks for each placeholder among all.
const ROWS: usize = 16;

statements! {
    INSERT = "INSERT INTO log_access (id, root_id, sequence, at, organization_id, actor_kind, actor_id, action, subject, outcome, reason,
            address, user_agent, request_id, revision)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    INSERT_16 = "INSERT INTO log_access (id, root_id, sequence, at, organization_id, actor_kind, actor_id, action, subject, outcome, reason,
            address, user_agent, request_id, revision)
        VALUES
            ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15),
            ($16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30),
            ($31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45),
            ($46, $47, $48, $49, $50, $51, $52, $53, $54, $55, $56, $57, $58, $59, $60),
            ($61, $62, $63, $64, $65, $66, $67, $68, $69, $70, $71, $72, $73, $74, $75),
            ($76, $77, $78, $79, $80, $81, $82, $83, $84, $85, $86, $87, $88, $89, $90),
            ($91, $92, $93, $94, $95, $96, $97, $98, $99, $100, $101, $102, $103, $104, $105),
            ($106, $107, $108, $109, $110, $111, $112, $113, $114, $115, $116, $117, $118, $119, $120),
            ($121, $122, $123, $124, $125, $126, $127, $128, $129, $130, $131, $132, $133, $134, $135),
            ($136, $137, $138, $139, $140, $141, $142, $143, $144, $145, $146, $147, $148, $149, $150),
            ($151, $152, $153, $154, $155, $156, $157, $158, $159, $160, $161, $162, $163, $164, $165),
            ($166, $167, $168, $169, $170, $171, $172, $173, $174, $175, $176, $177, $178, $179, $180),
            ($181, $182, $183, $184, $185, $186, $187, $188, $189, $190, $191, $192, $193, $194, $195),
            ($196, $197, $198, $199, $200, $201, $202, $203, $204, $205, $206, $207, $208, $209, $210),
            ($211, $212, $213, $214, $215, $216, $217, $218, $219, $220, $221, $222, $223, $224, $225),
            ($226, $227, $228, $229, $230, $231, $232, $233, $234, $235, $236, $237, $238, $239, $240)";
    FIND = "SELECT id FROM log_access WHERE id = $1";
    LIST = "SELECT id, root_id, sequence, at, organization_id, actor_kind, actor_id, action, subject, outcome, reason,
            address, user_agent, request_id, revision
        FROM log_access WHERE root_id = $1 ORDER BY sequence, id";
}

/// Adds events to links that are there.
///
/// # Errors
/// `Conflict` if one of them is there already, or its link is not.
pub async fn insert(tx: &mut Tx, events: &[EventRow]) -> Result<(), StoreError> {
    let (many, rest) = events.as_chunks::<ROWS>();
    for events in many {
        let values: Vec<Value> = events.iter().flat_map(EventRow::values).collect();
        tx.execute(INSERT_16, &values).await?;
    }
    for event in rest {
        tx.execute_one(INSERT, &event.values()).await?;
    }
    Ok(())
}

/// Whether an event is there.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn exists(tx: &mut Tx, id: Uuid) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND, &[id.into()]).await.map(|row| row.is_some())
}

/// The events of a root's chain, in order.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, root: OrganizationId) -> Result<Vec<EventRow>, StoreError> {
    tx.fetch_all(LIST, &[root.into()]).await?.iter().map(EventRow::read).collect()
}
