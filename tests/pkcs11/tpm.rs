// SPDX-License-Identifier: MIT OR Apache-2.0
//! tpm2-pkcs11, on a TPM that `tests/pkcs11/tpm` has made: it gives it a token with an imported key,
//! and one without.

use std::env;

use crate::hsm::assert_storage_error;
use crate::support::scene::{CINEMA, Scene};

#[test]
#[ignore = "tests/pkcs11/tpm runs this, with a TPM"]
fn a_key_in_a_tpm_is_imported_and_seals_the_store() {
    let variable = |name: &str| env::var(name).expect("tests/pkcs11/tpm sets it");
    let mut scene = Scene::new();
    for name in ["TPM2_PKCS11_STORE", "TPM2_PKCS11_TCTI"] {
        scene.device.set_environment(name, variable(name));
    }
    for (key, value) in [
        ("seal", "pkcs11".to_owned()),
        ("pkcs11_module", variable("TOKEND_TPM_MODULE")),
        ("pkcs11_token", "without a key".to_owned()),
        ("pkcs11_key", "tokend".to_owned()),
        ("pkcs11_pin_file", "pin".to_owned()),
    ] {
        scene.device.set("storage", key, &format!("{value:?}"));
    }
    scene.device.write_config("pin", &variable("TOKEND_TPM_PIN"));

    // tpm2-pkcs11 makes no such key.
    let (tokend, player) = scene.start();
    assert_storage_error(&player, &["cannot make one", "import an HMAC-SHA256 key"]);
    assert_eq!(tokend.terminate().code(), 0);
    assert!(scene.stored().is_empty());

    scene.device.set("storage", "pkcs11_token", "\"set-top box\"");
    let (tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    assert_eq!(tokend.terminate().code(), 0);

    let connections = scene.authority.log().connections;
    let (tokend, player) = scene.start();
    assert_eq!(player.get_token(CINEMA, 0).unwrap().0, token);
    assert_eq!(scene.authority.log().connections, connections);
    assert_eq!(tokend.terminate().code(), 0);

    let options = scene.device.options();
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let ran = scene.device.run(&[&["check"], &options[..]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("key \"tokend\" in \"set-top box\": what it seals, it opens"));
}
