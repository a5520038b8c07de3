//! Certificates made on the spot: an authority that tests trust by file, and servers certified by it or not.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// An authority. Its certificate lies in a file that is removed when this is dropped.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: tempfile::NamedTempFile,
}

/// A server's certificate and key.
#[derive(Clone)]
pub struct Identity {
    config: Arc<rustls::ServerConfig>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Authority {
    /// A new authority.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("signs itself");
        let mut file = tempfile::Builder::new().suffix(".pem").tempfile().expect("a temporary file");
        file.write_all(issuer.pem().as_bytes()).expect("writes");
        file.flush().expect("writes");
        Self { issuer, file }
    }

    /// The certificate in PEM form, for `ca=`.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// A certificate for these names or addresses, as `localhost`.
    pub fn identity(&self, names: &[&str]) -> Identity {
        self.issue(names, |_| {})
    }

    /// The same, expired for years.
    pub fn expired(&self, names: &[&str]) -> Identity {
        self.issue(names, |params| {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        })
    }

    fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(names).expect("legal names");
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        let chain = vec![certificate.der().clone(), self.certificate()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a PKCS #8 key");
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key fits the certificate");
        Identity { config: Arc::new(config) }
    }

    /// A certificate for these names as PEM texts: the chain, and its key.
    pub fn pem(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names).expect("legal names");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        (certificate.pem() + &self.issuer.pem(), key.serialize_pem())
    }

    /// A client that trusts this authority alone.
    pub fn connector(&self) -> TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate()).expect("a certificate");
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// Accepts TLS with this certificate.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}
