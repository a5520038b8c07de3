//! The testkit against itself: each server misbehaves as named, each checker sees what it should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use outflow_testkit::compare::{compare, monotonic};
use outflow_testkit::ingest::{Behaviour, Ingest, Refusing, Setup, Stage};
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::proxy::Proxy;
use outflow_testkit::publisher::{Publisher, Target};
use outflow_testkit::tls::Authority;

#[tokio::test]
async fn a_good_server_records_every_message_as_sent() {
    let ingest = Ingest::start(Behaviour::Good).await;
    let mut publisher = Publisher::connect(&ingest.url("live/key?a=b")).await.unwrap();
    let sent = made_up(60, 10, 9000);
    // From above 2^24 ms, so that extended timestamps and large messages meet.
    for tag in &sent {
        publisher.send_tag(tag, 20_000_000).await.unwrap();
    }
    ingest.wait_for_media(0, 122).await;
    publisher.finish().await.unwrap();
    ingest.wait_for("the end", |state| state.open == 0).await;
    let session = ingest.session(0);
    assert_eq!(session.published.as_deref(), Some("key?a=b"));
    assert_eq!(session.connect_text("app").as_deref(), Some("live"));
    assert!(session.unpublished);
    let found = compare(&sent, &session.tags()).unwrap();
    assert_eq!((found.video, found.audio, found.offset), (60, 60, 20_000_000));
    assert_eq!(session.tags()[0], {
        let mut tag = sent[0].clone();
        tag.time += 20_000_000;
        tag
    });
    monotonic(&session.tags()).unwrap();
}

#[tokio::test]
async fn refusals_are_told() {
    let refusing = Refusing::new();
    assert!(Publisher::connect(&refusing.url("live/k")).await.is_err());
    let ingest = Setup::new([
        Behaviour::RefusePublish("NetStream.Publish.BadName"),
        Behaviour::RefuseConnect("NetConnection.Connect.InvalidApp", "no such app"),
        Behaviour::CloseAfterPublish,
        Behaviour::Good,
    ])
    .start()
    .await;
    for why in ["BadName", "InvalidApp", "without an onStatus"] {
        let error = Publisher::connect(&ingest.url("live/k")).await.err().expect("refused");
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(Publisher::connect(&ingest.url("live/k")).await.is_ok());
}

#[tokio::test]
async fn a_mute_server_sees_the_client_leave() {
    for stage in [Stage::Accept, Stage::Handshake, Stage::Connect, Stage::CreateStream] {
        let ingest = Ingest::start(Behaviour::Mute(stage)).await;
        let url = ingest.url("live/k");
        let connecting = tokio::time::timeout(Duration::from_millis(300), Publisher::connect(&url));
        assert!(connecting.await.is_err(), "{stage:?} is not mute");
        ingest.wait_for("the client's leaving", |state| state.connections() == 1 && state.open == 0).await;
        let commands = ingest.session(0).commands;
        assert_eq!(commands.contains(&"connect".to_string()), matches!(stage, Stage::Connect | Stage::CreateStream));
    }
}

#[tokio::test]
async fn a_server_stops_reading_and_goes_on() {
    let ingest = Setup::new([Behaviour::StopReading(200_000)]).receive_buffer(16 * 1024).start().await;
    let mut publisher = Publisher::connect(&ingest.url("live/k")).await.unwrap();
    let sent = made_up(3000, 50, 4000);
    let sending = tokio::spawn(async move {
        for tag in &sent {
            publisher.send_tag(tag, 0).await.unwrap();
        }
        publisher
    });
    ingest.wait_for("the byte where it stops", |state| state.bytes() == 200_000).await;
    assert!(!sending.is_finished());
    ingest.resume();
    let _publisher = sending.await.unwrap();
    ingest.wait_for_media(0, 6002).await;
}

#[tokio::test]
async fn a_server_resets_at_its_byte_and_drains_slowly() {
    let ingest = Setup::new([Behaviour::ResetAt(50_000), Behaviour::DrainSlowly(100_000)]).start().await;
    let mut publisher = Publisher::connect(&ingest.url("live/k")).await.unwrap();
    let sent = made_up(500, 50, 4000);
    let mut failed = None;
    for tag in &sent {
        failed = publisher.send_tag(tag, 0).await.err();
        if failed.is_some() {
            break;
        }
    }
    ingest.wait_for("the reset", |state| state.sessions[0].end.as_deref() == Some("reset by the test")).await;
    let end = publisher.replies.wait_for("the publisher's end", |replies| replies.end.clone()).await;
    // The kernel tells of a reset once: to the next write or to the next read.
    let told = format!("{failed:?} {end}");
    assert!(told.contains("reset"), "{told}");

    let mut publisher = Publisher::connect(&ingest.url("live/k")).await.unwrap();
    let start = std::time::Instant::now();
    for tag in &sent[..60] {
        publisher.send_tag(tag, 0).await.unwrap();
    }
    ingest.wait_for_media(1, 60 - 1).await;
    assert!(start.elapsed() > Duration::from_millis(900), "118 kB at 100 kB/s took {:?}", start.elapsed());
}

#[tokio::test]
async fn tls_is_spoken_and_a_wrong_name_refused() {
    let authority = Authority::new();
    let ingest = Setup::new([Behaviour::Good]).tls(&authority.identity(&["localhost"])).start().await;
    let target = Target::parse(&ingest.url("live/k"));
    assert!(target.tls);
    let name = "localhost".try_into().unwrap();
    let tcp = tokio::net::TcpStream::connect(ingest.address()).await.unwrap();
    let stream = authority.connector().connect(name, tcp).await.unwrap();
    let mut publisher = Publisher::over(Box::new(stream), &target).await.unwrap();
    publisher.send(9, 0, &b"\x17\x01\x00\x00\x00abc"[..]).await.unwrap();
    ingest.wait_for_media(0, 1).await;

    let wrong = Setup::new([Behaviour::Good]).tls(&authority.identity(&["elsewhere.example"])).start().await;
    let tcp = tokio::net::TcpStream::connect(wrong.address()).await.unwrap();
    assert!(authority.connector().connect("localhost".try_into().unwrap(), tcp).await.is_err());
}

#[tokio::test]
async fn the_proxy_carries_freezes_and_cuts() {
    let ingest = Ingest::start(Behaviour::Good).await;
    let proxy = Proxy::start(ingest.address()).await;
    let url = format!("rtmp://{}/live/k", proxy.address());
    let mut publisher = Publisher::connect(&url).await.unwrap();
    publisher.send(9, 0, &b"\x17\x01\x00\x00\x00one"[..]).await.unwrap();
    ingest.wait_for_media(0, 1).await;

    proxy.set(|link| link.up.frozen = true);
    publisher.send(9, 1, &b"\x17\x01\x00\x00\x00two"[..]).await.unwrap();
    let more = ingest
        .state
        .wait_within(Duration::from_secs(3600), "more", |s| (s.sessions[0].media_messages > 1).then_some(()));
    assert!(tokio::time::timeout(Duration::from_millis(300), more).await.is_err(), "it is not frozen");
    proxy.set(|link| link.up.frozen = false);
    ingest.wait_for_media(0, 2).await;
    assert!(proxy.carried().0 > 3000);

    proxy.cut();
    let end = publisher.replies.wait_for("the cut", |replies| replies.end.clone()).await;
    assert!(end.contains("reset"), "{end}");
    ingest.wait_for("the cut", |state| state.open == 0).await;

    let mut publisher = Publisher::connect(&url).await.unwrap();
    proxy.half_close();
    ingest.wait_for("the half-close", |state| state.sessions[1].end.as_deref() == Some("client left")).await;
    let _ = publisher.send(9, 0, &b"late"[..]).await;
}

#[tokio::test]
async fn the_proxy_changes_bytes_and_closes_either_half() {
    let ingest = Ingest::start(Behaviour::Good).await;
    let proxy = Proxy::start_seeded(ingest.address(), 7).await;
    let url = format!("rtmp://{}/live/k", proxy.address());
    let mut publisher = Publisher::connect(&url).await.unwrap();
    proxy.set(|link| link.up.corrupt = Some(5_000));
    let body = vec![0x55; 100_000];
    // Only in bodies would be luck; either a body differs or what is no RTMP any more ends the connection.
    let _ = publisher.send(9, 0, body.clone()).await;
    let _ = publisher.send(9, 1, body.clone()).await;
    ingest
        .wait_for("wrong bytes", |state| {
            let session = &state.sessions[0];
            session.end.is_some() || session.arrivals.iter().any(|arrival| arrival.message.body != body)
        })
        .await;

    proxy.heal();
    let mut publisher = Publisher::connect(&url).await.unwrap();
    proxy.half_close_down();
    let end = publisher.replies.wait_for("the half-close", |replies| replies.end.clone()).await;
    assert_eq!(end, "server left");
    publisher.send(9, 0, &b"\x17\x01\x00\x00\x00late"[..]).await.unwrap();
    ingest.wait_for_media(1, 1).await;
}

#[tokio::test]
async fn a_player_is_refused_by_a_server_that_only_ingests() {
    let ingest = Ingest::start(Behaviour::Mute(Stage::CreateStream)).await;
    let url = ingest.url("live/k");
    let playing = tokio::time::timeout(Duration::from_millis(300), Player::connect(&url));
    assert!(playing.await.is_err());
}
