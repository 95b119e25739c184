// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names in the state directory. All is flat: an application's name holds neither dot nor
//! dash, so none can be taken for another.

use crate::common::model::{AppId, StatementDigest};
use crate::seal::envelope::Subject;

use crate::system::fs::durable::{ROOM, TEMPORARY};

/// What the name of a file that was put aside ends with.
pub(super) const QUARANTINE: &str = ".corrupt";

/// What the name of a file under another root key begins with, until it takes the old one's place.
const STAGED: &str = ".new-";

/// The proof that a root key is the right one.
pub(super) const KEY_CHECK: &str = "key-check";

const IDENTITY: &str = "device-identity";

/// The two copies of the credentials of a statement, the one that is written first in front.
pub(super) fn credentials(id: &AppId, digest: &StatementDigest) -> [String; 2] {
    copies(&format!("{id}.{digest}"))
}

/// The access token of an application.
pub(super) fn token(id: &AppId) -> String {
    format!("{id}.token")
}

/// The attempt record of an application.
pub(super) fn record(id: &AppId) -> String {
    format!("{id}.record")
}

/// The two copies of the device's identity.
pub(super) fn identity() -> [String; 2] {
    copies(IDENTITY)
}

/// All files that hold a subject.
pub(super) fn files(subject: &Subject) -> Vec<String> {
    match subject {
        Subject::Credentials(id, digest) => credentials(id, digest).into(),
        Subject::Token(id) => vec![token(id)],
        Subject::Record(id) => vec![record(id)],
        Subject::Identity => identity().into(),
        Subject::KeyCheck => vec![KEY_CHECK.to_owned()],
    }
}

fn copies(stem: &str) -> [String; 2] {
    [format!("{stem}.a"), format!("{stem}.b")]
}

/// The name that a file is put aside under.
pub(super) fn quarantined(name: &str) -> String {
    format!("{name}{QUARANTINE}")
}

/// The name of a file that is to take the place of `name`.
pub(super) fn staged(name: &str) -> String {
    format!("{STAGED}{name}")
}

/// Whose place a file is to take; None for all others.
pub(super) fn unstaged(name: &str) -> Option<&str> {
    let name = name.strip_prefix(STAGED)?;
    subject(name).map(|_| name)
}

/// The subject of a sealed file; None for all else.
pub(super) fn subject(name: &str) -> Option<Subject> {
    if name == KEY_CHECK {
        return Some(Subject::KeyCheck);
    }
    let (stem, kind) = name.rsplit_once('.')?;
    let application = |stem: &str| stem.parse::<AppId>().ok();
    match kind {
        "token" => application(stem).map(Subject::Token),
        "record" => application(stem).map(Subject::Record),
        "a" | "b" if stem == IDENTITY => Some(Subject::Identity),
        "a" | "b" => {
            let (id, digest) = stem.split_once('.')?;
            Some(Subject::Credentials(application(id)?, digest.parse::<StatementDigest>().ok()?))
        }
        _ => None,
    }
}

/// Whose room on the disk a file keeps.
pub(super) fn room_for(name: &str) -> Option<Subject> {
    subject(name.strip_prefix(ROOM)?)
}

/// The application that a file belongs to, one put aside, half written or kept free too.
pub(super) fn owner(name: &str) -> Option<AppId> {
    let name = name.strip_prefix(TEMPORARY).unwrap_or(name);
    let name = name.strip_prefix(ROOM).unwrap_or(name);
    let name = name.strip_suffix(QUARANTINE).unwrap_or(name);
    subject(name)?.application().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_subject_and_to_no_other() {
        let digest = StatementDigest([0xab; 32]);
        // The names most likely to be confused.
        let mut all = vec![Subject::Identity, Subject::KeyCheck];
        for id in ["a", "b", "token", "record", "identity", "corrupt", "a_b", &"x".repeat(64)] {
            let id: AppId = id.parse().unwrap();
            all.push(Subject::Credentials(id.clone(), digest));
            all.push(Subject::Token(id.clone()));
            all.push(Subject::Record(id));
        }
        let mut names = Vec::new();
        for each in &all {
            for name in files(each) {
                assert_eq!(subject(&name).as_ref(), Some(each), "{name}");
                assert_eq!(subject(&quarantined(&name)), None);
                assert_eq!(subject(&staged(&name)), None);
                assert_eq!(unstaged(&staged(&name)), Some(name.as_str()));
                assert_eq!(unstaged(&name), None);
                let owned = each.application();
                assert_eq!(owner(&name).as_ref(), owned, "{name}");
                assert_eq!(owner(&quarantined(&name)).as_ref(), owned, "{name}");
                assert_eq!(owner(&format!("{TEMPORARY}{name}")).as_ref(), owned, "{name}");
                let room = format!("{ROOM}{name}");
                assert_eq!((subject(&room), room_for(&name)), (None, None));
                assert_eq!(room_for(&room).as_ref(), Some(each));
                assert_eq!(owner(&room).as_ref(), owned, "{name}");
                assert!(TEMPORARY.len() + STAGED.len() + name.len() + QUARANTINE.len() <= 255);
                names.push(name);
            }
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn strange_names_belong_to_nobody() {
        for name in
            ["", ".", "generated-key", "cinema", "cinema.a", "cinema.XY.a", ".token", "é.token"]
        {
            assert_eq!(subject(name), None, "{name}");
            assert_eq!(owner(name), None, "{name}");
        }
    }
}
