// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known while `status --watch` runs: notices from the bus are folded into it. Pure.

use crate::client::{ClientError, Notice, Overview, Status};
use crate::common::model::AppId;

use super::keep_only;

/// What tokend shows at this moment.
pub(super) struct StatusModel {
    /// The only application that is looked at.
    only: Option<AppId>,
    /// None: tokend is not on the bus.
    pub(super) overview: Option<Overview>,
    /// Whether anything is known yet, and whether tokend has ever been there.
    known: bool,
    seen: bool,
}

/// What is new of a model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News<'a> {
    /// tokend is there.
    Here(&'a Overview),
    /// tokend is not there.
    Gone {
        /// It was there before.
        left: bool,
    },
    /// The clock is set, or is not.
    ClockSet(bool),
    /// An application has come, or has changed.
    Application(&'a Status),
    /// An application has gone.
    Removed(String),
}

impl StatusModel {
    pub(super) fn new(only: Option<AppId>) -> Self {
        Self { only, overview: None, known: false, seen: false }
    }

    /// Whether one application alone is looked at, in all its details.
    pub(super) fn details(&self) -> bool {
        self.only.is_some()
    }

    /// Whether it is known whether tokend is there.
    pub(super) fn known(&self) -> bool {
        self.known
    }

    /// Whether tokend was there once.
    pub(super) fn seen(&self) -> bool {
        self.seen
    }

    /// Takes a notice in, and says what is new by it.
    ///
    /// # Errors
    /// tokend, seen for the first time, has no such application.
    pub(super) fn fold(&mut self, notice: Notice) -> Result<Option<News<'_>>, ClientError> {
        let first = !self.known;
        match notice {
            Notice::Here(mut overview) => {
                match keep_only(&mut overview, self.only.as_ref()) {
                    Err(error) if !self.seen => return Err(error),
                    // It was there, and may come back.
                    _ => {}
                }
                (self.known, self.seen) = (true, true);
                return Ok(Some(News::Here(self.overview.insert(overview))));
            }
            Notice::Gone => {
                self.known = true;
                let left = self.overview.take().is_some();
                return Ok((left || first).then_some(News::Gone { left }));
            }
            _ => {}
        }
        let Some(overview) = &mut self.overview else { return Ok(None) };
        let looked_at = |id: &str| self.only.as_ref().is_none_or(|only| only.as_str() == id);
        let applications = &mut overview.applications;
        let place = |id: &str, applications: &[Status]| {
            applications.binary_search_by(|application| application.id.as_str().cmp(id))
        };
        Ok(match notice {
            Notice::ClockSet(set) => {
                let before = std::mem::replace(&mut overview.clock_set, set);
                (before != set).then_some(News::ClockSet(set))
            }
            Notice::Added(status) if looked_at(&status.id) => {
                let at = match place(&status.id, applications) {
                    Ok(at) if applications[at] == status => return Ok(None),
                    Ok(at) => {
                        applications[at] = status;
                        at
                    }
                    Err(at) => {
                        applications.insert(at, status);
                        at
                    }
                };
                Some(News::Application(&applications[at]))
            }
            Notice::Changed(id, changes) => {
                let Ok(at) = place(&id, applications) else { return Ok(None) };
                let before = applications[at].clone();
                changes.into_iter().for_each(|change| applications[at].apply(change));
                (applications[at] != before).then_some(News::Application(&applications[at]))
            }
            Notice::Removed(id) => {
                let Ok(at) = place(&id, applications) else { return Ok(None) };
                applications.remove(at);
                Some(News::Removed(id))
            }
            Notice::Added(_) | Notice::Here(_) | Notice::Gone => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cinema, overview};
    use super::*;
    use crate::client::Change;

    fn named(id: &str) -> Status {
        Status { id: id.into(), ..cinema() }
    }

    fn ids(model: &StatusModel) -> Vec<&str> {
        let applications = &model.overview.as_ref().unwrap().applications;
        applications.iter().map(|application| application.id.as_str()).collect()
    }

    /// A model on which `cinema` and `sports` are.
    fn model() -> StatusModel {
        let mut model = StatusModel::new(None);
        let all = overview(vec![named("cinema"), named("sports")]);
        assert!(matches!(model.fold(Notice::Here(all)), Ok(Some(News::Here(_)))));
        model
    }

    #[test]
    fn a_change_is_news_once_and_touches_nothing_else() {
        let mut model = model();
        let change = || {
            let changes = vec![Change::State("waiting".into()), Change::TokenNumber(0)];
            Notice::Changed("sports".into(), changes)
        };
        let expected = Status { state: "waiting".into(), token_number: 0, ..named("sports") };
        assert_eq!(model.fold(change()).unwrap(), Some(News::Application(&expected)));
        assert_eq!(model.fold(change()).unwrap(), None);
        assert_eq!(model.overview.unwrap().applications, [named("cinema"), expected]);
    }

    #[test]
    fn applications_come_and_go_in_the_order_of_their_names() {
        let mut model = model();
        let radio = named("radio");
        let added = model.fold(Notice::Added(radio.clone())).unwrap();
        assert_eq!(added, Some(News::Application(&radio)));
        assert_eq!(model.fold(Notice::Added(radio.clone())).unwrap(), None);
        assert_eq!(ids(&model), ["cinema", "radio", "sports"]);
        let gone = || Notice::Removed("cinema".into());
        assert_eq!(model.fold(gone()).unwrap(), Some(News::Removed("cinema".into())));
        assert_eq!(model.fold(gone()).unwrap(), None);
        assert_eq!(ids(&model), ["radio", "sports"]);
        let of_nobody = Notice::Changed("cinema".into(), vec![Change::TokenNumber(3)]);
        assert_eq!(model.fold(of_nobody).unwrap(), None);
    }

    #[test]
    fn the_clock_is_news_when_it_is_another() {
        let mut model = model();
        assert_eq!(model.fold(Notice::ClockSet(true)).unwrap(), None);
        assert_eq!(model.fold(Notice::ClockSet(false)).unwrap(), Some(News::ClockSet(false)));
    }

    #[test]
    fn tokend_leaves_once_and_comes_back_with_all_it_has() {
        let mut model = model();
        assert_eq!(model.fold(Notice::Gone).unwrap(), Some(News::Gone { left: true }));
        assert_eq!(model.fold(Notice::Gone).unwrap(), None);
        assert_eq!(model.fold(Notice::Added(named("radio"))).unwrap(), None);
        let back = overview(vec![named("radio")]);
        assert_eq!(model.fold(Notice::Here(back.clone())).unwrap(), Some(News::Here(&back)));
    }

    #[test]
    fn that_tokend_is_not_there_yet_is_news_too() {
        let mut model = StatusModel::new(None);
        assert!(!model.known());
        assert_eq!(model.fold(Notice::Gone).unwrap(), Some(News::Gone { left: false }));
        assert!(model.known() && !model.seen());
    }

    #[test]
    fn one_application_alone_is_looked_at() {
        let mut model = StatusModel::new(Some("radio".parse().unwrap()));
        let all = overview(vec![named("cinema"), named("radio")]);
        model.fold(Notice::Here(all)).unwrap();
        assert_eq!(ids(&model), ["radio"]);
        assert_eq!(model.fold(Notice::Added(named("sports"))).unwrap(), None);
        let other = Notice::Changed("cinema".into(), vec![Change::TokenNumber(3)]);
        assert_eq!(model.fold(other).unwrap(), None);
        assert_eq!(model.fold(Notice::Removed("cinema".into())).unwrap(), None);
    }

    #[test]
    fn an_application_that_has_never_been_there_is_unknown_and_one_that_was_may_return() {
        let mut model = StatusModel::new(Some("radio".parse().unwrap()));
        assert_eq!(model.fold(Notice::Gone).unwrap(), Some(News::Gone { left: false }));
        let error = model.fold(Notice::Here(overview(vec![named("cinema")]))).unwrap_err();
        assert!(matches!(error, ClientError::UnknownApplication(id) if id == "radio"));

        let mut model = StatusModel::new(Some("radio".parse().unwrap()));
        model.fold(Notice::Here(overview(vec![named("radio")]))).unwrap();
        model.fold(Notice::Gone).unwrap();
        model.fold(Notice::Here(overview(vec![named("cinema")]))).unwrap();
        assert_eq!(ids(&model), [""; 0]);
        let radio = named("radio");
        let news = model.fold(Notice::Added(radio.clone())).unwrap();
        assert_eq!(news, Some(News::Application(&radio)));
    }
}
