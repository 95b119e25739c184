// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection: one request, and what becomes of it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::super::statement;
use super::Shared;
use super::fault::{self, Fault, Gate};
use super::http::{self, Head, Response};
use super::log::{Endpoint, Outcome, Request};
use super::rules::{self, Moment};
use super::state::State;

/// Reads the request of connection `number` and deals with it.
pub(super) fn serve(shared: &Shared, tcp: &TcpStream, number: u64, peer: SocketAddr) {
    let tls = shared.lock().tls.clone();
    let Ok(mut wire) = Wire::new(tcp, tls) else { return };
    let (head, body) = match http::read(&mut wire) {
        Ok(Some(request)) => request,
        other => {
            shared.lock().log.fruitless += 1;
            shared.changed.notify_all();
            if let Err(error) = other
                && error.kind() == io::ErrorKind::InvalidData
            {
                // Whether it arrives is the client's concern: TLS that failed carries nothing.
                let answer = Response::new(400, "text/plain", error.to_string());
                let _ = http::send(&mut wire, &answer.encode());
            }
            return;
        }
    };
    let arrival = arrive(shared, head, body, number, peer);
    let end = decide(shared, tcp, &arrival);
    // Before the answer leaves: the client's next request comes after this one's end.
    finish(shared, arrival.index, end.outcome);
    let sent = http::send(&mut wire, &end.bytes);
    if end.hang && sent.is_ok() {
        Gate::new().wait(&shared.stop, tcp);
    }
    if !end.cut {
        wire.say_goodbye();
    }
}

struct Arrival {
    /// In the log.
    index: usize,
    endpoint: Endpoint,
    head: Head,
    body: Vec<u8>,
    fault: Fault,
}

fn arrive(
    shared: &Shared,
    head: Head,
    body: Vec<u8>,
    connection: u64,
    peer: SocketAddr,
) -> Arrival {
    let endpoint = Endpoint::of(&head);
    let at = shared.clock.now();
    let mut state = shared.lock();
    let fields = fields(endpoint, &body);
    if let Some(statement) = fields.get("software_statement") {
        state.keep_secret(statement);
    }
    let application = application(&state, endpoint, &head, &fields);
    let others = state.log.requests.iter().filter(|other| {
        other.outcome == Outcome::UnderWay
            && other.application == application
            // A client that gave up has ended its request, whether or not its thread here knows.
            && state.open.get(&other.connection).is_some_and(|tcp| !fault::has_hung_up(tcp))
    });
    let request = Request {
        endpoint,
        head: head.clone(),
        body: body.clone(),
        fields,
        at_once: others.count() + 1,
        application,
        peer,
        at,
        connection,
        outcome: Outcome::UnderWay,
    };
    let admitted = state.throttle.as_mut().is_none_or(|throttle| throttle.admit(peer.ip(), at));
    let fault = if admitted { state.next_fault(endpoint) } else { Fault::throttled() };
    state.log.requests.push(request);
    let index = state.log.requests.len() - 1;
    shared.changed.notify_all();
    Arrival { index, endpoint, head, body, fault }
}

fn fields(endpoint: Endpoint, body: &[u8]) -> BTreeMap<String, String> {
    match endpoint {
        Endpoint::Token => rules::form(body).unwrap_or_default(),
        _ => serde_json::from_slice::<BTreeMap<String, Value>>(body)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
            .collect(),
    }
}

fn application(
    state: &State,
    endpoint: Endpoint,
    head: &Head,
    fields: &BTreeMap<String, String>,
) -> Option<String> {
    match endpoint {
        Endpoint::Register => {
            let claims = statement::verify(fields.get("software_statement")?).ok()?;
            rules::application_of(&claims)
        }
        Endpoint::Token => state.application_of(fields.get("client_id")?),
        Endpoint::Hello => {
            let token = head.header("authorization")?.strip_prefix("Bearer ")?;
            state.application_of(&state.tokens.get(token)?.client_id)
        }
        Endpoint::Preflight | Endpoint::Unknown => None,
    }
}

/// How a request ends.
struct End {
    outcome: Outcome,
    bytes: Vec<u8>,
    /// After the bytes, nothing happens until the client leaves.
    hang: bool,
    /// The connection breaks off after the bytes.
    cut: bool,
}

impl End {
    fn answer(response: &Response) -> Self {
        let outcome = Outcome::Answered(response.status);
        Self { outcome, bytes: response.encode(), hang: false, cut: false }
    }

    fn dropped() -> Self {
        Self { outcome: Outcome::Dropped, bytes: Vec::new(), hang: false, cut: true }
    }

    fn after(response: &Response, bytes: usize, hang: bool) -> Self {
        let mut end = Self { hang, cut: true, ..Self::answer(response) };
        end.bytes.truncate(bytes);
        end
    }
}

fn decide(shared: &Shared, tcp: &TcpStream, arrival: &Arrival) -> End {
    let mut fault = arrival.fault.clone();
    while let Fault::Behind(gate, next) = fault {
        if !gate.wait(&shared.stop, tcp) {
            return End::dropped();
        }
        fault = *next;
    }
    match fault {
        Fault::None | Fault::Behind(..) => End::answer(&good_answer(shared, arrival)),
        Fault::Answer(response) => End::answer(&readable(shared, arrival, response)),
        Fault::Late(delay) if shared.stop.pass(delay, tcp) => {
            End::answer(&good_answer(shared, arrival))
        }
        Fault::Late(_) => End::dropped(),
        Fault::Close => End::dropped(),
        Fault::CloseAfter(bytes) => End::after(&good_answer(shared, arrival), bytes, false),
        Fault::Hang => {
            Gate::new().wait(&shared.stop, tcp);
            End::dropped()
        }
        Fault::HangAfter(bytes) => End::after(&good_answer(shared, arrival), bytes, true),
        Fault::Patch(patch) => End::answer(&patched(good_answer(shared, arrival), &patch)),
    }
}

fn good_answer(shared: &Shared, arrival: &Arrival) -> Response {
    let at = Moment { now: shared.clock.now(), date: shared.clock.date() };
    let state = &mut *shared.lock();
    let response = match arrival.endpoint {
        Endpoint::Register => rules::register(state, &arrival.head, &arrival.body, at),
        Endpoint::Token => rules::token(state, &arrival.head, &arrival.body, at),
        Endpoint::Hello => rules::hello(state, &arrival.head, at),
        Endpoint::Preflight => rules::preflight(&arrival.head),
        Endpoint::Unknown => state.page(&arrival.head.target),
    };
    rules::readable(state, arrival.endpoint, &arrival.head, response)
}

/// The same answer, for the pages that may read it.
fn readable(shared: &Shared, arrival: &Arrival, response: Response) -> Response {
    rules::readable(&shared.lock(), arrival.endpoint, &arrival.head, response)
}

fn patched(mut response: Response, patch: &Value) -> Response {
    let Ok(Value::Object(mut body)) = serde_json::from_slice(&response.body) else {
        return response;
    };
    for (key, value) in patch.as_object().into_iter().flatten() {
        if value.is_null() {
            body.remove(key);
        } else {
            body.insert(key.clone(), value.clone());
        }
    }
    response.body = Value::Object(body).to_string().into_bytes();
    response
}

fn finish(shared: &Shared, index: usize, outcome: Outcome) {
    let mut state = shared.lock();
    let request = &mut state.log.requests[index];
    request.outcome = outcome;
    shared.lines.push(request.to_string());
    shared.changed.notify_all();
}

/// The connection, encrypted or not.
enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    fn new(tcp: &TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let tcp = tcp.try_clone()?;
        let Some(tls) = tls else { return Ok(Self::Plain(tcp)) };
        let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, tcp))))
    }

    /// Tells the client that no more comes, which a connection that breaks off does not.
    fn say_goodbye(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            // The client may have left already.
            let _ = stream.flush();
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
