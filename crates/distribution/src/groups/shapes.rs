//! Testing groups on the wire.

use super::{Group, rows::GroupRow};
use crate::{
    body::{Kind, Shape},
    ids::GroupId,
};
use keywright_protocol::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A testing group as it stands in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TestingGroup)]
pub(crate) struct GroupOut {
    /// Never changes.
    #[schema(value_type = Uuid)]
    id: GroupId,
    /// Unique within the organization.
    name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    create_date: Time,
    /// When it or its testers were last changed.
    #[schema(value_type = String, format = DateTime)]
    update_date: Time,
}

impl From<GroupRow> for GroupOut {
    fn from(row: GroupRow) -> Self {
        Self { id: row.id, name: row.name, create_date: row.created_at, update_date: row.updated_at }
    }
}

/// A testing group and who is in it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TestingGroupWithTesters)]
pub(crate) struct GroupDetails {
    #[serde(flatten)]
    group: GroupOut,
    /// E-mail addresses in alphabetical order. Only for callers with `distribution-group.tester.view`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    testers: Option<Vec<String>>,
}

/// Whether the caller sees who is in a group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Testers,
    Nobody,
}

impl GroupDetails {
    pub(super) fn new(group: Group, shown: Shown) -> Self {
        Self { group: group.row.into(), testers: Some(group.testers).filter(|_| shown == Shown::Testers) }
    }
}

/// A testing group to be made, or its new name.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewTestingGroup)]
pub(crate) struct NewGroup {
    /// 1 to 128 characters, no control characters or invisible ones; spaces around it are dropped.
    #[schema(min_length = 1, max_length = 128)]
    pub(super) name: String,
}

impl Shape for NewGroup {
    const EXAMPLE: &'static str = r#"{"name": "Friends"}"#;
}

impl Shape for Vec<String> {
    const EXAMPLE: &'static str = r#"["qa@example.com"]"#;
    const KIND: Kind = Kind::Array;
}
