// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way to the authorization server: what each step of it finds.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::bounded;
use super::causes::Symptom;
use super::checked::copy;
use super::redact::Redactor;
use super::step::{Level, Step};
use crate::common::answer::Failure;
use crate::config::{self, Server};
use crate::daemon::Options;
use crate::oauth::Context;
use crate::oauth::probe::{self, Handshake, Page, Target, TlsFault, seconds};

/// Slow enough to be worth a word.
const SLOW: Duration = Duration::from_secs(2);

pub(super) fn steps(
    options: &Options,
    throttled: bool,
    redactor: &Redactor,
    left: impl Fn(u64) -> Duration,
) -> Vec<Step> {
    let dns = Step::begin("dns");
    let options = copy(options);
    let config = bounded::run(left(2), move || config::load(&options.config).map(|it| it.settings));
    let Some(Ok(settings)) = config else {
        return vec![dns.skip("the configuration cannot be used, so there is no url to try")];
    };
    let server = settings.server;
    let Some(target) = Target::of(&server.origin) else {
        return vec![dns.skip("[server] url cannot be used")];
    };
    let is_named = redactor.redact(&server.origin.0) == server.origin.0;
    let (dns, addresses) = dns_step(dns, &target, is_named, left(7));
    let mut steps = vec![dns];
    if addresses.is_empty() {
        return steps;
    }
    let shown = target.address().is_none() || is_named;
    let (tcp, stream) = tcp(&target, &addresses, shown, left(4));
    steps.push(tcp);
    let Some(stream) = stream else { return steps };
    if target.https {
        let tls = tls(&target, &context(&server, left(6)), stream);
        let good = tls.is_good();
        steps.push(tls);
        if !good {
            return steps;
        }
    }
    let http = Step::begin("http");
    steps.push(match throttled {
        true => http.skip("nothing is asked for: the server throttles this device just now"),
        false => judged(http, target.https, probe::get(&context(&server, left(6)))),
    });
    steps
}

/// Without a word of the device.
fn context(server: &Server, timeout: Duration) -> Context {
    Context {
        origin: server.origin.clone(),
        ca_file: server.ca_file.clone(),
        timeout,
        user_agent: None,
        device_info: String::new(),
    }
}

fn dns_step(
    mut step: Step,
    target: &Target,
    is_named: bool,
    limit: Duration,
) -> (Step, Vec<SocketAddr>) {
    let name = if is_named { "https://api.auth.adobe.com" } else { "[server] url" };
    if let Some(address) = target.address() {
        return (step.skip(format!("{name} names an address")), vec![address]);
    }
    let mut addresses = Vec::new();
    let mut silent = false;
    let mut lines = Vec::new();
    for probe::Lookup { record, took, found } in probe::look_up(target, limit) {
        let took = seconds(took);
        lines.push(match found {
            Ok(found) if found.is_empty() => (Level::Info, format!("{record}: none ({took})")),
            Ok(found) => {
                let listed: Vec<_> = found.iter().map(|it| it.ip().to_string()).collect();
                addresses.extend(found);
                (Level::Ok, format!("{record}: {} ({took})", listed.join(", ")))
            }
            Err(why) => {
                silent |= why.starts_with("no answer");
                (Level::Warning, format!("{record}: {why} ({took})"))
            }
        });
    }
    lines.into_iter().for_each(|(level, line)| step.line(level, line));
    if addresses.is_empty() {
        let symptom = if silent { Symptom::DnsSilent } else { Symptom::DnsNothing };
        step.fail(symptom, format!("no address of {name} was found"));
    }
    (step.end(), addresses)
}

fn tcp(
    target: &Target,
    addresses: &[SocketAddr],
    shown: bool,
    limit: Duration,
) -> (Step, Option<TcpStream>) {
    let mut step = Step::begin("tcp");
    let mut first = None;
    let mut why = None;
    for probe::Connected { address, took, stream } in probe::connect(target, addresses, limit) {
        let family = probe::family(address.ip());
        let place = if shown { format!("{family} {}", address.ip()) } else { family.to_owned() };
        match stream {
            Ok(stream) => {
                step.line(Level::Ok, format!("{place}: connected ({})", seconds(took)));
                first = first.or(Some(stream));
            }
            Err(error) => {
                step.line(Level::Warning, format!("{place}: {error} ({})", seconds(took)));
                why = stronger(why, unconnected(&error));
            }
        }
    }
    if first.is_none() {
        step.fail(why.unwrap_or(Symptom::TcpSilent), "no connection to any address");
    }
    (step.end(), first)
}

fn unconnected(error: &io::Error) -> Symptom {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Symptom::TcpRefused,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Symptom::NoRoute,
        _ => Symptom::TcpSilent,
    }
}

/// A family that has no route says the least: the other one is what counts.
fn stronger(one: Option<Symptom>, other: Symptom) -> Option<Symptom> {
    one.filter(|one| *one != Symptom::NoRoute).or(Some(other))
}

fn tls(target: &Target, context: &Context, stream: TcpStream) -> Step {
    let mut step = Step::begin("tls");
    let Handshake { roots, chain, took, version, fault } =
        probe::handshake(target, context, stream);
    if let Ok((from, count)) = roots {
        step.line(Level::Info, format!("{count} root certificates: {from}"));
    }
    for (number, certificate) in chain.iter().enumerate() {
        step.line(Level::Info, format!("certificate {number}: {certificate}"));
    }
    match fault {
        None => {
            let version = version.unwrap_or("TLS");
            step.line(Level::Ok, format!("{version}, verified ({})", seconds(took)));
        }
        Some((kind, why)) => step.fail(
            match kind {
                TlsFault::NoRoots => Symptom::Roots,
                TlsFault::Silent => Symptom::TlsSilent,
                TlsFault::Closed => Symptom::TlsClosed,
                TlsFault::NotTls => Symptom::NotTls,
                TlsFault::Expired => Symptom::Expired,
                TlsFault::NotYetValid => Symptom::NotYetValid,
                TlsFault::UnknownIssuer => Symptom::UnknownIssuer,
                TlsFault::WrongName => Symptom::WrongName,
                TlsFault::Other => Symptom::TlsOther,
            },
            why,
        ),
    }
    step.end()
}

/// Over TLS any answer proves the way. Without, a redirect or a page may be a portal's; but the page
/// of a 429 is what the server itself sends.
fn judged(mut step: Step, https: bool, got: Result<Page, Failure>) -> Step {
    match got {
        Err(failure) => step.fail(Symptom::HttpSilent, failure.to_string()),
        Ok(Page { status, html, took }) => {
            let kind = if html { ", HTML" } else { "" };
            let line = format!("GET / was answered with {status}{kind} ({})", seconds(took));
            let portal = !https && status != 429 && (html || (300..400).contains(&status));
            if status == 429 {
                step.symptoms.push(Symptom::Throttled);
            }
            if portal {
                step.fail(Symptom::Portal, format!("{line}: a captive portal answers, perhaps"));
            } else {
                let level = if took > SLOW { Level::Warning } else { Level::Ok };
                step.line(level, line);
                if took > SLOW {
                    step.symptoms.push(Symptom::Slow);
                }
            }
        }
    }
    step.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(https: bool, status: u16, html: bool) -> Step {
        let page = Page { status, html, took: Duration::ZERO };
        judged(Step::begin("http"), https, Ok(page))
    }

    #[test]
    fn any_answer_over_tls_proves_the_way_and_without_only_one_that_is_no_portals() {
        for (https, status, html, good) in [
            (true, 200, true, true),
            (true, 302, true, true),
            (true, 429, true, true),
            (true, 500, false, true),
            (false, 404, false, true),
            (false, 429, true, true),
            (false, 302, false, false),
            (false, 200, true, false),
        ] {
            assert_eq!(step(https, status, html).is_good(), good, "{https} {status} {html}");
        }
        assert_eq!(step(false, 302, false).symptoms, [Symptom::Portal]);
        assert_eq!(step(true, 429, true).symptoms, [Symptom::Throttled]);
    }

    #[test]
    fn a_family_without_a_route_does_not_hide_what_the_other_has_found() {
        let (route, refused) = (Symptom::NoRoute, Symptom::TcpRefused);
        assert_eq!(stronger(stronger(None, route), refused), Some(refused));
        assert_eq!(stronger(stronger(None, refused), route), Some(refused));
        assert_eq!(stronger(stronger(None, route), route), Some(route));
    }
}
