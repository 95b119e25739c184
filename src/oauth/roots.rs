// SPDX-License-Identifier: MIT OR Apache-2.0
use std::env;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

mod bundle;
mod error;

use bundle::{Bundle, Reader};
pub use error::{Fault, RootsError};

/// Where the systems that there are keep their bundle, as OpenSSL's builds for them have it.
const BUNDLES: [&str; 8] = [
    // Debian, OpenEmbedded, Buildroot.
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
    "/opt/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/certs/cacert.pem",
];
/// The same of directories with a file for each certificate.
const DIRECTORIES: [&str; 3] =
    ["/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/security/certificates"];

/// The root certificates for one request; read again for each, so that an update counts at once and
/// an idle daemon holds none.
pub enum Roots {
    /// Those of `ca_file`, of the environment, or of the system's bundle.
    Found(Vec<CertificateDer<'static>>),
    /// Those that were compiled in.
    CompiledIn,
}

/// Root certificates, and what is to be said of them.
pub struct Loaded {
    /// The certificates.
    pub roots: Roots,
    /// Where they come from, for a person.
    pub from: String,
    /// A warning: the system has certificates, but what tokend reads there is damaged.
    pub damage: Option<String>,
}

/// The root certificates of `ca_file`; without one, those that `SSL_CERT_FILE` and `SSL_CERT_DIR`
/// name; without these, the system's; those compiled in (cargo feature `roots`) if it has none.
///
/// `ca_file` and what the environment names must belong to root or to the user that runs tokend, and
/// not be writable by group or others: the opened file, not the link to it. Only regular files are
/// read, and none is waited for.
///
/// # Errors
/// `ca_file`, or what the environment names, is refused, cannot be read, is damaged, or holds no
/// certificate: nothing else takes its place. Or there are neither certificates of the system nor
/// compiled-in ones.
pub fn load(ca_file: Option<&Path>) -> Result<Loaded, RootsError> {
    Sources::of_this_process(ca_file).load()
}

/// What is wrong with `ca_file`, or with what the environment names: its key or variable, what was
/// found and what is expected; nothing of its content.
#[must_use]
pub fn named_fault(ca_file: Option<&Path>) -> Option<(&'static str, String)> {
    let sources = Sources::of_this_process(ca_file);
    if !sources.are_named() {
        return None;
    }
    let Err(RootsError::Named { what, fault, .. }) = sources.load() else { return None };
    let what = if what == "ca_file" { "server.ca_file" } else { what };
    let wrong = match fault {
        Fault::Refused(problem) => problem.to_string().replace("; legal: ", "; expected: "),
        Fault::Unreadable(error) => format!("cannot be read ({error}); expected: a PEM file"),
        Fault::Damaged(_) => "is damaged; expected: a whole PEM file".to_owned(),
        Fault::Empty => "has no certificate in it; expected: a PEM file of them".to_owned(),
    };
    Some((what, wrong))
}

/// Where certificates may come from.
struct Sources {
    ca_file: Option<PathBuf>,
    /// `SSL_CERT_FILE`.
    file: Option<PathBuf>,
    /// The directories of `SSL_CERT_DIR`.
    dirs: Vec<PathBuf>,
    /// The system's bundles: the first one that has certificates counts.
    bundles: Vec<PathBuf>,
    /// The system's directories, if no bundle has any.
    directories: Vec<PathBuf>,
    compiled_in: bool,
}

impl Sources {
    fn of_this_process(ca_file: Option<&Path>) -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        let dirs = set("SSL_CERT_DIR").unwrap_or_default();
        Self {
            ca_file: ca_file.map(Path::to_owned),
            file: set("SSL_CERT_FILE").map(PathBuf::from),
            dirs: env::split_paths(&dirs).filter(|dir| !dir.as_os_str().is_empty()).collect(),
            bundles: BUNDLES.map(PathBuf::from).into(),
            directories: DIRECTORIES.map(PathBuf::from).into(),
            compiled_in: cfg!(feature = "roots"),
        }
    }

    /// Nothing else counts then.
    fn are_named(&self) -> bool {
        self.ca_file.is_some() || self.file.is_some() || !self.dirs.is_empty()
    }

    fn load(&self) -> Result<Loaded, RootsError> {
        if let Some(file) = &self.ca_file {
            return named("ca_file", Some(file), &[]);
        }
        match self.are_named() {
            true => named("SSL_CERT_FILE", self.file.as_deref(), &self.dirs),
            false => self.system(),
        }
    }

    /// What is readable of the system's certificates; damage is never taken for their absence.
    fn system(&self) -> Result<Loaded, RootsError> {
        let mut reader = Reader::of_anybodys_files();
        let mut problem = None;
        for path in self.bundles.iter().filter(|path| is_there(path)) {
            let read = match reader.file(path) {
                Ok(bundle) if bundle.is_empty() => Err(Fault::Empty),
                read => read,
            };
            let read = read.map(|bundle| (path.clone(), bundle));
            let found = usable([read.map_err(|fault| (path.clone(), fault))], &mut problem);
            if !found.is_empty() {
                return Ok(counted(found, path, problem));
            }
        }
        for path in self.directories.iter().filter(|path| is_there(path)) {
            let files = reader.directory(path).unwrap_or_else(|fault| vec![Err(fault)]);
            let found = usable(files, &mut problem);
            if !found.is_empty() {
                return Ok(counted(found, path, problem));
            }
        }
        if !self.compiled_in {
            return Err(problem.map_or(RootsError::NoBundle, RootsError::NothingUsable));
        }
        Ok(Loaded {
            roots: Roots::CompiledIn,
            from: "compiled in".to_owned(),
            damage: problem.map(|problem| format!("{problem}; those compiled in count")),
        })
    }
}

/// The certificates of files that were named: all of them, or none.
fn named(what: &'static str, file: Option<&Path>, dirs: &[PathBuf]) -> Result<Loaded, RootsError> {
    let mut reader = Reader::of_trusted_files();
    let mut found = Vec::new();
    let mut add = |what, path: PathBuf, bundle: Bundle| {
        if bundle.damaged > 0 {
            return Err(RootsError::Named { what, path, fault: Fault::Damaged(bundle.cause) });
        }
        found.extend(bundle.certificates);
        Ok(())
    };
    if let Some(file) = file {
        let fault = |fault| RootsError::Named { what, path: file.to_owned(), fault };
        let bundle = reader.file(file).map_err(fault)?;
        if bundle.certificates.is_empty() && bundle.damaged == 0 {
            return Err(fault(Fault::Empty));
        }
        add(what, file.to_owned(), bundle)?;
    }
    let fault = |(path, fault)| RootsError::Named { what: "SSL_CERT_DIR", path, fault };
    for dir in dirs {
        for read in reader.directory(dir).map_err(fault)? {
            let (path, bundle) = read.map_err(fault)?;
            add("SSL_CERT_DIR", path, bundle)?;
        }
    }
    let first = file.map(|file| (what, file));
    let named = first.into_iter().chain(dirs.iter().map(|dir| ("SSL_CERT_DIR", dir.as_path())));
    let named: Vec<_> = named.map(|(what, path)| format!("{what} {}", path.display())).collect();
    match dirs.first().filter(|_| found.is_empty()) {
        Some(dir) => Err(fault((dir.clone(), Fault::Empty))),
        None => Ok(Loaded { roots: Roots::Found(found), from: named.join(" and "), damage: None }),
    }
}

/// What can be used of the system's files; `problem` is the first that is wrong with one.
fn usable(
    files: impl IntoIterator<Item = Result<(PathBuf, Bundle), (PathBuf, Fault)>>,
    problem: &mut Option<String>,
) -> Vec<CertificateDer<'static>> {
    let mut found = Vec::new();
    for file in files {
        let (path, wrong) = match file {
            Ok((path, bundle)) => {
                let lost = bundle.damaged + bundle.unusable;
                found.extend(bundle.certificates);
                (path, (lost > 0).then(|| format!("are damaged ({lost} cannot be used)")))
            }
            Err((path, Fault::Unreadable(error))) => {
                (path, Some(format!("cannot be read: {error}")))
            }
            Err((path, _)) => (path, Some("cannot be used: they hold no certificate".to_owned())),
        };
        if let Some(wrong) = wrong {
            let path = path.display();
            problem.get_or_insert_with(|| format!("the root certificates in {path} {wrong}"));
        }
    }
    found
}

fn counted(found: Vec<CertificateDer<'static>>, path: &Path, problem: Option<String>) -> Loaded {
    let (count, from) = (found.len(), format!("the system's bundle {}", path.display()));
    let damage = problem.map(|problem| format!("{problem}; {count} from {} count", path.display()));
    Loaded { roots: Roots::Found(found), from, damage }
}

/// Whatever is there is no absence: a link to nowhere, a directory that is closed to us.
fn is_there(path: &Path) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    path.symlink_metadata()
        .map_err(|error| error.kind())
        .map_or_else(|kind| !matches!(kind, NotFound | NotADirectory), |_| true)
}

#[cfg(test)]
mod tests;
