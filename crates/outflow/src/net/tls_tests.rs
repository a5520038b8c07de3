//! Tests of TLS against a server of our own, with certificates made on the spot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A private authority, and one certificate that it signed.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "Test authority");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut server = CertificateParams::new(names).unwrap();
        change(&mut server);
        let key = KeyPair::generate().unwrap();
        let signed = server.signed_by(&key, &authority).unwrap();
        let made = Self { folder };
        std::fs::write(made.file("ca.pem"), authority.pem()).unwrap();
        std::fs::write(made.file("server.pem"), signed.pem()).unwrap();
        std::fs::write(made.file("key.pem"), key.serialize_pem()).unwrap();
        made
    }

    /// A server that signed for itself, as `openssl req -x509` makes it: by its own words an issuer.
    fn own(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap() };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut server = CertificateParams::new(names).unwrap();
        server.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        change(&mut server);
        let key = KeyPair::generate().unwrap();
        std::fs::write(made.file("server.pem"), server.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(made.file("key.pem"), key.serialize_pem()).unwrap();
        made
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Connects as `host`, trusting `ca`; both sides exchange a word.
    async fn exchange(&self, host: &str, ca: Option<&Path>) -> Result<String, NetError> {
        let server = server_config(&self.file("server.pem"), &self.file("key.pem")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut connection = accept(tcp, server, "client").await.ok()?;
            let mut word = [0u8; 5];
            connection.read_exact(&mut word).await.ok()?;
            connection.write_all(&word).await.ok()?;
            connection.shutdown().await.ok()
        });
        let tcp = TcpStream::connect(at).await.unwrap();
        let mut connection = connect(tcp, client_config(ca).unwrap(), host, &format!("{host}:443")).await?;
        assert!(connection.is_tls());
        assert_eq!(connection.peer_addr().unwrap(), at);
        connection.write_all(b"hello").await.unwrap();
        connection.flush().await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        serving.await.unwrap().unwrap();
        Ok(answer)
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_by_its_file() {
    let made = Certificates::new(&["ingest.example", "127.0.0.1"], |_| {});
    let ca = made.file("ca.pem");
    assert_eq!(made.exchange("ingest.example", Some(&ca)).await.unwrap(), "hello");
    assert_eq!(made.exchange("127.0.0.1", Some(&ca)).await.unwrap(), "hello");

    let error = made.exchange("ingest.example", None).await.unwrap_err();
    assert!(error.to_string().contains("ca=FILE adds its issuer"), "{error}");
}

#[tokio::test]
async fn a_server_that_signed_for_itself_is_trusted_by_its_own_file() {
    let made = Certificates::own(&["own.example", "127.0.0.1"], |_| {});
    let own = made.file("server.pem");
    assert_eq!(made.exchange("own.example", Some(&own)).await.unwrap(), "hello");
    assert_eq!(made.exchange("127.0.0.1", Some(&own)).await.unwrap(), "hello");
    // Only for its names, in its time, and only where exactly this one was given.
    let error = made.exchange("other.example", Some(&own)).await.unwrap_err();
    assert!(error.to_string().contains("is for own.example"), "{error}");
    let other = Certificates::own(&["own.example"], |_| {});
    for ca in [None, Some(other.file("server.pem"))] {
        let error = made.exchange("own.example", ca.as_deref()).await.unwrap_err();
        assert!(error.to_string().contains("ca=FILE with exactly this one"), "{error}");
    }
    let expired = Certificates::own(&["own.example"], |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let error = expired.exchange("own.example", Some(&expired.file("server.pem"))).await.unwrap_err();
    assert!(error.to_string().contains("has expired"), "{error}");
    // openssl's default has a common name only.
    let nameless = Certificates::own(&[], |params| params.distinguished_name.push(DnType::CommonName, "own.example"));
    let error = nameless.exchange("own.example", Some(&nameless.file("server.pem"))).await.unwrap_err();
    assert!(error.to_string().contains("-addext subjectAltName=DNS:own.example"), "{error}");
}

#[tokio::test]
async fn a_wrong_name_is_told_with_the_right_ones() {
    let made = Certificates::new(&["a.example", "b.example"], |_| {});
    let ca = made.file("ca.pem");
    let error = made.exchange("c.example", Some(&ca)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no TLS with c.example:443: the server's certificate is for a.example, b.example, not for c.example: \
         use one of its names in the URL"
    );
    let error = made.exchange("127.0.0.1", Some(&ca)).await.unwrap_err();
    assert!(error.to_string().contains("not for 127.0.0.1"), "{error}");
    let error = made.exchange("not a name", Some(&ca)).await.unwrap_err();
    assert!(error.ours, "{error}");
}

#[tokio::test]
async fn the_dates_of_a_certificate_count() {
    let expired = Certificates::new(&["a.example"], |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let error = expired.exchange("a.example", Some(&expired.file("ca.pem"))).await.unwrap_err();
    assert!(error.to_string().contains("has expired"), "{error}");
    let early = Certificates::new(&["a.example"], |params| params.not_before = date_time_ymd(3000, 1, 1));
    let error = early.exchange("a.example", Some(&early.file("ca.pem"))).await.unwrap_err();
    assert!(error.to_string().contains("not valid yet"), "{error}");
}

#[tokio::test]
async fn a_peer_without_tls_is_recognised() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut hello = [0u8; 16];
            tcp.read_exact(&mut hello).await.unwrap();
            tcp.write_all(answer).await.unwrap();
        });
        let tcp = TcpStream::connect(at).await.unwrap();
        let error = connect(tcp, client_config(None).unwrap(), "localhost", "localhost:1").await.unwrap_err();
        assert!(error.to_string().contains("is it an rtmp:// port?"), "{error}");
        serving.await.unwrap();
    }
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let made = Certificates::new(&["a.example"], |_| {});
    let (chain, key) = (made.file("server.pem"), made.file("key.pem"));
    assert!(client_config(Some(&key)).unwrap_err().contains("key.pem: no certificate in PEM form"));
    assert!(client_config(Some(&made.file("none.pem"))).unwrap_err().contains("none.pem: no such file"));
    assert!(server_config(&chain, &chain).unwrap_err().contains("server.pem: no private key"));
    assert!(server_config(&made.file("ca.pem"), &key).unwrap_err().contains("don't make a TLS server"));
}
