// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a test tells the server, and what it asks it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::PoisonError;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::lines::Lines;
use super::super::tls::Certificates;
use super::super::{BOUND, Failure};
use super::state::State;
use super::throttle::Throttle;
use super::{Authority, Endpoint, Fault, Log, Response};

/// Control.
impl Authority {
    /// Scripts the next requests of one kind: one fault each.
    pub fn next(&self, endpoint: Endpoint, faults: impl IntoIterator<Item = Fault>) {
        self.shared.lock().queued.entry(endpoint).or_default().extend(faults);
    }

    /// Scripts every request of one kind for which none is queued.
    pub fn always(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.lock().standing.insert(endpoint, fault);
    }

    /// From now on the server does its duty again.
    pub fn end_faults(&self) {
        let mut state = self.shared.lock();
        state.queued.clear();
        state.standing.clear();
    }

    /// Loses its clients: `invalid_client` for all that are registered now.
    pub fn forget_clients(&self) {
        self.shared.lock().clients.clear();
    }

    /// Withdraws a statement: `unapproved_software_statement` at registration,
    /// `unauthorized_client` for the clients that it has.
    pub fn revoke(&self, statement: &str) {
        self.shared.lock().revoked.insert(statement.to_owned());
    }

    /// Takes [`Authority::revoke`] back.
    pub fn approve(&self, statement: &str) {
        self.shared.lock().revoked.remove(statement);
    }

    /// From now on the pages of this origin may call the protected API (CORS).
    pub fn allow_origin(&self, origin: &str) {
        self.shared.lock().origins.push(origin.to_owned());
    }

    /// Serves this at a path of its own, whatever the query.
    pub fn serve(&self, path: &str, response: Response) {
        self.shared.lock().pages.insert(path.to_owned(), response);
    }

    /// No access token issued so far is valid any more.
    pub fn expire_tokens(&self) {
        self.shared.lock().tokens.clear();
    }

    /// Seconds that a token lives which is issued from now on.
    pub fn set_expires_in(&self, seconds: u64) {
        self.shared.lock().expires_in = seconds;
    }

    /// Whether a client gets its still valid token once more instead of a new one.
    pub fn repeat_tokens(&self, repeat: bool) {
        self.shared.lock().repeats_tokens = repeat;
    }

    /// Switches the throttle; switched on, each peer has its burst again.
    pub fn set_throttle(&self, on: bool) {
        self.shared.lock().throttle = on.then(Throttle::default);
    }

    /// While down, every connection is closed as soon as it is there.
    pub fn set_down(&self, down: bool) {
        self.shared.lock().down = down;
    }

    /// Shows these certificates from the next connection on. What clients trust stays.
    pub fn use_certificates(&self, certificates: &Certificates) {
        self.shared.lock().tls = Some(certificates.server.clone());
    }

    /// Writes the authority of these certificates into [`Authority::ca_file`].
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn trust(&self, certificates: &Certificates) -> Result<(), Failure> {
        // tokend refuses a file that others can write, as some umasks would have it.
        let mode = fs::Permissions::from_mode(0o644);
        fs::write(self.ca_file(), &certificates.ca_pem)
            .and_then(|()| fs::set_permissions(self.ca_file(), mode))
            .map_err(|error| Failure::new("cannot write ca.pem", error))
    }

    /// From now on only [`Authority::advance`] moves the server's clock.
    pub fn stop_clock(&self) {
        self.shared.clock.stop();
    }

    /// Moves the server's clock.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }
}

/// Observation.
impl Authority {
    /// What it has seen so far.
    pub fn log(&self) -> Log {
        self.shared.lock().log.clone()
    }

    /// How many requests of one kind have come.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.shared.lock().log.count(endpoint)
    }

    /// Server time, as in [`super::Request::at`].
    pub fn now(&self) -> Duration {
        self.shared.clock.now()
    }

    /// The server's date: UNIX seconds.
    pub fn date(&self) -> u64 {
        self.shared.clock.date().as_secs()
    }

    /// The server time at which an access token ends; none where it is not valid at all.
    pub fn end_of(&self, token: &str) -> Option<Duration> {
        self.shared.lock().tokens.get(token).map(|token| token.expires)
    }

    /// One line for each request that ended, without a secret.
    pub fn lines(&self) -> Lines {
        self.shared.lines.clone()
    }

    /// Waits until `holds` for the log, and returns the log. Panics after [`BOUND`], with `what`
    /// was awaited and the requests that came instead.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Log) -> bool) -> Log {
        let waits = |state: &mut State| !holds(&state.log);
        let guard = self.shared.changed.wait_timeout_while(self.shared.lock(), BOUND, waits);
        let (state, waited) = guard.unwrap_or_else(PoisonError::into_inner);
        let seen: Vec<String> = state.log.requests.iter().map(ToString::to_string).collect();
        assert!(!waited.timed_out(), "{what}: has not come; the server saw {seen:#?}");
        state.log.clone()
    }

    /// Every client id, client secret and access token that it issued, every statement that it saw,
    /// and what percent-encoding makes of them: nothing of this may be in any output.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.shared.lock().secrets.clone();
        let encoded: Vec<String> = secrets
            .iter()
            .map(|secret| utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string())
            .collect();
        secrets.extend(encoded);
        secrets.sort();
        secrets.dedup();
        secrets
    }

    /// Panics when `output`, called `name`, contains one of [`Authority::secrets`].
    pub fn assert_no_secret_in(&self, name: &str, output: &str) {
        let secrets = self.secrets();
        let leaked = secrets.iter().filter(|secret| output.contains(secret.as_str())).count();
        assert_eq!(leaked, 0, "{name} contains {leaked} of {} secrets:\n{output}", secrets.len());
    }
}
