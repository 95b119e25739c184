// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may have a token: by what the bus says of the caller, with real users.

use crate::support::bus;
use crate::support::scene::{CINEMA, Scene, uid};

const DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";

/// Users that every Debian has: dbus-daemon lets in nobody whom /etc/passwd does not name.
const NOBODY: u32 = 65_534;
const DAEMON: u32 = 1;

const OBJECT: &str = "/tv/tokend/application/cinema";
const APPLICATION: &str = "tv.tokend.Application1";
const METHODS: [&[&str]; 3] =
    [&["GetToken", "u", "0"], &["GetHeaders", "u", "0"], &["ReplaceToken", "ss", "none", ""]];

/// Whether all three methods let this user in. They must agree.
fn is_let_in(scene: &Scene, uid: u32, gids: &[u32]) -> bool {
    let results = METHODS.map(|method| {
        let call = ["tv.tokend", OBJECT, APPLICATION];
        let (done, text) = scene.call_as(uid, gids, &[&call[..], method].concat());
        assert!(done || text.contains("Error.AccessDenied: "), "{text}");
        done
    });
    assert_eq!(results, [results[0]; 3], "uid {uid}, groups {gids:?}");
    results[0]
}

fn scene_with(keys: &[(&str, &str)]) -> Scene {
    let scene = Scene::new();
    let application = scene.add(CINEMA).without("allow_users");
    let application = keys.iter().fold(application, |a, (key, value)| a.with(key, value));
    scene.device.add(&application).unwrap();
    scene
}

#[test]
fn a_user_is_let_in_by_number_and_no_other() {
    let scene = scene_with(&[("allow_users", &format!("[65534, {}]", uid()))]);
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    if !bus::can_act_as_others() {
        return;
    }
    assert!(is_let_in(&scene, NOBODY, &[]));
    assert!(!is_let_in(&scene, DAEMON, &[]));
    // A group of that number is no user.
    assert!(!is_let_in(&scene, DAEMON, &[65_534]));
}

#[test]
fn a_user_is_let_in_by_a_group_primary_or_supplementary() {
    let scene = scene_with(&[("allow_groups", "[60001, 60002]")]);
    let (_tokend, player) = scene.start();
    if !bus::can_act_as_others() {
        assert_eq!(player.get_token(CINEMA, 0).unwrap_err().name, DENIED);
        return;
    }
    if !scene.bus.tells_groups() {
        println!("left out: this bus tells no groups");
        return;
    }
    assert!(is_let_in(&scene, NOBODY, &[60_001]));
    assert!(is_let_in(&scene, NOBODY, &[65_534, 60_002]));
    assert!(is_let_in(&scene, NOBODY, &[65_534, 5, 6, 60_002]));
    assert!(!is_let_in(&scene, NOBODY, &[65_534, 60_003]));
}

/// As on dbus-daemon before 1.14: `tests/buses/run` has one.
#[test]
fn on_a_bus_that_tells_no_groups_a_caller_is_in_those_of_the_user_database() {
    let scene = scene_with(&[("allow_groups", "[\"daemon\"]")]);
    if scene.bus.tells_groups() || !bus::can_act_as_others() {
        println!("left out: this bus tells groups, or nobody else can be played");
        return;
    }
    let (tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    // Whatever groups the process is in.
    assert!(is_let_in(&scene, DAEMON, &[60_001]));
    assert!(!is_let_in(&scene, NOBODY, &[DAEMON]));
    let call = ["tv.tokend", OBJECT, APPLICATION, "GetToken", "u", "0"];
    let (_, text) = scene.call_as(NOBODY, &[DAEMON], &call);
    assert!(text.contains("those of the user database"), "{text}");
    tokend.wait_for_line("this bus does not tell the groups of its callers");
}

#[test]
fn where_users_and_groups_are_given_both_must_match() {
    // The group that the user database gives to this user too, for a bus that tells none.
    let scene = scene_with(&[("allow_users", "[65534, 1]"), ("allow_groups", "[65534]")]);
    let (_tokend, player) = scene.start();
    if !bus::can_act_as_others() {
        assert_eq!(player.get_token(CINEMA, 0).unwrap_err().name, DENIED);
        return;
    }
    assert!(is_let_in(&scene, NOBODY, &[65_534]));
    assert!(!is_let_in(&scene, DAEMON, &[1]));
    assert!(!is_let_in(&scene, 2, &[65_534]));
    // Root always.
    player.get_token(CINEMA, 0).unwrap();
}

#[test]
fn without_any_list_only_root_is_let_in() {
    let scene = scene_with(&[]);
    let (_tokend, player) = scene.start();
    if !bus::can_act_as_others() {
        assert_eq!(player.get_token(CINEMA, 0).unwrap_err().name, DENIED);
        return;
    }
    assert!(!is_let_in(&scene, NOBODY, &[0]));
    player.get_token(CINEMA, 0).unwrap();
}

#[test]
fn an_empty_list_lets_root_alone_in() {
    for key in ["allow_users", "allow_groups", "allow_labels"] {
        let scene = scene_with(&[(key, "[]")]);
        let (_tokend, player) = scene.start();
        let asked = player.get_token(CINEMA, 0);
        assert_eq!(asked.is_ok(), uid() == 0, "{asked:?}");
        if bus::can_act_as_others() {
            assert!(!is_let_in(&scene, NOBODY, &[0]));
        }
    }
}

#[test]
fn a_label_that_the_caller_has_not_keeps_it_out() {
    let scene = scene_with(&[
        ("allow_users", &format!("[65534, {}]", uid())),
        ("allow_labels", "[\"no::such::label\"]"),
    ]);
    let (_tokend, player) = scene.start();
    assert_eq!(player.get_token(CINEMA, 0).is_ok(), uid() == 0);
    if bus::can_act_as_others() {
        assert!(!is_let_in(&scene, NOBODY, &[]));
    }
}

#[test]
fn a_caller_with_no_right_learns_nothing_about_the_token() {
    let scene = scene_with(&[("allow_users", "[1]")]);
    let (_tokend, player) = scene.start();
    let denied = || {
        if bus::can_act_as_others() {
            // Whatever there is, and whatever the arguments are worth.
            let call = ["tv.tokend", OBJECT, APPLICATION];
            let all = METHODS.into_iter().chain([&["GetToken", "u", "4294967295"][..]]);
            let answers = all.map(|method| {
                let (done, text) = scene.call_as(NOBODY, &[], &[&call[..], method].concat());
                assert!(!done, "{text}");
                text
            });
            answers.collect()
        } else {
            vec![player.get_token(CINEMA, 0).unwrap_err().to_string()]
        }
    };
    // tokend asks by itself at a random moment, which may be any.
    let planned = player.properties(CINEMA).retry_at;
    let without = denied();
    assert!(without.iter().all(|text| text.contains("Error.AccessDenied: ")), "{without:?}");
    let connections = scene.authority.log().connections;
    assert!(connections == 0 || scene.authority.date() >= planned, "a denied call asks the server");
    if bus::can_act_as_others() {
        player.get_token(CINEMA, 0).unwrap();
        assert_eq!(denied(), without);
    }
}

#[test]
fn properties_and_introspection_are_open_to_all_and_hold_no_secret() {
    let scene = scene_with(&[]);
    let (_tokend, player) = scene.start();
    if !bus::can_act_as_others() {
        assert_eq!(player.properties(CINEMA).id, CINEMA);
        assert!(player.introspect(OBJECT).contains(APPLICATION));
        player.device_info().unwrap();
        return;
    }
    player.get_token(CINEMA, 0).unwrap();
    let all = |arguments: &[&str]| {
        let (done, text) = scene.call_as(NOBODY, &[], arguments);
        assert!(done, "{text}");
        scene.authority.assert_no_secret_in("an open answer", &text);
        text
    };
    let properties = "org.freedesktop.DBus.Properties";
    let text = all(&["tv.tokend", OBJECT, properties, "GetAll", "s", APPLICATION]);
    assert!(text.contains("State") && text.contains("ready"), "{text}");
    let introspectable = "org.freedesktop.DBus.Introspectable";
    assert!(all(&["tv.tokend", OBJECT, introspectable, "Introspect"]).contains("GetHeaders"));
    let manager = "tv.tokend.Manager1";
    assert!(all(&["tv.tokend", "/tv/tokend", manager, "GetDeviceInfo"]).contains("model"));
    let object_manager = "org.freedesktop.DBus.ObjectManager";
    let objects = all(&["tv.tokend", "/tv/tokend", object_manager, "GetManagedObjects"]);
    assert!(objects.contains(OBJECT), "{objects}");
}

#[test]
fn properties_are_read_only() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    let properties = "org.freedesktop.DBus.Properties";
    let value = zbus::Variant::from(7_u64);
    let body = (APPLICATION, "TokenNumber", value);
    let error = player.call::<_, ()>(OBJECT, properties, "Set", &body).unwrap_err();
    assert_eq!(error.name, "org.freedesktop.DBus.Error.PropertyReadOnly");
}

#[test]
fn an_unknown_application_is_an_unknown_object_for_everybody() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    let unknown = "org.freedesktop.DBus.Error.UnknownObject";
    assert_eq!(player.get_token("radio", 0).unwrap_err().name, unknown);
    assert_eq!(player.get_headers("radio", 0).unwrap_err().name, unknown);
    assert_eq!(player.replace_token("radio", "x", "").unwrap_err().name, unknown);
    if bus::can_act_as_others() {
        let radio = "/tv/tokend/application/radio";
        let call = ["tv.tokend", radio, APPLICATION, "GetToken", "u", "0"];
        let (done, text) = scene.call_as(NOBODY, &[], &call);
        assert!(!done && !text.contains("AccessDenied"), "{text}");
    }
}

#[test]
fn a_change_of_the_lists_is_in_force_after_a_reload_for_connections_that_are_there() {
    let scene = Scene::new();
    let (_tokend, player) = scene.start();
    player.get_token(CINEMA, 0).unwrap();
    let application = scene.add("radio");
    scene.device.add(&application.with("allow_users", "[1]")).unwrap();
    player.reload().unwrap();
    if bus::can_act_as_others() {
        let call = ["tv.tokend", "/tv/tokend/application/radio", APPLICATION];
        let get = [&call[..], METHODS[0]].concat();
        assert!(scene.call_as(DAEMON, &[], &get).0);
        assert!(!scene.call_as(NOBODY, &[], &get).0);
    } else {
        assert_eq!(player.get_token("radio", 0).unwrap_err().name, DENIED);
    }
}
