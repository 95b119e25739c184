// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever the files say: what is accepted is what the contract allows, and a fault says where it
//! is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::common::recipe::is_one_line;
use crate::common::secret::Secret;

/// The text of a file, read as `tokend.toml` and as one of `applications.d`.
pub fn configuration(input: &[u8]) {
    let text = |path: &str| Text { path: path.into(), bytes: input.to_vec().into() };
    let credentials = Path::new("/nonexistent/credentials");

    let mut warnings = Vec::new();
    let file = text("/nonexistent/tokend.toml");
    match read_settings(&file, Some(credentials), &mut warnings) {
        Ok(settings) => legal_settings(&settings),
        Err(faults) => mendable(&faults, &file),
    }
    assert!(warnings.iter().all(|warning| is_one_line(warning)));

    let mut warnings = Vec::new();
    let file = text("/nonexistent/applications.d/cinema.toml");
    let id: AppId = "cinema".parse().unwrap();
    match read_application(&id, &file, Some(credentials), &mut warnings) {
        Ok(application) => legal_application(&application),
        Err(faults) => mendable(&faults, &file),
    }
    assert!(warnings.iter().all(|warning| is_one_line(warning)));
}

fn legal_settings(settings: &Settings) {
    let server = &settings.server;
    assert_eq!(url::origin(&server.origin.0).as_ref(), Ok(&server.origin));
    let origin = server.origin.0.as_str();
    let loopback = ["http://127.", "http://[::1]", "http://localhost"];
    assert!(
        origin.starts_with("https://") || loopback.iter().any(|start| origin.starts_with(start))
    );
    assert!((1..=300).contains(&server.timeout.as_secs()));
    assert!((1..=86_400).contains(&server.reregister_after.as_secs()));
    if let Some(agent) = &server.user_agent {
        assert!((1..=256).contains(&agent.len()));
        assert!(agent.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && agent.trim() == agent);
    }
    let mut paths: Vec<&Path> = server.ca_file.iter().map(PathBuf::as_path).collect();
    paths.extend(settings.synchronized_files.iter().map(PathBuf::as_path));
    paths.extend(settings.device.identity_file.iter().map(PathBuf::as_path));
    match &settings.seal {
        Seal::KeyFile(file) => paths.push(&file.path),
        Seal::Pkcs11(pkcs11) => {
            paths.push(&pkcs11.module);
            paths.extend(pkcs11.pin_file.iter().map(PathBuf::as_path));
            assert!(is_one_line(&pkcs11.token) && is_one_line(&pkcs11.key));
        }
        Seal::Generated => {}
    }
    paths.into_iter().for_each(legal_path);
    for (field, value) in &settings.device.fields {
        assert_eq!(crate::device::check(*field, value), Ok(()));
    }
    assert!(settings.device.identity.is_none() || settings.device.identity_file.is_none());
    settings.reload_users.iter().for_each(legal_name);
}

fn legal_application(application: &Application) {
    legal_path(&application.statement_file);
    if let Some(name) = &application.statement_credential {
        assert!(is_one_line(name) && !name.contains('/'));
    }
    if let Some(uri) = &application.redirect_uri {
        assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()) && uri.contains(':'));
        assert!(uri.len() <= 2048);
    }
    if let Some(id) = &application.application_id {
        assert!(is_one_line(id) && id.chars().count() <= 256);
    }
    let Rules { users, groups, labels } = &application.access;
    users.iter().chain(groups).flatten().for_each(legal_name);
    assert!(labels.iter().flatten().all(|label| is_one_line(label) && label.len() <= 4095));
}

fn legal_path(path: &Path) {
    assert!(path.is_absolute() && is_one_line(path.to_str().unwrap()));
}

fn legal_name(name: &Name) {
    assert!(is_one_line(&name.text) && name.text.len() <= 256);
    assert!(name.id != Some(u32::MAX), "that is nobody in particular");
    if name.text.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(name.text.parse().ok(), name.id);
    }
}

/// Each fault names the file, and a line that it has; none shows the identity.
fn mendable(faults: &Faults, file: &Text) {
    assert!(!faults.0.is_empty());
    let lines = 1 + file.bytes.iter().filter(|byte| **byte == b'\n').count();
    for fault in &faults.0 {
        assert_eq!(fault.file, file.path);
        assert!(fault.line.is_none_or(|line| (1..=lines).contains(&line)), "{fault}");
        // A key that is left out is in no line, and of what is too deep the parser tells none.
        let nowhere = ["left out", "no TOML: recursion limit"];
        let nowhere = nowhere.iter().any(|start| fault.message.starts_with(start));
        assert!(fault.line.is_some() || nowhere, "{fault}");
        assert!(is_one_line(&fault.to_string()), "{fault:?}");
        assert!(fault.key.as_ref().is_none_or(|key| is_one_line(key)));
    }
    let text = String::from_utf8_lossy(&file.bytes);
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let identity = table.get("device").and_then(|device| device.get("identity")?.as_str());
    // One that the file has in no other place.
    let identity = identity.filter(|identity| {
        identity.len() >= 8
            && text.matches(identity).count() == 1
            && !"applications".contains(*identity)
    });
    if let Some(identity) = identity {
        assert!(!faults.to_string().contains(identity));
    }
}

/// A statement's file; and, where it has two lines, a JWT of these two as header and claims.
pub fn statement(input: &[u8]) {
    match Statement::from_bytes(input) {
        Ok(statement) => {
            let text = statement.text.expose();
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            let rest = input.iter().filter(|byte| !matches!(byte, 9..=13 | b' '));
            assert!(rest.eq(text.as_bytes()));
            assert_eq!(Statement::from_bytes(text.as_bytes()).as_ref(), Ok(&statement));
            match jwt::claims(&statement.text) {
                Ok(claims) => {
                    assert_eq!(text.matches('.').count(), 2);
                    legal_claims(&claims);
                }
                Err(error) => assert!(is_one_line(&error.to_string())),
            }
        }
        Err(offset) => {
            let byte = input[offset];
            assert!(!byte.is_ascii_graphic() && !matches!(byte, 9..=13 | b' '));
            assert!(Statement::from_bytes(&input[..offset]).is_ok());
        }
    }

    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(payload)) = (lines.next(), lines.next()) else { return };
    let encode = |json| URL_SAFE_NO_PAD.encode(json);
    let jwt = format!("{}.{}.c2ln", encode(header), encode(payload));
    let object = |json| serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(json);
    match (object(header), object(payload), jwt::claims(&Secret::new(jwt))) {
        (Ok(_), Ok(_), Ok(claims)) => legal_claims(&claims),
        (Err(_), _, Err(jwt::NotAJwt::Header)) | (Ok(_), Err(_), Err(jwt::NotAJwt::Payload)) => {}
        (_, _, claims) => panic!("{claims:?} of a header and claims that say otherwise"),
    }
}

fn legal_claims(claims: &jwt::Claims) {
    let jwt::Claims { algorithm, subject, client_name, software_id, issuer, .. } = claims;
    for text in [algorithm, subject, client_name, software_id, issuer].into_iter().flatten() {
        assert!(text.is_empty() || is_one_line(text));
        assert!(text.chars().count() <= 120);
    }
}
