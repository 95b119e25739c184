// SPDX-License-Identifier: MIT OR Apache-2.0
//! `seal = "generated"`: a key made on the first start, beside the data. It protects against
//! nothing but casual reading.

use std::path::PathBuf;

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::{MIN_KEY_LEN, RootKey, RootKeySource, SealError, key_file};
use crate::system::fs::durable::Directory;

/// Where the key is, in the state directory.
pub(super) const NAME: &str = "generated-key";

/// The state directory, in which the key is.
pub(super) struct Source(pub(super) PathBuf);

impl RootKeySource for Source {
    fn name(&self) -> &'static str {
        "generated"
    }

    fn root_key(&mut self, store_is_empty: bool) -> Result<RootKey, SealError> {
        let path = self.0.join(NAME);
        let unread = |source| SealError::Read { path: path.clone(), source };
        let directory = Directory::open(&self.0).map_err(unread)?;
        if let Some(file) = directory.open_file(NAME).map_err(unread)? {
            return key_file::read(file, &path);
        }
        if !store_is_empty {
            return Err(SealError::Lost { path });
        }

        let mut key = Zeroizing::new(vec![0; MIN_KEY_LEN]);
        SystemRandom::new().fill(&mut key).map_err(|_| SealError::NoRandom)?;
        directory.write(NAME, &key).map_err(|source| SealError::Write { path, source })?;
        Ok(RootKey(key))
    }

    fn fixed_for_this_process(&self) -> bool {
        false
    }
}
