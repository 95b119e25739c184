// SPDX-License-Identifier: MIT OR Apache-2.0
//! What to do about each trouble. Pure. docs/support.md has more of each.

use crate::client::Status;

/// Why an application waits where nothing has failed.
pub(super) const NOBODY: &str =
    "nobody has asked yet: it starts by itself within 5 min, or with the first call";

/// Whether there is no token only because nobody has asked for one.
pub(super) fn waits_for_somebody(status: &Status) -> bool {
    status.state == "waiting" && status.last_error.name.is_empty()
}

/// What to do; none where all is well.
pub(super) fn advice(status: &Status) -> Option<&'static str> {
    if status.state == "clock-unset" {
        return Some(
            "see why this device has not got the time (time synchronization, its battery); work \
             goes on the moment the clock is set",
        );
    }
    Some(match status.last_error.name.rsplit('.').next()? {
        "Storage" => {
            "run tokend check as root on this device: it says what is wrong with the storage; \
             delete nothing there, since that signs the viewers out of every TV provider"
        }
        "Rejected" => {
            "send the server's words to whoever issued the software statement; put the right \
             statement in place, which is tried at once"
        }
        "Throttled" => "nothing: it goes on by itself as soon as the server allows",
        "Unavailable" => {
            "run tokend diagnose on this device: it tries name service, network, TLS and server"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::LastError;
    use crate::lifecycle::view::ErrorName;

    fn status(state: &str, name: &str) -> Status {
        let last_error = LastError { name: name.into(), message: "x".into() };
        Status { state: state.into(), last_error, ..Status::default() }
    }

    #[test]
    fn each_error_that_an_application_can_have_has_its_advice_and_its_absence_has_none() {
        for name in
            [ErrorName::Storage, ErrorName::Rejected, ErrorName::Throttled, ErrorName::Unavailable]
        {
            assert!(advice(&status("waiting", name.as_str())).is_some(), "{name:?}");
        }
        assert_eq!(advice(&status("ready", "")), None);
        assert!(advice(&status("clock-unset", "")).unwrap().contains("clock"));
    }

    #[test]
    fn no_advice_deletes_anything_without_saying_what_that_costs() {
        let storage = advice(&status("storage-error", ErrorName::Storage.as_str())).unwrap();
        assert!(storage.contains("delete nothing") && storage.contains("signs the viewers out"));
    }

    #[test]
    fn only_a_wait_without_an_error_is_one_for_somebody_to_ask() {
        assert!(waits_for_somebody(&status("waiting", "")));
        assert!(!waits_for_somebody(&status("waiting", ErrorName::Unavailable.as_str())));
        assert!(!waits_for_somebody(&status("ready", "")));
    }
}
