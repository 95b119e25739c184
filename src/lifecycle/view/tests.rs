// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;

const LIFETIME: u32 = 3600;

/// A token of an hour that ends at 3 600 000 ms.
fn view() -> AppView {
    AppView {
        state: AppState::Ready,
        token: Some(ServedToken {
            value: Secret::new("current".into()),
            expires: BootTime(3_600_000),
            lifetime: LIFETIME,
            reported: false,
        }),
        token_number: 7,
        expires_at: 1_700_000_000,
        retry_at: 0,
        last_error: (String::new(), String::new()),
        scopes: vec!["api:client:v2".into()],
        redirect_uris: vec![],
        client_id_issued_at: 1_600_000_000,
        counters: Counters::default(),
        history: Arc::default(),
        wall_less_boot: 0,
    }
}

fn token(expires_in: u32) -> Served {
    Served::Token { value: Secret::new("current".into()), expires_in }
}

#[test]
fn a_token_is_served_until_five_seconds_before_its_end() {
    assert_eq!(view().serve(0, BootTime(0)), token(3600));
    assert_eq!(view().serve(0, BootTime(3_594_999)), token(5));
    assert_eq!(view().serve(0, BootTime(3_595_000)), Served::Ask);
    assert_eq!(view().serve(0, BootTime(3_600_000)), Served::Ask);
    assert_eq!(view().serve(0, BootTime(9_000_000)), Served::Ask);
}

#[test]
fn seconds_left_are_whole_and_rounded_down() {
    assert_eq!(view().serve(0, BootTime(1)), token(3599));
    assert_eq!(view().serve(0, BootTime(999)), token(3599));
    assert_eq!(view().serve(0, BootTime(1000)), token(3599));
    assert_eq!(view().serve(0, BootTime(1001)), token(3598));
}

#[test]
fn a_token_is_served_with_at_least_min_validity_whole_seconds_left() {
    assert_eq!(view().serve(600, BootTime(3_000_000)), token(600));
    assert_eq!(view().serve(600, BootTime(3_000_001)), Served::Ask);
}

#[test]
fn half_the_lifetime_can_be_asked_for_and_no_more() {
    assert_eq!(view().serve(1800, BootTime(0)), token(3600));
    let Served::InvalidArgs(message) = view().serve(1801, BootTime(0)) else {
        panic!("more than half was accepted")
    };
    assert!(message.contains("1801 s") && message.contains("3600 s"), "{message}");
    assert!(satisfiable(5, 11).is_ok());
    assert!(satisfiable(6, 11).is_err());
    assert!(satisfiable(u32::MAX, u32::MAX).is_err());
}

#[test]
fn an_impossible_min_validity_is_refused_after_expiry_too() {
    assert!(matches!(view().serve(1801, BootTime(4_000_000)), Served::InvalidArgs(_)));
}

#[test]
fn without_a_token_the_daemon_is_asked_whatever_min_validity() {
    let view = AppView { token: None, ..view() };
    assert_eq!(view.serve(0, BootTime(0)), Served::Ask);
    assert_eq!(view.serve(u32::MAX, BootTime(0)), Served::Ask);
}

#[test]
fn a_rejected_token_that_is_not_the_current_one_is_answered_with_the_current_one() {
    assert_eq!(view().replace(&Secret::new("older".into()), BootTime(1_000)), token(3599));
    assert_eq!(view().replace(&Secret::new("current".into()), BootTime(1_000)), Served::Ask);
    assert_eq!(view().replace(&Secret::new("older".into()), BootTime(3_595_000)), Served::Ask);
    let none = AppView { token: None, ..view() };
    assert_eq!(none.replace(&Secret::new("older".into()), BootTime(0)), Served::Ask);
}

#[test]
fn exactly_the_changed_properties_are_told() {
    let after = AppView {
        state: AppState::Waiting,
        retry_at: 5,
        last_error: ("tv.tokend.Error.Unavailable".into(), "no route".into()),
        ..view()
    };
    assert_eq!(
        after.changes(&view()),
        [
            ("LastError", Property::Pair("tv.tokend.Error.Unavailable", "no route")),
            ("RetryAt", Property::Number(5)),
            ("State", Property::Text("waiting")),
        ]
    );
    assert_eq!(view().changes(&view()), []);
}

#[test]
fn a_view_shows_nothing_of_its_token() {
    assert!(!format!("{:?}", view()).contains("current"));
}

#[test]
fn a_reported_token_is_served_and_replaces_no_other() {
    let mut view = view();
    view.token.as_mut().unwrap().reported = true;
    assert_eq!(view.serve(0, BootTime(0)), token(3600));
    assert_eq!(view.replace(&Secret::new("another".into()), BootTime(0)), Served::Ask);
}
