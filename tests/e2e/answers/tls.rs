// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS: what cannot be trusted gets no secret, and a repair on disk is noticed.

use super::{UNAVAILABLE, next_error};
use crate::support::authority::{Authority, Endpoint};
use crate::support::household::Household;
use crate::support::tls::Certificates;

#[test]
fn a_replaced_certificate_authority_is_read_anew_and_work_goes_on_by_itself() {
    let home = Household::new(Authority::https(), &["cinema"]);
    let fresh = Certificates::new().unwrap();
    home.authority.use_certificates(&fresh);
    let _tokend = home.device.start();
    let player = home.player();
    let changes = player.watch("cinema");
    let call = player.start_get_token(1, "cinema", 0);
    let error = next_error(&changes);
    assert_eq!(error.name, UNAVAILABLE);
    assert!(error.message.to_lowercase().contains("certificate"), "{error}");
    assert!(home.authority.log().requests.is_empty(), "nothing was said to a stranger");

    home.authority.trust(&fresh).unwrap();
    call.recv().unwrap().unwrap();
    let log = home.authority.log();
    assert_eq!((log.count(Endpoint::Register), log.count(Endpoint::Token)), (1, 1));
}

#[test]
fn a_certificate_of_another_host_or_out_of_date_gets_no_request() {
    for wrong in [Certificates::of_another_host().unwrap(), Certificates::expired().unwrap()] {
        let home = Household::new(Authority::https(), &["cinema"]);
        home.authority.use_certificates(&wrong);
        home.authority.trust(&wrong).unwrap();
        let _tokend = home.device.start();
        let player = home.player();
        let changes = player.watch("cinema");
        let _call = player.start_get_token(1, "cinema", 0);
        let error = next_error(&changes);
        assert_eq!(error.name, UNAVAILABLE);
        assert!(error.message.to_lowercase().contains("certificate"), "{error}");
        assert!(home.authority.log().requests.is_empty());
    }
}
