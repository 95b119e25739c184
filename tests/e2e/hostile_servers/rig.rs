// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server that answers one request as badly as a test wants and every other one well, and the
//! trial of a daemon with it.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::authority::Authority;
use crate::support::bus::Bus;
use crate::support::player::Player;
use crate::support::tokend::{Application, Device};
use crate::support::{BOUND, statement};

pub const CINEMA: &str = "cinema";
/// The token that every good answer has; a bad one never does.
pub const GOOD: &str = "good-token";
const SECRET: &str = "good-secret-5ea1";

/// Which request is answered badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Register,
    Token,
}

pub const BOTH: [Endpoint; 2] = [Endpoint::Register, Endpoint::Token];

impl Endpoint {
    /// The JSON of a good answer.
    pub fn json(self) -> String {
        match self {
            Self::Register => format!(
                r#"{{"client_id":"good-id","client_secret":"{SECRET}","client_id_issued_at":1760000000,"redirect_uris":[],"grant_types":["client_credentials"],"scopes":["api:client:v2"]}}"#
            ),
            Self::Token => format!(
                r#"{{"id":"1","access_token":"{GOOD}","token_type":"bearer","expires_in":86400,"created_at":1760000000000}}"#
            ),
        }
    }

    /// A good answer on the wire.
    pub fn good(self) -> Vec<u8> {
        created(&self.json())
    }
}

/// A 201 with this JSON.
pub fn created(json: &str) -> Vec<u8> {
    let length = json.len();
    let head = "HTTP/1.1 201 Created\r\nContent-Type: application/json;charset=UTF-8\r\n";
    format!("{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{json}").into_bytes()
}

/// The server's side of a connection, encrypted or not.
pub trait Wire: Read + Write {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

/// What the server does instead of a good answer.
pub type Bad = Arc<dyn Fn(&mut dyn Wire) + Send + Sync>;

/// Sends these bytes and hangs up.
pub fn sends(bytes: impl Into<Vec<u8>>) -> Bad {
    let bytes = bytes.into();
    Arc::new(move |wire| {
        // Whether all of it is taken is the client's affair.
        let _ = wire.write_all(&bytes).and_then(|()| wire.flush());
    })
}

/// How a connection begins, before any request.
#[derive(Clone)]
pub enum Opening {
    Plain,
    Tls(Arc<ServerConfig>),
    /// No TLS that the client could agree on; the connection ends with it.
    Raw(Bad),
}

type Hook = Box<dyn FnMut() + Send>;

struct Shared {
    /// The first connections' openings, and that of all others.
    openings: Vec<Opening>,
    endpoint: Endpoint,
    bad: Option<Bad>,
    connections: AtomicUsize,
    requests: [AtomicUsize; 2],
    /// Done when the request after the bad one has come, before it is answered.
    hook: Mutex<Option<Hook>>,
    ended: Mutex<mpsc::Sender<()>>,
}

pub struct Server {
    address: String,
    shared: Arc<Shared>,
    /// A message for each bad answer that has come to its end.
    pub ended: Receiver<()>,
}

impl Server {
    /// The last opening is that of all further connections.
    pub fn start(openings: Vec<Opening>, endpoint: Endpoint, bad: Option<Bad>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, ended) = mpsc::channel();
        let shared = Arc::new(Shared {
            openings,
            endpoint,
            bad,
            connections: AtomicUsize::new(0),
            requests: Default::default(),
            hook: Mutex::new(None),
            ended: Mutex::new(sender),
        });
        let serving = Arc::clone(&shared);
        // Ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                thread::spawn(move || shared.connection(stream));
            }
        });
        Self { address, shared, ended }
    }

    pub fn requests(&self, endpoint: Endpoint) -> usize {
        self.shared.requests[endpoint as usize].load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn connection(&self, tcp: TcpStream) {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let last = self.openings.len() - 1;
        let mut wire: Box<dyn Wire> = match &self.openings[number.min(last)] {
            Opening::Plain => Box::new(tcp),
            Opening::Tls(config) => {
                let session = ServerConnection::new(Arc::clone(config)).unwrap();
                Box::new(StreamOwned::new(session, tcp))
            }
            Opening::Raw(bad) => {
                let mut tcp = tcp;
                let _hello = tcp.read(&mut [0; 4096]);
                return self.be_bad(bad, &mut tcp);
            }
        };
        let Ok(endpoint) = read_request(&mut *wire) else { return };
        let before = self.requests[endpoint as usize].fetch_add(1, Ordering::SeqCst);
        if endpoint == self.endpoint {
            if let (0, Some(bad)) = (before, &self.bad) {
                return self.be_bad(bad, &mut *wire);
            }
            if let Some(hook) = &mut *self.hook.lock().unwrap_or_else(PoisonError::into_inner) {
                hook();
            }
        }
        let _ = wire.write_all(&endpoint.good()).and_then(|()| wire.flush());
    }

    fn be_bad(&self, bad: &Bad, wire: &mut dyn Wire) {
        bad(wire);
        let _ = wire.tcp().shutdown(std::net::Shutdown::Both);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let _nobody_listens_any_more = ended.send(());
    }
}

fn read_request(wire: &mut dyn Wire) -> io::Result<Endpoint> {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = wire.read(&mut part)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend(&part[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
            let register = head.starts_with("POST /o/client/register ");
            return Ok(if register { Endpoint::Register } else { Endpoint::Token });
        }
    }
}

/// What a trial has shown.
pub struct Shown {
    pub server: Server,
    /// What was in the state directory when the daemon asked again after the bad answer; none where
    /// it has not asked again.
    pub stored: Option<Vec<String>>,
    /// How much the daemon's largest size has grown meanwhile, in KiB.
    pub growth: u64,
    /// What the daemon printed.
    pub output: String,
    pub expires_in: u32,
}

/// A fresh daemon meets the server; a caller asks once, and gets the good token in the end.
pub fn trial(bus: &Bus, server: Server, ca_pem: Option<&str>) -> Shown {
    let authority = Authority::http();
    let mut device = Device::of_this_build(&authority, bus);
    let scheme = if ca_pem.is_some() { "https" } else { "http" };
    device.set("server", "url", &format!("\"{scheme}://{}\"", server.address));
    // Long enough for a machine with much else to do: a good answer must never count as late.
    device.set("server", "timeout_seconds", "5");
    if let Some(pem) = ca_pem {
        device.write_config("ca.pem", pem);
        device.set("server", "ca_file", &format!("{:?}", device.config().join("ca.pem")));
    }
    device.add(&Application::new(CINEMA, &statement::issue(CINEMA))).unwrap();
    let (state, (seen, stored)) = (device.state(), mpsc::channel());
    let hook = move || drop(seen.send(files(&state)));
    *server.shared.hook.lock().unwrap() = Some(Box::new(hook));

    let tokend = device.start();
    let before = largest(tokend.id());
    let player = Player::connect(bus.address()).unwrap();
    let served = player.get_token(CINEMA, 0).or_else(|error| {
        // A 2xx may have made a client: the next registration is a minute off, or root's to ask for.
        assert_eq!(error.name, "tv.tokend.Error.Unavailable", "{error}");
        player.reload().unwrap();
        player.get_token(CINEMA, 0)
    });
    let growth = largest(tokend.id()).saturating_sub(before);
    let output = tokend.output();
    let (token, expires_in) = served.unwrap_or_else(|error| panic!("{error}\n{output}"));
    assert_eq!(token, GOOD, "{output}");
    assert!(!output.contains("bad-") && !output.contains(SECRET), "{output}");
    if server.shared.bad.is_some() {
        server.ended.recv_timeout(BOUND).expect("the daemon has hung up");
    }
    assert_eq!(tokend.terminate().code(), 0);
    assert!(files(&device.state()).iter().any(|name| name == "cinema.token"));
    Shown { stored: stored.try_recv().ok(), server, growth, output, expires_in }
}

/// The same, where the bad answer must have been refused and nothing of it stored.
pub fn nothing_is_stored(bus: &Bus, endpoint: Endpoint, bad: Bad) -> Shown {
    let shown = trial(bus, Server::start(vec![Opening::Plain], endpoint, Some(bad)), None);
    let stored = shown.stored.as_ref().expect("the daemon has asked again");
    refused(endpoint, stored);
    assert_eq!(shown.server.requests(endpoint), 2, "{}", shown.output);
    shown
}

/// Panics where there is anything that the answer could have brought.
pub fn refused(endpoint: Endpoint, stored: &[String]) {
    // The record of the attempt is there.
    assert!(stored.iter().any(|name| name == "cinema.record"), "{stored:?}");
    assert!(!stored.iter().any(|name| name == "cinema.token"), "{stored:?}");
    let copies = stored.iter().filter(|name| {
        name.starts_with("cinema.") && (name.ends_with(".a") || name.ends_with(".b"))
    });
    let expected = if endpoint == Endpoint::Register { 0 } else { 2 };
    assert_eq!(copies.count(), expected, "{stored:?}");
}

/// Runs all cases on some buses at once. Names the case that fails.
pub fn all<T: Send>(cases: Vec<(String, T)>, run: impl Fn(&Bus, T) + Sync) {
    let cases = Mutex::new(cases.into_iter());
    let next = || cases.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let bus = Bus::start().unwrap();
                while let Some((name, case)) = next() {
                    let failure = Named(name);
                    run(&bus, case);
                    drop(failure);
                }
            });
        }
    });
}

struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the case is: {}", self.0);
        }
    }
}

fn files(dir: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// The most memory that a process has ever had in use, in KiB.
fn largest(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
