//! The certificate that a server showed, taken or not: what names it is for, and until when.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::der::{self, Certificate};
use super::{TlsClient, build_client, verifier};

/// What the last server showed.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Option<Certificate>>);

impl Seen {
    /// The certificate; `None` where none was shown, or it can't be read.
    pub fn certificate(&self) -> Option<Certificate> {
        self.0.lock().clone()
    }
}

/// [`super::client_config`], and what it is shown. It trusts no more than that one does.
pub fn watching_config(ca: Option<&Path>) -> Result<(TlsClient, Arc<Seen>), String> {
    let seen = Arc::new(Seen::default());
    let watch = Watch { usual: verifier(ca)?, seen: seen.clone() };
    let mut config = build_client(RootCertStore::empty());
    config.dangerous().set_certificate_verifier(Arc::new(watch));
    Ok((Arc::new(config), seen))
}

#[derive(Debug)]
struct Watch {
    usual: Arc<dyn ServerCertVerifier>,
    seen: Arc<Seen>,
}

impl ServerCertVerifier for Watch {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.seen.0.lock() = der::certificate(end_entity);
        self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
