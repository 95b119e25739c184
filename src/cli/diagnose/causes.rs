// SPDX-License-Identifier: MIT OR Apache-2.0
//! From what was seen to what it most likely comes from, and what to do. Pure.

use serde::Serialize;

/// What a step has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symptom {
    /// A step took too long.
    TimedOut(&'static str),
    ClockUnset,
    Configuration,
    Seal,
    WrongKey,
    State,
    Statement,
    Identity,
    /// Root certificates cannot be used.
    Roots,
    /// Any other error of `check`.
    Check,
    NoBus,
    NotRunning,
    /// The bus lets nobody ask.
    Policy,
    /// tokend does not answer.
    Silent,
    NoUnit,
    NoPolicy,
    DaemonStorage,
    Rejected,
    Throttled,
    Unavailable,
    DnsNothing,
    DnsSilent,
    NoRoute,
    TcpRefused,
    TcpSilent,
    TlsSilent,
    TlsClosed,
    NotTls,
    Expired,
    NotYetValid,
    UnknownIssuer,
    WrongName,
    TlsOther,
    HttpSilent,
    Portal,
    Slow,
}

/// A cause, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Cause {
    pub(super) cause: &'static str,
    pub(super) remedy: &'static str,
}

/// How many are said.
const MOST: usize = 3;

/// How likely a cause is, the greatest first: what this device itself says is surer than what is
/// concluded from a distance.
type Rank = u8;

macro_rules! causes {
    ($($name:ident: $cause:literal, $remedy:literal;)*) => {
        $(const $name: Cause = Cause { cause: $cause, remedy: $remedy };)*
    };
}

causes! {
    CONFIGURATION: "the configuration is faulty",
        "correct the file and line named under check, then run tokend check";
    CLOCK: "the clock of this device is not set or wrong, so no certificate can be judged",
        "set it, or let it be set from the network (NTP), then look again";
    SEAL: "the root key cannot be had",
        "see the seal under check; do not empty the state directory: that signs all viewers out";
    WRONG_KEY: "the root key is not the one that sealed what is stored",
        "bring the right key back; do not empty the state directory: that signs all viewers out";
    STATE: "the state directory cannot be used by the user that runs tokend",
        "see the state under check and files: give it to that user, mode 0700";
    DISK: "the disk is full, read-only or failing, or the root key was lost",
        "see the error under status, free space or bring the key back; delete nothing in the state directory";
    STATEMENT: "a software statement cannot be used",
        "see the statement under check, and put the file of the programmer in its place";
    IDENTITY: "the identity or the device data cannot be used",
        "see identity and device under check";
    ROOTS: "the root certificates cannot be used",
        "see the server under check: install ca-certificates again, or correct [server] ca_file";
    CHECK: "tokend check finds an error",
        "see the error under check";
    NO_BUS: "the message bus does not run, or is another one",
        "systemctl status dbus; or name the right bus with --bus";
    STOPPED: "tokend is stopped, or ends as soon as it starts",
        "systemctl start tokend, then systemctl status tokend and the lines under journal";
    NO_UNIT: "tokend is not installed as a service",
        "install tokend.service (or an init script), and start it";
    NO_POLICY: "the bus policy does not let tokend own its name",
        "install tv.tokend.conf for the user that runs tokend, then restart the bus or the device";
    POLICY: "the bus lets this user not ask tokend",
        "run it as root, or see the bus policy under installed";
    HANGS: "tokend or the bus hangs",
        "systemctl restart tokend, and report the lines under journal";
    LATE: "something of this device does not answer: a disk, a file server or a user directory",
        "see the step that took too long";
    REJECTED: "the server refuses the software statement or the credentials",
        "see the error under status, and ask the programmer whether the statement is still approved";
    THROTTLED: "the server throttles this household: too many requests from its address",
        "wait some minutes; look for an application or a device that asks in a loop";
    NO_CABLE: "this device has no network",
        "connect cable or Wi-Fi, and look for an address and a default route (ip route)";
    NO_IP_SIX: "the network has no route for the family of addresses that the server has",
        "look at the router: IPv4 and IPv6 by themselves";
    DNS: "the name server does not answer, or knows no name",
        "see /etc/resolv.conf, and try another name server in the router";
    BLOCKED: "a firewall, a filter or parental control of this network blocks the server",
        "try another network, as a phone's; then allow the server in the router";
    URL: "[server] url names a wrong server or port",
        "compare it with what the programmer has given; without it tokend asks Adobe Pass itself";
    DOWN: "the server is down or overloaded",
        "wait, and look at the status page of the service; tokend asks again by itself";
    PORTAL: "a captive portal answers in place of the server",
        "open any page in a browser on this network, and sign in there";
    PROXY: "a proxy or security product opens encrypted connections in between",
        "see the issuer under tls: take the device out of that inspection, or add its root to ca_file";
    OLD_ROOTS: "the root certificates of this device are too old, or ca_file is not that of the server",
        "update ca-certificates or the file named in [server] ca_file";
    SERVER_CERTIFICATE: "the certificate of the server itself is wrong or out of date",
        "see the certificates under tls, and report them to whoever runs the server";
    SLOW: "the way to the server is slow",
        "try another network; raise [server] timeout_seconds if it stays so";
    UNAVAILABLE: "the network or the server failed at the last try of tokend, and works now",
        "wait for the next try, or let an application ask";
}

/// The likeliest causes of what was seen, the likeliest first.
pub(super) fn causes(symptoms: &[Symptom]) -> Vec<Cause> {
    let seen = |symptom| symptoms.contains(&symptom);
    let mut ranked: Vec<(Rank, Cause)> =
        symptoms.iter().flat_map(|symptom| of(*symptom, &seen)).collect();
    ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    let mut causes: Vec<Cause> = Vec::new();
    for (_, cause) in ranked {
        if causes.len() < MOST && !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}

/// Of one symptom, in the light of the others.
fn of(symptom: Symptom, seen: &impl Fn(Symptom) -> bool) -> Vec<(Rank, Cause)> {
    use Symptom as S;
    let stopped = seen(S::NotRunning);
    match symptom {
        S::Configuration => vec![(99, CONFIGURATION)],
        S::ClockUnset => vec![(98, CLOCK)],
        S::WrongKey => vec![(97, WRONG_KEY)],
        S::Seal => vec![(96, SEAL)],
        S::State => vec![(95, STATE)],
        S::DaemonStorage => vec![(94, DISK)],
        S::Statement => vec![(93, STATEMENT)],
        S::Identity => vec![(92, IDENTITY)],
        S::Roots => vec![(91, ROOTS)],
        S::Check => vec![(90, CHECK)],
        S::NoBus => vec![(85, NO_BUS), (30, STOPPED)],
        S::NoPolicy if stopped => vec![(84, NO_POLICY)],
        S::NoUnit if stopped => vec![(83, NO_UNIT)],
        S::NotRunning => vec![(82, STOPPED)],
        S::NoPolicy | S::NoUnit => vec![],
        S::Policy => vec![(81, POLICY)],
        S::Silent | S::TimedOut("status") => vec![(80, HANGS)],
        S::TimedOut(_) => vec![(75, LATE)],
        S::Rejected => vec![(70, REJECTED)],
        S::Throttled => vec![(69, THROTTLED)],
        S::NoRoute => vec![(60, NO_CABLE), (40, NO_IP_SIX), (20, BLOCKED)],
        S::DnsNothing => vec![(60, NO_CABLE), (50, DNS), (40, URL)],
        S::DnsSilent => vec![(60, DNS), (50, NO_CABLE), (40, BLOCKED)],
        S::TcpRefused => vec![(60, DOWN), (50, URL), (40, BLOCKED)],
        S::TcpSilent => vec![(60, BLOCKED), (50, DOWN), (40, URL)],
        S::NotTls => vec![(60, PORTAL), (50, URL), (40, PROXY)],
        S::UnknownIssuer => vec![(60, PROXY), (55, PORTAL), (50, OLD_ROOTS)],
        S::WrongName => vec![(60, PORTAL), (55, URL), (50, PROXY)],
        S::Expired => vec![(60, SERVER_CERTIFICATE), (55, CLOCK), (50, PORTAL)],
        S::NotYetValid => vec![(60, CLOCK), (50, SERVER_CERTIFICATE), (40, PORTAL)],
        S::TlsSilent => vec![(60, DOWN), (50, BLOCKED), (40, PORTAL)],
        S::TlsClosed => vec![(60, BLOCKED), (50, PORTAL), (40, DOWN)],
        S::TlsOther => vec![(60, PROXY), (50, PORTAL), (40, SERVER_CERTIFICATE)],
        S::HttpSilent => vec![(60, DOWN), (50, BLOCKED), (40, SLOW)],
        S::Portal => vec![(60, PORTAL), (50, URL), (40, PROXY)],
        S::Slow => vec![(35, SLOW), (30, DOWN)],
        S::Unavailable => vec![(25, UNAVAILABLE)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Symptom as S;

    #[test]
    fn each_situation_has_its_likeliest_causes_in_their_order() {
        let table: &[(&[Symptom], &[Cause])] = &[
            (&[], &[]),
            (&[S::NoUnit, S::NoPolicy], &[]),
            (&[S::Configuration, S::NotRunning], &[CONFIGURATION, STOPPED]),
            (&[S::NotRunning, S::NoPolicy], &[NO_POLICY, STOPPED]),
            (&[S::NotRunning, S::NoUnit, S::NoPolicy], &[NO_POLICY, NO_UNIT, STOPPED]),
            (&[S::NoBus], &[NO_BUS, STOPPED]),
            (&[S::WrongKey, S::DaemonStorage], &[WRONG_KEY, DISK]),
            (&[S::NoRoute], &[NO_CABLE, NO_IP_SIX, BLOCKED]),
            (&[S::Unavailable, S::DnsNothing], &[NO_CABLE, DNS, URL]),
            (&[S::DnsSilent], &[DNS, NO_CABLE, BLOCKED]),
            (&[S::TcpRefused], &[DOWN, URL, BLOCKED]),
            (&[S::TcpSilent], &[BLOCKED, DOWN, URL]),
            (&[S::UnknownIssuer], &[PROXY, PORTAL, OLD_ROOTS]),
            (&[S::WrongName], &[PORTAL, URL, PROXY]),
            (&[S::Expired], &[SERVER_CERTIFICATE, CLOCK, PORTAL]),
            // A clock that is known to be wrong comes first.
            (&[S::ClockUnset, S::Expired], &[CLOCK, SERVER_CERTIFICATE, PORTAL]),
            (&[S::NotYetValid], &[CLOCK, SERVER_CERTIFICATE, PORTAL]),
            (&[S::NotTls], &[PORTAL, URL, PROXY]),
            (&[S::TlsSilent], &[DOWN, BLOCKED, PORTAL]),
            (&[S::Portal], &[PORTAL, URL, PROXY]),
            (&[S::HttpSilent], &[DOWN, BLOCKED, SLOW]),
            (&[S::Throttled], &[THROTTLED]),
            (&[S::Rejected, S::Unavailable], &[REJECTED, UNAVAILABLE]),
            (&[S::Seal, S::Seal, S::Seal], &[SEAL]),
            (&[S::Configuration, S::Seal, S::State, S::TcpRefused], &[CONFIGURATION, SEAL, STATE]),
        ];
        for (symptoms, wanted) in table {
            assert_eq!(causes(symptoms), *wanted, "{symptoms:?}");
        }
    }

    #[test]
    fn a_way_that_ends_has_three_causes_whatever_ends_it() {
        for symptom in [
            S::DnsNothing,
            S::DnsSilent,
            S::NoRoute,
            S::TcpRefused,
            S::TcpSilent,
            S::TlsSilent,
            S::TlsClosed,
            S::NotTls,
            S::Expired,
            S::NotYetValid,
            S::UnknownIssuer,
            S::WrongName,
            S::TlsOther,
            S::HttpSilent,
            S::Portal,
        ] {
            assert_eq!(causes(&[symptom]).len(), MOST, "{symptom:?}");
        }
    }

    #[test]
    fn no_remedy_for_a_lost_key_advises_to_delete_what_is_stored() {
        for Cause { remedy, .. } in [SEAL, WRONG_KEY, STATE, DISK] {
            assert!(!remedy.contains("delete") || remedy.contains("delete nothing"), "{remedy}");
            assert!(!remedy.contains("empty") || remedy.contains("do not empty"), "{remedy}");
        }
    }
}
