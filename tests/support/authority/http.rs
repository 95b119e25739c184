// SPDX-License-Identifier: MIT OR Apache-2.0
//! As much of HTTP/1.1 as one request on one connection needs.

use std::io::{self, Read, Write};

use serde_json::Value;

const MAX_HEAD: usize = 32 * 1024;
const MAX_BODY: usize = 256 * 1024;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Head {
    pub method: String,
    /// The request target: path and query.
    pub target: String,
    /// In the order in which they came, the names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header; none too where it came twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        let value = values.next()?;
        values.next().is_none().then_some(value.1.as_str())
    }
}

/// Reads one request. `None`: the peer left before it said anything.
pub fn read(source: &mut impl Read) -> io::Result<Option<(Head, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let (head, used) = loop {
        let mut chunk = [0; 4096];
        let read = source.read(&mut chunk)?;
        if read == 0 && bytes.is_empty() {
            return Ok(None);
        }
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..read]);
        if let Some(parsed) = parse_head(&bytes)? {
            break parsed;
        }
        if bytes.len() > MAX_HEAD {
            return Err(bad("a request head of more than 32 KiB"));
        }
    };
    let mut body = bytes.split_off(used);
    if head.header("transfer-encoding").is_some() {
        return Err(bad("a body without Content-Length"));
    }
    let length = match head.header("content-length") {
        Some(length) => length.parse().map_err(|_| bad("Content-Length is no number"))?,
        None => 0,
    };
    if length > MAX_BODY {
        return Err(bad("a body of more than 256 KiB"));
    }
    let present = body.len();
    if present > length {
        return Err(bad("more than one request on a connection"));
    }
    body.resize(length, 0);
    source.read_exact(&mut body[present..])?;
    Ok(Some((head, body)))
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(used) = request.parse(bytes).map_err(bad)? else {
        return Ok(None);
    };
    let headers = request.headers.iter().map(|header| {
        let value = String::from_utf8_lossy(header.value).into_owned();
        (header.name.to_ascii_lowercase(), value)
    });
    let head = Head {
        headers: headers.collect(),
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
    };
    Ok(Some((head, used)))
}

fn bad(reason: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// `Content-Length` and `Connection: close` come by themselves unless they are here.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json;charset=UTF-8", body.to_string())
    }

    /// An error as RFC 6749 and RFC 7591 write it.
    pub fn error(status: u16, error: &str, description: &str) -> Self {
        let body = serde_json::json!({ "error": error, "error_description": description });
        Self::json(status, &body)
    }

    /// A page for a person, as proxies and gateways send it.
    pub fn html(status: u16, title: &str) -> Self {
        let page = format!("<html><head><title>{title}</title></head><body>{title}</body></html>");
        Self::new(status, "text/html", page)
    }

    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let given = |name: &str| self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        for (name, value) in &self.headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        if !given("content-length") {
            bytes.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        if !given("connection") {
            bytes.push_str("Connection: close\r\n");
        }
        bytes.push_str("\r\n");
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Writes and sends.
pub fn send(sink: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    sink.write_all(bytes)?;
    sink.flush()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 | 302 | 307 | 308 => "Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
