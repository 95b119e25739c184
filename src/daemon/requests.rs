// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each request to the server is a short-lived thread of its own.

use std::thread;

use super::{Daemon, Message, MessageSender};
use crate::common::answer::Failure;
use crate::common::model::{AppId, Credentials, Origin, StatementDigest};
use crate::common::secret::{THREAD, wipe_stack_after};
use crate::lifecycle::RequestId;
use crate::oauth::{self, Context, Registered, Registration};
use crate::system::memory;

/// Enough for TLS, and little where memory is.
const STACK: usize = 512 * 1024;

impl Daemon {
    pub(super) fn register(
        &self,
        app: AppId,
        request: RequestId,
        origin: Origin,
        statement: StatementDigest,
    ) {
        let known = self.statements.get(&app).and_then(|read| read.as_ref().ok());
        let Some(known) = known.filter(|known| known.digest == statement) else {
            let result = Err(not_sent("the software statement has changed meanwhile"));
            self.messages.send(Message::Registered { app, request, result });
            return;
        };
        let application = self.applications.get(&app);
        let redirect_uri = application.and_then(|application| application.redirect_uri.clone());
        let text = known.text.clone();
        let context = self.context(&app, origin);
        // Of a series of tries, the first.
        let again = self.views.get(&app).is_some_and(|view| !view.last_error.0.is_empty());
        let level = if again { log::Level::Debug } else { log::Level::Info };
        log::log!(level, "{app}: registering with {}", context.origin);
        let messages = self.messages.clone();
        let name = app.clone();
        let work = move || {
            let wanted = Registration { statement: &text, redirect_uri: redirect_uri.as_deref() };
            let result = wipe_stack_after::<THREAD, _>(|| oauth::register(&context, &wanted));
            let result = result.map(|Registered { credentials, absent }| {
                if !absent.is_empty() {
                    let absent = absent.join(", ");
                    log::warn!(
                        "{app}: registered, but the answer's {absent} is missing or cannot be \
                         read, and counts as absent"
                    );
                }
                credentials
            });
            // What the request took is free now.
            memory::give_back();
            messages.send(Message::Registered { app, request, result });
        };
        let failed = |app, result| Message::Registered { app, request, result };
        start(&self.messages, name, work, failed);
    }

    pub(super) fn fetch(
        &self,
        app: AppId,
        request: RequestId,
        origin: Origin,
        credentials: Credentials,
    ) {
        let context = self.context(&app, origin);
        log::debug!("{app}: fetching a token from {}", context.origin);
        let messages = self.messages.clone();
        let name = app.clone();
        let work = move || {
            let Credentials { client_id, client_secret, .. } = &credentials;
            let token = || oauth::token(&context, client_id, client_secret);
            let result = wipe_stack_after::<THREAD, _>(token);
            memory::give_back();
            messages.send(Message::Fetched { app, request, result });
        };
        let failed = |app, result| Message::Fetched { app, request, result };
        start(&self.messages, name, work, failed);
    }

    fn context(&self, app: &AppId, origin: Origin) -> Context {
        let application = self.applications.get(app);
        let id = application.and_then(|application| application.application_id.as_deref());
        Context {
            origin,
            ca_file: self.settings.server.ca_file.clone(),
            timeout: self.settings.server.timeout,
            user_agent: self.settings.server.user_agent.clone(),
            device_info: self.device.header(id),
        }
    }
}

fn start<T>(
    messages: &MessageSender,
    app: AppId,
    work: impl FnOnce() + Send + 'static,
    failed: impl FnOnce(AppId, Result<T, Failure>) -> Message,
) {
    let thread = thread::Builder::new().name("request".to_owned()).stack_size(STACK).spawn(work);
    if let Err(error) = thread {
        let result = Err(not_sent(&format!("no thread for the request could be started: {error}")));
        messages.send(failed(app, result));
    }
}

fn not_sent(reason: &str) -> Failure {
    Failure::Unavailable { reason: reason.to_owned(), tls: false, sent: false }
}
