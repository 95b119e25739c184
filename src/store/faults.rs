//! Disks that fail and power that is cut, for tests.

use std::io;
use std::sync::Mutex;

use super::files::Step;

/// What a directory's disk does from now on.
#[derive(Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    trace: Vec<Step>,
    plan: Option<Plan>,
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
        let spent = state.plan.take();
        // A plan that failed once took itself away.
        spent.is_none_or(|plan| plan.good == 0 && plan.how == How::ForEver)
    }

    /// The steps since the last call.
    pub(crate) fn trace(&self) -> Vec<Step> {
        std::mem::take(&mut self.0.lock().unwrap().trace)
    }

    pub(super) fn step(&self, step: Step) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.trace.push(step);
        let Some(plan) = &mut state.plan else { return Ok(()) };
        if plan.good > 0 {
            plan.good -= 1;
            return Ok(());
        }
        if plan.how == How::Once {
            state.plan = None;
        }
        Err(rustix::io::Errno::IO.into())
    }
}
