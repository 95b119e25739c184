// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the bridge and the player of `examples/players/html5` promise.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::thread;
use std::time::Instant;

use serde_json::json;

use super::browser::{PATIENCE, USER};
use super::show::Show;
use super::support::authority::{Authority, Endpoint, Fault, Gate, Options, Response};
use super::support::player::Player;
use super::support::scene::CINEMA;
use super::support::statement;
use super::support::tls::Certificates;
use super::support::tokend::Tokend;

/// A running daemon with a token, and somebody else who may have it.
fn with_token(show: &Show) -> (Tokend, Player) {
    let (tokend, other) = show.scene.start();
    other.get_token(CINEMA, 0).unwrap();
    (tokend, other)
}

/// Has the current token replaced, by somebody else than the page.
fn replace(other: &Player) {
    let (token, _) = other.get_token(CINEMA, 0).unwrap();
    other.replace_token(CINEMA, &token, "").unwrap();
}

pub(crate) fn the_player_calls_its_api_and_calls_again_when_there_is_a_new_token(show: &mut Show) {
    let (_tokend, other) = with_token(show);
    show.open("player/index.html");
    show.says("tokend gives headers, good for 86");
    let line = show.says("200 ");
    assert!(line.contains(r#""hello":"cinema""#), "{line}");
    show.says("waiting for a new token");
    let (given, _) = other.get_headers(CINEMA, 0).unwrap();
    for (name, value) in given {
        let call = &show.calls()[0];
        assert_eq!(call.head.header(&name.to_lowercase()), Some(value.as_str()), "{name}");
    }

    replace(&other);
    show.says("there is a new token");
    show.says("200 ");
    assert_eq!(show.calls().len(), 2);
}

pub(crate) fn the_player_has_a_refused_token_replaced_once(show: &mut Show) {
    let (tokend, _other) = with_token(show);
    let code = "invalid_access_token_service_provider";
    let refused = Fault::json(401, &json!({ "status": 401, "code": code }));
    show.scene.authority.always(Endpoint::Hello, refused);
    show.open("player/index.html");
    show.says(&format!("401 {code}: asking"));
    show.says(&format!("401 {code} again"));
    show.says("waiting for a new token");
    tokend.wait_for_line(&format!("reports a refused token (code {code:?})"));
    assert_eq!(show.scene.authority.count(Endpoint::Token), 2);
    assert_eq!(show.calls().len(), 2);
}

pub(crate) fn the_player_tells_errors_in_words(show: &mut Show) {
    show.open("player/index.html");
    show.says("tokend is not there: ");
    show.says("waiting for a new token");
    let statement = statement::issue(CINEMA);
    show.scene.set_statement(CINEMA, &statement);
    show.scene.authority.revoke(&statement);
    let (_tokend, other) = show.scene.start();
    show.says("there is a new token, or tokend is there again");
    let line = show.says("not available: ");
    assert!(line.contains("unapproved_software_statement"), "{line}");

    show.scene.authority.approve(&statement);
    other.reload().unwrap();
    show.says("200 ");
}

pub(crate) fn a_page_of_another_origin_has_nothing(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open_url(&format!("{}/is-it-there.html?other", show.other_origin()));
    assert_eq!(show.reports("other "), "other undefined");
    show.close();
    // The same server, as it is listed.
    show.open("is-it-there.html?listed");
    assert_eq!(show.reports("listed "), "listed object");
}

pub(crate) fn a_frame_has_nothing(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("frames.html");
    assert_eq!(show.reports("around "), "around object");
    for frame in ["blank-frame", "srcdoc-frame", "listed-frame", "other-frame"] {
        assert_eq!(show.reports(&format!("{frame} ")), format!("{frame} undefined"));
    }
}

pub(crate) fn a_page_that_was_redirected_to_another_origin_has_nothing(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("redirect");
    assert_eq!(show.reports("redirected "), "redirected undefined");
}

pub(crate) fn what_is_there_goes_with_the_page(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("leave.html");
    assert_eq!(show.reports("before "), "before object");
    assert_eq!(show.reports("left "), "left undefined");
    assert_eq!(show.reports("back "), "back object");
}

pub(crate) fn a_window_has_what_its_own_page_may_have(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("windows.html");
    show.reports("opening");
    if show.has_windows() {
        assert_eq!(show.reports("blank-window "), "blank-window undefined");
        assert_eq!(show.reports("other-window "), "other-window undefined");
    }
    assert_eq!(show.reports("own-window "), "own-window object");
    show.close();
    show.open_url(&format!("{}/forge.html", show.other_origin()));
    assert_eq!(show.reports("forged "), "forged undefined");
    if show.has_windows() {
        show.reports("kept location");
        show.reports("kept href");
    }
}

pub(crate) fn a_service_worker_has_nothing(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("worker.html");
    assert_eq!(show.reports("service-worker "), "service-worker undefined");
    assert_eq!(show.reports("worker "), "worker undefined");
}

pub(crate) fn a_file_has_nothing(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open_file("is-it-there.html");
    assert_eq!(show.reports("page "), "page undefined");
}

pub(crate) fn a_sandboxed_document_has_nothing(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("sandboxed.html");
    assert_eq!(show.reports("page "), "page undefined");
}

pub(crate) fn a_page_that_patches_what_is_global_still_gets_headers(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("patches.html");
    show.reports("kept");
    assert_eq!(show.reports("patched "), "patched 3 true true");
    let name = "org.freedesktop.DBus.Error.InvalidArgs";
    assert_eq!(show.reports("rejected "), format!("rejected {name}"));
    assert_eq!(show.reports("stolen "), "stolen 0");
}

pub(crate) fn a_reload_during_a_call_harms_nothing(show: &mut Show) {
    let gate = Gate::new();
    show.scene.authority.next(Endpoint::Token, [Fault::hold(&gate)]);
    let (_tokend, _) = show.scene.start();
    show.open("reload.html");
    show.reports("asked");
    show.reports("reloaded");
    gate.open();
    assert_eq!(show.reports("answered "), "answered true");
}

pub(crate) fn a_tokend_that_leaves_is_told_and_its_return_is_an_event(show: &mut Show) {
    let (tokend, _) = with_token(show);
    show.open("away.html");
    show.reports("served");
    assert_eq!(tokend.terminate().code(), 0);
    show.reports("gone org.freedesktop.DBus.Error.ServiceUnknown");
    let _tokend = show.scene.device.start();
    assert_eq!(show.reports("back "), "back true");
}

pub(crate) fn a_hundred_calls_at_once_are_answered(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("hundred.html");
    assert_eq!(show.reports("hundred "), "hundred 100 1");
    println!("{}", show.says("one after the other"));
}

pub(crate) fn a_call_with_wrong_arguments_says_what_is_expected(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("arguments.html");
    let refused = "true org.freedesktop.DBus.Error.InvalidArgs: ";
    for call in ["negative", "fraction", "words"] {
        let expected = format!("{call} {refused}minValidity must be a whole number of seconds");
        assert_eq!(show.reports(&format!("{call} ")), expected);
    }
    let huge = show.reports("huge ");
    assert!(huge.starts_with(&format!("huge {refused}min_validity is 4294967295 s")), "{huge}");
    for call in ["missing", "number"] {
        let expected = format!("{call} {refused}the rejected token and the code must be strings");
        assert_eq!(show.reports(&format!("{call} ")), expected);
    }
    // It is no current token, so the current one comes.
    assert_eq!(show.reports("odd "), "odd taken");
    assert_eq!(show.reports("nothing "), "nothing taken");
}

pub(crate) fn a_page_of_https_loads_nothing_over_plain_http(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    // Not a name of this device to the bridge.
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let options = Options { tls: false, throttle: false, ..Options::default() };
    let certificates = Certificates::new().unwrap();
    let plain = Authority::start_on(listener, host, &certificates, options).unwrap();
    let pixel = Response::new(200, "image/svg+xml", show.page("pixel.svg"));
    plain.serve("/pixel.svg", pixel.clone());
    show.scene.authority.serve("/pixel.svg", pixel);
    show.open_url(&format!("{}/mixed.html?{}", show.scene.authority.origin(), plain.origin()));
    assert_eq!(show.reports("https "), "https object own loaded plain refused");
    assert_eq!(plain.count(Endpoint::Unknown), 0);
}

pub(crate) fn a_configuration_that_others_could_have_written_gives_nothing_to_anybody(
    show: &mut Show,
) {
    let (_tokend, _) = with_token(show);
    let good = fs::read_to_string(show.configuration()).unwrap();
    let origin = show.site.origin();
    let mut refused = |label: &str, text: &str, owner: u32, mode: u32, why: &str| {
        fs::write(show.configuration(), text).unwrap();
        chown(show.configuration(), Some(owner), None).unwrap();
        fs::set_permissions(show.configuration(), fs::Permissions::from_mode(mode)).unwrap();
        show.open(&format!("is-it-there.html?{label}"));
        assert_eq!(show.reports(&format!("{label} ")), format!("{label} undefined"));
        show.prints(why);
        show.close();
    };
    refused("owner", &good, USER, 0o644, "it must belong to root");
    refused("group", &good, 0, 0o664, "group and others may not write it");
    let slash = format!("[cinema]\norigins={origin}/\n");
    refused("slash", &slash, 0, 0o644, "an origin that stands there once");
    let unknown = format!("[cinema]\norigins={origin}\norigin=x\n");
    refused("unknown", &unknown, 0, 0o644, "origins and inject are known");
    let twice = format!("{good}[theatre]\norigins={origin}\n");
    refused("twice", &twice, 0, 0o644, "an origin that stands there once");
    let plain = format!("{good}[theatre]\norigins=http://app.example.com\n");
    refused("plain", &plain, 0, 0o644, "https (or http to 127.0.0.1");
}

pub(crate) fn a_listed_origin_may_send_the_headers_and_another_may_not(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("cors.html");
    assert_eq!(show.reports("127.0.0.1 "), "127.0.0.1 200");
    assert_eq!((show.preflights(), show.calls().len()), (1, 1));
    show.close();
    show.open_url(&format!("{}/cors.html", show.other_origin()));
    assert_eq!(show.reports("localhost "), "localhost TypeError");
    assert_eq!((show.preflights(), show.calls().len()), (2, 1));
}

pub(crate) fn headers_are_injected_only_if_that_is_configured(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("inject.html");
    assert_eq!(show.reports("plain "), "plain 401");
    assert_eq!(show.calls()[0].head.header("authorization"), None);
}

pub(crate) fn injected_headers_need_no_preflight_and_reach_no_page(show: &mut Show) {
    let (_tokend, other) = with_token(show);
    show.configure_injection();
    show.open("inject.html");
    assert_eq!(show.reports("plain "), "plain 200");
    assert_eq!((show.preflights(), show.calls().len()), (0, 1));
    let (given, _) = other.get_headers(CINEMA, 0).unwrap();
    for (name, value) in given {
        let call = &show.calls()[0];
        assert_eq!(call.head.header(&name.to_lowercase()), Some(value.as_str()), "{name}");
    }
}

pub(crate) fn injection_does_not_wait_for_a_token(show: &mut Show) {
    show.scene.authority.always(Endpoint::Token, Fault::Hang);
    let (_tokend, _) = show.scene.start();
    show.configure_injection();
    show.open("inject.html");
    assert_eq!(show.reports("plain "), "plain 401");
    assert_eq!(show.calls()[0].head.header("authorization"), None);
}

pub(crate) fn injected_headers_follow_no_redirect(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.configure_injection();
    let elsewhere = format!("{}/elsewhere", show.site.origin());
    let redirect = Response::html(302, "Moved").with("Location", elsewhere);
    show.scene.authority.always(Endpoint::Hello, Fault::Answer(redirect));
    show.open("inject.html");
    assert_eq!(show.reports("plain "), "plain TypeError");
    show.close();
    assert!(show.calls()[0].head.header("authorization").is_some());
    assert!(!show.site.log().requests.iter().any(|request| request.head.target == "/elsewhere"));
    // The engine follows such a request's redirect where no extension sees it: with the headers, but
    // never with the token.
    show.open("inject-synchronously.html");
    show.reports("synchronous ");
    let log = show.site.log();
    let followed = log.requests.iter().find(|request| request.head.target == "/elsewhere");
    let followed = followed.expect("the engine follows it");
    assert!(!followed.head.headers.iter().any(|(name, _)| name == "authorization"));
}

pub(crate) fn a_frame_of_another_origin_gets_no_injected_headers(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.configure_injection();
    show.scene.authority.allow_origin(&show.other_origin());
    show.open("inject-around.html");
    assert_eq!(show.reports("plain "), "plain 401");
    assert_eq!(show.calls()[0].head.header("authorization"), None);
}

pub(crate) fn no_token_is_in_the_console_or_on_the_disk(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.configure_injection();
    // The worst that an API can ask of a cache.
    let worst = Response::json(200, &json!({ "hello": "cinema" }))
        .with("Cache-Control", "max-age=3600")
        .with("Vary", "Authorization");
    show.scene.authority.always(Endpoint::Hello, Fault::Answer(worst));
    let marker = "what the cache keeps ".repeat(1000);
    let kept =
        Response::new(200, "text/plain", marker.clone()).with("Cache-Control", "max-age=3600");
    show.site.serve("/marker.txt", kept);
    show.open("store.html");
    assert_eq!(show.reports("stored "), "stored 200");
    #[expect(clippy::disallowed_methods, reason = "the bound of a wait")]
    let began = Instant::now();
    let holds =
        |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    while !show.files_of_browser().iter().any(|(_, bytes)| holds(bytes, &marker[..64])) {
        assert!(began.elapsed() < PATIENCE, "the cache does not reach the disk");
        thread::yield_now();
    }
    show.close();
    let files: BTreeMap<_, _> = show.files_of_browser().into_iter().collect();
    for secret in show.scene.authority.secrets() {
        for (path, bytes) in &files {
            assert!(!holds(bytes, &secret), "{}", path.display());
        }
    }
}

pub(crate) fn a_web_process_in_its_sandbox_gets_headers(show: &mut Show) {
    let (_tokend, _) = with_token(show);
    show.open("hundred.html");
    assert_eq!(show.reports("hundred "), "hundred 100 1");
    assert!(show.web_process_is_in_a_namespace(), "without the sandbox");
}
