//! TLS for both roles: what we trust, and what went wrong said in words.

mod der;
mod own;
mod seen;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::connection::Connection;
use super::{NetError, Stage};
pub use der::Certificate;
pub use seen::{Seen, watching_config};

/// More certificates and keys than any PEM file of use here holds, in bytes.
const MOST_PEM: u64 = 4 << 20;

/// What we trust as a client.
pub type TlsClient = Arc<ClientConfig>;

/// What we trust as a client: the system's roots (built-in ones where the system has none), and those of a PEM file
/// besides. The error says what is wrong with the file.
pub fn client_config(ca: Option<&Path>) -> Result<TlsClient, String> {
    static PLAIN: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let Some(file) = ca else {
        // The system's store is a hundred files on some systems: read once, and only if TLS is used.
        return Ok(PLAIN.get_or_init(|| Arc::new(build_client(system_roots()))).clone());
    };
    let mut config = build_client(RootCertStore::empty());
    config.dangerous().set_certificate_verifier(with_file(file)?);
    Ok(Arc::new(config))
}

/// What decides about certificates: the system's roots, and those of a PEM file besides.
fn verifier(ca: Option<&Path>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let Some(file) = ca else {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(system_roots()), provider).build();
        return Ok(usual.map_err(|error| format!("nothing can be verified with the system's certificates: {error}"))?);
    };
    with_file(file)
}

fn with_file(file: &Path) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut roots = system_roots();
    let given = certificates(file)?;
    for certificate in &given {
        let added = roots.add(certificate.clone());
        added.map_err(|error| format!("{}: not a usable certificate: {error}", file.display()))?;
    }
    own::verifier(roots, given).map_err(|error| format!("{}: {error}", file.display()))
}

fn build_client(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    match ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions() {
        Ok(builder) => builder.with_root_certificates(roots).with_no_client_auth(),
        // This provider has the default protocol versions; the type can't say so.
        Err(_) => ClientConfig::builder().with_root_certificates(roots).with_no_client_auth(),
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// What a listener shows: a chain of certificates and its key, from PEM files.
pub fn server_config(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let certificates = certificates(chain)?;
    let text = read(key)?;
    let secret = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| format!("{}: no private key in PEM form was found in it", key.display()))?;
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, secret))
        .map(Arc::new)
        .map_err(|error| format!("{} and {} don't make a TLS server: {error}", chain.display(), key.display()))
}

/// The certificate of a listener, with the files that it is read from again when asked.
pub struct Identity {
    chain: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// When the files were changed that it was read from.
    changed: [Option<SystemTime>; 2],
    looked: Instant,
}

/// The files of a certificate are looked at no oftener than this.
const LOOK: Duration = Duration::from_secs(1);

impl Identity {
    /// Reads both files. The error says what is wrong with them.
    pub fn load(chain: &Path, key: &Path) -> Result<Arc<Self>, String> {
        let changed = [chain, key].map(changed);
        let current = Mutex::new(Current { config: server_config(chain, key)?, changed, looked: Instant::now() });
        Ok(Arc::new(Self { chain: chain.to_owned(), key: key.to_owned(), current }))
    }

    /// Reads them again: connections that come from now on see what they hold. With files that are wrong, or half
    /// renewed, the old certificate stays.
    pub fn reload(&self) -> Result<(), String> {
        let changed = [&self.chain, &self.key].map(|file| changed(file));
        let config = server_config(&self.chain, &self.key)?;
        let mut current = self.current.lock();
        (current.config, current.changed) = (config, changed);
        Ok(())
    }

    /// What a connection that comes now is shown: files that were renewed meanwhile are read again.
    pub fn current(&self) -> Arc<ServerConfig> {
        let due = {
            let mut current = self.current.lock();
            let due = current.looked.elapsed() >= LOOK;
            if due {
                current.looked = Instant::now();
            }
            due
        };
        if due {
            // Half renewed: the old one stays, and the next connection looks again.
            let _ = self.look();
        }
        self.current.lock().config.clone()
    }

    /// Reads the files again if they were changed; tells what came of it, `None` if they were not.
    pub fn look(&self) -> Option<Result<(), String>> {
        let known = self.current.lock().changed;
        ([&self.chain, &self.key].map(|file| changed(file)) != known).then(|| self.reload())
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|about| about.modified()).ok()
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let fail = |error: io::Error| format!("{}: {}", file.display(), super::dial::plain(&error));
    let size = std::fs::metadata(file).map_err(fail)?.len();
    if size > MOST_PEM {
        return Err(format!("{}: too large for certificates ({size} bytes)", file.display()));
    }
    std::fs::read(file).map_err(fail)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(format!("{}: no certificate in PEM form was found in it", file.display())),
    }
}

/// Makes a TLS session as client. `host` is the name or address that the certificate must be made for; `peer` is what
/// errors call the other side.
pub async fn connect(
    tcp: TcpStream,
    config: Arc<ClientConfig>,
    host: &str,
    peer: &str,
) -> Result<Connection, NetError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = match bare.parse::<IpAddr>() {
        Ok(address) => ServerName::IpAddress(address.into()),
        Err(_) => ServerName::try_from(bare.trim_end_matches('.').to_owned()).map_err(|_| NetError {
            ours: true,
            ..NetError::new(Stage::Tls, peer, "the host is not a name that a certificate can be made for")
        })?,
    };
    match TlsConnector::from(config).connect(name, tcp).await {
        Ok(tls) => Ok(Connection::Tls(Box::new(TlsStream::Client(tls)))),
        Err(error) => Err(NetError::new(Stage::Tls, peer, in_words(&error, bare))),
    }
}

/// Makes a TLS session as server.
pub async fn accept(tcp: TcpStream, config: Arc<ServerConfig>, peer: &str) -> Result<Connection, NetError> {
    match TlsAcceptor::from(config).accept(tcp).await {
        Ok(tls) => Ok(Connection::Tls(Box::new(TlsStream::Server(tls)))),
        Err(error) => Err(NetError::new(Stage::Tls, peer, in_words(&error, peer))),
    }
}

/// What went wrong and, where known, what to do.
fn in_words(error: &io::Error, host: &str) -> String {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                "the server closed the connection during the TLS handshake (is it an rtmp:// port?)".into()
            }
            _ => super::dial::plain(error),
        };
    };
    match tls {
        rustls::Error::InvalidCertificate(fault) => certificate_in_words(fault, host),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS (is it an rtmp:// port?)".into(),
        rustls::Error::AlertReceived(alert) => format!("the server refused the TLS session ({alert:?})"),
        rustls::Error::PeerIncompatible(why) => format!("the server speaks no TLS version that we do ({why:?})"),
        other => other.to_string(),
    }
}

fn certificate_in_words(fault: &CertificateError, host: &str) -> String {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired (or the clock of this machine is wrong)".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet (or the clock of this machine is wrong)".into()
        }
        CertificateError::NotValidForName => format!("the server's certificate is not for {host}"),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            let name = if host.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
            format!(
                "the server's certificate names no host (a common name alone does not count): \
                 make it with openssl's -addext subjectAltName={name}:{host}"
            )
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = presented.iter().take(4).map(|name| shown_name(name)).collect::<Vec<_>>().join(", ");
            format!("the server's certificate is for {names}, not for {host}: use one of its names in the URL")
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate is not signed by anybody this machine trusts: ca=FILE adds its issuer".into()
        }
        CertificateError::Revoked => "the server's certificate was revoked".into(),
        fault if own::is_issuers_own(fault) => {
            "the server's certificate is an issuer's own, not a server's: ca=FILE with exactly this one accepts it"
                .into()
        }
        other => format!("the server's certificate is not acceptable: {other}"),
    }
}

/// `DnsName("a.example")` as the library prints it, as `a.example`.
fn shown_name(name: &str) -> &str {
    name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')')).trim_matches('"')
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
