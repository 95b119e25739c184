// SPDX-License-Identifier: MIT OR Apache-2.0
//! A scene, and one player of `examples/players` in it.

use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

use super::support::authority::{Endpoint, Outcome, Request};
use super::support::bus::can_act_as_others;
use super::support::child::{self, Child};
use super::support::lines::Lines;
use super::support::scene::{CINEMA, Scene};
use super::told;

/// Longer than the longest wait that a player is asked for here, on a machine that is slow.
const PATIENCE: Duration = Duration::from_secs(180);

/// A user of this machine who is not root, and has no files.
const NOBODY: &str = "65534";

/// Holds the player to the promise; and, whatever the promise is, to printing no secret.
pub(crate) fn hold(player: &'static str, promise: fn(&mut Show)) {
    let mut show = Show { scene: Scene::new(), run: told::run_line(player), playing: None };
    promise(&mut show);
    let output = show.playing.take().expect("the player has run").end();
    show.scene.authority.assert_no_secret_in(player, &output);
}

pub(crate) struct Show {
    pub(crate) scene: Scene,
    /// The command line that runs the player for the application `cinema`.
    run: String,
    playing: Option<Playing>,
}

struct Playing {
    child: Child,
    output: Lines,
    /// How many lines were waited for already.
    seen: usize,
}

impl Show {
    /// Starts the player.
    pub(crate) fn play(&mut self) {
        let run = self.run.clone();
        self.start(&["sh"], &run);
    }

    /// Starts the player for another application.
    pub(crate) fn play_for(&mut self, application: &str) {
        let run = self.run.replace(CINEMA, application);
        self.start(&["sh"], &run);
    }

    /// Starts the player as a user who is neither root nor the one who runs the tests, where that
    /// is possible; one that still may read every file, wherever the checkout lies.
    pub(crate) fn play_as_nobody(&mut self) {
        let run = self.run.clone();
        let capabilities = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"];
        let user = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];
        let start = ["setpriv", "--pdeathsig", "KILL"];
        let words = [&start[..], &user[..], &capabilities[..], &["--", "sh"]].concat();
        self.start(if can_act_as_others() { &words } else { &["sh"] }, &run);
    }

    fn start(&mut self, words: &[&str], run: &str) {
        let mut command = child::command(words[0]);
        command.args(&words[1..]).args(["-c", &format!("exec {run}")]);
        command.current_dir(told::checkout());
        let authority = &self.scene.authority;
        command.env("DBUS_SYSTEM_BUS_ADDRESS", self.scene.bus.address());
        command.env("SSL_CERT_FILE", authority.ca_file());
        command.env("URL", format!("{}/api/v2/hello", authority.origin()));
        for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        let output = Lines::default();
        output.collect(child::capture(&mut command).unwrap(), || {});
        let child = Child::spawn(command).unwrap();
        self.playing = Some(Playing { child, output, seen: 0 });
    }

    /// Waits until the player prints a line that begins so, after the last such line; returns it.
    pub(crate) fn says(&mut self, start: &str) -> String {
        let playing = self.playing.as_mut().expect("the player runs");
        let line = playing.output.wait_for(playing.seen, PATIENCE, |line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("the player does not say {start:?}"));
        let later = playing.output.text(playing.seen);
        let index = later.lines().position(|other| other == line).expect("the line is there");
        playing.seen += index + 1;
        line
    }

    /// Waits until the player has nothing to do.
    pub(crate) fn waits(&mut self) {
        self.says("waiting for a new token");
    }

    /// Everything that the player has printed.
    pub(crate) fn output(&self) -> String {
        self.playing.as_ref().map_or_else(String::new, |playing| playing.output.text(0))
    }

    /// How the player has ended by itself.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let playing = self.playing.as_mut().expect("the player runs");
        playing.child.wait(PATIENCE).expect("the player ends")
    }

    /// How many requests of this kind the server has had.
    pub(crate) fn count(&self, endpoint: Endpoint) -> usize {
        self.scene.authority.count(endpoint)
    }

    /// The statuses with which the protected endpoint has answered, in their order.
    pub(crate) fn answers(&self) -> Vec<u16> {
        let status = |request: &Request| match request.outcome {
            Outcome::Answered(status) => Some(status),
            Outcome::UnderWay | Outcome::Dropped => None,
        };
        self.scene.authority.log().of(Endpoint::Hello).filter_map(status).collect()
    }
}

impl Playing {
    fn end(mut self) -> String {
        self.child.kill();
        self.output.wait_for_end(PATIENCE);
        self.output.text(0)
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        if thread::panicking() {
            self.child.kill();
            self.output.wait_for_end(PATIENCE);
            eprintln!("the player printed:\n{}", self.output.text(0));
        }
    }
}
