// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tokend shows on the bus, as plain data: read from properties, and from their changes.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use zbus::{OwnedObjectPath, OwnedVariant, Structure, Variant};

use super::ClientError;
use crate::bus::APPLICATION_INTERFACE;

/// What tokend shows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// `Version`.
    pub version: String,
    /// `Sealing`.
    pub sealing: String,
    /// `ClockSet`.
    pub clock_set: bool,
    /// `Faults`.
    pub faults: Vec<String>,
    /// `StartedAt`, UNIX seconds.
    pub started_at: u64,
    /// In the order of their names.
    pub applications: Vec<Status>,
}

/// The properties of an application, as in the contract, section 2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `Id`.
    pub id: String,
    /// `State`.
    pub state: String,
    /// `TokenNumber`; 0 = none.
    pub token_number: u64,
    /// `ExpiresAt`, UNIX seconds; 0 = no token.
    pub expires_at: u64,
    /// `RetryAt`, UNIX seconds; 0 = none planned.
    pub retry_at: u64,
    /// `LastError`: both empty after a success.
    pub last_error: LastError,
    /// `Scopes`.
    pub scopes: Vec<String>,
    /// `RedirectUris`.
    pub redirect_uris: Vec<String>,
    /// `ClientIdIssuedAt`, UNIX seconds; 0 = not registered, or the server did not say.
    pub client_id_issued_at: u64,
    /// `Counters`; empty once something has changed, since nobody is told of their changes.
    pub counters: BTreeMap<String, u64>,
    /// `History`, the oldest first; empty once something has changed.
    pub history: Vec<Event>,
}

/// An entry of `History`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Event {
    /// UNIX seconds.
    pub time: u64,
    /// What it was.
    pub event: String,
    /// What there is to say of it.
    pub message: String,
}

/// The property `LastError`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// The name of the error.
    pub name: String,
    /// What happened.
    pub message: String,
}

/// The new value of a property of an application; all but `Id` can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `State`.
    State(String),
    /// `TokenNumber`.
    TokenNumber(u64),
    /// `ExpiresAt`.
    ExpiresAt(u64),
    /// `RetryAt`.
    RetryAt(u64),
    /// `LastError`.
    LastError(LastError),
    /// `Scopes`.
    Scopes(Vec<String>),
    /// `RedirectUris`.
    RedirectUris(Vec<String>),
    /// `ClientIdIssuedAt`.
    ClientIdIssuedAt(u64),
}

/// How many kinds of [`Change`] there are.
const CHANGES: usize = 8;

/// What happens on the bus, as far as it is tokend's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// tokend is there, and this is all that it shows.
    Here(Overview),
    /// tokend is not there.
    Gone,
    /// `ClockSet`.
    ClockSet(bool),
    /// An application has come.
    Added(Status),
    /// Some properties of an application have changed.
    Changed(String, Vec<Change>),
    /// An application has gone.
    Removed(String),
}

pub(super) type Properties = HashMap<String, OwnedVariant>;
pub(super) type Interfaces = HashMap<String, Properties>;

/// From the manager's properties, and the objects that it manages.
pub(super) fn overview(
    manager: &mut Properties,
    objects: HashMap<OwnedObjectPath, Interfaces>,
) -> Result<Overview, ClientError> {
    let applications = objects.into_values().filter_map(application);
    let mut applications = applications.collect::<Result<Vec<_>, _>>()?;
    applications.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Overview {
        version: take(manager, "Version")?,
        sealing: take(manager, "Sealing")?,
        clock_set: take(manager, "ClockSet")?,
        // An older daemon has neither.
        faults: take(manager, "Faults").unwrap_or_default(),
        started_at: take(manager, "StartedAt").unwrap_or_default(),
        applications,
    })
}

/// From the interfaces of an object; none where it is no application.
pub(super) fn application(mut interfaces: Interfaces) -> Option<Result<Status, ClientError>> {
    let properties = interfaces.remove(APPLICATION_INTERFACE)?;
    Some(status(properties))
}

fn status(mut properties: Properties) -> Result<Status, ClientError> {
    let mut status = Status { id: take(&mut properties, "Id")?, ..Status::default() };
    // An older daemon has neither.
    let counters = properties.remove("Counters").map(counted).transpose()?;
    let history = properties.remove("History").map(happened).transpose()?;
    let changes = changes(properties)?;
    if changes.len() != CHANGES {
        return Err(ClientError::Garbled(zbus::Error::MissingField));
    }
    changes.into_iter().for_each(|change| status.apply(change));
    status.counters = counters.unwrap_or_default();
    status.history = history.unwrap_or_default();
    Ok(status)
}

/// Properties of a later release are passed over.
pub(super) fn changes(properties: Properties) -> Result<Vec<Change>, ClientError> {
    let change = |(name, value): (String, OwnedVariant)| {
        let change = match name.as_str() {
            "State" => read(value).map(Change::State),
            "TokenNumber" => read(value).map(Change::TokenNumber),
            "ExpiresAt" => read(value).map(Change::ExpiresAt),
            "RetryAt" => read(value).map(Change::RetryAt),
            "LastError" => last_error(value).map(Change::LastError),
            "Scopes" => read(value).map(Change::Scopes),
            "RedirectUris" => read(value).map(Change::RedirectUris),
            "ClientIdIssuedAt" => read(value).map(Change::ClientIdIssuedAt),
            _ => return None,
        };
        Some(change)
    };
    properties.into_iter().filter_map(change).collect()
}

fn counted(value: OwnedVariant) -> Result<BTreeMap<String, u64>, ClientError> {
    let counters: HashMap<String, u64> = read(value)?;
    Ok(counters.into_iter().collect())
}

fn happened(value: OwnedVariant) -> Result<Vec<Event>, ClientError> {
    let events: Vec<(u64, String, String)> = read(value)?;
    let event = |(time, event, message)| Event { time, event, message };
    Ok(events.into_iter().map(event).collect())
}

fn last_error(value: OwnedVariant) -> Result<LastError, ClientError> {
    let pair: Structure<'static> = read(value)?;
    let (name, message) = pair.try_into().map_err(ClientError::Garbled)?;
    Ok(LastError { name, message })
}

impl Status {
    /// Takes over the new value of one property.
    pub fn apply(&mut self, change: Change) {
        self.counters.clear();
        self.history.clear();
        match change {
            Change::State(state) => self.state = state,
            Change::TokenNumber(number) => self.token_number = number,
            Change::ExpiresAt(at) => self.expires_at = at,
            Change::RetryAt(at) => self.retry_at = at,
            Change::LastError(error) => self.last_error = error,
            Change::Scopes(scopes) => self.scopes = scopes,
            Change::RedirectUris(uris) => self.redirect_uris = uris,
            Change::ClientIdIssuedAt(at) => self.client_id_issued_at = at,
        }
    }
}

pub(super) fn take<T>(properties: &mut Properties, name: &str) -> Result<T, ClientError>
where
    T: TryFrom<Variant<'static>>,
    T::Error: Into<zbus::Error>,
{
    let value = properties.remove(name).ok_or(zbus::Error::MissingField);
    value.map_err(ClientError::Garbled).and_then(read)
}

fn read<T>(value: OwnedVariant) -> Result<T, ClientError>
where
    T: TryFrom<Variant<'static>>,
    T::Error: Into<zbus::Error>,
{
    T::try_from(value.into()).map_err(|error| ClientError::Garbled(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All properties of `cinema`.
    fn properties() -> Properties {
        let owned = |value: Variant<'static>| OwnedVariant::try_from(value).unwrap();
        let all: [(&str, Variant<'static>); 9] = [
            ("Id", "cinema".into()),
            ("State", "ready".into()),
            ("TokenNumber", 7_u64.into()),
            ("ExpiresAt", 100_u64.into()),
            ("RetryAt", 90_u64.into()),
            ("LastError", ("tv.tokend.Error.Unavailable", "no route").into()),
            ("Scopes", vec!["api"].into()),
            ("RedirectUris", Vec::<String>::new().into()),
            ("ClientIdIssuedAt", 5_u64.into()),
        ];
        all.into_iter().map(|(name, value)| (name.to_owned(), owned(value))).collect()
    }

    #[test]
    fn a_status_has_every_property_or_is_none() {
        let status = status(properties()).unwrap();
        assert_eq!((status.id.as_str(), status.state.as_str()), ("cinema", "ready"));
        assert_eq!((status.token_number, status.client_id_issued_at), (7, 5));
        assert_eq!(status.last_error.message, "no route");
        assert_eq!(status.scopes, ["api"]);
        for name in properties().into_keys() {
            let mut some = properties();
            some.remove(&name);
            assert!(super::status(some).is_err(), "without {name}");
        }
    }

    #[test]
    fn a_property_of_another_type_is_an_error_and_an_unknown_one_is_passed_over() {
        let odd = OwnedVariant::try_from(Variant::from(true)).unwrap();
        for name in properties().into_keys().filter(|name| name != "Id") {
            let changed = Properties::from([(name.clone(), odd.clone())]);
            assert!(changes(changed).is_err(), "{name}");
        }
        assert_eq!(changes(Properties::from([("Colour".into(), odd)])).unwrap(), []);
    }
}
