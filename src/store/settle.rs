// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of a move to another root key (`reseal`) that was cut off.

use std::io;

use log::Level;

use super::errors::Note;
use super::names;
use crate::seal::envelope;
use crate::system::fs::durable::{Content, Directory};

/// Finishes a move or undoes it, whichever it is far enough for; `names` are those of all files.
/// What was done, where there was something.
pub(super) fn settle(files: &Directory, all: &[String]) -> io::Result<Option<Note>> {
    let staged: Vec<_> = all.iter().filter_map(|name| names::unstaged(name)).collect();
    if staged.is_empty() {
        return Ok(None);
    }
    let check = files.read(names::KEY_CHECK, envelope::MAX_LEN)?;
    let decided = matches!(check, Content::Bytes(bytes) if envelope::is_sign_of_a_move(&bytes));
    let path = files.path().display();
    if !decided {
        for name in staged {
            files.remove(&names::staged(name))?;
        }
        files.sync()?;
        let text =
            format!("{path}: undid a move to another root key that was cut off; nothing is lost");
        return Ok(Some(Note::new(Level::Warn, text)));
    }
    for name in staged.iter().filter(|name| **name != names::KEY_CHECK) {
        files.rename(&names::staged(name), name)?;
    }
    files.sync()?;
    files.rename(&names::staged(names::KEY_CHECK), names::KEY_CHECK)?;
    files.sync()?;
    let text = format!("{path}: all that is stored is sealed under another root key now");
    Ok(Some(Note::new(Level::Info, text)))
}
