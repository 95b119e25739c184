// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tv.tokend.Application1`: one object for each application (contract, section 2).

use std::sync::Arc;

use zbus::message::Header;
use zbus::{Connection, ObjectPath, interface};

use super::desk::Desk;
use super::wire::{Headers, Shown};
use super::{APPLICATION_PATH, Answer, BusEvent, CallId};
use crate::clock;
use crate::lifecycle::means_registration;
use crate::model::AppId;
use crate::secret::Secret;
use crate::view::{AppView, CallError, ErrorName, Face, Served, seconds_left};

/// What is kept of an error code that a caller passes on.
const CODE_CHARACTERS: usize = 64;
/// A run of this many characters out of a token gives it away.
const TELLING: usize = 12;
/// An error code of this many characters that is more than lower-case words may be a secret.
const LONG: usize = 32;

pub(super) struct Application {
    id: AppId,
    desk: Arc<Desk>,
}

/// The path of an application's object.
pub(super) fn path(id: &AppId) -> ObjectPath<'static> {
    ObjectPath::from_string_unchecked(format!("{APPLICATION_PATH}{id}"))
}

impl Application {
    pub(super) fn new(id: AppId, desk: Arc<Desk>) -> Self {
        Self { id, desk }
    }

    /// Lets the caller in, or not: before anything is said about a token.
    async fn admit<'h>(
        &self,
        header: &'h Header<'_>,
        connection: &Connection,
    ) -> Result<&'h str, CallError> {
        let (name, caller) = self.desk.identify(header, connection).await?;
        if self.face()?.access.allow(&caller) {
            return Ok(name);
        }
        let who = caller.uid.map_or("an unknown user".into(), |uid| format!("uid {uid}"));
        let message = format!("{who} may not have the token of the application {}", self.id);
        Err(CallError::new(ErrorName::AccessDenied, message))
    }

    /// A token for a caller who has been let in: from the snapshot, else from the daemon.
    async fn token(&self, caller: &str, min_validity: u32) -> Result<(Secret, u32), CallError> {
        match self.view()?.serve(min_validity, clock::boot()) {
            Served::Token { value, expires_in } => Ok((value, expires_in)),
            Served::InvalidArgs(message) => Err(CallError::new(ErrorName::InvalidArgs, message)),
            Served::Ask => {
                let app = self.id.clone();
                self.ask(caller, |call| BusEvent::Wanted { app, call, min_validity }).await
            }
        }
    }

    async fn ask(
        &self,
        caller: &str,
        event: impl FnOnce(CallId) -> BusEvent,
    ) -> Result<(Secret, u32), CallError> {
        match self.desk.wait(caller, Some(&self.id), event).await? {
            Answer::Token { value, expires } => Ok((value, seconds_left(expires, clock::boot()))),
            Answer::Done => Err(CallError::new(ErrorName::Unavailable, "there is no token")),
        }
    }

    fn view(&self) -> Result<Arc<AppView>, CallError> {
        self.desk.snapshot.view(&self.id).ok_or_else(|| self.unknown())
    }

    fn face(&self) -> Result<Arc<Face>, CallError> {
        self.desk.snapshot.face(&self.id).ok_or_else(|| self.unknown())
    }

    fn unknown(&self) -> CallError {
        let message = format!("the application {} is no longer configured", self.id);
        CallError::new(ErrorName::UnknownObject, message)
    }
}

#[interface(name = "tv.tokend.Application1", introspection_docs = false)]
impl Application {
    #[zbus(out_args("access_token", "expires_in"))]
    async fn get_token(
        &self,
        min_validity: u32,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(Shown, u32), CallError> {
        let caller = self.admit(&header, connection).await?;
        let (token, expires_in) = self.token(caller, min_validity).await?;
        Ok((Shown(token), expires_in))
    }

    #[zbus(out_args("headers", "expires_in"))]
    async fn get_headers(
        &self,
        min_validity: u32,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(Headers, u32), CallError> {
        let caller = self.admit(&header, connection).await?;
        let (token, expires_in) = self.token(caller, min_validity).await?;
        // Read only now: while the call waited, connection and display may have changed.
        let face = self.face()?;
        Ok((Headers { token, face }, expires_in))
    }

    #[zbus(out_args("access_token", "expires_in"))]
    async fn replace_token(
        &self,
        rejected_token: &str,
        code: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(Shown, u32), CallError> {
        let caller = self.admit(&header, connection).await?;
        let rejected = Secret::new(rejected_token.to_owned());
        // What says something of the registration is the daemon's business, whatever the token.
        if !means_registration(code)
            && let Served::Token { value, expires_in } =
                self.view()?.replace(&rejected, clock::boot())
        {
            return Ok((Shown(value), expires_in));
        }
        let (app, code) = (self.id.clone(), printable(code, rejected_token));
        let event = |call| BusEvent::Replace { app, call, rejected, code };
        let (token, expires_in) = self.ask(caller, event).await?;
        Ok((Shown(token), expires_in))
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> &str {
        self.id.as_str()
    }

    #[zbus(property)]
    fn state(&self) -> Result<String, CallError> {
        Ok(self.view()?.state.as_str().to_owned())
    }

    #[zbus(property)]
    fn token_number(&self) -> Result<u64, CallError> {
        Ok(self.view()?.token_number)
    }

    #[zbus(property)]
    fn expires_at(&self) -> Result<u64, CallError> {
        Ok(self.view()?.expires_at)
    }

    #[zbus(property)]
    fn retry_at(&self) -> Result<u64, CallError> {
        Ok(self.view()?.retry_at)
    }

    #[zbus(property)]
    fn last_error(&self) -> Result<(String, String), CallError> {
        Ok(self.view()?.last_error.clone())
    }

    #[zbus(property)]
    fn scopes(&self) -> Result<Vec<String>, CallError> {
        Ok(self.view()?.scopes.clone())
    }

    #[zbus(property)]
    fn redirect_uris(&self) -> Result<Vec<String>, CallError> {
        Ok(self.view()?.redirect_uris.clone())
    }

    #[zbus(property)]
    fn client_id_issued_at(&self) -> Result<u64, CallError> {
        Ok(self.view()?.client_id_issued_at)
    }
}

/// The code as it may stand in a log: not where a caller took the token for it, or another
/// word that is long and no word.
fn printable(code: &str, rejected_token: &str) -> String {
    let code: String =
        code.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(CODE_CHARACTERS).collect();
    let telling =
        |run: &[u8]| std::str::from_utf8(run).is_ok_and(|run| rejected_token.contains(run));
    let opaque = code.len() >= LONG
        && !code.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-' | b' '));
    let withheld = opaque || code.as_bytes().windows(TELLING).any(telling);
    if withheld { "(withheld)".into() } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_code_is_cut_down_to_what_may_stand_in_a_log() {
        let token = "eyJ0b2tlbiI6MX0.c2lnbmF0dXJl";
        assert_eq!(
            printable("invalid_access_token_service_provider", token),
            "invalid_access_token_service_provider"
        );
        assert_eq!(printable("a\nb\u{1b}[31mé c", token), "ab[31m c");
        assert_eq!(printable(&"x".repeat(1000), token).len(), 64);
    }

    #[test]
    fn an_error_code_that_quotes_the_token_is_withheld() {
        let token = "eyJ0b2tlbiI6MX0.c2lnbmF0dXJl";
        for code in [token, &token[5..20], &format!("Bearer {token}")] {
            assert_eq!(printable(code, token), "(withheld)");
        }
        assert_eq!(printable("expired", ""), "expired");
        let swapped = "eyJ0b2tlbiI6MX0.c2lnbmF0dXJl-and-more-of-it";
        assert_eq!(printable(swapped, "invalid_access_token_service_provider"), "(withheld)");
    }
}
