// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small player on zbus: gets headers from tokend, calls an API with them, and calls it again
//! when there is a new token. ../README.md says what it prints.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zbus::DBusError as _;
use zbus::export::ordered_stream::OrderedStreamExt as _;
use zbus::fdo::PropertiesProxy;
use zbus::proxy::CacheProperties;

mod http;

use http::{Http, code_of};

/// What of tokend's interface a player needs.
#[zbus::proxy(interface = "tv.tokend.Application1", default_service = "tv.tokend")]
trait Application {
    fn get_headers(&self, min_validity: u32) -> zbus::Result<(HashMap<String, String>, u32)>;
    fn replace_token(&self, rejected_token: &str, code: &str) -> zbus::Result<(String, u32)>;
    #[zbus(property)]
    fn token_number(&self) -> zbus::Result<u64>;
    #[zbus(property)]
    fn retry_at(&self) -> zbus::Result<u64>;
}

/// What happens while the player waits.
enum News {
    /// A property has changed. Which one, and whether its value came along or was only
    /// invalidated, makes no difference: the number is read.
    Changed,
    /// tokend has come to the bus, or left it.
    Owner {
        there: bool,
    },
    BusGone,
}

struct Player {
    tokend: ApplicationProxy<'static>,
    news: Receiver<News>,
    http: Http,
    url: String,
    /// The TokenNumber that the last call was made with.
    used: u64,
    /// When to try again; none: when there is a new token.
    retry_at: Option<Instant>,
    /// tokend is not there.
    gone: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [application, url] = arguments.as_slice() else {
        eprintln!("usage: player APPLICATION HTTPS-URL");
        return ExitCode::from(64);
    };
    let mut player = match Player::new(application, url) {
        Ok(player) => player,
        Err(error) => {
            eprintln!("no system bus: {error}");
            return ExitCode::FAILURE;
        }
    };
    loop {
        if let Err(error) = player.call_api() {
            player.tell(&error);
        }
        println!("waiting for a new token");
        if !player.wait_for_reason() {
            eprintln!("the bus is gone");
            return ExitCode::FAILURE;
        }
    }
}

impl Player {
    fn new(application: &str, url: &str) -> zbus::Result<Self> {
        let path = format!("/tv/tokend/application/{application}");
        let (sender, news) = mpsc::channel();
        let tokend = zbus::block_on(async {
            // tokend may wait 20 s for the server before it answers.
            let builder = zbus::connection::Builder::system();
            let bus = builder.method_timeout(Duration::from_secs(30)).build().await?;
            // Not cached: what is read is never older than the last answer.
            let tokend = ApplicationProxy::builder(&bus).path(path);
            let tokend = tokend.cache_properties(CacheProperties::No).build().await?;
            watch(&tokend, sender).await?;
            zbus::Result::Ok(tokend)
        })?;
        let (url, http) = (url.to_owned(), Http::new());
        Ok(Self { tokend, news, http, url, used: 0, retry_at: None, gone: false })
    }

    fn call_api(&mut self) -> zbus::Result<()> {
        self.retry_at = None;
        let headers = self.get_headers()?;
        let mut reply = self.http.get(&self.url, &headers);
        if let Ok((401, body)) = &reply {
            let code = code_of(body);
            println!("401 {code}: asking tokend to replace the token, once");
            let refused = headers["Authorization"].trim_start_matches("Bearer ");
            // The new token comes with the new headers: it is not wanted here.
            zbus::block_on(self.tokend.replace_token(refused, &code))?;
            let headers = self.get_headers()?;
            reply = self.http.get(&self.url, &headers);
        }
        match reply {
            Ok((401, body)) => {
                println!("401 {} again: that is not the token's fault", code_of(&body));
            }
            Ok((status, body)) => println!("{status} {body}"),
            Err(error) => println!("the API cannot be reached: {error}"),
        }
        Ok(())
    }

    fn get_headers(&mut self) -> zbus::Result<HashMap<String, String>> {
        // Good for another 60 s: longer than the call can take.
        let (headers, expires_in) = zbus::block_on(self.tokend.get_headers(60))?;
        println!("tokend gives headers, good for {expires_in} s");
        // Read after the headers: a change that they bring along themselves is none to wait for.
        self.used = self.token_number();
        self.gone = false;
        Ok(headers)
    }

    /// 0, as tokend says it where there is none, where it cannot be read.
    fn token_number(&self) -> u64 {
        zbus::block_on(self.tokend.token_number()).unwrap_or(0)
    }

    /// Says what is the matter, and sees to another try. Never in a loop: the server counts.
    fn tell(&mut self, error: &zbus::Error) {
        let (name, message) = match error {
            zbus::Error::MethodError(name, message, _) => {
                (name.to_string(), message.clone().unwrap_or_default())
            }
            zbus::Error::FDO(error) => {
                (error.name().to_string(), error.description().unwrap_or_default().to_owned())
            }
            // The connection's time-out is over.
            other => (SILENT.to_owned(), other.to_string()),
        };
        let kind = name.rsplit('.').next().unwrap_or_default();
        let words = match kind {
            "Rejected" => "not available",
            "Unavailable" => "no token now",
            "Throttled" => "patience",
            "Storage" => "this device's secure storage does not work",
            "AccessDenied" => "this user may not have this token",
            "UnknownObject" => "no such application",
            "ServiceUnknown" => "tokend is not there",
            "NoReply" => SILENT,
            _ => &name,
        };
        println!("{words}: {message}");
        self.gone = matches!(kind, "ServiceUnknown" | "NoReply");
        if kind != SILENT {
            self.used = self.token_number(); // another one is a reason to try again
        }
        let retry_at = match kind {
            SILENT => Ok(unix_now() + 29),
            // While there is a token, RetryAt is about its refresh.
            "Unavailable" | "Throttled" if self.used != 0 => Ok(0),
            "Unavailable" | "Throttled" => zbus::block_on(self.tokend.retry_at()),
            _ => return,
        };
        let left = (retry_at.unwrap_or(0) + 1).saturating_sub(unix_now());
        if left > 0 {
            println!("trying again in {left} s");
            self.retry_at = Some(now() + Duration::from_secs(left));
        } else {
            println!("trying again when there is a new token");
        }
    }

    /// Sleeps until there is a reason to call the API again; `false`: there will be none.
    fn wait_for_reason(&mut self) -> bool {
        loop {
            let news = match self.retry_at {
                Some(at) => self.news.recv_timeout(at.saturating_duration_since(now())),
                None => self.news.recv().map_err(RecvTimeoutError::from),
            };
            match news {
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(News::Owner { there: false }) => {
                    println!("tokend has left the bus");
                    self.gone = true;
                }
                Ok(News::Owner { there: true }) if self.gone => {
                    println!("tokend is there: calling again");
                    return true;
                }
                Ok(News::Owner { .. }) => {}
                Ok(News::Changed) => {
                    let number = self.token_number();
                    if number != 0 && number != self.used {
                        println!("token number {number} is there: calling again");
                        return true;
                    }
                }
                Ok(News::BusGone) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

const SILENT: &str = "tokend does not answer";

/// Sends what changes at tokend, from now on: before the first call, so that nothing is missed.
async fn watch(tokend: &ApplicationProxy<'static>, news: Sender<News>) -> zbus::Result<()> {
    let proxy = tokend.inner();
    let properties = PropertiesProxy::builder(proxy.connection());
    let properties = properties.destination(proxy.destination().to_owned());
    let properties = properties.path(proxy.path().to_owned()).build().await?;
    let mut changes = properties.receive_properties_changed().await?;
    let mut owners = proxy.receive_owner_changed().await?;
    let owner = news.clone();
    thread::spawn(move || {
        zbus::block_on(async {
            while changes.next().await.is_some() && news.send(News::Changed).is_ok() {}
        });
    });
    thread::spawn(move || {
        zbus::block_on(async {
            while let Some(now) = owners.next().await
                && owner.send(News::Owner { there: now.is_some() }).is_ok()
            {}
        });
        // The stream ends with the bus, and so does what waits for news.
        let _ = owner.send(News::BusGone);
    });
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a player is a program of its own")]
fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "a player is a program of its own")]
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
