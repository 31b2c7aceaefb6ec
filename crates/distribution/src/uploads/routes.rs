//! Where upload URLs lead, and what the steps of an upload look like on the wire.

use super::{Done, Reserved};
use crate::{
    App, Error,
    body::Shape,
    files::Source,
    ids::{TaskId, UploadId, VersionId},
    multipart::Parts,
    routes::{Pairs, declared_length, one, pairs, value},
};
use axum::{
    Json,
    extract::{Path, Query, Request, State, rejection::PathRejection},
    http::{Method, Uri, header::CONTENT_TYPE},
};
use keywright_protocol::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// What a form may be longer than its file.
pub(super) const FORM_BYTES: u64 = 64 * 1024;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(put, post))
}

/// Whether a request may bring a file, and take long for it.
#[must_use]
pub fn brings_a_file(method: &Method, uri: &Uri) -> bool {
    let mut steps = uri.path().split('/').skip(1);
    if steps.next() != Some("distribution") || !matches!(steps.next(), Some("v1" | "v2")) {
        return false;
    }
    let rest: Vec<&str> = steps.take(4).collect();
    // As the handler reads it.
    let has_action = || pairs(Query::try_from_uri(uri)).and_then(|pairs| Ok(value(&pairs, "action")?.is_some())).unwrap_or(true);
    match rest.as_slice() {
        ["uploads", _] => method == Method::PUT || method == Method::POST,
        ["profiles", _, "app-versions"] => method == Method::POST && !has_action(),
        _ => false,
    }
}

/// Where a file goes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadInformation {
    /// What the commit names.
    #[schema(value_type = Uuid)]
    file_id: UploadId,
    /// Where the file goes, without `Authorization`; once, until `expiresAt`.
    upload_url: String,
    configuration: UploadConfiguration,
    /// When the URL ends: in an hour, or with the token that asked for it, if that is sooner.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
}

/// How a file goes there.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadConfiguration {
    /// `PUT`: the body is the file.
    http_method: &'static str,
    /// What would stand in a form before the file; null, there is none.
    sign_parameters: Option<BTreeMap<String, String>>,
}

impl From<Reserved> for UploadInformation {
    fn from(reserved: Reserved) -> Self {
        Self {
            file_id: reserved.id,
            upload_url: reserved.url,
            configuration: UploadConfiguration { http_method: "PUT", sign_parameters: None },
            expires_at: reserved.expires_at,
        }
    }
}

/// The last of three steps.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CommitFileUpload)]
pub(crate) struct Commit {
    /// From the first step.
    #[schema(value_type = Uuid)]
    pub(super) file_id: String,
    /// The file's name: 1 to 255 characters, no control characters or invisible ones; of a path its last part. Without it the first step's counts.
    #[schema(min_length = 1, max_length = 255)]
    pub(super) file_name: Option<String>,
    /// Release notes: at most 5000 characters, of control characters only tabs and ends of lines.
    #[schema(max_length = 5000)]
    pub(super) message: Option<String>,
}

impl Shape for Commit {
    const EXAMPLE: &'static str = r#"{"fileId": "7d3f0a52-1c2b-4e6f-8a9d-0b1c2d3e4f5a", "fileName": "shop-1.4.2.ipa"}"#;
}

/// A form with a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document; handlers read names of parts in any case of letters")]
pub(crate) struct UploadForm {
    /// Release notes: at most 5000 characters.
    #[schema(rename = "Message")]
    message: Option<String>,
    /// The file, with its name; one without a name is called `app`.
    #[schema(rename = "File", value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// A file alone.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document; handlers read names of parts in any case of letters")]
pub(crate) struct FileForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// An upload that is done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UploadDone)]
pub(crate) struct DoneOut {
    /// Where to see what became of it: `GET /task/v1/tasks/{taskId}`.
    #[schema(value_type = Uuid)]
    task_id: TaskId,
    /// The new app version; null if the task has failed.
    #[schema(value_type = Option<Uuid>)]
    app_version_id: Option<VersionId>,
}

impl From<Done> for DoneOut {
    fn from(done: Done) -> Self {
        Self { task_id: done.task, app_version_id: done.version }
    }
}

/// A file that has arrived.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FileArrived)]
pub(crate) struct Arrived {
    /// What the commit names.
    file_id: Uuid,
}

/// Send a file to an upload URL
///
/// The second of three steps. The body is the file: exactly as many bytes as were declared. There is no `Authorization`: the URL itself
/// is what permits it, and it works once.
#[utoipa::path(put, path = "/uploads/{fileId}", operation_id = "putFile", tag = "app versions", security(()),
    params(
        ("fileId" = Uuid, Path, description = "As it stands in the URL.", example = "7d3f0a52-1c2b-4e6f-8a9d-0b1c2d3e4f5a"),
        ("signature" = String, Query, description = "As it stands in the URL.", example = "S0mRlQ2fVb6m3r0l1s8mYVxkqkzJt4a0nq9c5w7e2dA"),
    ),
    request_body(content = inline(crate::versions::routes::Binary), content_type = "application/octet-stream", description = "The file; any content type will do."),
    responses((status = 200, description = "The file has arrived, and waits for its commit.", body = Arrived,
        example = json!({"fileId": "7d3f0a52-1c2b-4e6f-8a9d-0b1c2d3e4f5a"}))))]
pub(crate) async fn put(State(app): State<App>, path: Result<Path<String>, PathRejection>, query: Pairs, request: Request) -> Result<Json<Arrived>, Error> {
    let opened = open(&app, &one(path), query).await?;
    if declared_length(request.headers()).is_some_and(|length| length != opened.size) {
        return Err(Error::WrongLength(opened.size));
    }
    app.uploads.receive(&opened, Source::Body(request.into_body().into_data_stream())).await?;
    Ok(Json(Arrived { file_id: opened.id() }))
}

/// Send a file to an upload URL in a form
///
/// The same with a body of `multipart/form-data`, in which the file is the part `file`. Other parts are ignored.
#[utoipa::path(post, path = "/uploads/{fileId}", operation_id = "postFile", tag = "app versions", security(()),
    params(
        ("fileId" = Uuid, Path, description = "As it stands in the URL.", example = "7d3f0a52-1c2b-4e6f-8a9d-0b1c2d3e4f5a"),
        ("signature" = String, Query, description = "As it stands in the URL.", example = "S0mRlQ2fVb6m3r0l1s8mYVxkqkzJt4a0nq9c5w7e2dA"),
    ),
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "The file has arrived, and waits for its commit.", body = Arrived,
        example = json!({"fileId": "7d3f0a52-1c2b-4e6f-8a9d-0b1c2d3e4f5a"}))))]
pub(crate) async fn post(State(app): State<App>, path: Result<Path<String>, PathRejection>, query: Pairs, request: Request) -> Result<Json<Arrived>, Error> {
    let opened = open(&app, &one(path), query).await?;
    let (head, body) = request.into_parts();
    let mut parts = Parts::new(head.headers.get(CONTENT_TYPE), body)?;
    while let Some(part) = parts.next().await? {
        if part.name == "file" {
            // What comes behind the file is not waited for.
            app.uploads.receive(&opened, Source::Part(&mut parts)).await?;
            return Ok(Json(Arrived { file_id: opened.id() }));
        }
    }
    Err(Error::Invalid("the body has no file; send it as the part file".to_owned()))
}

async fn open(app: &App, upload: &str, query: Pairs) -> Result<super::Opened, Error> {
    let pairs = pairs(query).map_err(|_| Error::UploadUrl)?;
    app.uploads.open(upload, value(&pairs, "signature").map_err(|_| Error::UploadUrl)?).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uploads_may_take_long() {
        let long = |method: Method, uri: &'static str| brings_a_file(&method, &Uri::from_static(uri));
        for (method, uri) in [
            (Method::PUT, "/distribution/v1/uploads/x?signature=y"),
            (Method::POST, "/distribution/v2/uploads/x"),
            (Method::POST, "/distribution/v2/profiles/p/app-versions"),
            (Method::POST, "/distribution/v1/profiles/p/app-versions?action=&x"),
        ] {
            assert!(long(method.clone(), uri), "{method} {uri}");
        }
        for (method, uri) in [
            (Method::GET, "/distribution/v1/uploads/x"),
            (Method::POST, "/distribution/v3/uploads/x"),
            (Method::POST, "/distribution/v1/uploads"),
            (Method::POST, "/distribution/v1/uploads/x/y"),
            (Method::POST, "/distribution/v1/profiles/p/app-versions?Action=commitFileUpload"),
            (Method::POST, "/distribution/v1/profiles/p/app-versions?%61ction=commitFileUpload"),
            (Method::PATCH, "/distribution/v1/profiles/p/app-versions"),
            (Method::POST, "/distribution/v1/profiles/p/app-versions/v"),
            (Method::POST, "/distribution/v1/profiles"),
            (Method::POST, "/auth/v3/token"),
            (Method::POST, "/"),
        ] {
            assert!(!long(method.clone(), uri), "{method} {uri}");
        }
    }
}
