// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever step the power fails at, or the disk: the old or the new content is there, whole.

use super::*;
use crate::system::fs::faults::How;

type Save = fn(&mut Store, u32) -> Result<(), StoreError>;

const SAVES: [(&str, Save); 4] = [
    ("credentials", |store, n| {
        store.save_credentials(&app("cinema"), &digest(1), &filed(&format!("c{n}")))
    }),
    ("record", |store, n| store.save_record(&app("cinema"), &record(n))),
    ("token", |store, n| store.save_token(&app("cinema"), &token(n.into()))),
    ("identity", |store, n| store.save_identity(&format!("{n:04}"))),
];

/// Everything that is stored, and must not be lost.
type All = (Stored, Option<String>);

fn all(store: &mut Store) -> All {
    (store.load(&app("cinema")).unwrap().0, store.identity().unwrap().0)
}

/// A store in which every save has been done `times` times.
fn saved(times: u32) -> Fixture {
    let mut it = Fixture::new();
    for n in 1..=times {
        for (_, save) in SAVES {
            save(&mut it.store, n).unwrap();
        }
    }
    it
}

/// Runs `check` for each step that `save` may fail at.
fn at_every_step(times: u32, how: How, check: fn(Fixture, Save, u32, [All; 2], String)) {
    for (what, save) in SAVES {
        let mut steps = 0;
        loop {
            let mut it = saved(times);
            let old = all(&mut it.store);
            let new = {
                let mut other = saved(times);
                save(&mut other.store, times + 1).unwrap();
                all(&mut other.store)
            };
            it.dir.files().faults.after(steps, how);
            let result = save(&mut it.store, times + 1);
            if !it.dir.files().faults.heal() {
                result.unwrap();
                break;
            }
            result.unwrap_err();
            check(it, save, times + 1, [old, new], format!("{what}, step {steps}"));
            steps += 1;
        }
        // Five for each file: made, written, synced, renamed, the directory synced. Before that,
        // credentials look for the room that is kept for them.
        let all = match what {
            "credentials" => 2 * 6,
            "identity" => 2 * 5,
            _ => 5,
        };
        assert_eq!(steps, all, "{what}");
    }
}

#[test]
fn after_a_power_cut_at_any_step_the_old_or_the_new_is_there() {
    for times in [0, 2] {
        at_every_step(times, How::ForEver, |it, save, n, old_or_new, step| {
            let mut it = it.restart();
            let found = all(&mut it.store);
            assert!(old_or_new.contains(&found), "{step}");
            // What was found stays, and the next save gets through.
            let mut it = it.restart();
            assert_eq!(all(&mut it.store), found, "{step}");
            save(&mut it.store, n).unwrap();
            let mut it = it.restart();
            assert_eq!(all(&mut it.store), old_or_new[1], "{step}");
            assert!(it.names().iter().all(|name| !name.starts_with(".tmp-")), "{step}");
        });
    }
}

#[test]
fn after_a_disk_error_at_any_step_the_process_and_the_next_one_go_on() {
    at_every_step(1, How::Once, |mut it, save, n, old_or_new, step| {
        assert!(it.names().iter().all(|name| !name.starts_with(".tmp-")), "{step}");
        let found = all(&mut it.store);
        assert!(old_or_new.contains(&found), "{step}");
        let mut it = it.restart();
        assert_eq!(all(&mut it.store), found, "{step}");
        save(&mut it.store, n).unwrap();
        assert_eq!(all(&mut it.restart().store), old_or_new[1], "{step}");
    });
}

#[test]
fn what_is_saved_after_a_failure_without_a_restart_wins_over_all_before() {
    at_every_step(1, How::Once, |mut it, save, n, old_or_new, step| {
        // The one that failed is given up, and an earlier content is saved over it.
        save(&mut it.store, n - 1).unwrap();
        let mut it = it.restart();
        let (stored, notes) = it.load("cinema");
        assert_eq!(notes, [], "{step}");
        assert_eq!((stored, it.store.identity().unwrap().0), old_or_new[0], "{step}");
    });
}

#[test]
fn a_power_cut_during_a_repair_loses_nothing() {
    for steps in 0.. {
        let mut it = saved(2);
        let whole = all(&mut it.store);
        it.damage(&copy('a'));
        it.dir.files().faults.after(steps, How::ForEver);
        let loaded = it.store.load(&app("cinema"));
        let over = !it.dir.files().faults.heal();
        if let Ok((stored, _)) = loaded {
            assert_eq!(stored, whole.0, "step {steps}");
        }
        assert_eq!(all(&mut it.restart().store), whole, "step {steps}");
        if over {
            assert!(steps > 5);
            break;
        }
    }
}

#[test]
fn a_power_cut_while_damage_is_put_aside_ends_in_nothing_and_never_in_half() {
    for steps in 0.. {
        let mut it = saved(2);
        it.damage(&copy('a'));
        it.damage(&copy('b'));
        it.dir.files().faults.after(steps, How::ForEver);
        let _ = it.store.load(&app("cinema"));
        let over = !it.dir.files().faults.heal();
        let mut it = it.restart();
        assert!(it.load("cinema").0.filed.is_empty());
        let corrupt = it.names().iter().filter(|name| name.ends_with(".corrupt")).count();
        assert_eq!(corrupt, 2, "step {steps}");
        if over {
            break;
        }
    }
}

#[test]
fn a_power_cut_during_the_first_start_leaves_a_store_that_starts() {
    for steps in 0.. {
        let temp = crate::scratch::scratch("tokend-store-").unwrap();
        let dir = Arc::new(StateDir::lock(temp.path()).unwrap());
        dir.files().faults.after(steps, How::ForEver);
        let opened = Store::open(dir.clone(), &mut Key(7)).is_ok();
        let over = !dir.files().faults.heal();
        assert_eq!(opened, over);
        drop(dir);
        Fixture::at(temp);
        if over {
            break;
        }
    }
}

#[test]
fn a_power_cut_while_an_application_is_forgotten_leaves_it_whole_or_without() {
    for steps in 0.. {
        let mut it = saved(1);
        let whole = all(&mut it.store).0;
        it.dir.files().faults.after(steps, How::ForEver);
        let forgotten = it.dir.forget(&app("cinema")).is_ok();
        let over = !it.dir.files().faults.heal();
        assert_eq!(forgotten, over);
        let mut it = it.restart();
        let left = it.load("cinema").0;
        assert!(left.token.is_none() || left == whole, "step {steps}");
        assert!(left.filed.is_empty() || left.filed == whole.filed, "step {steps}");
        // What limits a registration outlives the credentials.
        assert!(left.filed.is_empty() || left.record == whole.record, "step {steps}");
        if over {
            assert_eq!(left, Stored::default());
            break;
        }
    }
}
