// SPDX-License-Identifier: MIT OR Apache-2.0
//! Software statements (RFC 7591, section 2.3): JSON Web Tokens signed with RS256.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::rsa::KeyPair;
use ring::signature::UnparsedPublicKey;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

static KEY: LazyLock<KeyPair> = LazyLock::new(|| {
    let der = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("statement-key.pem"))
        .expect("statement-key.pem is PEM");
    KeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("statement-key.pem holds an RSA key")
});

/// A fresh statement that the authority approves of, for the application that `name` names. No two
/// are alike.
pub fn issue(name: &str) -> String {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let claims = json!({
        "iss": "https://sandbox.invalid",
        "sub": format!("{name}-{}", random_hex(8)),
        "jti": format!("{serial}-{}", random_hex(16)),
        "iat": 1_760_000_000,
        "software_id": format!("tv.tokend.sandbox.{name}"),
        "software_name": name,
    });
    sign(&claims)
}

/// A fresh statement that allows only these redirect URIs (its claim `redirect_uris`).
pub fn issue_with_redirect_uris(name: &str, uris: &[&str]) -> String {
    sign(&json!({ "software_name": name, "redirect_uris": uris, "jti": random_hex(16) }))
}

/// The statement with these claims.
pub fn sign(claims: &Value) -> String {
    let header = encode(json!({ "alg": "RS256", "typ": "JWT" }).to_string());
    let signed = format!("{header}.{}", encode(claims.to_string()));
    let mut signature = vec![0; KEY.public().modulus_len()];
    KEY.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .expect("an RSA signature");
    format!("{signed}.{}", encode(signature))
}

/// The same statement in another's name, under the old signature: the authority must refuse it.
pub fn forge(statement: &str) -> String {
    let mut parts: Vec<&str> = statement.split('.').collect();
    let claims = encode(json!({ "software_name": "forged", "sub": random_hex(8) }).to_string());
    parts[1] = &claims;
    parts.join(".")
}

/// The claims of a statement whose signature is right.
///
/// # Errors
/// What is wrong with it.
pub fn verify(statement: &str) -> Result<Value, &'static str> {
    let mut parts = statement.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("not a JWT of three parts");
    };
    if decode(header)?.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err("not signed with RS256");
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "signature is no base64url")?;
    let signed = &statement[..header.len() + 1 + claims.len()];
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, KEY.public_key().as_ref())
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "wrong signature")?;
    decode(claims)
}

/// `bytes` random bytes in hexadecimal.
pub fn random_hex(bytes: usize) -> String {
    random_bytes(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `bytes` random bytes.
pub fn random_bytes(bytes: usize) -> Vec<u8> {
    let mut random = vec![0; bytes];
    SystemRandom::new().fill(&mut random).expect("random bytes");
    random
}

fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

fn decode(part: &str) -> Result<Value, &'static str> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part is no base64url")?;
    serde_json::from_slice(&json).map_err(|_| "a part is no JSON")
}
