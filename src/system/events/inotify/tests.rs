// SPDX-License-Identifier: MIT OR Apache-2.0
use std::fs::{create_dir, create_dir_all, remove_dir, remove_dir_all, remove_file, rename, write};

use tempfile::TempDir;

use super::*;

/// A directory, the files watched in it, and what has been reported of them.
struct Scene {
    dir: TempDir,
    files: Files,
}

impl Scene {
    /// Watches these files, by their paths in the directory.
    fn watching(files: &[&str]) -> Self {
        let mut scene = Self { dir: tempfile::tempdir().unwrap(), files: Files::new().unwrap() };
        scene.watch(files);
        scene
    }

    fn watch(&mut self, files: &[&str]) {
        let files: Vec<_> = files.iter().map(|file| self.at(file)).collect();
        self.files.set(&files);
    }

    fn at(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// What has been reported since the last time.
    fn reported(&mut self) -> Vec<String> {
        let mut woken = Vec::new();
        self.files.take(&mut woken).unwrap();
        let dir = self.dir.path();
        let name = |what| match what {
            Wakeup::File(path) => path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        woken.into_iter().map(name).collect()
    }
}

#[test]
fn a_file_is_reported_when_it_comes_changes_and_goes() {
    let mut scene = Scene::watching(&["gate"]);
    assert!(scene.reported().is_empty());
    write(scene.at("gate"), "1").unwrap();
    assert_eq!(scene.reported(), ["gate"]);
    write(scene.at("gate"), "2").unwrap();
    assert_eq!(scene.reported(), ["gate"]);
    write(scene.at("new"), "3").unwrap();
    assert!(scene.reported().is_empty());
    rename(scene.at("new"), scene.at("gate")).unwrap();
    assert_eq!(scene.reported(), ["gate"]);
    rename(scene.at("gate"), scene.at("old")).unwrap();
    assert_eq!(scene.reported(), ["gate"]);
    write(scene.at("gate"), "4").unwrap();
    remove_file(scene.at("gate")).unwrap();
    assert_eq!(scene.reported(), ["gate"]);
}

#[test]
fn changed_permissions_are_reported_and_reading_is_not() {
    use std::os::unix::fs::PermissionsExt;
    let mut scene = Scene::watching(&["statement"]);
    write(scene.at("statement"), "x").unwrap();
    scene.reported();
    std::fs::read(scene.at("statement")).unwrap();
    assert!(scene.reported().is_empty());
    let owners = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(scene.at("statement"), owners).unwrap();
    assert_eq!(scene.reported(), ["statement"]);
}

#[test]
fn neighbours_of_a_file_are_not_reported() {
    let mut scene = Scene::watching(&["a", "b"]);
    write(scene.at("aa"), "").unwrap();
    create_dir(scene.at("c")).unwrap();
    assert!(scene.reported().is_empty());
    write(scene.at("b"), "").unwrap();
    assert_eq!(scene.reported(), ["b"]);
}

#[test]
fn a_file_whose_directories_come_later_is_reported() {
    let mut scene = Scene::watching(&["run/systemd/timesync/synchronized"]);
    create_dir(scene.at("run")).unwrap();
    assert!(scene.reported().is_empty());
    create_dir(scene.at("run/other")).unwrap();
    create_dir_all(scene.at("run/systemd/timesync")).unwrap();
    assert!(scene.reported().is_empty());
    write(scene.at("run/systemd/timesync/synchronized"), "").unwrap();
    assert_eq!(scene.reported(), ["run/systemd/timesync/synchronized"]);
}

#[test]
fn a_file_that_comes_with_all_its_directories_at_once_is_reported() {
    let mut scene = Scene::watching(&["a/b/c/file"]);
    create_dir_all(scene.at("a/b/c")).unwrap();
    write(scene.at("a/b/c/file"), "").unwrap();
    assert_eq!(scene.reported(), ["a/b/c/file"]);
    write(scene.at("a/b/c/file"), "").unwrap();
    assert_eq!(scene.reported(), ["a/b/c/file"]);
}

#[test]
fn a_directory_that_goes_and_comes_back_is_watched_again() {
    let mut scene = Scene::watching(&["a/b/file"]);
    create_dir_all(scene.at("a/b")).unwrap();
    write(scene.at("a/b/file"), "").unwrap();
    assert_eq!(scene.reported(), ["a/b/file"]);
    for _ in 0..3 {
        remove_dir_all(scene.at("a")).unwrap();
        assert_eq!(scene.reported(), ["a/b/file"]);
        create_dir_all(scene.at("a/b")).unwrap();
        assert!(scene.reported().is_empty());
        write(scene.at("a/b/file"), "").unwrap();
        assert_eq!(scene.reported(), ["a/b/file"]);
    }
}

#[test]
fn a_directory_that_is_replaced_is_watched_anew() {
    let mut scene = Scene::watching(&[]);
    create_dir(scene.at("a")).unwrap();
    write(scene.at("a/file"), "1").unwrap();
    scene.watch(&["a/file"]);
    create_dir(scene.at("new")).unwrap();
    write(scene.at("new/file"), "2").unwrap();
    assert!(scene.reported().is_empty());
    rename(scene.at("a"), scene.at("old")).unwrap();
    rename(scene.at("new"), scene.at("a")).unwrap();
    assert_eq!(scene.reported(), ["a/file"]);
    write(scene.at("old/file"), "3").unwrap();
    assert!(scene.reported().is_empty());
    write(scene.at("a/file"), "4").unwrap();
    assert_eq!(scene.reported(), ["a/file"]);
}

#[test]
fn one_directory_may_hold_one_file_and_lead_to_another() {
    let mut scene = Scene::watching(&["a/file", "file", "a/b/file"]);
    write(scene.at("file"), "").unwrap();
    assert_eq!(scene.reported(), ["file"]);
    create_dir(scene.at("a")).unwrap();
    assert!(scene.reported().is_empty());
    write(scene.at("a/file"), "").unwrap();
    assert_eq!(scene.reported(), ["a/file"]);
    create_dir(scene.at("a/b")).unwrap();
    assert!(scene.reported().is_empty());
    write(scene.at("a/b/file"), "").unwrap();
    assert_eq!(scene.reported(), ["a/b/file"]);
    remove_file(scene.at("a/b/file")).unwrap();
    remove_dir(scene.at("a/b")).unwrap();
    assert_eq!(scene.reported(), ["a/b/file"]);
    write(scene.at("a/file"), "").unwrap();
    assert_eq!(scene.reported(), ["a/file"]);
}

#[test]
fn files_no_longer_asked_for_are_no_longer_reported() {
    let mut scene = Scene::watching(&["a", "d/b"]);
    write(scene.at("a"), "").unwrap();
    scene.watch(&["a"]);
    assert_eq!(scene.reported(), ["a"], "an event before the change is not lost");
    create_dir(scene.at("d")).unwrap();
    write(scene.at("d/b"), "").unwrap();
    assert!(scene.reported().is_empty());
    scene.watch(&[]);
    write(scene.at("a"), "").unwrap();
    assert!(scene.reported().is_empty());
    assert!(scene.files.watches.is_empty());
}

#[test]
fn a_path_without_a_name_is_passed_over() {
    let mut files = Files::new().unwrap();
    files.set(&["/".into(), "..".into(), "".into(), "relative".into()]);
    files.take(&mut Vec::new()).unwrap();
}
