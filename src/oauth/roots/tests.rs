// SPDX-License-Identifier: MIT OR Apache-2.0
use std::error::Error;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use super::*;

const CUT_SHORT: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n";
const NO_BASE64: &str = "-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n";
const NO_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

fn pem(name: &str) -> String {
    rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.pem()
}

/// A directory for the files of a test.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file that tokend trusts.
    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        path
    }
}

/// Nothing named, and no system.
fn none() -> Sources {
    let (bundles, directories) = (Vec::new(), Vec::new());
    Sources { ca_file: None, file: None, dirs: Vec::new(), bundles, directories, compiled_in: true }
}

fn ca_file(path: &Path) -> Sources {
    Sources { ca_file: Some(path.to_owned()), ..none() }
}

fn cert_file(path: &Path) -> Sources {
    Sources { file: Some(path.to_owned()), ..none() }
}

fn cert_dir(path: &Path) -> Sources {
    Sources { dirs: vec![path.to_owned()], ..none() }
}

/// A system with this bundle and, after it, this directory.
fn system(bundle: &Path, directory: &Path) -> Sources {
    Sources { bundles: vec![bundle.to_owned()], directories: vec![directory.to_owned()], ..none() }
}

/// How many certificates count, none meaning those compiled in; and the damage that is told.
fn good(sources: &Sources) -> (Option<usize>, Option<String>) {
    let loaded = sources.load().unwrap_or_else(|error| panic!("{error}"));
    let count = match loaded.roots {
        Roots::Found(found) => Some(found.len()),
        Roots::CompiledIn => None,
    };
    (count, loaded.damage)
}

/// The error, with its cause.
fn bad(sources: &Sources) -> String {
    let Err(error) = sources.load() else { panic!("an error") };
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

#[test]
fn every_certificate_of_a_named_file_counts() {
    let scene = Scene::new();
    let text = format!("# two\n{}\n{}{NO_CERTIFICATE}", pem("a.test"), pem("b.test"));
    let path = scene.file("ca.pem", &text);
    assert_eq!(good(&ca_file(&path)), (Some(2), None));
    assert_eq!(good(&cert_file(&path)), (Some(2), None));
}

#[test]
fn a_named_file_without_a_good_certificate_is_an_error_that_names_it() {
    let scene = Scene::new();
    let broken = [CUT_SHORT, NO_BASE64].map(|bad| format!("{}{bad}{}", pem("a"), pem("b")));
    for (content, words) in [
        ("", "has no usable certificate"),
        ("no PEM", "has no usable certificate"),
        (NO_CERTIFICATE, "has no usable certificate"),
        (NO_BASE64, "is damaged"),
        (CUT_SHORT, "is damaged"),
        (&broken[0], "is damaged"),
        (&broken[1], "is damaged"),
        (&pem("a").replace("-----BEGIN", "----BEGIN"), "is damaged"),
    ] {
        let path = scene.file("ca.pem", content);
        for (what, sources) in [("ca_file", ca_file(&path)), ("SSL_CERT_FILE", cert_file(&path))] {
            let error = bad(&sources);
            assert!(error.starts_with(&format!("{what} {} ", path.display())), "{error}");
            assert!(error.contains(words), "{content:?}: {error}");
        }
    }
}

#[test]
fn a_named_file_that_is_not_there_is_an_error_with_its_cause_and_nothing_takes_its_place() {
    let nowhere = Path::new("/nowhere/ca.pem");
    for (what, sources) in [
        ("ca_file", ca_file(nowhere)),
        ("SSL_CERT_FILE", cert_file(nowhere)),
        ("SSL_CERT_DIR", cert_dir(nowhere)),
    ] {
        let error = bad(&sources);
        let expected = format!("{what} /nowhere/ca.pem cannot be read: No such file");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_pipe_or_an_endless_device_in_the_place_of_a_file_is_not_waited_for() {
    let scene = Scene::new();
    let pipe = scene.fifo("pipe");
    for path in [&pipe, Path::new("/dev/zero")] {
        for sources in [ca_file(path), cert_file(path)] {
            assert!(bad(&sources).ends_with("cannot be read: not a regular file"));
        }
        let (count, damage) = good(&system(path, Path::new("/nowhere")));
        assert_eq!(count, None);
        let expected = "cannot be read: not a regular file; those compiled in count";
        assert!(damage.as_ref().is_some_and(|damage| damage.ends_with(expected)), "{damage:?}");
    }
    assert!(bad(&cert_dir(scene.0.path())).contains("/pipe cannot be read: not a regular file"));
}

#[test]
fn a_named_file_or_directory_that_others_can_write_is_refused_and_gives_no_roots() {
    let scene = Scene::new();
    let path = scene.file("certs/ca.pem", &pem("a.test"));
    let dir = scene.at("certs");
    let link = scene.at("link");
    symlink(&path, &link).unwrap();
    for good_one in [ca_file(&path), cert_file(&path), ca_file(&link), cert_dir(&dir)] {
        assert_eq!(good(&good_one), (Some(1), None));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    for (what, at, sources) in [
        ("ca_file", &path, ca_file(&path)),
        ("SSL_CERT_FILE", &path, cert_file(&path)),
        ("ca_file", &link, ca_file(&link)),
        ("SSL_CERT_DIR", &path, cert_dir(&dir)),
    ] {
        let error = bad(&sources);
        let at = at.display();
        let expected = format!("{what} {at} is refused, and no other root certificates count: ");
        assert!(error.starts_with(&expected) && error.contains("has mode 0664"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(bad(&cert_dir(&dir)).contains("certs is refused"));
    // The directories above a file are not judged.
    assert_eq!(good(&ca_file(&path)), (Some(1), None));
}

#[test]
fn a_named_file_of_another_user_is_refused() {
    let scene = Scene::new();
    let path = scene.file("ca.pem", &pem("a.test"));
    if chown(&path, Some(65_533), None).is_err() {
        return eprintln!("not tested: only root can give a file away");
    }
    assert!(
        bad(&ca_file(&path)).contains("is refused") && bad(&cert_file(&path)).contains("65533")
    );
    assert_eq!(good(&system(&path, Path::new("/nowhere"))), (Some(1), None));
}

#[test]
fn a_directory_of_certificates_is_read_whole_and_each_file_once() {
    let scene = Scene::new();
    let first = scene.file("certs/a.pem", &pem("a.test"));
    scene.file("certs/b.pem", &pem("b.test"));
    scene.file("certs/README", "no certificate");
    fs::create_dir(scene.at("certs/java")).unwrap();
    symlink(&first, scene.at("certs/12345678.0")).unwrap();
    symlink("/nowhere", scene.at("certs/87654321.0")).unwrap();
    let dir = scene.at("certs");
    assert_eq!(good(&cert_dir(&dir)), (Some(2), None));
    let both = Sources { file: Some(first), ..cert_dir(&dir) };
    assert_eq!(good(&both), (Some(2), None));
    assert!(both.load().is_ok_and(|loaded| loaded.from.contains(" and SSL_CERT_DIR ")));
    fs::create_dir(scene.at("empty")).unwrap();
    assert!(bad(&cert_dir(&scene.at("empty"))).contains("empty has no usable certificate in it"));
}

#[test]
fn of_a_damaged_system_bundle_the_readable_certificates_count_and_the_damage_is_told() {
    let scene = Scene::new();
    let (a, b) = (pem("a.test"), pem("b.test"));
    let without_end = a.replace("-----END CERTIFICATE-----\n", "");
    let without_begin = a.replace("-----BEGIN CERTIFICATE-----\n", "");
    for bad in [CUT_SHORT, NO_BASE64, NO_CERTIFICATE, &without_end, &without_begin] {
        for text in [format!("{a}{bad}{b}"), format!("{bad}{a}{b}"), format!("{a}{b}{bad}")] {
            let path = scene.file("bundle", &text);
            let (count, damage) = good(&system(&path, Path::new("/nowhere")));
            assert_eq!(count, Some(2), "{text}");
            let shown = path.display();
            let expected = format!(
                "the root certificates in {shown} are damaged (1 cannot be used); 2 from {shown} count"
            );
            assert_eq!(damage.as_ref(), Some(&expected), "{text}");
        }
    }
}

#[test]
fn a_system_bundle_of_which_nothing_can_be_read_is_not_taken_for_none() {
    let scene = Scene::new();
    let nowhere = Path::new("/nowhere");
    let path = scene.file("bundle", CUT_SHORT);
    let (count, damage) = good(&system(&path, nowhere));
    assert_eq!(count, None);
    assert!(damage.unwrap().ends_with("are damaged (1 cannot be used); those compiled in count"));
    for (path, words) in [
        (scene.file("empty", ""), "hold no certificate"),
        (scene.file("zeros", &"\0".repeat(4096)), "hold no certificate"),
        (scene.at("link"), "cannot be read: No such file"),
        (scene.at("certs"), "cannot be read: not a regular file"),
    ] {
        if words.contains("No such") {
            symlink("/nowhere", &path).unwrap();
        } else if path.ends_with("certs") {
            fs::create_dir(&path).unwrap();
        }
        let (count, damage) = good(&system(&path, nowhere));
        assert_eq!(count, None);
        assert!(damage.as_ref().is_some_and(|damage| damage.contains(words)), "{words} {damage:?}");
        let error = bad(&Sources { compiled_in: false, ..system(&path, nowhere) });
        assert!(error.contains(words) && error.contains("none are compiled in"), "{error}");
        // The system's single files come before those compiled in.
        let one = scene.file("one/a.pem", &pem("a.test"));
        let (count, damage) = good(&system(&path, one.parent().unwrap()));
        assert_eq!(count, Some(1));
        assert!(damage.is_some_and(|damage| damage.ends_with("/one count")));
    }
}

#[test]
fn a_device_without_a_bundle_uses_the_roots_compiled_in_and_is_not_warned() {
    let scene = Scene::new();
    let nowhere = Path::new("/nowhere");
    assert_eq!(good(&system(nowhere, nowhere)), (None, None));
    fs::create_dir(scene.at("certs")).unwrap();
    assert_eq!(good(&system(nowhere, &scene.at("certs"))), (None, None));
    assert_eq!(good(&system(&scene.file("bundle", &pem("a")), nowhere)), (Some(1), None));
}

#[test]
fn a_build_without_roots_says_so_on_a_device_without_a_bundle() {
    let error = bad(&Sources { compiled_in: false, ..none() });
    assert!(error.contains("none are compiled in"), "{error}");
}
