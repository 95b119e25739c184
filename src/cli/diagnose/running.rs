// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the running daemon says of itself. One that was stopped is not started by asking.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::bounded;
use super::causes::Symptom;
use super::step::{Level, Step};
use crate::cli::status;
use crate::client::{self, ClientError, Notice, Overview, Watcher};
use crate::common::error::chain;
use crate::common::time::WallTime;
use crate::daemon::Options;

/// The step, and whether the server throttles this device now.
pub(super) fn step(options: &Options, now: WallTime, limit: Duration) -> (Step, bool) {
    let mut step = Step::begin("status");
    let bus = options.bus.clone();
    let asked = bounded::run(limit, move || {
        let mut once = Once(None);
        client::watch(&bus, &mut once).map(|()| once.0)
    });
    let overview = match asked {
        None => return (step.late(limit), false),
        Some(Err(error)) => {
            step.fail(refused(&error), chain(&error));
            return (step.end(), false);
        }
        Some(Ok(None)) => {
            let message = format!("tokend does not run: nobody owns its name on {}", options.bus);
            step.fail(Symptom::NotRunning, message);
            return (step.end(), false);
        }
        Some(Ok(Some(overview))) => overview,
    };
    let mut throttled = false;
    for application in &overview.applications {
        let name = application.last_error.name.rsplit('.').next().unwrap_or_default();
        throttled |= name == "Throttled" && application.retry_at > now.unix_seconds();
        step.symptoms.extend(match (application.state.as_str(), name) {
            ("clock-unset", _) => Some(Symptom::ClockUnset),
            ("storage-error", _) | (_, "Storage") => Some(Symptom::DaemonStorage),
            (_, "Rejected") => Some(Symptom::Rejected),
            (_, "Throttled") => Some(Symptom::Throttled),
            (_, "Unavailable") => Some(Symptom::Unavailable),
            _ => None,
        });
    }
    for line in status::table(&overview, false, now).lines() {
        step.line(Level::Info, line);
    }
    (step.end(), throttled)
}

fn refused(error: &ClientError) -> Symptom {
    match error {
        ClientError::NoBus { .. } | ClientError::Lost(_) | ClientError::Closed => Symptom::NoBus,
        ClientError::NotRunning { .. } => Symptom::NotRunning,
        ClientError::Refused { .. } => Symptom::Policy,
        _ => Symptom::Silent,
    }
}

/// Has enough once it knows whether tokend is there, and how it is.
struct Once(Option<Overview>);

impl Watcher for Once {
    fn start(&mut self) -> io::Result<Vec<OwnedFd>> {
        Ok(Vec::new())
    }

    fn told(&mut self, notice: Notice) -> ControlFlow<()> {
        if let Notice::Here(overview) = notice {
            self.0 = Some(overview);
        }
        ControlFlow::Break(())
    }

    fn ready(&mut self, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn rest(&mut self) -> ControlFlow<(), Option<Duration>> {
        ControlFlow::Continue(None)
    }
}
