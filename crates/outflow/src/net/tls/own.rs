//! A server's own self-signed certificate, given with `ca=`: taken for its names, though it says that it is an issuer's.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Trusts `roots` as usual, and the servers whose own certificate is one of `given`. The error says why nothing can be
/// verified with these.
pub(super) fn verifier(
    roots: RootCertStore,
    given: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let usual = usual.map_err(|error| format!("nothing can be verified with it: {error}"))?;
    Ok(Arc::new(OwnToo { usual, given }))
}

/// The usual rules, but for certificates that were given one by one.
#[derive(Debug)]
struct OwnToo {
    usual: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
}

/// What `openssl req -x509` makes says of itself that it may sign others; the rules for the web don't let such a one be a
/// server's. It is found once the dates were found right.
pub(super) fn is_issuers_own(fault: &CertificateError) -> bool {
    matches!(fault, CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity"))
}

impl ServerCertVerifier for OwnToo {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(fault))
                if is_issuers_own(&fault) && self.given.iter().any(|given| given == end_entity) =>
            {
                // Its key is the one that the user vouches for: only the name is left to compare.
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
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
