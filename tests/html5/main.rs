// SPDX-License-Identifier: MIT OR Apache-2.0
//! `examples/players/html5` in real browser engines, headless: WPE WebKit under Cog, and WebKitGTK
//! under Xvfb in a small host (`host.c`); with the real daemon, a private bus and the loopback
//! authority. `cargo test --test html5 wpe` runs one engine's, `cargo test --test html5 redirect` one
//! promise. As root, since the bridge's configuration must be root's. The pages are in `pages/`.

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod promises;
mod show;

/// A test for each engine and each promise.
macro_rules! every_engine_keeps {
    ($($promise:ident)*) => { $(
        mod $promise {
            use crate::{promises, show};

            #[test]
            fn wpe() {
                show::hold(show::Engine::Wpe, promises::$promise);
            }

            #[test]
            fn gtk() {
                show::hold(show::Engine::Gtk, promises::$promise);
            }
        }
    )* };
}

every_engine_keeps! {
    the_player_calls_its_api_and_calls_again_when_there_is_a_new_token
    the_player_has_a_refused_token_replaced_once
    the_player_tells_errors_in_words
    a_page_of_another_origin_has_nothing
    a_frame_has_nothing
    a_page_that_was_redirected_to_another_origin_has_nothing
    what_is_there_goes_with_the_page
    a_window_has_what_its_own_page_may_have
    a_service_worker_has_nothing
    a_file_has_nothing
    a_sandboxed_document_has_nothing
    a_page_that_patches_what_is_global_still_gets_headers
    a_reload_during_a_call_harms_nothing
    a_tokend_that_leaves_is_told_and_its_return_is_an_event
    a_hundred_calls_at_once_are_answered
    a_call_with_wrong_arguments_says_what_is_expected
    a_page_of_https_loads_nothing_over_plain_http
    a_configuration_that_others_could_have_written_gives_nothing_to_anybody
    a_listed_origin_may_send_the_headers_and_another_may_not
    headers_are_injected_only_if_that_is_configured
    injected_headers_need_no_preflight_and_reach_no_page
    injection_does_not_wait_for_a_token
    injected_headers_follow_no_redirect
    a_frame_of_another_origin_gets_no_injected_headers
    no_token_is_in_the_console_or_on_the_disk
}

/// Debian's WPE WebKit is built without the sandbox.
#[test]
fn a_web_process_in_its_sandbox_gets_headers() {
    show::hold(show::Engine::GtkSandboxed, promises::a_web_process_in_its_sandbox_gets_headers);
}
