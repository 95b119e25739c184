// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong with a request.

use std::time::Duration;

use crate::common::answer::Failure;

pub(super) fn unavailable() -> Failure {
    Failure::Unavailable { reason: "connection refused".into(), tls: false, sent: false }
}

pub(super) fn no_answer() -> Failure {
    Failure::Unavailable { reason: "timeout".into(), tls: false, sent: true }
}

pub(super) fn invalid_client() -> Failure {
    Failure::InvalidClient { status: 400, description: String::new() }
}

pub(super) fn refused() -> Failure {
    Failure::Refused {
        status: 400,
        error: "unapproved_software_statement".into(),
        description: "ask your operator".into(),
    }
}

pub(super) fn no_credentials() -> Failure {
    Failure::NoCredentials { reason: "the server answered 201 with an empty body".into() }
}

pub(super) fn client_error() -> Failure {
    Failure::ClientError { reason: "the server answered 403 with text/html".into() }
}

pub(super) fn throttled(retry_after: Option<u64>) -> Failure {
    Failure::Throttled { status: 429, retry_after: retry_after.map(Duration::from_secs) }
}
