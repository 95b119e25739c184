// SPDX-License-Identifier: MIT OR Apache-2.0
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// The longest `ca_file` that is read, in bytes: many times what all public roots need.
const LONGEST: u64 = 4 * 1024 * 1024;

/// The root certificates for one request; read anew for each, so that an update counts at once and
/// an idle daemon holds none.
pub enum Roots {
    /// Those of `ca_file`, or of the system's bundle.
    Found(Vec<CertificateDer<'static>>),
    /// This device has no bundle: those that were compiled in.
    CompiledIn,
}

/// The root certificates of `ca_file`; without one, those of the system, and those compiled in
/// (cargo feature `roots`) where it has none.
///
/// The system's bundle is searched in the usual places; `SSL_CERT_FILE` and `SSL_CERT_DIR` come
/// before them, as with OpenSSL.
///
/// # Errors
/// `ca_file` cannot be read, is damaged, or has no certificate in it; or there is neither a bundle
/// nor a compiled-in root.
pub fn load(ca_file: Option<&Path>) -> Result<Roots, RootsError> {
    match ca_file {
        Some(file) => read(file).map(Roots::Found),
        None => system(rustls_native_certs::load_native_certs().certs, cfg!(feature = "roots")),
    }
}

fn system(found: Vec<CertificateDer<'static>>, compiled_in: bool) -> Result<Roots, RootsError> {
    match found.is_empty() {
        false => Ok(Roots::Found(found)),
        true if compiled_in => Ok(Roots::CompiledIn),
        true => Err(RootsError::NoBundle),
    }
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let fault = |fault| RootsError::CaFile { file: file.to_owned(), fault };
    let text = contents(file).map_err(|error| fault(Fault::Unreadable(error)))?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fault(Fault::Damaged(error)))?;
    let (usable, _) =
        RootCertStore::empty().add_parsable_certificates(certificates.iter().cloned());
    if usable == 0 {
        return Err(fault(Fault::Empty));
    }
    Ok(certificates)
}

/// A pipe in its place must not hold up the request, for which there would be no end, nor a device
/// fill the memory.
fn contents(file: &Path) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(file)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other("longer than 4 MiB"));
    }
    Ok(text)
}

/// No root certificates, so no server can be trusted.
#[derive(Debug)]
pub enum RootsError {
    /// The configured file gives none.
    CaFile {
        /// `ca_file`.
        file: PathBuf,
        /// Why.
        fault: Fault,
    },
    /// The system has no bundle, and this build no roots of its own.
    NoBundle,
}

/// What is wrong with a `ca_file`.
#[derive(Debug)]
pub enum Fault {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is no PEM.
    Damaged(pem::Error),
    /// It has no certificate that can be used.
    Empty,
}

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::CaFile { file, fault } = self else {
            return f.write_str(
                "this system has no bundle of root certificates, and none are compiled in: install \
                 ca-certificates, or name a file as ca_file in [server]",
            );
        };
        write!(f, "ca_file {} ", file.display())?;
        f.write_str(match fault {
            Fault::Unreadable(_) => "cannot be read",
            Fault::Damaged(_) => "is damaged",
            Fault::Empty => "has no usable certificate in it (PEM, -----BEGIN CERTIFICATE-----)",
        })
    }
}

impl Error for RootsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::CaFile { fault: Fault::Unreadable(error), .. } => Some(error),
            Self::CaFile { fault: Fault::Damaged(error), .. } => Some(error),
            Self::CaFile { fault: Fault::Empty, .. } | Self::NoBundle => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        fs::write(&path, content).unwrap();
        (dir, path)
    }

    fn pem(name: &str) -> String {
        rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn every_certificate_of_a_ca_file_counts() {
        let (_dir, path) = file(format!("# two\n{}\n{}", pem("a.test"), pem("b.test")).as_bytes());
        let Ok(Roots::Found(found)) = load(Some(&path)) else { panic!("certificates") };
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_ca_file_without_certificates_is_an_error_that_names_it() {
        let der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (content, words) in [
            ("", "has no usable certificate"),
            ("no PEM", "has no usable certificate"),
            (der, "has no usable certificate"),
            ("-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n", "is damaged"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "is damaged"),
        ] {
            let (_dir, path) = file(content.as_bytes());
            let Err(error) = load(Some(&path)) else { panic!("{content:?}") };
            assert!(error.to_string().contains(words), "{content:?}: {error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_ca_file_that_is_not_there_is_an_error_with_its_cause() {
        let Err(error) = load(Some(Path::new("/nowhere/ca.pem"))) else { panic!("an error") };
        assert_eq!(error.to_string(), "ca_file /nowhere/ca.pem cannot be read");
        assert!(error.source().unwrap().to_string().contains("No such file"));
    }

    #[test]
    fn a_pipe_or_an_endless_device_as_ca_file_is_an_error_and_nothing_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        for path in [&path, Path::new("/dev/zero")] {
            let Err(error) = load(Some(path)) else { panic!("an error") };
            assert_eq!(error.source().unwrap().to_string(), "not a regular file");
        }
    }

    #[test]
    fn a_device_without_a_bundle_uses_the_roots_compiled_in() {
        let bundle = vec![CertificateDer::from(vec![1])];
        assert!(matches!(system(vec![], true), Ok(Roots::CompiledIn)));
        assert!(matches!(system(bundle, true), Ok(Roots::Found(_))));
    }

    #[test]
    fn a_build_without_roots_says_so_on_a_device_without_a_bundle() {
        let Err(error) = system(vec![], false) else { panic!("an error") };
        assert!(error.to_string().contains("none are compiled in"), "{error}");
    }
}
