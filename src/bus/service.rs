// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bus thread: one poll(2), and what follows from it. `calls` has what callers get.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::callers::{Bus, Callers, credentials};
use super::frames::Frame;
use super::link::{BACKLOG, Link, is_from_bus};
use super::lookup::Lookups;
use super::refusals::Refusals;
use super::side::{Side, Told};
use super::waiting::{HELD, Held, Waiting};
use super::wire::{CALL, ERROR, Header, RETURN, SIGNAL, parse};
use super::{
    BusAddress, BusCommand, BusError, BusEvent, CallId, NAME, Note, Queue, Snapshot, signals,
};
use crate::common::access::Groups;
use crate::common::model::AppId;
use crate::common::time::BootTime;
use crate::lifecycle::view::{CallError, ErrorName};
use crate::system::{clock, memory};

/// The way to the daemon.
pub(super) type Events = Box<dyn Fn(BusEvent) + Send + Sync>;
pub(super) type Ready = SyncSender<Result<(), BusError>>;

/// So long after the first call of a burst, what it took goes back.
const TIDY: Duration = Duration::from_secs(5);
/// Whatever is to be waited for, the kernel takes no more than this.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// The magic number of selinuxfs (statfs(2)).
const SELINUX_MAGIC: u64 = 0xf97c_ff8c;
/// Reads of full rooms before anything else has its turn.
const READS: usize = 16;
/// `RequestName`: the name or nothing.
const DO_NOT_QUEUE: u32 = 4;

pub(super) struct Service {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) events: Events,
    pub(super) queue: Arc<Queue>,
    pub(super) main: Link,
    pub(super) side: Side,
    pub(super) callers: Callers,
    pub(super) held: VecDeque<Held>,
    pub(super) waiting: Waiting,
    pub(super) lookups: Lookups,
    pub(super) refusals: Refusals,
    pub(super) reloads: Reloads,
    pub(super) machine_id: Option<String>,
    pub(super) tidy_at: Option<BootTime>,
    bus: Bus,
    /// The applications that have been announced.
    exported: Vec<AppId>,
    /// None once the name is owned.
    starting: Option<Starting>,
}

/// The reload that the daemon is told of, and the one after it, which has all callers that have
/// come meanwhile.
#[derive(Default)]
pub(super) struct Reloads {
    pub(super) running: Option<CallId>,
    /// And whether root is one of them.
    pub(super) next: Option<(CallId, bool)>,
}

/// What the bus was asked before it was served on.
struct Starting {
    ready: Ready,
    own_credentials: u32,
    name: u32,
}

/// Why the thread ends.
enum End {
    Stopped,
    Lost(String),
    NotStarted(BusError),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Lost(match error.kind() {
            io::ErrorKind::UnexpectedEof => "the bus has closed the connection".to_owned(),
            _ => format!("the connection to the bus: {error}"),
        })
    }
}

/// Runs until the bus is lost or the queue is stopped. Says once on `ready` how the start went.
pub(super) fn run(
    address: BusAddress,
    snapshot: Arc<Snapshot>,
    events: Events,
    queue: Arc<Queue>,
    ready: Ready,
) {
    let mut main = match Link::connect(&address) {
        Ok(main) => main,
        Err(source) => return drop(ready.send(Err(BusError::Connect { address, source }))),
    };
    let name = main.name.clone();
    let own_credentials = main.ask_bus("GetConnectionCredentials", "s", |body| body.string(&name));
    let name = main.ask_bus("RequestName", "su", |body| {
        body.string(NAME);
        body.u32(DO_NOT_QUEUE);
    });
    let selinux = rustix::fs::statfs("/sys/fs/selinux")
        .is_ok_and(|found| found.f_type as u64 & 0xffff_ffff == SELINUX_MAGIC);
    let mut service = Service {
        snapshot,
        events,
        queue,
        main,
        side: Side::new(address),
        callers: Callers::default(),
        held: VecDeque::new(),
        waiting: Waiting::default(),
        lookups: Lookups::default(),
        refusals: Refusals::default(),
        reloads: Reloads::default(),
        machine_id: None,
        tidy_at: None,
        bus: Bus { tells_groups: false, selinux },
        exported: Vec::new(),
        starting: Some(Starting { ready, own_credentials, name }),
    };
    let end = service.serve();
    service.stop();
    match (end, service.starting) {
        (End::Stopped, _) => {}
        (End::Lost(why), None) => (service.events)(BusEvent::Lost(why)),
        (End::Lost(why), Some(starting)) => {
            let error = BusError::Setup(io::Error::other(why));
            let _ = starting.ready.send(Err(error));
        }
        (End::NotStarted(error), starting) => {
            let _ = starting.map(|starting| starting.ready.send(Err(error)));
        }
    }
}

impl Service {
    fn serve(&mut self) -> End {
        loop {
            if let Err(end) = self.turn() {
                return end;
            }
        }
    }

    /// Does all there is to do, then waits once.
    fn turn(&mut self) -> Result<(), End> {
        let now = clock::boot();
        self.expire(now);
        loop {
            let stopped = self.read_on(now)?;
            self.main.flush()?;
            if !stopped || self.is_full() {
                break;
            }
        }
        if let Err(error) = self.side.flush() {
            let told = self.side.lost(&error);
            self.told(told, now);
        }
        if self.main.is_swollen() || !self.held.is_empty() {
            self.tidy_later(now);
        }
        let deadline = self.deadline();
        let more = !self.is_full();
        let mut fds = [
            PollFd::from_borrowed_fd(self.queue.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.main.as_fd(), self.main.interest(more)),
            // Twice the same where there is no other.
            PollFd::from_borrowed_fd(self.queue.as_fd(), PollFlags::empty()),
        ];
        let side = self.side.link();
        if let Some(link) = side {
            fds[2] = PollFd::from_borrowed_fd(link.as_fd(), link.interest(true));
        }
        let timeout = deadline.map(|deadline| timespec(deadline, now));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let [queue, main, side] = fds.map(|fd| fd.revents());
        let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        if main.intersects(readable) {
            // In a flood, many reads to one wait: a bus must not be able to fill faster than we drain.
            let mut reads = 0;
            while self.main.receive()? && reads < READS && !self.read_on(now)? {
                self.main.flush()?;
                reads += 1;
            }
        }
        if side.intersects(readable) {
            let told = self.side.receive(self.bus);
            self.told(told, clock::boot());
        }
        if queue.intersects(PollFlags::IN) {
            self.queue.drain();
            while let Some(note) = self.queue.pop() {
                match note {
                    Note::Command(command) => self.run(command),
                    Note::LookedUp(run, found) => self.looked_up(run, found, clock::boot()),
                }
            }
            if self.queue.stopped() {
                return Err(End::Stopped);
            }
        }
        Ok(())
    }

    /// Whether no further call may be taken in now.
    fn is_full(&self) -> bool {
        self.held.len() >= HELD || self.main.backlog() >= BACKLOG
    }

    /// Deals with the messages that have come; true if some are left, for lack of room.
    fn read_on(&mut self, now: BootTime) -> Result<bool, End> {
        let mut frames = std::mem::take(&mut self.main.frames);
        let mut left = true;
        while !self.is_full() {
            match frames.next().map_err(io::Error::from)? {
                None => {
                    left = false;
                    break;
                }
                Some(Frame::Message(message)) => {
                    if let Some(header) = parse(message) {
                        self.message(&header, now)?;
                    }
                }
                Some(Frame::Large(header)) => {
                    if let Some(header) = parse(header) {
                        self.large(&header);
                    }
                }
            }
        }
        frames.wipe();
        self.main.frames = frames;
        Ok(left)
    }

    fn message(&mut self, header: &Header<'_>, now: BootTime) -> Result<(), End> {
        match header.kind {
            CALL => self.call(header, now),
            RETURN | ERROR if is_from_bus(header) => self.started(header)?,
            SIGNAL if is_from_bus(header) && lost_name(header) => {
                return Err(End::Lost(format!("the bus has taken away the name {NAME}")));
            }
            _ => {}
        }
        Ok(())
    }

    /// The bus has answered what it was asked at the start.
    fn started(&mut self, answer: &Header<'_>) -> Result<(), End> {
        let Some(starting) = &self.starting else { return Ok(()) };
        if answer.reply_serial == starting.own_credentials {
            let told = credentials(answer, Bus { tells_groups: true, ..self.bus });
            let groups = told.map(|caller| caller.groups);
            self.bus.tells_groups = matches!(groups, Some(Groups::Told(_)));
            if !self.bus.tells_groups {
                log::info!(
                    "this bus does not tell the groups of its callers (dbus-daemon before 1.14): \
                     allow_groups goes by the user database"
                );
            }
        } else if answer.reply_serial == starting.name {
            let mut body = answer.body.clone();
            if answer.kind == ERROR {
                let why = body.string().unwrap_or_default().to_owned();
                return Err(End::NotStarted(BusError::NameDenied(io::Error::other(why))));
            }
            // Primary owner, or already the owner.
            if !matches!(body.u32(), Some(1 | 4)) {
                return Err(End::NotStarted(BusError::NameTaken));
            }
            self.exported = self.snapshot.ids();
            if let Some(starting) = self.starting.take()
                && starting.ready.send(Ok(())).is_err()
            {
                return Err(End::Stopped);
            }
        }
        Ok(())
    }

    /// What the bus has said of connections.
    fn told(&mut self, told: Vec<Told>, now: BootTime) {
        if !told.is_empty() {
            self.tidy_later(now);
        }
        for told in told {
            match told {
                Told::Who(name, caller) => {
                    self.callers.insert(&name, caller);
                    self.release(&name, now);
                }
                Told::Unknown(name, why) => {
                    let message = format!("the bus does not say who calls: {why}");
                    let error = CallError::new(ErrorName::Unavailable, message);
                    self.refuse_held(&name, &error);
                }
                Told::Left(name) => self.left(&name),
            }
        }
    }

    fn run(&mut self, command: BusCommand) {
        match command {
            BusCommand::Answer { call, result } => self.answer(call, result),
            BusCommand::Changed { app, before, after } => {
                signals::application_changed(&mut self.main, &app, &before, &after);
            }
            BusCommand::Added(app) => {
                // If it has gone again, `Removed` is in the queue, and takes nothing back.
                let state = self.snapshot.read();
                if let Some(application) = state.applications.get(&app)
                    && !self.exported.contains(&app)
                {
                    signals::added(&mut self.main, &app, application);
                    drop(state);
                    self.exported.push(app);
                }
            }
            BusCommand::Removed(app) => {
                let announced = self.exported.iter().position(|exported| *exported == app);
                if let Some(at) = announced {
                    self.exported.swap_remove(at);
                    signals::removed(&mut self.main, &app);
                }
                self.application_removed(&app);
            }
            BusCommand::Faults(faults) => signals::faults_changed(&mut self.main, &faults),
            BusCommand::ClockSet(set) => signals::clock_set_changed(&mut self.main, set),
            BusCommand::Ping => (self.events)(BusEvent::Pong),
        }
    }

    /// Does what has become due.
    fn expire(&mut self, now: BootTime) {
        self.end_expired(now);
        if self.refusals.deadline().is_some_and(|deadline| deadline <= now) {
            self.refusals.ended(now).iter().for_each(|line| log::warn!("{line}"));
        }
        if self.tidy_at.is_some_and(|at| at <= now) {
            self.tidy_at = None;
            if self.waiting.is_empty() {
                self.side.unwatch();
            } else {
                self.tidy_later(now);
            }
            self.main.tidy();
            self.side.tidy();
            self.waiting.tidy();
            self.held.shrink_to(0);
            memory::give_back();
        }
    }

    /// Something was allocated that will not be needed for long.
    pub(super) fn tidy_later(&mut self, now: BootTime) {
        self.tidy_at.get_or_insert_with(|| now.after(TIDY));
    }

    fn deadline(&self) -> Option<BootTime> {
        let all = [self.waiting.deadline(), self.refusals.deadline(), self.tidy_at];
        all.into_iter().flatten().min()
    }
}

fn lost_name(header: &Header<'_>) -> bool {
    header.member == "NameLost" && header.body.clone().string() == Some(NAME)
}

fn timespec(deadline: BootTime, now: BootTime) -> Timespec {
    // A millisecond more, or it would wake too early for what is due within one.
    let wait = deadline.since(now).min(LONGEST_WAIT) + Duration::from_millis(1);
    Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() }
}
