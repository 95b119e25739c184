// SPDX-License-Identifier: MIT OR Apache-2.0
//! Disks that fail and power that is cut, for tests.

use std::io;
use std::sync::Mutex;

use super::durable::Step;

/// What a directory's disk does from now on.
#[derive(Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    trace: Vec<Step>,
    plan: Option<Plan>,
    /// A step has failed.
    failed: bool,
}

#[derive(Clone, Copy)]
struct Plan {
    /// Steps that still succeed.
    good: usize,
    how: How,
}

/// How a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// One step fails; what follows succeeds.
    Once,
    /// Nothing happens any more, as after a power cut.
    ForEver,
}

impl Faults {
    /// Makes the step after `good` others fail.
    pub(crate) fn after(&self, good: usize, how: How) {
        self.0.lock().unwrap().plan = Some(Plan { good, how });
    }

    /// The disk works again. Whether it had failed.
    pub(crate) fn heal(&self) -> bool {
        let mut state = self.0.lock().unwrap();
        state.plan = None;
        std::mem::take(&mut state.failed)
    }

    /// The steps since the last call.
    pub(crate) fn trace(&self) -> Vec<Step> {
        std::mem::take(&mut self.0.lock().unwrap().trace)
    }

    pub(super) fn step(&self, step: Step) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.trace.push(step);
        let State { plan: slot, failed, .. } = &mut *state;
        let Some(plan) = slot else { return Ok(()) };
        if plan.good > 0 {
            plan.good -= 1;
            return Ok(());
        }
        *failed = true;
        if plan.how == How::Once {
            *slot = None;
        }
        Err(rustix::io::Errno::IO.into())
    }
}
