// SPDX-License-Identifier: MIT OR Apache-2.0
//! `seal = "pkcs11"`: an HMAC key that never leaves OP-TEE, a TPM or an HSM (contract, section 4).
//!
//! The root key is HMAC-SHA256 of a fixed text under that key. A vendor's module may crash, hang,
//! fork and print: it is loaded by a child, this program once more, which lives for one answer and
//! [`process::PATIENCE`] at most. Only `child` and `token` run there.

pub(crate) mod child;
mod process;
mod token;
mod wire;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Child;

use ring::digest::{Digest, SHA256, digest};
use zeroize::Zeroizing;

use super::{RootKey, RootKeySource, SealError};
use crate::config::Pkcs11;
use crate::system::fs::trusted;
use wire::{Answer, Request};

/// More than any token takes.
const LONGEST_PIN: usize = 1024;

/// The key that the configuration names.
pub(super) struct Source {
    config: Pkcs11,
    /// Where what the module prints goes: nowhere, or to our own standard error.
    with_stderr: bool,
    /// Whom the child becomes, if this process is root's and the daemon will not be.
    user: Option<u32>,
    /// The SHA-256 of the PIN that the token refused. Each refusal brings a token nearer to being
    /// locked, so the same PIN is not shown to it again while this process lives.
    refused: Option<Digest>,
    /// A child that not even SIGKILL has ended yet.
    stuck: Option<Child>,
    warning: Option<String>,
}

impl Source {
    pub(super) fn new(config: Pkcs11, with_stderr: bool, user: Option<u32>) -> Self {
        Self { config, with_stderr, user, refused: None, stuck: None, warning: None }
    }

    /// The PIN, without the end of its line.
    fn pin(&self) -> Result<Option<Zeroizing<Vec<u8>>>, SealError> {
        let Some(path) = &self.config.pin_file else { return Ok(None) };
        let refused = |error| SealError::Pin { source: Box::new(error) };
        let mut pin = trusted::read(path, LONGEST_PIN).map_err(refused)?;
        if pin.last() == Some(&b'\n') {
            pin.pop();
        }
        if pin.last() == Some(&b'\r') {
            pin.pop();
        }
        if pin.is_empty() {
            let message = format!("the PIN file {} is empty", path.display());
            return Err(SealError::Pkcs11(message));
        }
        Ok(Some(pin))
    }

    fn refusal(&self, why: &str) -> SealError {
        let file = self.config.pin_file.as_deref().unwrap_or(Path::new("")).display();
        SealError::Pkcs11(format!(
            "{why}; the PIN in {file} is not tried again before that file changes or tokend is \
             started anew, so that the token does not lock"
        ))
    }

    /// Nobody else may decide what runs as this user.
    fn check_module(&self) -> Result<(), SealError> {
        let module = &self.config.module;
        module.metadata().map_err(|error| {
            let module = module.display();
            SealError::NotReady(format!("the PKCS#11 module {module} cannot be had: {error}"))
        })?;
        trusted::check_ownership(module)
            .map_err(|error| SealError::Module { source: Box::new(error) })
    }

    /// A child of an earlier try that sleeps where no signal reaches it, in a driver.
    fn is_stuck(&mut self) -> bool {
        let ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        self.stuck.take_if(ended);
        self.stuck.is_some()
    }
}

impl RootKeySource for Source {
    fn name(&self) -> &'static str {
        "pkcs11"
    }

    fn root_key(&mut self, store_is_empty: bool) -> Result<RootKey, SealError> {
        self.check_module()?;
        let pin = self.pin()?;
        let fingerprint = pin.as_ref().map(|pin| digest(&SHA256, pin));
        let same = |a: &Digest, b: &Digest| a.as_ref() == b.as_ref();
        if let (Some(now), Some(refused)) = (&fingerprint, &self.refused)
            && same(now, refused)
        {
            return Err(self.refusal("the token has refused the PIN"));
        }
        let stuck = self.is_stuck();
        let module = self.config.module.display();
        if stuck {
            return Err(SealError::Pkcs11(format!(
                "the PKCS#11 module {module} still hangs in the kernel, where it cannot be ended"
            )));
        }

        let request = Request {
            parent: std::process::id(),
            user: self.user,
            generate: store_is_empty,
            module: self.config.module.clone(),
            token: self.config.token.clone(),
            key: self.config.key.clone(),
            pin,
        };
        let answer = process::ask(&request, self.with_stderr, &mut self.stuck)
            .map_err(|error| SealError::Pkcs11(format!("the PKCS#11 module {module} {error}")))?;
        let Pkcs11 { token, key, .. } = &self.config;
        match answer {
            Answer::Key { root, made } => {
                if made {
                    log::info!(
                        "the token {token:?} has made the key {key:?}, which seals the store"
                    );
                }
                self.refused = None;
                self.warning = self.config.pin_file.as_deref().and_then(readable_by_all);
                RootKey::new(root).ok_or(SealError::Pkcs11("the root key is too short".into()))
            }
            Answer::NoKey => Err(SealError::NoKey { token: token.clone(), key: key.clone() }),
            Answer::PinRefused(why) => {
                self.refused = fingerprint;
                Err(self.refusal(&why))
            }
            Answer::NotReady(why) => Err(SealError::NotReady(why)),
            Answer::Failed(why) => Err(SealError::Pkcs11(why)),
        }
    }

    fn fixed_for_this_process(&self) -> bool {
        false
    }

    fn takes_long(&self) -> bool {
        true
    }

    fn warning(&self) -> Option<String> {
        self.warning.clone()
    }
}

fn readable_by_all(path: &Path) -> Option<String> {
    let mode = path.metadata().ok()?.mode() & 0o7777;
    let path = path.display();
    (mode & 0o004 != 0).then(|| {
        format!("the PIN file {path} has mode {mode:04o}, so that everybody may read it (chmod o= {path})")
    })
}
