// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device as the server sees one: requests as they should be, from a client that is not tokend.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::Failure;
use crate::support::authority::Authority;
use crate::support::client::{Client, Reply};
use crate::support::statement;

pub type Headers = Vec<(String, String)>;

pub const JSON: &str = "application/json;charset=utf-8";
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A client of one server, with requests as they should be.
pub struct Device {
    pub origin: String,
    pub client: Client,
}

impl Device {
    pub fn at(authority: &Authority) -> Self {
        let client = match std::fs::read_to_string(authority.ca_file()) {
            Ok(ca) => Client::new(&ca).unwrap(),
            Err(_) => Client::plain(),
        };
        Self { origin: authority.origin(), client }
    }

    pub fn post(&self, path: &str, headers: &Headers, body: &str) -> Result<Reply, Failure> {
        let url = format!("{}{path}", self.origin);
        self.client.send("POST", &url, headers, body.as_bytes())
    }

    pub fn try_register(&self, statement: &str) -> Result<Reply, Failure> {
        let body = json!({ "software_statement": statement }).to_string();
        self.post("/o/client/register", &headers(JSON), &body)
    }

    pub fn register(&self, statement: &str) -> Reply {
        self.try_register(statement).unwrap()
    }

    pub fn token(&self, credentials: &Value) -> Reply {
        self.post("/o/client/token", &headers(FORM), &form(credentials)).unwrap()
    }

    /// Registers and fetches a token.
    pub fn access_token(&self, name: &str) -> String {
        let credentials = self.register(&statement::issue(name)).json();
        self.token(&credentials).json()["access_token"].as_str().unwrap().to_owned()
    }

    pub fn hello(&self, headers: &Headers) -> Reply {
        let url = format!("{}/api/v2/hello", self.origin);
        self.client.send("GET", &url, headers, b"").unwrap()
    }
}

pub fn device_info() -> Value {
    json!({
        "model": "Box",
        "version": "1",
        "osName": "Linux",
        "osVersion": "6.1",
        "connectionType": "LAN",
        "displayWidth": 1920,
        "connectionSecure": false,
    })
}

pub fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

pub fn headers(content_type: &str) -> Headers {
    vec![
        header("Content-Type", content_type),
        header("Accept", JSON),
        header("X-Device-Info", &STANDARD.encode(device_info().to_string())),
    ]
}

pub fn player_headers(token: &str) -> Headers {
    let fingerprint = STANDARD.encode("0123456789abcdef".repeat(4));
    vec![
        header("Authorization", &format!("Bearer {token}")),
        header("X-Device-Info", &STANDARD.encode(device_info().to_string())),
        header("AP-Device-Identifier", &format!("fingerprint {fingerprint}")),
    ]
}

pub fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub fn form(credentials: &Value) -> String {
    let field = |key: &str| encode(credentials[key].as_str().unwrap());
    let (id, secret) = (field("client_id"), field("client_secret"));
    format!("client_id={id}&client_secret={secret}&grant_type=client_credentials")
}
