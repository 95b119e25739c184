// SPDX-License-Identifier: MIT OR Apache-2.0
//! A scene, a server of pages, and one browser in front of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::thread;

use percent_encoding::percent_decode_str;
use tempfile::TempDir;

use super::browser::{self, Browser, PATIENCE};
use super::support::authority::{Authority, Endpoint, Log, Request, Response};
use super::support::scene::{CINEMA, Scene, uid};
use super::support::tokend::Application;
use super::support::{scratch, statement};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Wpe,
    Gtk,
    /// As a user who is not root, with the web process in its sandbox.
    GtkSandboxed,
}

/// Holds the engine to the promise; and, whatever the promise is, to printing no secret.
pub(crate) fn hold(engine: Engine, promise: fn(&mut Show)) {
    assert_eq!(uid(), 0, "run this as root: the bridge takes its configuration from root alone");
    let mut show = Show::new(engine);
    promise(&mut show);
    let output = show.close();
    show.scene.authority.assert_no_secret_in("the browser's output", &output);
}

pub(crate) struct Show {
    pub(crate) scene: Scene,
    /// Serves the pages, over plain HTTP to this device. The bridge is configured for its origin.
    pub(crate) site: Authority,
    engine: Engine,
    dir: TempDir,
    browser: Option<Browser>,
    /// How many lines of the console were waited for already.
    seen: usize,
}

impl Show {
    fn new(engine: Engine) -> Self {
        let (scene, site) = (Scene::new(), Authority::http());
        let cinema = Application::new(CINEMA, &statement::issue(CINEMA));
        let users = format!("[{}]", browser::USER);
        scene.device.add(&cinema.with("allow_users", &users)).unwrap();
        let dir = scratch("tokend-html5-").unwrap();
        let sandboxed = engine == Engine::GtkSandboxed;
        let message = "set TMPDIR=/tmp: WebKit's sandbox takes nothing below /dev";
        assert!(!sandboxed || !dir.path().starts_with("/dev"), "{message}");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let show = Self { scene, site, engine, dir, browser: None, seen: 0 };
        browser::build_bridge(engine, &show.dir.path().join("bridge"), &show.configuration());
        show.configure("");
        show.scene.authority.allow_origin(&show.site.origin());
        show.serve();
        show
    }

    /// What the bridge reads.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.dir.path().join("html5.conf")
    }

    /// Writes the bridge's configuration, with these lines for the application besides its origins:
    /// those of the pages, and that of the API.
    pub(crate) fn configure(&self, lines: &str) {
        let (site, api) = (self.site.origin(), self.scene.authority.origin());
        let text = format!("[{CINEMA}]\norigins={site};{api}\n{lines}\n");
        fs::write(self.configuration(), text).unwrap();
        fs::set_permissions(self.configuration(), fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// A configuration with what the requests to the API get injected.
    pub(crate) fn configure_injection(&self) {
        self.configure(&format!("inject={}/api/", self.scene.authority.origin()));
    }

    /// The same server under another name: another origin, which is not listed.
    pub(crate) fn other_origin(&self) -> String {
        self.site.origin().replace("127.0.0.1", "localhost")
    }

    pub(crate) fn api(&self) -> String {
        format!("{}/api/v2/hello", self.scene.authority.origin())
    }

    /// The text of a page, for the servers of this show.
    pub(crate) fn page(&self, name: &str) -> String {
        let text = fs::read_to_string(browser::source("tests/html5/pages").join(name)).unwrap();
        let text = text.replace("@SITE@", &self.site.origin()).replace("@API@", &self.api());
        text.replace("@OTHER@", &self.other_origin())
    }

    fn serve(&self) {
        for entry in fs::read_dir(browser::source("tests/html5/pages")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let kind = if name.ends_with(".js") { "text/javascript" } else { "text/html" };
            let page = Response::new(200, kind, self.page(&name));
            self.site.serve(&format!("/{name}"), page.clone());
            self.scene.authority.serve(&format!("/{name}"), page);
        }
        let sandboxed = Response::new(200, "text/html", self.page("is-it-there.html"));
        let policy = "sandbox allow-scripts";
        self.site.serve("/sandboxed.html", sandboxed.with("Content-Security-Policy", policy));
        let elsewhere = format!("{}/is-it-there.html?redirected", self.other_origin());
        let redirect = Response::html(302, "Moved").with("Location", elsewhere);
        self.site.serve("/redirect", redirect);
        for server in [&self.site, &self.scene.authority] {
            let heard =
                Response::new(200, "text/plain", "").with("Access-Control-Allow-Origin", "*");
            server.serve("/report", heard);
        }
        // The player, as its README tells to serve it.
        for name in ["index.html", "player.js"] {
            let file = browser::source("examples/players/html5").join(name);
            let text = fs::read_to_string(file).unwrap();
            let text = text.replace("https://api.example.com/api/v2/hello", &self.api());
            let kind = if name == "player.js" { "text/javascript" } else { "text/html" };
            self.site.serve(&format!("/player/{name}"), Response::new(200, kind, text));
        }
    }

    /// Opens a page of the listed origin.
    pub(crate) fn open(&mut self, page: &str) {
        self.open_url(&format!("{}/{page}", self.site.origin()));
    }

    pub(crate) fn open_url(&mut self, url: &str) {
        let (dir, bus) = (self.dir.path(), self.scene.bus.address());
        self.browser = Some(Browser::start(self.engine, dir, &self.configuration(), bus, url));
    }

    /// Opens a page from a file.
    pub(crate) fn open_file(&mut self, page: &str) {
        let file = self.dir.path().join(page);
        fs::write(&file, self.page(page)).unwrap();
        self.open_url(&format!("file://{}", file.display()));
    }

    /// Waits until a page reports something that begins so; returns it.
    pub(crate) fn reports(&self, start: &str) -> String {
        let found = |log: &Log| reports_of(log).find(|text| text.starts_with(start));
        let servers = [&self.site, &self.scene.authority];
        // Pages of the API's own server report to that.
        let server = servers[usize::from(start.starts_with("https"))];
        let log = server.wait_until(&format!("the report {start:?}"), |log| found(log).is_some());
        found(&log).unwrap()
    }

    /// Whether a page can open windows: Cog has one.
    pub(crate) fn has_windows(&self) -> bool {
        self.engine != Engine::Wpe
    }

    /// Whether a web process of the user who is not root sees processes of its own alone.
    pub(crate) fn web_process_is_in_a_namespace(&self) -> bool {
        let statuses = fs::read_dir("/proc").unwrap().flatten();
        let statuses =
            statuses.filter_map(|dir| fs::read_to_string(dir.path().join("status")).ok());
        let user = format!("Uid:\t{}\t", browser::USER);
        let web = statuses.filter(|text| text.contains("WebKitWebProces") && text.contains(&user));
        let line =
            |text: String| text.lines().find(|line| line.starts_with("NSpid:")).map(str::to_owned);
        web.filter_map(line).any(|line| line.split_whitespace().count() > 2)
    }

    /// Waits until there is a line on the console that begins so, after the last such line.
    pub(crate) fn says(&mut self, start: &str) -> String {
        let output = &self.browser.as_ref().expect("a browser runs").output;
        let mark = format!("CONSOLE LOG {start}");
        let line = output.wait_for(self.seen, PATIENCE, |line| line.contains(&mark));
        let line = line.unwrap_or_else(|| panic!("the page does not say {start:?}"));
        let later = output.text(self.seen);
        self.seen += later.lines().position(|other| other == line).expect("the line is there") + 1;
        line
    }

    /// Waits for a line of the browser itself.
    pub(crate) fn prints(&self, what: &str) -> String {
        let output = &self.browser.as_ref().expect("a browser runs").output;
        let line = output.wait_for(0, PATIENCE, |line| line.contains(what));
        line.unwrap_or_else(|| panic!("the browser does not print {what:?}"))
    }

    /// The calls of the API that have come, without preflights.
    pub(crate) fn calls(&self) -> Vec<Request> {
        self.scene.authority.log().of(Endpoint::Hello).cloned().collect()
    }

    pub(crate) fn preflights(&self) -> usize {
        self.scene.authority.count(Endpoint::Preflight)
    }

    /// Ends the browser; what it has printed.
    pub(crate) fn close(&mut self) -> String {
        self.browser.take().map_or_else(String::new, Browser::end)
    }

    /// Each file that the browser has left, with its content.
    pub(crate) fn files_of_browser(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut files, mut dirs) = (Vec::new(), vec![browser::home(self.engine, self.dir.path())]);
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    dirs.push(entry.path());
                } else if kind.is_file() {
                    files.push((entry.path(), fs::read(entry.path()).unwrap()));
                }
            }
        }
        files
    }
}

/// What pages have reported: the decoded query of `/report`.
fn reports_of(log: &Log) -> impl Iterator<Item = String> + '_ {
    log.requests.iter().filter_map(|request| {
        let text = request.head.target.strip_prefix("/report?")?;
        Some(percent_decode_str(text).decode_utf8_lossy().into_owned())
    })
}

impl Drop for Show {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the browser printed:\n{}", self.close());
            let lines = self.site.lines().text(0) + "\n" + &self.scene.authority.lines().text(0);
            eprintln!("the servers saw:\n{lines}");
        }
    }
}
