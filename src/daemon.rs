// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon: waits for events, lets the lifecycle decide, runs its actions. The only file that
//! knows everyone.

mod changes;
mod error;
mod faults;
mod publish;
mod reload;
mod requests;
mod storage;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use crate::bus::{self, Bus, BusAddress, BusCommand, BusEvent, Snapshot};
use crate::common::answer::{AccessToken, Failure};
use crate::common::error::chain;
use crate::common::map::Map;
use crate::common::model::{AppId, Credentials};
use crate::common::time::{BootId, BootTime, Now};
use crate::config::{self, Application, Settings, Source, Statement};
use crate::device::DeviceInfo;
use crate::lifecycle::view::{AppView, CallError, ErrorName};
use crate::lifecycle::{Action, Desired, Event, Lifecycle, Policy, RequestId, Servers};
use crate::seal::{self, RootKey, SealError};
use crate::store::StateDir;
use crate::system::clock::{self, TimeSync};
use crate::system::events::{EventLoop, Waker, Wakeup};
use crate::system::notify::Notifier;
use crate::system::{logging, memory, process};
pub use error::RunError;
use storage::Storage;

/// What `tokend run` was told on its command line.
#[derive(Debug)]
pub struct Options {
    /// Where the configuration is.
    pub config: Source,
    /// Where the state is kept.
    pub state: PathBuf,
    /// What stands before every path of the device data.
    pub root: PathBuf,
    /// The bus to serve on.
    pub bus: BusAddress,
}

/// Runs until it is told to end, in a process that has no other thread yet and has called
/// [`crate::system::events::block_signals`].
///
/// # Errors
/// Whatever keeps it from starting or from going on; [`RunError::exit_code`] says how to end.
pub fn run(options: Options) -> Result<(), RunError> {
    memory::share_heap();
    logging::start(logging::Target::Auto, log::LevelFilter::Info);
    process::harden().map_err(RunError::Harden)?;
    if !options.root.is_dir() {
        return Err(RunError::Root(options.root));
    }
    let config = config::load(&options.config).map_err(RunError::Config)?;
    logging::start(config.settings.log.target, config.settings.log.level);
    let mut daemon = Daemon::start(options, config)?;
    let ended = daemon.serve();
    daemon.notifier.stopping();
    ended
}

/// Everything that comes to the main thread from other threads.
enum Message {
    Bus(BusEvent),
    /// What a slow source of root keys has answered.
    RootKey(Result<RootKey, SealError>),
    Registered {
        app: AppId,
        request: RequestId,
        result: Result<Credentials, Failure>,
    },
    Fetched {
        app: AppId,
        request: RequestId,
        result: Result<AccessToken, Failure>,
    },
}

/// The way for other threads to send [`Message`].
#[derive(Clone)]
struct MessageSender {
    sender: Sender<Message>,
    waker: Waker,
}

impl MessageSender {
    fn send(&self, message: Message) {
        // The receiver is gone only when the process ends.
        if self.sender.send(message).is_ok() {
            self.waker.wake();
        }
    }
}

struct Daemon {
    options: Options,
    settings: Settings,
    applications: Map<AppId, Application>,
    statements: Map<AppId, Result<Statement, String>>,
    faults: faults::InForce,
    time_sync: TimeSync,
    life: Lifecycle,
    storage: Storage,
    device: DeviceInfo,
    network: Vec<String>,
    watch: EventLoop,
    inbox: Receiver<Message>,
    messages: MessageSender,
    notifier: Notifier,
    snapshot: Arc<Snapshot>,
    views: Map<AppId, Arc<AppView>>,
    started: BootTime,
    /// None until the start is over.
    bus: Option<Bus>,
    /// Answers are sent after the changes that they rest on.
    answers: Vec<BusCommand>,
    status: String,
    /// Set when the process is to be started anew.
    start_anew: bool,
}

impl Daemon {
    fn start(options: Options, config: config::Config) -> Result<Self, RunError> {
        for warning in &config.warnings {
            log::warn!("{warning}");
        }
        for fault in &config.faults {
            log::error!("{fault}; the application is left out");
        }
        let notifier = Notifier::from_env();
        let mut watch = EventLoop::new().map_err(RunError::Watch)?;
        watch.set_watchdog(notifier.watchdog_interval()).map_err(RunError::Watch)?;
        let dir = Arc::new(StateDir::lock(&options.state).map_err(RunError::Lock)?);
        let source = seal::source(&config.settings.seal, dir.path());
        if source.name() == "generated" {
            log::warn!(
                "the root key lies beside the data it seals (seal = \"generated\"): this protects \
                 against nothing but casual reading, and is for development"
            );
        }
        let snapshot = Arc::new(Snapshot::new(env!("CARGO_PKG_VERSION"), source.name()));
        snapshot.set_reload_users(config.settings.reload_users.clone());
        let time_sync = TimeSync(config.settings.synchronized_files.clone());
        let boot_id = clock::boot_id().unwrap_or_else(|error| {
            log::warn!("no boot id, so a token does not survive a restart: {error}");
            BootId(format!("unknown-{:016x}", storage::random_seed()))
        });
        let now = clock::now(&time_sync);
        let policy = policy(&config.settings);
        let life = Lifecycle::new(policy, boot_id, now, storage::random_seed());
        let (sender, inbox) = mpsc::channel();
        let messages = MessageSender { sender, waker: watch.waker() };
        let mut daemon = Self {
            storage: Storage::new(dir, source, config.faulty),
            network: crate::device::network_fingerprint(&options.root),
            device: crate::device::collect(&options.root, &config.settings.device),
            options,
            settings: config.settings,
            applications: config.applications,
            statements: Map::new(),
            faults: faults::InForce::new(config.file, &config.faults),
            started: now.boot,
            time_sync,
            life,
            watch,
            inbox,
            messages,
            notifier,
            snapshot,
            views: Map::new(),
            bus: None,
            answers: Vec::new(),
            status: String::new(),
            start_anew: false,
        };
        daemon.watch_files();
        // The device's data are there whether or not the store can be opened.
        daemon.refresh_faces();
        for warning in daemon.device.warnings() {
            log::warn!("{warning}");
        }
        daemon.judge_roots();
        let ids: Vec<_> = daemon.applications.keys().cloned().collect();
        for id in ids {
            daemon.read_statement(&id);
        }
        daemon.feed(Event::Tick);
        daemon.publish();
        let messages = daemon.messages.clone();
        let events = move |event| messages.send(Message::Bus(event));
        let bus = bus::start(&daemon.options.bus, Arc::clone(&daemon.snapshot), events);
        daemon.bus = Some(bus.map_err(RunError::Bus)?);
        daemon.notifier.ready();
        log::info!(
            "tokend {} serves {} ({} seal)",
            env!("CARGO_PKG_VERSION"),
            daemon.names(),
            daemon.snapshot.sealing()
        );
        memory::give_back();
        Ok(daemon)
    }

    fn serve(&mut self) -> Result<(), RunError> {
        loop {
            self.publish();
            if self.start_anew {
                return Err(RunError::KeyIsFinal);
            }
            // While we sleep, nobody needs the listing that the last loads have shared.
            self.storage.invalidate_listing();
            let deadline = self.life.deadline(self.now());
            for woken in self.watch.wait(deadline).map_err(RunError::Watch)? {
                // What has woken us may rest on files that others have changed.
                self.storage.invalidate_listing();
                match woken {
                    Wakeup::Terminate => {
                        log::info!("asked to end");
                        return Ok(());
                    }
                    Wakeup::Reload => {
                        // What is wrong has been logged, and what ran stays in force.
                        // Only root and tokend's own user can send the signal.
                        let _ = self.reload(true);
                    }
                    Wakeup::Waker => self.read_messages()?,
                    Wakeup::Deadline => self.feed(Event::Tick),
                    Wakeup::Watchdog => self.send(BusCommand::Ping),
                    Wakeup::ClockChanged => self.feed(Event::ClockChanged),
                    Wakeup::Network { returned } => self.network_changed(returned),
                    Wakeup::Hotplug => self.device_changed(),
                    Wakeup::File(path) => self.file_changed(&path),
                }
            }
        }
    }

    fn read_messages(&mut self) -> Result<(), RunError> {
        while let Ok(message) = self.inbox.try_recv() {
            self.storage.invalidate_listing();
            let event = match message {
                Message::Registered { app, request, result } => {
                    self.judge_roots();
                    Event::Registered { app, request, result }
                }
                Message::Fetched { app, request, result } => {
                    self.judge_roots();
                    Event::Fetched { app, request, result }
                }
                Message::RootKey(key) => self.open_with(key),
                Message::Bus(BusEvent::Wanted { app, call, min_validity }) => {
                    Event::Wanted { app, call, min_validity }
                }
                Message::Bus(BusEvent::Replace { app, call, rejected, code }) => {
                    log::info!("{app}: a caller reports a refused token (code {code:?})");
                    Event::Replace { app, call, rejected, code }
                }
                Message::Bus(BusEvent::Gone { call }) => Event::Gone { call },
                Message::Bus(BusEvent::Reload { call, root }) => {
                    let result = self.reload(root).map(|()| bus::Answer::Done);
                    self.answers.push(BusCommand::Answer { call, result });
                    continue;
                }
                Message::Bus(BusEvent::Forget { call, id }) => {
                    let result = self.forget(&id).map(|()| bus::Answer::Done);
                    self.answers.push(BusCommand::Answer { call, result });
                    continue;
                }
                // The bus thread runs too, or nobody says that we live.
                Message::Bus(BusEvent::Pong) => {
                    self.notifier.watchdog();
                    continue;
                }
                Message::Bus(BusEvent::Lost(reason)) => return Err(RunError::BusLost(reason)),
            };
            self.feed(event);
        }
        Ok(())
    }

    /// Lets the lifecycle decide, and does what it says, in its order.
    fn feed(&mut self, event: Event) {
        let mut queue: VecDeque<_> = self.life.handle(self.now(), event).into();
        while let Some(action) = queue.pop_front() {
            if let Some(event) = self.execute(action) {
                queue.extend(self.life.handle(self.now(), event));
            }
        }
    }

    /// Does one thing; what the store says to it comes back as an event.
    fn execute(&mut self, action: Action) -> Option<Event> {
        if let Some((app, what)) = action.writes() {
            let app = app.clone();
            return Some(match self.storage.write(action) {
                Ok(()) => Event::Saved { app, what },
                Err(message) => {
                    self.storage.complain(app.as_str(), &message);
                    Event::NotSaved { app, what, message }
                }
            });
        }
        match action {
            Action::OpenStore => return self.open_store(),
            Action::Load { app } => {
                return Some(match self.storage.load(&app) {
                    Ok(stored) => Event::Loaded { app, stored: Box::new(stored) },
                    Err(message) => Event::LoadFailed { app, message },
                });
            }
            Action::ReadStatement { app } => return self.statement_event(&app),
            Action::Register { app, request, origin, statement } => {
                self.register(app, request, origin, statement);
            }
            Action::Fetch { app, request, origin, credentials } => {
                self.fetch(app, request, origin, credentials);
            }
            Action::Answer { call, result } => {
                let result = result.map(|(value, expires)| bus::Answer::Token { value, expires });
                self.answers.push(BusCommand::Answer { call, result });
            }
            Action::Log { level, text } => log::log!(level, "{text}"),
            Action::StartAnew => self.start_anew = true,
            _ => {}
        }
        None
    }

    /// None where the answer comes as a message: neither the watchdog nor SIGTERM waits for a
    /// token.
    fn open_store(&mut self) -> Option<Event> {
        let messages = self.messages.clone();
        match self.storage.root_key(move |key| messages.send(Message::RootKey(key))) {
            Ok(Some(key)) => Some(self.open_with(key)),
            Ok(None) => None,
            Err(message) => Some(self.store_failed(message)),
        }
    }

    fn open_with(&mut self, key: Result<RootKey, SealError>) -> Event {
        match self.storage.open(key, &self.options.root, &self.settings.device) {
            Ok(()) => {
                self.refresh_faces();
                for app in self.storage.absent(&self.applications) {
                    // Told after the store is open; the queue keeps the order.
                    self.post_removed(app);
                }
                Event::StoreOpened
            }
            Err(message) => self.store_failed(message),
        }
    }

    fn store_failed(&mut self, message: String) -> Event {
        self.storage.complain("storage error, so nothing is registered", &message);
        Event::StoreFailed { message, final_key: self.storage.key_is_final() }
    }

    /// Takes an application out of use that is configured no longer.
    fn post_removed(&mut self, app: AppId) {
        let actions = self.life.handle(self.now(), Event::Removed { app });
        // The store is not open for the lifecycle yet: it asks for nothing before StoreOpened.
        for action in actions {
            self.execute(action);
        }
    }

    fn forget(&mut self, id: &AppId) -> Result<(), CallError> {
        let known = self.applications.contains_key(id);
        match self.storage.forget(id) {
            Ok(anything) if anything || known => {
                log::warn!("{id}: client credentials and token are deleted, as root asked");
                self.feed(Event::Forgotten { app: id.clone() });
                Ok(())
            }
            Ok(_) => Err(CallError {
                name: ErrorName::InvalidArgs,
                message: format!("no application {id} is configured, and nothing is stored of it"),
            }),
            Err(message) => Err(CallError { name: ErrorName::Storage, message }),
        }
    }

    /// Reads the software statement of an application, and tells the lifecycle.
    fn read_statement(&mut self, id: &AppId) {
        if let Some(event) = self.statement_event(id) {
            self.feed(event);
        }
    }

    fn statement_event(&mut self, id: &AppId) -> Option<Event> {
        let application = self.applications.get(id)?;
        let read = config::read_statement(&application.statement_file);
        if let Some(error) = self.faults.judge_statement(application, &read) {
            // The server alone judges it, and it may know better.
            log::error!("{id}: {error}; put the software statement there that the server gave you");
        }
        let read = read.map_err(|error| chain(&error));
        if let Err(error) = &read
            && self.statements.get(id).and_then(|last| last.as_ref().err()) != Some(error)
        {
            log::warn!("{id}: the software statement cannot be read: {error}");
        }
        let statement = read.as_ref().map(|statement| statement.digest).map_err(Clone::clone);
        self.statements.insert(id.clone(), read);
        Some(Event::Configured { app: id.clone(), desired: Desired { statement } })
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.applications.keys().map(AppId::as_str).collect();
        if names.is_empty() { "no application".to_owned() } else { names.join(", ") }
    }

    fn send(&self, command: BusCommand) {
        if let Some(bus) = &self.bus {
            bus.send(command);
        }
    }

    fn now(&self) -> Now {
        clock::now(&self.time_sync)
    }
}

fn policy(settings: &Settings) -> Policy {
    Policy {
        servers: Servers {
            url: settings.server.origin.clone(),
            others: settings.server.same_server_as.clone(),
        },
        reregister_after: settings.server.reregister_after,
        released: clock::RELEASED,
    }
}
