//! RTMPS listeners: publishers and players through TLS, renewed certificates, peers that stall the handshake.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outflow::net::tls::Identity;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::publisher::{Publisher, Target};
use outflow_testkit::tls::Authority;
use outflow_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{Rig, Show, config, output_rule};

fn write(folder: &Path, authority: &Authority) -> Arc<Identity> {
    let (chain, key) = authority.pem(&["localhost", "127.0.0.1"]);
    std::fs::write(folder.join("key.pem"), key).unwrap();
    std::fs::write(folder.join("cert.pem"), chain).unwrap();
    Identity::load(&folder.join("cert.pem"), &folder.join("key.pem")).unwrap()
}

async fn publish(url: &str, authority: &Authority) -> std::io::Result<Publisher> {
    let target = Target::parse(url);
    Publisher::over(target.dial(Some(authority)).await?, &target).await
}

#[tokio::test]
async fn publishers_and_players_come_through_tls_and_outputs_go_plain() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let server = Ingest::start(Behaviour::Good).await;
    let outputs = vec![output_rule("plain", "live/show", &server.url("live/k"))];
    let rig = Rig::start(outflow::config::Config { outputs, ..config() });
    let secure = rig.open_tls(write(folder.path(), &authority));
    let url = format!("rtmps://127.0.0.1:{}/live/show", secure.address.port());
    let _show = Show::run(publish(&url, &authority).await.unwrap(), made_up(20_000, 25, 1000));
    rig.until_state("plain", "live").await;
    // A peer that begins TLS and says no more is in nobody's way.
    let mut stalled = tokio::net::TcpStream::connect(secure.address).await.unwrap();
    stalled.write_all(b"\x16\x03\x01\x02").await.unwrap();
    let player = Player::connect_trusting(&url, Some(&authority)).await.unwrap();
    player.received.wait_for("media", |received| (received.media_messages > 100).then_some(())).await;
    let plain = Player::connect(&rig.url("live/show")).await.unwrap();
    plain.received.wait_for("media", |received| (received.media_messages > 100).then_some(())).await;
    server.wait_for_media(0, 100).await;
    // Plain RTMP on the TLS port is closed.
    let mut wrong = tokio::net::TcpStream::connect(secure.address).await.unwrap();
    wrong.write_all(&[3; 1537]).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), wrong.read_to_end(&mut answer)).await.expect("it is closed");
    let _ = stalled.read_to_end(&mut answer).await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let rig = Rig::start(config());
    let identity = write(folder.path(), &old);
    let secure = rig.open_tls(identity.clone());
    let url = format!("rtmps://127.0.0.1:{}/live/show", secure.address.port());
    let _show = Show::run(publish(&url, &old).await.unwrap(), made_up(20_000, 25, 1000));
    until("the show", || rig.relay.stream("live/show").is_some_and(|stream| stream.live)).await;
    // Half of a pair, as while it is being renewed: the old certificate stays, and the mistake is told.
    let (chain, key) = new.pem(&["localhost", "127.0.0.1"]);
    std::fs::write(folder.path().join("cert.pem"), &chain).unwrap();
    assert!(identity.reload().is_err());
    assert!(Player::connect_trusting(&url, Some(&old)).await.is_ok());
    std::fs::write(folder.path().join("key.pem"), &key).unwrap();
    identity.reload().unwrap();
    assert!(Player::connect_trusting(&url, Some(&old)).await.is_err());
    let player = Player::connect_trusting(&url, Some(&new)).await.unwrap();
    player.received.wait_for("media", |received| (received.media_messages > 10).then_some(())).await;
    // Who came before goes on.
    assert_eq!(rig.relay.publishers().len(), 1);
}

#[tokio::test]
async fn files_that_change_are_seen_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let identity = write(folder.path(), &old);
    let before = identity.current();
    let (chain, key) = new.pem(&["localhost"]);
    std::fs::write(folder.path().join("cert.pem"), &chain).unwrap();
    std::fs::write(folder.path().join("key.pem"), &key).unwrap();
    until("the new certificate", || !Arc::ptr_eq(&before, &identity.current())).await;
}

#[test]
fn words_that_listen_through_tls_need_a_certificate() {
    use outflow::cli::environment::System;
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    write(folder.path(), &authority);
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let parse = |output: String| {
        let words = ["avgen", "c=avc", "c=aac", "-o", &output].map(std::ffi::OsString::from);
        outflow::cli::parse(&words, &System).map(drop).map_err(|errors| errors.to_string())
    };
    let listen = "rtmps://127.0.0.1:1936/live:gpac:rtmp_listen=1";
    for (options, said) in [
        (String::new(), "needs a certificate"),
        (":cert=/nowhere.pem".into(), "/nowhere.pem"),
        (format!(":cert={}", cert.display()), "no private key"),
    ] {
        let error = parse(format!("{listen}{options}")).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    parse(format!("{listen}:cert={}:cert_key={}", cert.display(), key.display())).unwrap();
    let plain = parse(format!("rtmp://127.0.0.1:1935/live:gpac:rtmp_listen=1:cert={}", cert.display())).unwrap_err();
    assert!(plain.contains("shows no certificate"), "{plain}");
}
