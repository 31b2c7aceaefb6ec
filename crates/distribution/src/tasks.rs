//! Tasks: what became of an upload. All the work is done when its commit is answered, so they are over from the beginning.

use crate::{
    App, Error,
    error::{Thing, id},
    ids::TaskId,
    profiles::ViewProfiles,
    statements,
};
use axum::{
    Json,
    extract::{Path, State as Shared, rejection::PathRejection},
};
use keywright_db::{Db, StoreError, Tx};
use keywright_protocol::{OrganizationId, Time};
use keywright_verify::Require;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

statements! {
    INSERT = "INSERT INTO tasks (id, organization_id, state, created_at) VALUES ($1, $2, $3, $4)";
    FIND = "SELECT state FROM tasks WHERE id = $1 AND organization_id = $2";
}

/// How a task stands. Clients take whatever is neither 1 nor 3 for a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Begun,
    Failed,
    Completed,
}

impl State {
    const fn value(self) -> i64 {
        match self {
            Self::Begun => 1,
            Self::Failed => 2,
            Self::Completed => 3,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Begun => "Begun",
            Self::Failed => "Failed",
            Self::Completed => "Completed",
        }
    }

    fn from_value(value: i64) -> Result<Self, StoreError> {
        [Self::Begun, Self::Failed, Self::Completed].into_iter().find(|state| state.value() == value).ok_or(StoreError::Corrupt)
    }
}

pub(crate) async fn insert(tx: &mut Tx, id: TaskId, organization: OrganizationId, state: State, now: Time) -> Result<(), StoreError> {
    tx.execute_one(INSERT, &[id.into(), organization.into(), state.value().into(), now.into()]).await
}

async fn find(db: &Db, organization: OrganizationId, id: TaskId) -> Result<State, Error> {
    let found = db.read(move |tx| Box::pin(async move { tx.fetch_optional(FIND, &[id.into(), organization.into()]).await }));
    let row = found.await?.ok_or(Error::NotFound(Thing::Task))?;
    Ok(State::from_value(row.get("state")?)?)
}

/// What became of an upload.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Task)]
pub(crate) struct TaskOut {
    #[schema(value_type = Uuid)]
    id: TaskId,
    /// 1 begun, 2 failed, 3 completed.
    #[schema(minimum = 1, maximum = 3)]
    state_value: i64,
    /// The same as a word: `Begun`, `Failed`, `Completed`.
    state_name: &'static str,
}

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

/// See what became of an upload
///
/// By the `taskId` of its answer. It is over by then: 3, or 2 if the file could not be kept.
#[utoipa::path(get, path = "/tasks/{id}", operation_id = "getTask", tag = "app versions",
    params(("id" = Uuid, Path, description = "The task's id, from the answer to an upload.", example = "b1f3c6de-6a4b-4b62-9c3e-2f9d8e7a6c54")),
    responses((status = 200, description = "The task.", body = TaskOut, example = json!(crate::openapi::task()))))]
pub(crate) async fn get(
    Require(caller, _): Require<ViewProfiles>,
    Shared(app): Shared<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<TaskOut>, Error> {
    let id: TaskId = id(&crate::routes::one(path), Thing::Task)?;
    let state = find(&app.db, caller.organization_id(), id).await?;
    Ok(Json(TaskOut { id, state_value: state.value(), state_name: state.name() }))
}
