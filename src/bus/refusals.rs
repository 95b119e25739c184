// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the journal is told of callers who have no right: the first refusal of a user or label by
//! an application, at most 16 a day, and then how many more there were (contract, section 2).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::common::access::Caller;
use crate::common::map::Map;
use crate::common::model::AppId;
use crate::common::time::BootTime;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MOST: usize = 16;

#[derive(Default)]
pub(super) struct Refusals(Map<AppId, OfDay>);

struct OfDay {
    since: BootTime,
    /// What stands for users and labels that have been told of.
    told: Vec<u64>,
    /// Refusals of others, that have not been told of.
    more: u64,
}

impl Refusals {
    /// An application refuses a caller: the line for the journal, if it is to have one.
    pub(super) fn refuse(&mut self, app: &AppId, caller: &Caller, now: BootTime) -> Option<String> {
        if self.0.get(app).is_none_or(|of_day| of_day.is_over(now) && of_day.more == 0) {
            self.0.insert(app.clone(), OfDay { since: now, told: Vec::new(), more: 0 });
        }
        let of_day = self.0.get_mut(app)?;
        let mut hasher = DefaultHasher::new();
        (caller.uid, &caller.label).hash(&mut hasher);
        let who = hasher.finish();
        if of_day.told.contains(&who) {
            return None;
        }
        if of_day.told.len() == MOST {
            of_day.more += 1;
            return None;
        }
        of_day.told.push(who);
        Some(format!("{app}: {} may not have the token", described(caller)))
    }

    /// When there is something to be told by [`Refusals::ended`].
    pub(super) fn deadline(&self) -> Option<BootTime> {
        let open = self.0.values().filter(|of_day| of_day.more > 0);
        open.map(|of_day| of_day.since.after(DAY)).min()
    }

    /// The lines for the journal about days that are over.
    pub(super) fn ended(&mut self, now: BootTime) -> Vec<String> {
        let mut lines = Vec::new();
        let over: Vec<_> = self.0.iter().filter(|(_, of_day)| of_day.is_over(now)).collect();
        let over: Vec<_> =
            over.into_iter().map(|(app, of_day)| (app.clone(), of_day.more)).collect();
        for (app, more) in over {
            self.0.remove(&app);
            if more > 0 {
                lines.push(format!(
                    "{app}: {more} more calls of others than those {MOST} were refused in 24 h"
                ));
            }
        }
        lines
    }
}

impl OfDay {
    fn is_over(&self, now: BootTime) -> bool {
        now.since(self.since) >= DAY
    }
}

/// A caller, as a person knows it.
pub(super) fn described(caller: &Caller) -> String {
    let uid = caller.uid.map_or("an unknown user".into(), |uid| format!("uid {uid}"));
    let label = caller.label.as_deref().unwrap_or_default();
    match label.strip_suffix(&[0]).unwrap_or(label) {
        [] => uid,
        label => format!("{uid} with the label {}", label.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> Caller {
        Caller { uid: Some(uid), ..Caller::default() }
    }

    #[test]
    fn the_first_refusal_of_each_is_told_and_after_16_only_how_many_more() {
        let (mut refusals, app) = (Refusals::default(), "cinema".parse().unwrap());
        let start = BootTime(5000);
        let line = refusals.refuse(&app, &user(1000), start).unwrap();
        assert_eq!(line, "cinema: uid 1000 may not have the token");
        assert_eq!(refusals.refuse(&app, &user(1000), start), None);
        let label = Some(b"User::App::x\0".to_vec());
        let line = refusals.refuse(&app, &Caller { label, ..user(1000) }, start).unwrap();
        assert!(line.contains("uid 1000 with the label User::App::x "), "{line}");
        let told = (0..40).filter(|uid| refusals.refuse(&app, &user(*uid), start).is_some());
        assert_eq!(told.count(), 14);
        assert!(refusals.refuse(&"other".parse().unwrap(), &user(1), start).is_some());

        let end = refusals.deadline().unwrap();
        assert_eq!(end, start.after(DAY));
        assert!(refusals.ended(BootTime(end.0 - 1)).is_empty());
        let lines = refusals.ended(end);
        assert_eq!(lines, ["cinema: 26 more calls of others than those 16 were refused in 24 h"]);
        assert!(refusals.refuse(&app, &user(1000), end).is_some(), "a new day");
        assert_eq!(refusals.deadline(), None);
    }

    #[test]
    fn a_day_with_nothing_left_to_tell_wakes_nobody() {
        let (mut refusals, app) = (Refusals::default(), "cinema".parse().unwrap());
        assert!(refusals.refuse(&app, &user(1), BootTime(0)).is_some());
        assert_eq!(refusals.deadline(), None);
        assert!(refusals.refuse(&app, &user(1), BootTime(0).after(DAY)).is_some());
    }
}
