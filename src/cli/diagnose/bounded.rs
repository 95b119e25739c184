// SPDX-License-Identifier: MIT OR Apache-2.0
//! Work that may hang: a file server that is gone, a bus that says nothing.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The result of `work`, or none if it takes longer than this. A thread that hangs then ends with
/// the process, which has nothing more to wait for.
pub(super) fn run<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = mpsc::channel();
    let work = move || {
        // Nobody listens if the limit has passed.
        let _ = tell.send(work());
    };
    thread::Builder::new().name("diagnose".into()).spawn(work).ok()?;
    told.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_hangs_is_not_waited_for() {
        let (open, gate) = mpsc::channel::<()>();
        assert_eq!(run(Duration::from_millis(1), move || gate.recv().is_ok()), None);
        drop(open);
        assert_eq!(run(Duration::from_secs(60), || 7), Some(7));
    }
}
