//! What each operation answers when it does not do as it is told.

use crate::{DEFAULT_MAX_FILE_BYTES, Error, Thing, files::MAX_UNDER_WAY, groups, profiles, versions};
use axum::http::StatusCode;
use keywright_protocol::ErrorBody;
use serde_json::json;
use utoipa::openapi::{Content, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, Response, ResponseBuilder, Type, path::Operation};

/// What an operation's errors come from.
struct Ground {
    /// The permission, and a role that has it; `None` where the URL alone permits.
    needs: Option<(&'static str, &'static str)>,
    /// What can be wrong in the request, as an example.
    invalid: Option<Error>,
    /// What may be missing, the last one as an example.
    missing: &'static [Thing],
    /// What else.
    others: Vec<(&'static str, Error)>,
}

const VIEW: (&str, &str) = (profiles::VIEW, "view-distribution-profile");
const MANAGE: (&str, &str) = (profiles::MANAGE, "manage-distribution-profile");
const UPLOAD: (&str, &str) = (versions::MANAGE, "operate-distribution-profile");
const DOWNLOAD: (&str, &str) = (versions::DOWNLOAD, "operate-distribution-profile");
const VIEW_GROUPS: (&str, &str) = (groups::VIEW, "view-distribution-group");
const MANAGE_GROUPS: (&str, &str) = (groups::MANAGE, "manage-distribution-group");
const MANAGE_TESTERS: (&str, &str) = (groups::MANAGE_TESTERS, "manage-distribution-group");

const TOO_LONG: &str = "The body is too long.";
const NAME_TAKEN: &str = "The organization has another one of this name.";
const TOO_MANY: &str = "Too many uploads are under way.";
const LARGE: &str = "The file, or the body, is too long.";

fn invalid(sentence: &str) -> Option<Error> {
    Some(Error::Invalid(sentence.to_owned()))
}

fn ground(operation: &str) -> Ground {
    use Thing::{AppVersion, Profile, Task, TestingGroup, Upload};
    let plain = |needs, missing| Ground { needs: Some(needs), invalid: None, missing, others: Vec::new() };
    let body = |needs, sentence, missing| Ground { needs: Some(needs), invalid: invalid(sentence), missing, others: vec![(TOO_LONG, Error::TooLarge)] };
    let named = |needs, missing, thing| Ground {
        needs: Some(needs),
        invalid: invalid("name must have 1 to 128 characters, and no control characters or invisible ones; choose another"),
        missing,
        others: vec![(NAME_TAKEN, Error::NameTaken(thing)), (TOO_LONG, Error::TooLarge)],
    };
    let page = "Page must be a whole number from 1 to 2147483647; send for example Page=1";
    let addresses = "each address must be such as qa@example.com, of ASCII characters; correct the others";
    match operation {
        "listProfiles" => Ground { invalid: invalid(page), ..plain(VIEW, &[]) },
        "createProfile" => named(MANAGE, &[], Profile),
        "getProfile" | "getProfileSettings" => plain(VIEW, &[Profile]),
        "updateProfile" => named(VIEW, &[Profile], Profile),
        "updateProfileSettings" => body(VIEW, "settings.authenticationType must be 1 (none), 2 (individual), 3 (static), 4 (LDAP) or 5 (SSO)", &[Profile]),
        "deleteProfile" => plain(MANAGE, &[Profile]),
        "listAppVersions" => Ground {
            invalid: invalid("fileSize must be the file's length in bytes, at least 1; send for example fileSize=40960"),
            others: vec![("The file would be too long.", Error::FileTooLarge(DEFAULT_MAX_FILE_BYTES)), (TOO_MANY, Error::TooManyUploads(MAX_UNDER_WAY))],
            ..plain(VIEW, &[Profile])
        },
        "createAppVersion" => Ground {
            invalid: invalid("the body has no file; send it as the part File"),
            others: vec![
                ("The file of this commit has not arrived yet.", Error::NotUploaded),
                (LARGE, Error::FileTooLarge(DEFAULT_MAX_FILE_BYTES)),
                (TOO_MANY, Error::TooManyUploads(MAX_UNDER_WAY)),
            ],
            ..plain(UPLOAD, &[Profile, Upload])
        },
        "putFile" | "postFile" => Ground {
            needs: None,
            invalid: Some(Error::WrongLength(40960)),
            missing: &[],
            others: vec![
                ("The URL is wrong or over (`upload_url_invalid`), or its key or permission has ended (`upload_url_revoked`).", Error::UploadUrl),
                ("The file is there already.", Error::AlreadyUploaded),
            ],
        },
        "getAppVersion" => plain(VIEW, &[Profile, AppVersion]),
        "updateAppVersion" => body(
            UPLOAD,
            "message must have at most 5000 characters, and of control characters only tabs and ends of lines; shorten it, or take the others out",
            &[Profile, AppVersion],
        ),
        "deleteAppVersion" => plain(UPLOAD, &[Profile, AppVersion]),
        "downloadAppVersion" => plain(DOWNLOAD, &[Profile, AppVersion]),
        "listTestingGroups" => Ground { invalid: invalid(page), ..plain(VIEW_GROUPS, &[]) },
        "createTestingGroup" => named(MANAGE_GROUPS, &[], TestingGroup),
        "getTestingGroup" => plain(VIEW_GROUPS, &[TestingGroup]),
        "updateTestingGroup" => named(MANAGE_GROUPS, &[TestingGroup], TestingGroup),
        "deleteTestingGroup" => plain(MANAGE_GROUPS, &[TestingGroup]),
        "addTesters" | "removeTesters" => body(MANAGE_TESTERS, addresses, &[TestingGroup]),
        // `getTask`, and whatever comes next: a test compares the document with a table.
        _ => plain(VIEW, &[Task]),
    }
}

/// Adds the errors, with the very bodies that are sent.
pub(super) fn complete(operation: &mut Operation, path: &str) {
    let Some(id) = operation.operation_id.clone() else { return };
    let Ground { needs, invalid, missing, others } = ground(&id);
    let mut answers = vec![unavailable(&id), plain("Something is broken inside.", &Error::Internal)];
    if let Some((permission, role)) = needs {
        answers.extend([unauthorized(), forbidden(&id, permission, role)]);
    }
    answers.extend(invalid.map(|error| plain("Something of the request cannot be read or is out of bounds; the sentence says what can be sent.", &error)));
    if let Some(thing) = missing.last() {
        let codes: Vec<&str> = missing.iter().map(|thing| Error::NotFound(*thing).status_and_code().1).collect();
        let codes = codes.join("`, `");
        let codes = if id == "downloadAppVersion" { format!("{codes}`, `{}", Error::FileMissing.status_and_code().1) } else { codes };
        let description = format!("It is not in this organization (`{codes}`). An id that is none, or another organization's, gets the same answer.");
        answers.push(plain(&description, &Error::NotFound(*thing)));
    }
    answers.extend(others.iter().map(|(description, error)| plain(description, error)));
    if matches!(id.as_str(), "putFile" | "postFile" | "createAppVersion") {
        answers.push((StatusCode::REQUEST_TIMEOUT, late()));
    }
    for (status, response) in answers {
        operation.responses.responses.insert(status.as_str().to_owned(), response.into());
    }
    if path.starts_with("/distribution/v1/") {
        // Ids of operations are unique in a document.
        operation.operation_id = Some(format!("{id}V1"));
    }
}

fn unauthorized() -> (StatusCode, Response) {
    let sentence = "send an access token in the Authorization header; exchange a key for one at https://auth.example.com/auth/v3/token";
    let body = ErrorBody::new("unauthorized", sentence);
    let response = error("No token, or one that is not accepted: expired, for another audience, a raw key.", &body);
    (StatusCode::UNAUTHORIZED, response.header("WWW-Authenticate", text_header("The challenge of RFC 6750, section 3.")).build())
}

fn forbidden(operation: &str, permission: &str, role: &str) -> (StatusCode, Response) {
    let sentence = format!("this needs the permission {permission}; ask an Owner of the organization for one of these roles: {role}, owner");
    let mut body = ErrorBody::new("insufficient_permission", sentence);
    body.required_permission = Some(permission.to_owned());
    body.roles_with_permission = vec![role.to_owned(), "owner".to_owned()];
    let description = match operation {
        "updateProfile" | "updateProfileSettings" => {
            "A permission is missing: `distribution.profile.view` at all, and one more for each value that would become another.".to_owned()
        }
        "listAppVersions" => "A permission is missing: `distribution.profile.view` for the list, `distribution.app-version.manage` for an upload.".to_owned(),
        _ => format!("The permission `{permission}` is missing."),
    };
    let response = error(&description, &body);
    (StatusCode::FORBIDDEN, response.header("WWW-Authenticate", text_header("The challenge of RFC 6750, section 3, with the missing `scope`.")).build())
}

/// What the server says of a body that does not go on.
fn late() -> Response {
    let body = ErrorBody::new("request_timeout", "the request took too long to come in; send it again");
    error("No byte came for 30 seconds.", &body).build()
}

fn plain(description: &str, failure: &Error) -> (StatusCode, Response) {
    let response = error(description, &failure.body());
    let response =
        if matches!(failure, Error::TooManyUploads(_)) { response.header("Retry-After", text_header("Seconds after which to try again.")) } else { response };
    (failure.status_and_code().0, response.build())
}

fn unavailable(operation: &str) -> (StatusCode, Response) {
    let failure = Error::Unavailable;
    let description = match operation {
        "putFile" | "postFile" => {
            "The data, or the keys that tokens are checked with, are out of reach (`temporarily_unavailable`), or others are sending to the URL (`upload_busy`)."
        }
        _ => "The data, or the keys that tokens are checked with, are out of reach.",
    };
    let response = error(description, &failure.body());
    (failure.status_and_code().0, response.header("Retry-After", text_header("Seconds after which to try again.")).build())
}

fn error(description: &str, body: &ErrorBody) -> ResponseBuilder {
    let content: Content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).example(Some(json!(body))).build();
    ResponseBuilder::new().description(description).content("application/json", content)
}

fn text_header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String).build())).description(Some(description)).build()
}
