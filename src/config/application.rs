// SPDX-License-Identifier: MIT OR Apache-2.0
//! `applications.d/ID.toml`: from the file's shape to a checked application.

use std::path::PathBuf;

use super::names::Kind;
use super::paths::{self, Base};
use super::raw::RawApplication;
use super::table::{Document, Place};
use super::values::{self, accept};
use super::{Application, jwt};
use crate::common::access::Rules;
use crate::common::model::AppId;

const STATEMENT: &str = "software_statement_file";

/// The application: good for use only if no fault has been noted.
pub(super) fn application(
    document: &Document<'_>,
    id: &AppId,
    raw: RawApplication,
    base: Base<'_>,
    warnings: &mut Vec<String>,
) -> Option<Application> {
    if raw.software_statement_file.is_none() && !document.is_faulty(STATEMENT) {
        let place = Place { line: None, key: STATEMENT.into() };
        document.missing(&place, "the path of a file that holds a software statement");
    }
    let statement = accept(document, raw.software_statement_file, |path| {
        Ok((paths::credential_name(&path), statement_path(path, base)?))
    });
    let redirect_uri = accept(document, raw.redirect_uri, values::uri);
    let application_id = accept(document, raw.application_id, values::printable);
    let access = Rules {
        users: values::names(document, raw.allow_users, Kind::User, warnings),
        groups: values::names(document, raw.allow_groups, Kind::Group, warnings),
        labels: values::labels(document, raw.allow_labels, warnings),
    };
    let (statement_credential, statement_file) = statement?;
    Some(Application {
        id: id.clone(),
        file: document.file.to_owned(),
        statement_file,
        statement_credential,
        redirect_uri,
        application_id,
        access,
    })
}

fn statement_path(path: String, base: Base<'_>) -> Result<PathBuf, String> {
    // Nothing of it is shown: a statement is a secret, and a path is not.
    if jwt::looks_like_one(&path) {
        return Err("found a software statement; legal: the path of the file that holds it".into());
    }
    base.credential(path)
}
