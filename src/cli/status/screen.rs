// SPDX-License-Identifier: MIT OR Apache-2.0
//! `status --watch` on a terminal: what its lines show. Pure.

use crate::client::Overview;
use crate::common::time::WallTime;

use super::model::StatusModel;
use super::{Entry, entries, heads, lines};
use crate::common::text::printable;

/// How much a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Default for Size {
    /// Of a terminal that does not say.
    fn default() -> Self {
        Self { rows: 24, columns: 80 }
    }
}

/// The lines for a terminal of this size: no more and no longer than it shows, and without
/// anything in them that it would obey.
pub(super) fn frame(model: &StatusModel, size: Size, now: WallTime) -> Vec<String> {
    let mut lines = match &model.overview {
        Some(overview) => of_tokend(overview, model.details(), size, now),
        None if model.known() => vec![lines::gone(model.seen()).to_owned()],
        None => vec!["waiting for tokend's answer".to_owned()],
    };
    lines.truncate(size.rows);
    lines.iter().map(|line| cut(&printable(line), size.columns)).collect()
}

fn of_tokend(overview: &Overview, details: bool, size: Size, now: WallTime) -> Vec<String> {
    let mut lines = heads(overview, size.columns);
    let mut entries = entries(overview, size.columns, details, now);
    let room = size.rows.saturating_sub(lines.len());
    if height(&entries) > room {
        // What an entry has besides its row is cut before any entry is left out.
        let only = entries.len() == 1;
        let more = if only { room.saturating_sub(1).max(1) } else { 1 };
        for entry in &mut entries {
            shorten(&mut entry.more, if entry.troubled || only { more } else { 0 });
        }
    }
    let mut left_out = entries.split_off(fitting(&entries, room));
    lines.extend(entries.into_iter().flat_map(|entry| [entry.rows, entry.more]).flatten());
    if !left_out.is_empty() {
        let count = left_out.len();
        left_out.retain(|entry| entry.troubled);
        let troubled = match left_out.len() {
            0 => String::new(),
            errors => format!(", {errors} of them with an error"),
        };
        lines.push(format!("… and {count} more{troubled}"));
    }
    lines
}

fn height(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.rows.len() + entry.more.len()).sum()
}

/// How many entries there is room for, with a line about the others where there are any.
fn fitting(entries: &[Entry], room: usize) -> usize {
    if height(entries) <= room {
        return entries.len();
    }
    (0..entries.len()).rev().find(|&count| height(&entries[..count]) < room).unwrap_or(0)
}

/// Keeps so many lines, and shows that there were more.
fn shorten(lines: &mut Vec<String>, count: usize) {
    if lines.len() > count {
        lines.truncate(count);
        if let Some(last) = lines.last_mut() {
            last.push_str(" …");
        }
    }
}

/// A line that takes so many columns at most.
fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    let mut cut: String = line.chars().take(columns.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, cinema, overview};
    use super::*;
    use crate::client::{LastError, Notice, Status};

    fn model(applications: Vec<Status>) -> StatusModel {
        let mut model = StatusModel::new(None);
        model.fold(Notice::Here(overview(applications))).unwrap();
        model
    }

    /// So many applications; those whose number is below `errors` have a long error.
    fn many(count: usize, errors: usize) -> Vec<Status> {
        let application = |number| {
            let mut status = Status { id: format!("app{number:02}"), ..cinema() };
            if number < errors {
                let message =
                    format!("{number} cannot connect to api.example after 15 s ").repeat(9);
                let name = "tv.tokend.Error.Unavailable".into();
                status.last_error = LastError { name, message };
            }
            status
        };
        (0..count).map(application).collect()
    }

    fn assert_fits(lines: &[String], size: Size) {
        assert!(lines.len() <= size.rows, "{} lines in {size:?}", lines.len());
        for line in lines {
            assert!(line.chars().count() <= size.columns, "{line:?} in {size:?}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn a_frame_is_the_table_where_it_fits() {
        let model = model(vec![cinema()]);
        let lines = frame(&model, Size::default(), NOW);
        assert_eq!(
            lines,
            [
                "tokend 0.1.0, sealing: key-file, clock: set",
                "ID      STATE          TOKEN  EXPIRES         NEXT TRY",
                "cinema  ready             12  in 5 h 41 min   in 2 d 3 h",
            ]
        );
    }

    #[test]
    fn whatever_there_is_fits_into_any_terminal() {
        let long = Status { id: "x".repeat(64), state: "y\u{1b}[2J".repeat(9), ..cinema() };
        for (count, errors) in [(0, 0), (1, 1), (3, 3), (9, 2), (30, 0), (60, 60)] {
            let mut applications = many(count, errors);
            applications.push(long.clone());
            for model in [model(applications), StatusModel::new(None)] {
                for rows in [0, 1, 2, 3, 4, 24, 60] {
                    for columns in [1, 2, 20, 80, 200] {
                        let size = Size { rows, columns };
                        assert_fits(&frame(&model, size, NOW), size);
                    }
                }
            }
        }
    }

    #[test]
    fn of_many_applications_the_last_line_counts_those_left_out() {
        let lines = frame(&model(many(30, 0)), Size::default(), NOW);
        assert_eq!(lines.len(), 24);
        assert!(lines[22].starts_with("app20 "), "{}", lines[22]);
        assert_eq!(lines[23], "… and 9 more");
    }

    #[test]
    fn that_some_of_those_left_out_have_errors_is_said() {
        let lines = frame(&model(many(30, 30)), Size::default(), NOW);
        // Ten applications, each with a line of its error.
        assert_eq!(lines.last().unwrap(), "… and 20 more, 20 of them with an error");
        assert!(lines[3].starts_with("  Unavailable: 0 cannot connect"), "{}", lines[3]);
        assert!(lines[3].ends_with('…'), "{}", lines[3]);
    }

    #[test]
    fn a_long_error_is_wrapped_where_there_is_room_and_else_cut() {
        let model = model(many(1, 1));
        let wrapped = frame(&model, Size { rows: 24, columns: 60 }, NOW);
        assert!(wrapped.len() > 6);
        assert!(!wrapped.last().unwrap().ends_with('…'));
        let cut = frame(&model, Size { rows: 5, columns: 60 }, NOW);
        assert_eq!(cut.len(), 5);
        assert!(cut[4].ends_with('…'), "{}", cut[4]);
    }

    #[test]
    fn one_application_shows_its_details_too() {
        let mut model = StatusModel::new(Some("cinema".parse().unwrap()));
        model.fold(Notice::Here(overview(vec![cinema()]))).unwrap();
        let lines = frame(&model, Size::default(), NOW);
        assert!(lines.contains(&"  scopes: api:client:v2".to_owned()), "{lines:?}");
    }

    #[test]
    fn a_frame_without_tokend_says_so() {
        let mut model = model(vec![cinema()]);
        model.fold(Notice::Gone).unwrap();
        let lines = frame(&model, Size::default(), NOW);
        assert_eq!(lines, ["tokend has left the bus: waiting for it"]);
        let mut model = StatusModel::new(None);
        assert_eq!(frame(&model, Size::default(), NOW), ["waiting for tokend's answer"]);
        model.fold(Notice::Gone).unwrap();
        let lines = frame(&model, Size::default(), NOW);
        assert_eq!(lines, ["tokend is not on the bus: waiting for it"]);
    }
}
