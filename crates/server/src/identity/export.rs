//! The list of members as a table (CSV, RFC 4180).

use super::{
    call::{Caller, Named, told},
    docs::Refusals,
};
use crate::{app::App, error::ApiError};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use keywright_core::members::Member;
use std::{fmt::Write as _, sync::Arc};

/// `GET /identity/v1/organizations/{id}/users/export`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/users/export",
    tag = "Members",
    operation_id = "exportMembers",
    summary = "The members as CSV",
    description = "E-mail address, name, whether direct or inherited, roles that hold. A cell that a spreadsheet would take for a formula has an apostrophe before it.",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    responses((status = 200, description = "The table.", body = String, content_type = "text/csv",
        example = "email,name,membership,roles\r\nowner@acme.example,Olivia Owner,direct,owner\r\n"), Refusals)
)]
pub(crate) async fn export(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let members = told(app.core.export_members(&caller.ctx, caller.named(&id)?).await)?;
    Ok(as_file(&members))
}

/// The table as a file to keep.
pub(crate) fn as_file(members: &[Member]) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"members.csv\"")),
    ];
    (headers, table(members)).into_response()
}

fn table(members: &[Member]) -> String {
    let mut text = "email,name,membership,roles\r\n".to_owned();
    for member in members {
        let membership = if member.own.is_some() { "direct" } else { "inherited" };
        let roles = member.effective_roles().join(" ");
        // Writing into a text does not fail.
        let _ = write!(text, "{},{},{membership},{}\r\n", cell(&member.user.email), cell(&member.user.name), cell(&roles));
    }
    text
}

/// Quoted where a comma, a quote or a line break stands in it; nothing that a spreadsheet would compute.
pub(super) fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, expected) in [
            ("owner@acme.example", "owner@acme.example"),
            ("Doe, Jo", "\"Doe, Jo\""),
            ("the \"one\"", "\"the \"\"one\"\"\""),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("+1,2", "\"'+1,2\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
