//! The routes of app versions: parse, one operation, render. `action` says which one, where clients have it so.

use super::{VersionOut, shapes::MessagePatch};
use crate::{
    App, Error,
    body::JsonBody,
    error::require,
    files::sent,
    multipart::Parts,
    names::FileName,
    profiles::{self, Listing, ViewProfiles},
    routes::{Deleted, Pairs, TOTAL_COUNT, declared_length, one, pairs, two, value},
    uploads::routes::{Commit, DoneOut, UploadForm, UploadInformation},
};
use axum::{
    Json,
    body::Body,
    extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State, rejection::PathRejection},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method,
        header::{AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use keywright_verify::{Authenticated, Require, bearer_token, permission};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

permission!(pub(crate) ManageVersions = "distribution.app-version.manage");
permission!(pub(crate) DownloadVersions = "distribution.app-version.download");

/// RFC 9530, section 3.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// A body with release notes: 5000 characters, each of which JSON may write in twelve bytes.
const MAX_NOTES_BYTES: usize = 64 * 1024;

pub(crate) fn router() -> OpenApiRouter<App> {
    let with_notes = OpenApiRouter::new().routes(routes!(list_or_reserve, upload_or_commit)).routes(routes!(get, update, delete));
    with_notes.layer(DefaultBodyLimit::max(MAX_NOTES_BYTES)).routes(routes!(download))
}

/// The app versions, or where an upload goes.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = AppVersionsOrUpload)]
pub(crate) enum Listed {
    Versions(Vec<VersionOut>),
    Upload(UploadInformation),
}

/// List a profile's app versions, or ask for an upload
///
/// Without `action` the app versions, the newest first: at most 200 of them, or the part that `Page` and `Size` ask for.
///
/// With `action=uploadInformation` the first of three steps of an upload: where to send the file. The second one is `PUT` to `uploadUrl`
/// with the file as the body (or `POST` with a form in which it is the part `file`), without `Authorization`; the third one is `POST` here
/// with `action=commitFileUpload`. The URL is for one file of exactly `fileSize` bytes and works once, until `expiresAt`: for an hour, or
/// until the token ends that asked for it, or its key. This needs the permission `distribution.app-version.manage`.
#[utoipa::path(get, path = "/profiles/{id}/app-versions", operation_id = "listAppVersions", tag = "app versions",
    params(
        ("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21"),
        ("action" = inline(Option<ListAction>), Query, description = "What is asked for, in any case of letters; without it the list.", example = "uploadInformation"),
        ("fileSize" = Option<i64>, Query, minimum = 1, description = "With `uploadInformation`: the file's length in bytes.", example = 40960),
        ("fileName" = Option<String>, Query, description = "With `uploadInformation`: the file's name, if the commit is not going to tell it.", example = "shop-1.4.2.ipa"),
        ("Page" = Option<u32>, Query, minimum = 1, description = "Of the list: which page, from 1 on; pages have 25 elements unless `Size` says otherwise.", example = 1),
        ("Size" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Of the list: how many elements a page has.", example = 50),
    ),
    responses((status = 200, description = "The app versions, or where an upload goes.", body = Listed,
        headers(("X-Total-Count" = i64, description = "Of the list: how many there are on all pages together.")),
        example = json!(crate::openapi::upload_information()))))]
pub(crate) async fn list_or_reserve(
    Authenticated(caller): Authenticated,
    State(app): State<App>,
    method: Method,
    path: Result<Path<String>, PathRejection>,
    query: Pairs,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (profile, pairs) = (one(path), pairs(query)?);
    match value(&pairs, "action")? {
        None => {
            require(&caller, profiles::VIEW)?;
            let listing = Listing::from_query(pairs)?.of_a_page_at_most();
            let (versions, total) = app.versions.list(caller.organization_id(), &profile, listing).await?;
            let body = Listed::Versions(versions.into_iter().map(VersionOut::from).collect());
            Ok(([(TOTAL_COUNT, total.to_string())], Json(body)).into_response())
        }
        Some(_) if method == Method::HEAD => Err(Error::Invalid("an upload is asked for by GET: nobody would see its URL; send GET".to_owned())),
        Some(action) if action.eq_ignore_ascii_case("uploadInformation") => {
            require(&caller, super::MANAGE)?;
            let token = token(&headers)?;
            let size = value(&pairs, "fileSize")?.and_then(|size| size.parse().ok()).unwrap_or_default();
            // What is mangled here is told again by the commit.
            let name = value(&pairs, "fileName").ok().flatten().and_then(|name| FileName::new(name).ok()).unwrap_or_else(FileName::unknown);
            let reserved = app.uploads.reserve(&caller, token, &profile, size, name).await?;
            Ok(Json(Listed::Upload(reserved.into())).into_response())
        }
        Some(_) => Err(Error::Invalid("action must be uploadInformation here; leave it out for the list".to_owned())),
    }
}

/// The caller's own, which was found good.
fn token(headers: &HeaderMap) -> Result<&str, Error> {
    bearer_token(headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)).map_err(|_| Error::Internal)
}

/// What a `GET` of app versions may ask for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the document; handlers read it in any case of letters")]
pub(crate) enum ListAction {
    UploadInformation,
}

/// What a `POST` to app versions may ask for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the document; handlers read it in any case of letters")]
pub(crate) enum UploadAction {
    CommitFileUpload,
}

/// What a `PATCH` of an app version may ask for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the document; handlers read it in any case of letters")]
pub(crate) enum UpdateAction {
    UpdateMessage,
}

/// Upload an app version, or commit an upload
///
/// Without `action` the body is a form with the file as its part `File`, and notes as the part `Message` if there are any; names of parts
/// are read in any case. Text is UTF-8, or ISO-8859-1 where its part says so.
///
/// With `action=commitFileUpload` the last of three steps: the body is JSON and names the file that was sent to the upload URL.
#[utoipa::path(post, path = "/profiles/{id}/app-versions", operation_id = "createAppVersion", tag = "app versions",
    params(
        ("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21"),
        ("action" = inline(Option<UploadAction>), Query, description = "What the body is, in any case of letters; without it a form with the file.", example = "commitFileUpload"),
    ),
    request_body(content((Commit = "application/json", example = json!(crate::openapi::commit())), (UploadForm = "multipart/form-data")),
        description = "A commit is read as JSON whatever its content type says."),
    responses((status = 200, description = "The upload is done.", body = DoneOut, example = json!(crate::openapi::done()))))]
pub(crate) async fn upload_or_commit(
    Require(caller, _): Require<ManageVersions>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    query: Pairs,
    request: Request,
) -> Result<Json<DoneOut>, Error> {
    let (profile, pairs) = (one(path), pairs(query)?);
    match value(&pairs, "action")? {
        None => {
            let (head, body) = request.into_parts();
            let mut parts = Parts::new(head.headers.get(CONTENT_TYPE), body)?;
            let by = (&caller, token(&head.headers)?);
            Ok(Json(app.uploads.take(by, &profile, &mut parts, declared_length(&head.headers)).await?.into()))
        }
        Some(action) if action.eq_ignore_ascii_case("commitFileUpload") => {
            let token = token(request.headers())?.to_owned();
            let JsonBody(commit) = JsonBody::<Commit>::from_request(request, &app).await?;
            Ok(Json(app.uploads.commit((&caller, &token), &profile, commit).await?.into()))
        }
        Some(_) => Err(Error::Invalid("action must be commitFileUpload here; leave it out to send a form with the file".to_owned())),
    }
}

/// Get an app version
#[utoipa::path(get, path = "/profiles/{id}/app-versions/{versionId}", operation_id = "getAppVersion", tag = "app versions",
    params(
        ("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21"),
        ("versionId" = Uuid, Path, description = "The app version's id, from its profile.", example = "3c1f9d5e-8b1a-4f0c-9d7e-6a5b4c3d2e1f"),
    ),
    responses((status = 200, description = "The app version.", body = VersionOut, example = json!(crate::openapi::version()))))]
pub(crate) async fn get(
    Require(caller, _): Require<ViewProfiles>,
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<VersionOut>, Error> {
    let (profile, version) = two(path);
    Ok(Json(app.versions.get(caller.organization_id(), (&profile, &version)).await?.into()))
}

/// Change the release notes of an app version
#[utoipa::path(patch, path = "/profiles/{id}/app-versions/{versionId}", operation_id = "updateAppVersion", tag = "app versions",
    params(
        ("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21"),
        ("versionId" = Uuid, Path, description = "The app version's id, from its profile.", example = "3c1f9d5e-8b1a-4f0c-9d7e-6a5b4c3d2e1f"),
        ("action" = inline(Option<UpdateAction>), Query, description = "What is changed, in any case of letters; there is nothing else.", example = "updateMessage"),
    ),
    request_body(content = MessagePatch, description = "Read as JSON whatever its content type says.", example = json!({"message": "Fixes the login"})),
    responses((status = 200, description = "The app version as it is now.", body = VersionOut, example = json!(crate::openapi::version()))))]
pub(crate) async fn update(
    Require(caller, _): Require<ManageVersions>,
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Pairs,
    JsonBody(patch): JsonBody<MessagePatch>,
) -> Result<Json<VersionOut>, Error> {
    let ((profile, version), pairs) = (two(path), pairs(query)?);
    if value(&pairs, "action")?.is_some_and(|action| !action.eq_ignore_ascii_case("updateMessage")) {
        return Err(Error::Invalid("action must be updateMessage here; leave it out, or send that".to_owned()));
    }
    Ok(Json(app.versions.update_message(&caller, (&profile, &version), patch.message, app.clock.now()).await?.into()))
}

/// Delete an app version
///
/// With its file.
#[utoipa::path(delete, path = "/profiles/{id}/app-versions/{versionId}", operation_id = "deleteAppVersion", tag = "app versions",
    params(
        ("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21"),
        ("versionId" = Uuid, Path, description = "The app version's id, from its profile.", example = "3c1f9d5e-8b1a-4f0c-9d7e-6a5b4c3d2e1f"),
    ),
    responses((status = 200, description = "It is deleted.", body = Deleted, example = json!({"id": "3c1f9d5e-8b1a-4f0c-9d7e-6a5b4c3d2e1f"}))))]
pub(crate) async fn delete(
    Require(caller, _): Require<ManageVersions>,
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Deleted>, Error> {
    let (profile, version) = two(path);
    let id = app.versions.delete(&caller, (&profile, &version), app.clock.now()).await?;
    Ok(Deleted::json(id.as_uuid()))
}

/// Download an app version
///
/// The file as it was uploaded, with its digest (RFC 9530).
#[utoipa::path(get, path = "/profiles/{id}/app-versions/{versionId}/download", operation_id = "downloadAppVersion", tag = "app versions",
    params(
        ("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21"),
        ("versionId" = Uuid, Path, description = "The app version's id, from its profile.", example = "3c1f9d5e-8b1a-4f0c-9d7e-6a5b4c3d2e1f"),
    ),
    responses((status = 200, description = "The file.", body = inline(Binary), content_type = "application/octet-stream",
        headers(("Content-Disposition" = String, description = "With the file's name."), ("Repr-Digest" = String, description = "`sha-256=:...:`"))
        )))]
pub(crate) async fn download(
    Require(caller, _): Require<DownloadVersions>,
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Error> {
    let (profile, version) = two(path);
    let (row, file) = app.versions.open(&caller, (&profile, &version)).await?;
    let digest = format!("sha-256=:{}:", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &row.sha256));
    let disposition = HeaderValue::from_str(&disposition(&row.file_name)).unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CONTENT_LENGTH, HeaderValue::from(row.size)),
        (CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, [(REPR_DIGEST, digest)], Body::from_stream(sent(file))).into_response())
}

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "for the document")]
pub(crate) struct Binary(Vec<u8>);

/// For old programs in ASCII, for others as it is (RFC 6266, section 4.3).
fn disposition(name: &str) -> String {
    let plain: String = name.chars().map(|letter| if letter.is_ascii_graphic() && !matches!(letter, '"' | '\\' | '%') { letter } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_header_breaks_out_of_nothing() {
        assert_eq!(disposition("a b\"\\;ü.ipa"), "attachment; filename=\"a_b__;_.ipa\"; filename*=UTF-8''a%20b%22%5C%3B%C3%BC.ipa");
    }
}
