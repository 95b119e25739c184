// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be waited for.

use std::io;
use std::os::fd::BorrowedFd;

use log::Level;

use super::Wakeup;

/// Something with a file descriptor that becomes readable when there is news.
pub(super) trait Source {
    /// What to poll; none where there is nothing to wait for.
    fn fd(&self) -> Option<BorrowedFd<'_>>;

    /// Takes all the news there is, so that the descriptor is no longer ready, and reports it. To
    /// find none is no error.
    fn take(&mut self, woken: &mut Vec<Wakeup>) -> io::Result<()>;

    /// Goes on without this source, or says that this cannot be.
    fn give_up(&mut self, error: io::Error) -> io::Result<()> {
        Err(error)
    }
}

/// A source that the daemon can do without.
#[derive(Debug)]
pub(super) struct Optional<S> {
    /// What it is for, as in "cannot watch for …".
    what: &'static str,
    open: Option<fn() -> io::Result<S>>,
    source: Option<S>,
}

impl<S> Optional<S> {
    pub(super) fn none(what: &'static str) -> Self {
        Self { what, open: None, source: None }
    }

    /// Opens the source. If that fails, says so at this level.
    pub(super) fn new(what: &'static str, level: Level, open: fn() -> io::Result<S>) -> Self {
        let said = |error: &io::Error| log::log!(level, "cannot watch for {what}: {error}");
        Self { what, open: Some(open), source: open().inspect_err(said).ok() }
    }

    /// Opens the source if it is not there: what kept it from being opened may have passed.
    pub(super) fn retry(&mut self) {
        let Some(open) = self.open.filter(|_| self.source.is_none()) else { return };
        if let Ok(source) = open() {
            log::info!("watching for {} again", self.what);
            self.source = Some(source);
        }
    }

    pub(super) fn set(&mut self, source: Option<S>) {
        self.source = source;
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut S> {
        self.source.as_mut()
    }
}

impl<S: Source> Source for Optional<S> {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.source.as_ref().and_then(Source::fd)
    }

    fn take(&mut self, woken: &mut Vec<Wakeup>) -> io::Result<()> {
        self.source.as_mut().map_or(Ok(()), |source| source.take(woken))
    }

    fn give_up(&mut self, error: io::Error) -> io::Result<()> {
        log::warn!("no longer watching for {}: {error}", self.what);
        self.source = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    struct Broken(std::io::PipeReader);

    impl Source for Broken {
        fn fd(&self) -> Option<BorrowedFd<'_>> {
            Some(self.0.as_fd())
        }

        fn take(&mut self, _: &mut Vec<Wakeup>) -> io::Result<()> {
            Err(io::Error::other("broken"))
        }
    }

    #[test]
    fn an_optional_source_that_fails_is_waited_for_again_after_a_retry_and_a_vital_one_is_an_error()
    {
        let mut vital = Broken(io::pipe().unwrap().0);
        assert!(vital.give_up(io::Error::other("broken")).is_err());
        let open = || Ok(Broken(io::pipe()?.0));
        let mut optional = Optional::new("x", Level::Warn, open);
        assert!(optional.fd().is_some());
        let error = optional.take(&mut Vec::new()).unwrap_err();
        optional.give_up(error).unwrap();
        assert!(optional.fd().is_none());
        optional.take(&mut Vec::new()).unwrap();
        optional.retry();
        assert!(optional.fd().is_some());
    }

    #[test]
    fn a_source_that_cannot_be_opened_is_not_waited_for() {
        let denied = || Err::<Broken, _>(io::ErrorKind::PermissionDenied.into());
        let mut optional = Optional::new("x", Level::Info, denied);
        optional.retry();
        assert!(optional.fd().is_none());
    }
}
