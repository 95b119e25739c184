// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cryptography of a request: rustls's on ring, without what reads private keys.

use std::sync::Arc;

use rustls::Error;
use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;

/// tokend shows no certificate of its own, so it never loads a key. What would do that is some
/// 30 kB of program for ARMv7, which the linker leaves out where nothing refers to it.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("tokend has no private keys".into()))
    }
}

/// What TLS is made of.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { key_provider: &NoKeys, ..ring::default_provider() })
}
