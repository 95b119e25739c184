// SPDX-License-Identifier: MIT OR Apache-2.0
//! tokend in a user namespace, as in the containers of some devices, by `unshare`.

use crate::support::child;
use crate::support::scene::{CINEMA, Scene};

#[test]
fn daemon_and_commands_work_in_a_user_namespace_where_they_have_another_number() {
    let mut scene = Scene::new();
    let unshare = ["unshare", "--user", "--map-user=4242", "--map-group=4242"];
    let works = child::command(child::find("unshare", "util-linux").unwrap())
        .args(&unshare[1..])
        .arg("true")
        .status()
        .unwrap();
    if !works.success() {
        eprintln!("no user namespace can be made here");
        return;
    }
    scene.device.set_runner(unshare.map(Into::into).to_vec());
    let (_tokend, player) = scene.start();
    let (token, _) = player.get_token(CINEMA, 0).unwrap();
    let ran = scene.command(&["token", CINEMA]);
    assert_eq!((ran.code, ran.stdout.trim()), (Some(0), token.as_str()), "{}", ran.stderr);
}
