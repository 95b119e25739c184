// SPDX-License-Identifier: MIT OR Apache-2.0
use super::Family::{Four, Six};
use super::*;

const LIMIT: Duration = Duration::from_secs(15);

fn four(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 443))
}

fn six(host: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, host], 443))
}

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn plan(suspects: &[SocketAddr]) -> Plan {
    Plan::new(suspects.to_vec(), LIMIT)
}

fn wait_until(milliseconds: u64) -> Next {
    Next::Wait(Some(at(milliseconds)))
}

/// The order in which addresses are begun that all stay silent, with the moments.
fn course(plan: &mut Plan) -> Vec<(u64, SocketAddr)> {
    let (mut now, mut begun) = (Duration::ZERO, Vec::new());
    loop {
        match plan.next(now) {
            Next::Begin(address) => begun.push((now.as_millis() as u64, address)),
            Next::Wait(Some(until)) => now = until,
            Next::Wait(None) | Next::Over => return begun,
        }
    }
}

#[test]
fn ipv6_is_begun_at_once_and_ipv4_beside_it_after_its_head_start() {
    let mut plan = plan(&[]);
    assert_eq!(plan.next(at(0)), Next::Wait(None));
    plan.answered(Six, &[six(1)], at(10));
    assert_eq!(plan.next(at(10)), Next::Begin(six(1)));
    assert_eq!(plan.next(at(10)), Next::Wait(None));
    plan.answered(Four, &[four(1)], at(20));
    assert_eq!(plan.next(at(20)), wait_until(260));
    assert_eq!(plan.next(at(260)), Next::Begin(four(1)));
}

#[test]
fn ipv4_waits_for_a_question_about_ipv6_no_longer_than_the_grace() {
    let mut plan = plan(&[]);
    plan.answered(Four, &[four(1)], at(10));
    assert_eq!(plan.next(at(10)), wait_until(60));
    assert_eq!(plan.next(at(60)), Next::Begin(four(1)));
    // IPv6 comes far behind, and joins in.
    assert_eq!(plan.next(at(300)), Next::Wait(None));
    plan.answered(Six, &[six(1)], at(2000));
    assert_eq!(plan.next(at(2000)), Next::Begin(six(1)));
}

#[test]
fn ipv6_that_answers_within_the_grace_is_begun_first() {
    let mut plan = plan(&[]);
    plan.answered(Four, &[four(1)], at(10));
    plan.answered(Six, &[six(1)], at(40));
    assert_eq!(plan.next(at(40)), Next::Begin(six(1)));
}

#[test]
fn an_answer_that_there_is_no_ipv6_ends_the_grace() {
    let mut plan = plan(&[]);
    plan.answered(Four, &[four(1)], at(10));
    plan.answered(Six, &[], at(11));
    assert_eq!(plan.next(at(11)), Next::Begin(four(1)));
}

#[test]
fn the_families_take_turns_however_many_addresses_one_has() {
    let mut plan = plan(&[]);
    plan.answered(Six, &[six(1), six(2), six(3)], at(0));
    plan.answered(Four, &[four(1)], at(0));
    let expected = [(0, six(1)), (250, four(1)), (500, six(2)), (750, six(3))];
    assert_eq!(course(&mut plan), expected);
}

#[test]
fn an_address_that_fails_is_followed_by_the_next_at_once() {
    let mut plan = plan(&[]);
    plan.answered(Six, &[six(1)], at(0));
    plan.answered(Four, &[four(1)], at(0));
    assert_eq!(plan.next(at(0)), Next::Begin(six(1)));
    plan.failed(six(1));
    assert_eq!(plan.next(at(1)), Next::Begin(four(1)));
    plan.failed(four(1));
    assert_eq!(plan.next(at(2)), Next::Over);
}

#[test]
fn while_a_question_is_open_failed_addresses_do_not_end_the_try() {
    // IPv6-only with DNS64: the real IPv4 address leads nowhere.
    let mut plan = plan(&[]);
    plan.answered(Four, &[four(1)], at(0));
    assert_eq!(plan.next(at(50)), Next::Begin(four(1)));
    plan.failed(four(1));
    assert_eq!(plan.next(at(51)), Next::Wait(None));
    plan.answered(Six, &[six(1)], at(3000));
    assert_eq!(plan.next(at(3000)), Next::Begin(six(1)));
}

#[test]
fn no_address_at_all_is_the_end() {
    let mut plan = plan(&[]);
    plan.answered(Four, &[], at(0));
    assert_eq!(plan.next(at(1)), Next::Wait(None));
    plan.answered(Six, &[], at(2));
    assert_eq!(plan.next(at(2)), Next::Over);
    assert!(!plan.has_addresses());
}

#[test]
fn a_suspect_is_begun_only_after_half_of_the_time_while_another_is_under_way() {
    // It would connect, and win against one that is farther away than the head start.
    let mut plan = plan(&[six(1)]);
    plan.answered(Six, &[six(1)], at(0));
    plan.answered(Four, &[four(1)], at(0));
    assert_eq!(course(&mut plan), [(0, four(1)), (7500, six(1))]);
}

#[test]
fn a_suspect_follows_at_once_when_all_others_have_failed() {
    let mut plan = plan(&[six(1)]);
    plan.answered(Six, &[six(1)], at(0));
    plan.answered(Four, &[four(1)], at(0));
    assert_eq!(plan.next(at(0)), Next::Begin(four(1)));
    plan.failed(four(1));
    assert_eq!(plan.next(at(1)), Next::Begin(six(1)));
}

#[test]
fn the_only_address_is_not_held_up_by_being_suspected() {
    let mut plan = plan(&[four(1)]);
    plan.answered(Four, &[four(1)], at(5));
    assert_eq!(plan.next(at(5)), wait_until(55));
    assert_eq!(plan.next(at(55)), Next::Begin(four(1)), "though the other question is open");
}

#[test]
fn of_several_suspects_the_one_that_failed_longest_ago_comes_first() {
    let mut suspects = Suspects::new();
    for address in [six(1), four(1), six(2)] {
        suspects.note(address, false);
    }
    suspects.note(six(1), false);
    let mut plan = Plan::new(suspects.list(), LIMIT);
    plan.answered(Six, &[six(1), six(2)], at(0));
    plan.answered(Four, &[four(1)], at(0));
    assert_eq!(course(&mut plan), [(0, four(1)), (250, six(2)), (500, six(1))]);
}

#[test]
fn an_answer_over_an_address_clears_it() {
    let mut suspects = Suspects::new();
    suspects.note(six(1), false);
    suspects.note(six(1), true);
    assert!(suspects.list().is_empty());
    for host in 0..100 {
        suspects.note(six(host), false);
    }
    assert_eq!(suspects.list().len(), MAX_SUSPECTS);
    assert_eq!(suspects.list().last(), Some(&six(99)));
}

#[test]
fn a_second_answer_adds_only_what_is_new() {
    let mut plan = plan(&[]);
    plan.answered(Six, &[], at(0));
    plan.answered(Four, &[four(1)], at(0));
    plan.answered(Four, &[four(1), four(2)], at(1));
    assert_eq!(course(&mut plan), [(0, four(1)), (250, four(2))]);
}

#[test]
fn an_earlier_answer_counts_after_the_grace_and_its_failure_does_not_end_the_try() {
    let mut plan = plan(&[]);
    plan.learned(Six, &[six(1)]);
    assert_eq!(plan.next(at(0)), wait_until(50));
    assert_eq!(plan.next(at(50)), Next::Begin(six(1)));
    plan.failed(six(1));
    plan.answered(Four, &[], at(51));
    assert_eq!(plan.next(at(51)), Next::Wait(None));
    plan.answered(Six, &[six(1), six(2)], at(52));
    assert_eq!(plan.next(at(52)), Next::Begin(six(2)));
}

#[test]
fn an_earlier_answer_gives_way_to_this_trys_own() {
    let mut plan = plan(&[]);
    plan.learned(Six, &[six(1)]);
    plan.learned(Four, &[four(1)]);
    plan.answered(Six, &[], at(10));
    plan.answered(Four, &[four(2)], at(10));
    assert_eq!(course(&mut plan), [(0, four(2))]);
}

#[test]
fn an_earlier_answer_comes_before_a_suspect() {
    // The name server takes its time with the one address that works.
    let mut plan = plan(&[six(1)]);
    plan.learned(Four, &[four(1)]);
    plan.answered(Six, &[six(1)], at(1));
    assert_eq!(plan.next(at(1)), wait_until(50));
    assert_eq!(plan.next(at(50)), Next::Begin(four(1)));
    assert_eq!(plan.next(at(50)), wait_until(300));
    assert_eq!(plan.next(at(300)), wait_until(7500));
}
