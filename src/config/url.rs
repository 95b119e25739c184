// SPDX-License-Identifier: MIT OR Apache-2.0
//! The authorization server's address: an origin (RFC 6454) and nothing more, in one normal
//! form, so that two of them compare by their text. Secrets go over https, or to a loopback
//! address.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::common::model::Origin;

const DEFAULT: &str = "https://api.auth.adobe.com";

const LEGAL: &str = "https://HOST or https://HOST:PORT; \
                     http only to 127.0.0.0/8, [::1] or localhost";

/// The production server of Adobe Pass.
pub(super) fn default() -> Origin {
    Origin(DEFAULT.to_owned())
}

/// Reads an origin. The error says what was found and what is legal; it never repeats user
/// information or a query, which may hold a password.
pub(super) fn origin(text: &str) -> Result<Origin, String> {
    parse(text).map_err(|found| format!("{found}; legal: {LEGAL}"))
}

fn parse(text: &str) -> Result<Origin, String> {
    if text.chars().any(|c| !c.is_ascii_graphic()) {
        return Err("found white space, or what is no ASCII".into());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("found no \"https://\" at its start".into());
    };
    let secure = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err("found another scheme than https or http".into()),
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("found a user name or password".into());
    }
    match tail.as_bytes() {
        [] | [b'/'] => {}
        [b'?', ..] => return Err("found a query".into()),
        [b'#', ..] => return Err("found a fragment".into()),
        _ => return Err("found a path".into()),
    }
    let (host, port) = split_port(authority)?;
    let host = Host::parse(host)?;
    if !secure && !host.loopback {
        return Err(format!("found http to {}, which is no loopback address", host.text));
    }
    let scheme = if secure { "https" } else { "http" };
    let default_port = if secure { 443 } else { 80 };
    let port = port.map(parse_port).transpose()?.filter(|port| *port != default_port);
    Ok(Origin(match port {
        Some(port) => format!("{scheme}://{}:{port}", host.text),
        None => format!("{scheme}://{}", host.text),
    }))
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), String> {
    // The colons of an IPv6 address stand within brackets.
    let end = if authority.starts_with('[') {
        authority.find(']').ok_or("found a \"[\" without its \"]\"")?
    } else {
        0
    };
    let (address, rest) = authority.split_at(end);
    match rest.split_once(':') {
        Some((name, port)) => Ok((&authority[..address.len() + name.len()], Some(port))),
        None => Ok((authority, None)),
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(port @ 1..) if digits => Ok(port),
        _ => Err("found a port that is none of 1 to 65535".into()),
    }
}

struct Host {
    text: String,
    loopback: bool,
}

impl Host {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("found no host".into());
        }
        if let Some(bracketed) = text.strip_prefix('[') {
            let address = bracketed.strip_suffix(']').and_then(|a| a.parse::<Ipv6Addr>().ok());
            let address = address.ok_or("found a host that is no IPv6 address")?;
            return Ok(Self { text: format!("[{address}]"), loopback: address.is_loopback() });
        }
        let text = text.to_ascii_lowercase();
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self { text, loopback: address.is_loopback() });
        }
        if text.len() > 253 || !text.split('.').all(legal_label) {
            return Err("found a host that is no legal name".into());
        }
        // Some resolvers take "127.1" and "0x7f.1" for addresses.
        if text
            .rsplit('.')
            .next()
            .is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()))
        {
            return Err("found a host that is no IPv4 address".into());
        }
        let loopback = text == "localhost";
        Ok(Self { text, loopback })
    }
}

fn legal_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_normal_form() {
        for (text, normal) in [
            (DEFAULT, DEFAULT),
            ("https://API.Auth.Adobe.com/", DEFAULT),
            ("HTTPS://api.auth.adobe.com:443", DEFAULT),
            ("https://api.auth.adobe.com:0443/", DEFAULT),
            ("https://example.org:8443", "https://example.org:8443"),
            ("https://example.org:80", "https://example.org:80"),
            ("http://localhost:80/", "http://localhost"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.255.1.2", "http://127.255.1.2"),
            ("http://[::1]:443", "http://[::1]:443"),
            ("https://[2001:DB8:0:0::1]:443", "https://[2001:db8::1]"),
            ("https://[::ffff:1.2.3.4]", "https://[::ffff:1.2.3.4]"),
            ("https://192.0.2.1", "https://192.0.2.1"),
            ("https://sp_staging.example", "https://sp_staging.example"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(origin(text), Ok(Origin(normal.into())), "{text}");
            assert_eq!(origin(normal), Ok(Origin(normal.into())), "{normal}");
        }
    }

    #[test]
    fn anything_but_an_origin_is_refused_with_what_was_found() {
        for (text, found) in [
            ("", "found no \"https://\" at its start"),
            ("api.auth.adobe.com", "found no \"https://\" at its start"),
            ("https:/a", "found no \"https://\" at its start"),
            ("ftp://a", "found another scheme than https or http"),
            (" https://a", "found white space, or what is no ASCII"),
            ("https://a b", "found white space, or what is no ASCII"),
            ("https://a\n", "found white space, or what is no ASCII"),
            ("https://bücher.example", "found white space, or what is no ASCII"),
            ("https://", "found no host"),
            ("https:///", "found no host"),
            ("https://:443", "found no host"),
            ("https://a/o/client", "found a path"),
            ("https://a//", "found a path"),
            ("https://a?b", "found a query"),
            ("https://a/?b", "found a path"),
            ("https://a#b", "found a fragment"),
            ("https://u:p@a", "found a user name or password"),
            ("https://a@b@c", "found a user name or password"),
            ("https://a:", "found a port that is none of 1 to 65535"),
            ("https://a:0", "found a port that is none of 1 to 65535"),
            ("https://a:65536", "found a port that is none of 1 to 65535"),
            ("https://a:+80", "found a port that is none of 1 to 65535"),
            ("https://a:000080", "found a port that is none of 1 to 65535"),
            ("https://a:1:2", "found a port that is none of 1 to 65535"),
            ("https://[::1", "found a \"[\" without its \"]\""),
            ("https://[::1]x", "found a host that is no IPv6 address"),
            ("https://[::1%eth0]", "found a host that is no IPv6 address"),
            ("https://[127.0.0.1]", "found a host that is no IPv6 address"),
            ("https://::1", "found no host"),
            ("https://a..b", "found a host that is no legal name"),
            ("https://a.b.", "found a host that is no legal name"),
            ("https://-a", "found a host that is no legal name"),
            ("https://a\\b", "found a host that is no legal name"),
            ("https://a%41", "found a host that is no legal name"),
            ("https://127.1", "found a host that is no IPv4 address"),
            ("https://256.1.1.1", "found a host that is no IPv4 address"),
            ("https://0x7f000001", "found a host that is no IPv4 address"),
            ("http://example.org", "found http to example.org, which is no loopback address"),
            ("http://0.0.0.0", "found http to 0.0.0.0, which is no loopback address"),
            ("http://128.0.0.1", "found http to 128.0.0.1, which is no loopback address"),
            ("http://[::]", "found http to [::], which is no loopback address"),
            (
                "http://[::ffff:127.0.0.1]",
                "found http to [::ffff:127.0.0.1], which is no loopback address",
            ),
            (
                "http://localhost.example",
                "found http to localhost.example, which is no loopback address",
            ),
        ] {
            assert_eq!(origin(text), Err(format!("{found}; legal: {LEGAL}")), "{text}");
        }
    }
}
