// SPDX-License-Identifier: MIT OR Apache-2.0
//! Change signals, and objects that come and go.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream as _;
use tokend::bus::{BusCommand, BusEvent};
use tokend::common::time::BootTime;
use tokend::lifecycle::view::{AppState, AppView, Counters, Happened};
use zbus::names::InterfaceName;
use zbus::{MessageStream, ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

use crate::bus_rig::*;

/// The signals that a rule lets through.
pub(crate) struct Signals(MessageStream);

impl Signals {
    /// All that tokend sends.
    fn of(client: &Client) -> Self {
        Self::listen(client, "type='signal',sender='tv.tokend'")
    }

    pub(crate) fn listen(client: &Client, rule: &str) -> Self {
        let listening = MessageStream::for_match_rule(rule, &client.0, None);
        Self(zbus::block_on(listening).unwrap())
    }

    pub(crate) fn next(&mut self) -> zbus::Message {
        let stream = &mut self.0;
        zbus::block_on(poll_fn(|context| Pin::new(&mut *stream).poll_next(context)))
            .expect("a signal comes")
            .unwrap()
    }

    /// The path and the changed properties of the next signal, which is `PropertiesChanged`.
    fn next_change(&mut self) -> (String, String, HashMap<String, OwnedVariant>) {
        let message = self.next();
        let header = message.header();
        assert_eq!(header.member().unwrap().as_str(), "PropertiesChanged");
        let path = header.path().unwrap().to_string();
        let (interface, changed, invalidated): (String, _, Vec<String>) =
            message.body().deserialize().unwrap();
        assert!(invalidated.is_empty());
        (path, interface, changed)
    }
}

fn values<const N: usize>(
    expected: [(&str, Variant<'static>); N],
) -> HashMap<String, OwnedVariant> {
    expected.map(|(name, value)| (name.to_owned(), value.try_into().unwrap())).into()
}

#[test]
fn one_signal_tells_exactly_what_a_transition_changed() {
    let rig = Rig::start();
    let mut signals = Signals::of(&rig.client());
    rig.change(ready());
    let error = ("tv.tokend.Error.Unavailable".to_owned(), "no route".to_owned());
    rig.change(AppView { state: AppState::Waiting, last_error: error, ..ready() });
    rig.snapshot.set_clock_set(true);
    rig.tokend.send(BusCommand::ClockSet(true));

    let (path, interface, changed) = signals.next_change();
    assert_eq!((path.as_str(), interface.as_str()), (CINEMA, APPLICATION1));
    let first = values([
        ("State", "ready".into()),
        ("TokenNumber", 1u64.into()),
        ("ExpiresAt", 1_800_000_000u64.into()),
    ]);
    assert_eq!(changed, first);
    let (_, _, changed) = signals.next_change();
    let second = values([
        ("State", "waiting".into()),
        ("LastError", ("tv.tokend.Error.Unavailable", "no route").into()),
    ]);
    assert_eq!(changed, second);
    let (path, interface, changed) = signals.next_change();
    assert_eq!((path.as_str(), interface.as_str()), (MANAGER, MANAGER1));
    assert_eq!(changed, values([("ClockSet", true.into())]));
}

#[test]
fn a_transition_that_changes_no_property_sends_nothing() {
    let rig = Rig::with(ready());
    let mut signals = Signals::of(&rig.client());
    rig.change(ready());
    rig.change(AppView { retry_at: 5, ..ready() });
    assert_eq!(signals.next_change().2, values([("RetryAt", 5u64.into())]));
}

#[test]
fn history_and_counters_change_without_a_signal_and_the_faults_with_one() {
    let rig = Rig::with(ready());
    let mut signals = Signals::of(&rig.client());
    let (at, message) = (BootTime(1_500), "no route".to_owned());
    let history = Arc::new(vec![Happened { at, event: "failed", message }]);
    let counters = Counters { last_success: 1, failures: 2, failing_since: 3, registrations: 4 };
    rig.change(AppView { history, counters, wall_less_boot: 1_700_000_000_000, ..ready() });
    rig.tokend.send(BusCommand::Faults(vec!["a.toml: x: left out".to_owned()]));

    let (path, _, changed) = signals.next_change();
    assert_eq!(path, MANAGER);
    assert_eq!(changed, values([("Faults", vec!["a.toml: x: left out"].into())]));
    let mut all = rig.client().get_all(CINEMA, APPLICATION1);
    let history = Vec::<(u64, String, String)>::try_from(all.remove("History").unwrap()).unwrap();
    assert_eq!(history, [(1_700_000_001, "failed".to_owned(), "no route".to_owned())]);
    let counters = all.remove("Counters").unwrap();
    let counters = HashMap::<String, u64>::try_from(counters).unwrap();
    let expected =
        [("last_success", 1), ("failures", 2), ("failing_since", 3), ("registrations", 4)];
    assert_eq!(counters, expected.map(|(name, count)| (name.to_owned(), count)).into());
}

#[test]
fn properties_have_the_types_of_the_contract() {
    let rig = Rig::with(ready());
    let expected = values([
        ("Id", "cinema".into()),
        ("State", "ready".into()),
        ("TokenNumber", 1u64.into()),
        ("ExpiresAt", 1_800_000_000u64.into()),
        ("RetryAt", 0u64.into()),
        ("LastError", ("", "").into()),
        ("Scopes", vec!["api:client:v2"].into()),
        ("RedirectUris", vec!["adobepass://com.programmer"].into()),
        ("ClientIdIssuedAt", 1_600_000_000u64.into()),
    ]);
    let mut all = rig.client().get_all(CINEMA, APPLICATION1);
    for (name, signature) in [("Counters", "a{st}"), ("History", "a(tss)")] {
        let value = all.remove(name).unwrap();
        assert_eq!(value.value_signature().to_string(), signature);
    }
    assert_eq!(all, expected);
}

#[test]
fn managed_objects_are_the_applications_with_all_their_properties() {
    let rig = Rig::with(ready());
    rig.snapshot.insert(app("sports"), Arc::new(view()), Arc::new(face()));
    rig.tokend.send(BusCommand::Added(app("sports")));
    rig.silence();
    let client = rig.client();
    let manager = "org.freedesktop.DBus.ObjectManager";
    let objects: HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>> =
        client.call(MANAGER, manager, "GetManagedObjects", &()).unwrap();
    assert_eq!(objects.len(), 2);
    for path in [CINEMA, "/tv/tokend/application/sports"] {
        let interfaces = &objects[&ObjectPath::try_from(path).unwrap()];
        assert_eq!(interfaces.len(), 1);
        assert_eq!(interfaces[APPLICATION1], client.get_all(path, APPLICATION1));
    }
}

/// Nothing more was announced: the next signal is that of `ClockSet`.
fn announced_once(rig: &Rig, signals: &mut Signals) {
    rig.tokend.send(BusCommand::ClockSet(true));
    assert_eq!(signals.next_change().0, MANAGER);
}

#[test]
fn an_application_that_comes_is_announced_and_served() {
    let rig = Rig::start();
    let client = rig.client();
    let mut signals = Signals::of(&client);
    rig.snapshot.insert(app("sports"), Arc::new(ready()), Arc::new(face()));
    rig.tokend.send(BusCommand::Added(app("sports")));

    let message = signals.next();
    assert_eq!(message.header().member().unwrap().as_str(), "InterfacesAdded");
    assert_eq!(message.header().path().unwrap().as_str(), MANAGER);
    let (path, interfaces): (OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>) =
        message.body().deserialize().unwrap();
    let sports = "/tv/tokend/application/sports";
    assert_eq!(path.as_str(), sports);
    assert_eq!(interfaces.len(), 1);
    assert_eq!(interfaces[APPLICATION1], client.get_all(sports, APPLICATION1));
    let (token, _): (String, u32) = client.call(sports, APPLICATION1, "GetToken", &0u32).unwrap();
    assert_eq!(token, "the-token");
    announced_once(&rig, &mut signals);
}

#[test]
fn of_an_application_that_has_gone_before_its_object_came_nothing_is_announced() {
    let rig = Rig::start();
    let mut signals = Signals::of(&rig.client());
    rig.tokend.send(BusCommand::Added(app("sports")));
    rig.tokend.send(BusCommand::Removed(app("sports")));
    rig.tokend.send(BusCommand::ClockSet(true));
    assert_eq!(signals.next_change().0, MANAGER);
}

#[test]
fn an_application_that_goes_is_announced_and_ends_its_waiting_calls() {
    let rig = Rig::start();
    let client = rig.client();
    let mut signals = Signals::of(&client);
    let waiting = client.in_background(|client| client.get_token(0));
    let call = rig.call();
    rig.snapshot.remove(&app("cinema"));
    rig.tokend.send(BusCommand::Removed(app("cinema")));

    let message = signals.next();
    assert_eq!(message.header().member().unwrap().as_str(), "InterfacesRemoved");
    assert_eq!(message.header().path().unwrap().as_str(), MANAGER);
    let body = message.body();
    let (path, interfaces): (OwnedObjectPath, Vec<InterfaceName<'_>>) = body.deserialize().unwrap();
    assert_eq!((path.as_str(), interfaces[0].as_str()), (CINEMA, APPLICATION1));
    announced_once(&rig, &mut signals);
    let unknown = "org.freedesktop.DBus.Error.UnknownObject";
    assert_eq!(waiting.join().unwrap().unwrap_err().0, unknown);
    let BusEvent::Gone { call: gone } = rig.event() else { panic!() };
    assert_eq!(gone, call);
    assert_eq!(client.get_token(0).unwrap_err().0, unknown);
}
