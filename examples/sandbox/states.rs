// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the application is, from its change signals.

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread;

use zbus::{MatchRule, OwnedVariant, Structure, message};

use super::CINEMA;
use super::events::{Event, Events};
use super::support::Failure;
use super::support::player::{Player, path_of};
use super::view::{Shown, State};

/// Tells now, and whenever something changes, how the application is.
pub(crate) fn follow(address: &str, events: &Events) -> Result<(), Failure> {
    let player = Player::connect(address)?;
    let (nudge, nudged) = mpsc::channel();
    let rule = || MatchRule::builder().msg_type(message::Type::Signal);
    let path = path_of(CINEMA);
    let changed = rule().interface("org.freedesktop.DBus.Properties").path(path.as_str());
    let owner = rule().member("NameOwnerChanged").arg(0, "tv.tokend");
    for rule in [changed, owner] {
        let rule = rule.build().map_err(|error| Failure::new("no match rule", error))?;
        let (signals, nudge) = (player.signals(rule.into_owned()), nudge.clone());
        thread::spawn(move || signals.into_iter().try_for_each(|_| nudge.send(())));
    }
    let send = events.sender();
    thread::spawn(move || {
        let mut last = state(&player);
        let mut told = send(Event::State(last.clone()));
        while told && nudged.recv().is_ok() {
            let now = state(&player);
            if now != last {
                told = send(Event::State(now.clone()));
                last = now;
            }
        }
    });
    Ok(())
}

fn state(player: &Player) -> State {
    let arguments = ("tv.tokend.Application1",);
    let properties = "org.freedesktop.DBus.Properties";
    let all = player.call(&path_of(CINEMA), properties, "GetAll", &arguments);
    let (mut all,): (HashMap<String, OwnedVariant>,) = all.ok()?;
    let mut number = |name: &str| u64::try_from(all.remove(name)?).ok();
    let token_number = number("TokenNumber")?;
    let (expires_at, retry_at) = (number("ExpiresAt")?, number("RetryAt")?);
    let error: Structure<'static> = all.remove("LastError")?.try_into().ok()?;
    let state = String::try_from(all.remove("State")?).ok()?;
    let last_error = error.try_into().ok()?;
    Some(Shown { state, token_number, expires_at, retry_at, last_error })
}
