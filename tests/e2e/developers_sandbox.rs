// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scenes of `cargo run --example sandbox -- --system-like`: each is asked for by the control
//! command, and an application sees what the help says.

use std::fs;
use std::io::{PipeWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::BOUND;
use crate::support::child::{self, Child};
use crate::support::client::Client;
use crate::support::lines::Lines;
use crate::support::player::{Change, Player};
use crate::support::scene::CINEMA;

/// The example of this build; `cargo test --test` alone does not build it.
fn sandbox() -> &'static Path {
    static SANDBOX: OnceLock<PathBuf> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let tokend = Path::new(env!("CARGO_BIN_EXE_tokend"));
        let profile = tokend.parent().unwrap();
        let mut cargo = child::cargo();
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--quiet", "--locked", "--example", "sandbox", "--profile"]);
        cargo.arg(match profile.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            name => name,
        });
        cargo.arg("--target-dir").arg(profile.parent().unwrap());
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        profile.join("examples/sandbox")
    })
}

/// A sandbox that runs, in a temporary directory of its own.
struct Sandbox {
    child: Child,
    lines: Lines,
    stdin: Option<PipeWriter>,
    temp: TempDir,
    player: Player,
    client: Client,
    api: String,
}

impl Sandbox {
    fn start() -> Self {
        let temp = crate::support::scratch("tokend-test-").unwrap();
        let mut command = child::command(sandbox());
        command.args(["--system-like", "--tokend", env!("CARGO_BIN_EXE_tokend")]);
        command.env("TMPDIR", temp.path());
        let (commands, stdin) = std::io::pipe().unwrap();
        command.stdin(commands);
        let lines = Lines::default();
        lines.collect(child::capture(&mut command).unwrap(), || {});
        let child = Child::spawn(command).unwrap();
        wait(&lines, 0, "Scenes may begin");
        let of = |name: &str| {
            let line = wait(&lines, 0, name);
            line.strip_prefix(name).unwrap().trim_matches('\'').to_owned()
        };
        let player = Player::connect(&of("export DBUS_SYSTEM_BUS_ADDRESS=")).unwrap();
        let client = Client::new(&fs::read_to_string(of("export SSL_CERT_FILE=")).unwrap());
        let (client, api) = (client.unwrap(), of("export URL="));
        Self { child, lines, stdin: Some(stdin), temp, player, client, api }
    }

    /// `sandbox scene NAME`, as from another terminal.
    fn scene(&self, name: &str) -> Output {
        let mut command = child::command(sandbox());
        command.args(["scene", name]).env("TMPDIR", self.temp.path());
        command.output().unwrap()
    }

    /// The same; panics where it is not played.
    fn play(&self, name: &str) {
        let output = self.scene(name);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.starts_with(&format!("{name}: ")), "{said}");
    }

    fn state(&self) -> String {
        self.player.properties(CINEMA).state
    }

    /// Calls the API with the headers that tokend has: its status, and the token that it saw.
    fn call_api(&self) -> (Option<u16>, String) {
        let (headers, _) = self.player.get_headers(CINEMA, 0).unwrap();
        let token = headers["Authorization"].strip_prefix("Bearer ").unwrap().to_owned();
        let headers: Vec<_> = headers.into_iter().collect();
        let reply = self.client.send("GET", &self.api, &headers, b"");
        (reply.ok().map(|reply| reply.status), token)
    }

    /// Reports the token that the API has refused: the name of the error, or nothing.
    fn replace(&self, token: &str) -> String {
        let replaced = self.player.replace_token(CINEMA, token, "");
        replaced.err().map(|error| error.name).unwrap_or_default()
    }

    /// Plays a scene, in which the API answers so, and a report of the token so.
    fn expect(&self, scene: &str, status: Option<u16>, error: &str) {
        self.play(scene);
        let (answered, token) = self.call_api();
        assert_eq!(answered, status, "{scene}");
        assert_eq!(self.replace(&token), error, "{scene}");
    }

    /// Back to normal: a token that the API takes, as soon as tokend tries again.
    fn recover(&self) {
        let changes = self.player.watch(CINEMA);
        self.play("serve");
        // A token that was reported is served on until there is another.
        if self.state() != "ready" || self.call_api().0 != Some(200) {
            changes.wait_for(|change| change.get::<u64>("TokenNumber").is_some_and(|n| n > 1));
        }
        assert_eq!(self.call_api().0, Some(200));
    }
}

fn wait(lines: &Lines, from: usize, words: &str) -> String {
    let line = lines.wait_for(from, BOUND, |line| line.contains(words));
    line.unwrap_or_else(|| panic!("no {words:?} has come:\n{}", lines.text(0)))
}

const UNAVAILABLE: &str = "tv.tokend.Error.Unavailable";

#[test]
fn an_early_end_of_the_token_and_a_slow_server_cost_one_replacement_each() {
    let sandbox = Sandbox::start();
    sandbox.expect("expire", Some(401), "");
    assert_eq!(sandbox.call_api().0, Some(200));
    sandbox.expect("slow", Some(200), "");
    sandbox.recover();
}

#[test]
fn a_client_that_is_unknown_is_unavailable_and_known_again_afterwards() {
    let sandbox = Sandbox::start();
    let changes = sandbox.player.watch(CINEMA);
    sandbox.play("revoke");
    let (answered, token) = sandbox.call_api();
    assert_eq!(answered, Some(401));
    let waiting = sandbox.player.start_replace_token(CINEMA, &token);
    let error = |change: &Change| change.get::<(String, String)>("LastError");
    changes.wait_for(|change| error(change).is_some_and(|(name, _)| name == UNAVAILABLE));
    assert_eq!(sandbox.state(), "ready", "the reported token may be good elsewhere");
    sandbox.recover();
    assert_ne!(waiting.recv_timeout(BOUND).unwrap().unwrap().0, token);
}

#[test]
fn a_withdrawn_statement_is_rejected_until_it_is_approved_again() {
    let sandbox = Sandbox::start();
    sandbox.expect("refuse", Some(401), "tv.tokend.Error.Rejected");
    assert_eq!(sandbox.state(), "ready", "the reported token may be good elsewhere");
    wait(
        &sandbox.lines,
        0,
        "server | POST /o/client/token for the application cinema: answered 400",
    );
    sandbox.recover();
}

#[test]
fn without_a_network_the_headers_are_there_and_the_api_is_not() {
    let sandbox = Sandbox::start();
    sandbox.expect("offline", None, UNAVAILABLE);
    sandbox.recover();
}

#[test]
fn a_throttled_household_keeps_its_headers() {
    let sandbox = Sandbox::start();
    sandbox.expect("throttle", Some(429), "tv.tokend.Error.Throttled");
    sandbox.recover();
}

#[test]
fn a_clock_that_is_not_set_is_played_by_a_stand_in_and_tokend_comes_back_with_its_token() {
    let sandbox = Sandbox::start();
    let token = sandbox.call_api().1;
    sandbox.play("clock-unset");
    let properties = sandbox.player.properties(CINEMA);
    assert_eq!((properties.state.as_str(), properties.token_number), ("clock-unset", 0));
    assert_eq!(properties.last_error.0, UNAVAILABLE);
    assert!(!sandbox.player.manager_property::<bool>("ClockSet"));
    let error = sandbox.player.get_headers(CINEMA, 0).unwrap_err();
    assert_eq!((error.name.as_str(), error.message), (UNAVAILABLE, properties.last_error.1));
    let objects = sandbox.player.managed_objects();
    assert!(objects.contains(&"/tv/tokend/application/cinema".to_owned()), "{objects:?}");
    sandbox.recover();
    assert_eq!(sandbox.call_api().1, token);
}

#[test]
fn scenes_come_from_standard_input_too_and_ctrl_c_leaves_nothing_behind() {
    let mut sandbox = Sandbox::start();
    let unknown = sandbox.scene("nonsense");
    let why = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert_eq!(unknown.status.code(), Some(64));
    assert!(why.contains("legal are serve, expire"), "{why}");

    let mut stdin = sandbox.stdin.take().unwrap();
    writeln!(stdin, "offline").unwrap();
    wait(&sandbox.lines, 0, "scene | offline: ");
    // The end of the input is the end of nothing.
    drop(stdin);
    sandbox.play("serve");

    sandbox.child.signal(Signal::INT);
    let status = sandbox.child.wait(BOUND).expect("it ends");
    sandbox.lines.wait_for_end(BOUND);
    assert_eq!(status.code(), Some(0), "{}", sandbox.lines.text(0));
    wait(&sandbox.lines, 0, "Nothing is left behind");
    let left: Vec<_> = fs::read_dir(sandbox.temp.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let nobody = sandbox.scene("serve");
    assert_eq!(nobody.status.code(), Some(69));
}

#[test]
fn the_help_names_every_scene() {
    let mut command: Command = child::command(sandbox());
    let output = command.arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let scenes =
        ["serve", "expire", "revoke", "refuse", "throttle", "offline", "slow", "clock-unset"];
    for scene in scenes {
        assert!(help.contains(&format!("\n  {scene}: ")), "{scene} in {help}");
    }
    assert!(help.contains("a stand-in"), "what is played is said");
}
