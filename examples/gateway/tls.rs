//! TLS: what this gateway proves itself by, and by whom it lets the servers that it connects to prove themselves.

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Which of the two files is wrong, and how.
#[derive(Debug)]
pub(crate) enum WrongIdentity {
    Certificate(String),
    Key(String),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Takes connections by TLS 1.2 and 1.3, with the certificate, and those that lead from it to an authority, in PEM, and its key.
pub(crate) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, WrongIdentity> {
    let chain = certificates(certificate).map_err(WrongIdentity::Certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| WrongIdentity::Key(reason(error, "key")))?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    match config {
        Ok(config) => Ok(TlsAcceptor::from(Arc::new(config))),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(WrongIdentity::Key("does not fit listen.certificate".to_owned()))
        }
        Err(error @ rustls::Error::InvalidCertificate(_)) => {
            Err(WrongIdentity::Certificate(error.to_string()))
        }
        Err(error) => Err(WrongIdentity::Key(error.to_string())),
    }
}

/// Connects to servers whose certificates lead to one of the authorities in the file, which are in PEM.
pub(crate) fn connector(authorities: &Path) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(authorities)? {
        roots.add(authority).map_err(|error| error.to_string())?;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if found.is_empty() => Err("has no certificate in it".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(reason(error, "certificate")),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other errors are those of the form")]
fn reason(error: pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("has no {wanted} in it"),
        _ => format!("is not a {wanted} in PEM"),
    }
}

/// An error of a handshake, as one of the connection.
pub(crate) fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidData, error.to_string())
}
