// SPDX-License-Identifier: MIT OR Apache-2.0
//! The players of `examples/players`, each built and run as their README tells, against the real
//! daemon, a private bus and the loopback authority over TLS. Every player keeps every promise:
//! `cargo test --test players python` runs one's, `cargo test --test players redirect` one promise.

#[path = "../support/mod.rs"]
mod support;

mod promises;
mod show;
mod told;

/// A test for each player and each promise.
macro_rules! every_player_keeps {
    ($($promise:ident)*) => { $(
        mod $promise {
            use crate::{promises, show};

            #[test]
            fn c_sd_bus() {
                show::hold("c-sd-bus", promises::$promise);
            }

            #[test]
            fn c_gdbus() {
                show::hold("c-gdbus", promises::$promise);
            }

            #[test]
            fn cpp_qt() {
                show::hold("cpp-qt", promises::$promise);
            }

            #[test]
            fn python() {
                show::hold("python", promises::$promise);
            }

            #[test]
            fn javascript() {
                show::hold("javascript", promises::$promise);
            }

            #[test]
            fn rust() {
                show::hold("rust", promises::$promise);
            }
        }
    )* };
}

every_player_keeps! {
    headers_reach_the_protected_endpoint
    a_401_leads_to_one_replacement_and_then_success
    a_second_401_is_not_followed_by_another_replacement
    a_new_token_leads_to_a_new_call
    a_throttled_replacement_is_told_and_not_repeated
    rejected_is_not_available_until_the_server_thinks_better_of_it
    throttled_is_told_and_tried_again_when_it_is_time
    unavailable_is_told_and_tried_again_when_it_is_time
    a_storage_that_does_not_work_is_told
    a_user_who_may_not_have_the_token_is_told
    an_unknown_application_is_told
    a_daemon_that_is_not_there_is_told_and_waited_for
    a_daemon_that_leaves_is_told_and_waited_for
    a_daemon_that_does_not_answer_is_told_and_asked_again
    a_bus_that_goes_ends_the_player
    without_a_bus_it_says_so_and_ends_with_an_error
    an_api_without_an_answer_is_told
    a_server_that_is_not_trusted_gets_no_request
    a_redirect_is_not_followed
}
