//! Tests that every option of a push is seen in what a server receives.

use tokio::net::TcpStream;

use super::*;

/// What a server made of our session saw of one client.
struct Seen {
    connect: outflow_rtmp::session::ConnectRequest,
    bytes: Vec<u8>,
}

/// Takes one client up to its publish, which is refused.
async fn look_at(options: &[(&str, &str)]) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtmp://{}/live/name", listener.local_addr().unwrap());
    let mut rig = Rig::new(&url, options);
    let serving = async {
        let (tcp, _) = listener.accept().await.unwrap();
        serve(tcp).await
    };
    let (seen, ended) = tokio::join!(serving, rig.run());
    assert_eq!(ended.reason, Reason::Refused, "{ended}");
    seen
}

async fn serve(mut tcp: TcpStream) -> Seen {
    let mut session = ServerSession::new(ServerConfig::new([7; 1528]));
    let (mut connect, mut bytes, mut buffer) = (None, Vec::new(), [0; 4096]);
    loop {
        let length = tcp.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "it left too early");
        bytes.extend_from_slice(&buffer[..length]);
        session.receive(&buffer[..length]).unwrap();
        let mut published = false;
        while let Some(event) = session.next_event() {
            match event {
                ServerEvent::Connect(request) => {
                    connect = Some(request);
                    session.accept_connect().unwrap();
                }
                ServerEvent::Publish(request) => {
                    session.refuse_publish(request.stream_id, "NetStream.Publish.Denied", "enough seen");
                    published = true;
                }
                _ => {}
            }
        }
        tcp.write_all(&session.take_output()).await.unwrap();
        if published {
            return Seen { connect: *connect.unwrap(), bytes };
        }
    }
}

#[tokio::test]
async fn what_connect_says() {
    let plain = look_at(&[]).await;
    assert_eq!((plain.connect.app.as_str(), plain.connect.args.len()), ("live", 0));
    assert!(plain.connect.flash_ver.starts_with("FMLE/3.0"), "{}", plain.connect.flash_ver);
    let all = look_at(&[
        ("rtmp_app", "app"),
        ("rtmp_tcurl", "rtmp://else/where"),
        ("rtmp_flashver", "mine"),
        ("rtmp_pageurl", "http://page"),
        ("rtmp_swfurl", "http://swf"),
        ("rtmp_conn", "B:1 S:text"),
    ])
    .await
    .connect;
    assert_eq!((all.app.as_str(), all.tc_url.as_str()), ("app", "rtmp://else/where"));
    assert_eq!(
        (all.flash_ver.as_str(), all.page_url.as_str(), all.swf_url.as_str()),
        ("mine", "http://page", "http://swf")
    );
    assert_eq!(all.args, [true.into(), "text".into()]);
}

#[tokio::test]
async fn the_chunk_size_is_announced() {
    // Set Chunk Size: chunk stream 2, message type 1, 4 bytes (Adobe RTMP 1.0 §5.4.1).
    let announced = |seen: &Seen, size: u32| {
        let message = [&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0][..], &size.to_be_bytes()].concat();
        seen.bytes.windows(message.len()).any(|window| window == message)
    };
    assert!(announced(&look_at(&[]).await, crate::wire::CHUNK_SIZE));
    assert!(announced(&look_at(&[("chunk_size", "60000")]).await, 60000));
}

#[tokio::test]
async fn name_source_address_and_tracks() {
    let server = Ingest::start(Behaviour::Good).await;
    let url = server.url("live");
    let mut options = vec![("key", "secret?x=1"), ("tracks", "video")];
    if cfg!(target_os = "linux") {
        options.push(("bind", "127.0.0.7"));
    }
    let mut rig = Rig::new(&url, &options);
    assert_eq!(run_with_media(&mut rig, async || server.wait_for_media(0, 30).await).await, Ended::stopped());
    let session = server.session(0);
    assert_eq!(session.published.as_deref(), Some("secret?x=1"));
    assert!(session.tags().iter().all(|tag| tag.kind != 8), "audio was left out");
    if cfg!(target_os = "linux") {
        assert_eq!(session.peer.ip().to_string(), "127.0.0.7");
    }
    let mut rig = Rig::new(&url, &[("rtmp_playpath", "path")]);
    assert_eq!(run_with_media(&mut rig, async || server.wait_for_media(1, 10).await).await, Ended::stopped());
    assert_eq!(server.session(1).published.as_deref(), Some("path"));
    assert!(server.session(1).tags().iter().any(|tag| tag.kind == 8));
}

#[tokio::test]
async fn where_it_begins_and_how_late() {
    // Frames 0 to 7 of groups of 5 were there long before anybody connects.
    for (start, first) in [("gop", 5), ("key", 10)] {
        let server = Ingest::start(Behaviour::Good).await;
        let mut rig = Rig::new(&server.url("live/key"), &[("start", start)]);
        let (job, stopper) = rig.job();
        let stats = rig.stats.clone();
        let mut feeder = Feeder::new(&rig.writer, 2000);
        for _ in 0..3 + 2 * 8 {
            feeder.push(&rig.writer);
        }
        // Until the last key frame is no longer the one that called for the output.
        tokio::time::sleep(crate::sink::rtmp_push::FRESH + Duration::from_millis(50)).await;
        let fed = made_up(2000, 5, 500);
        let mut running = rig.sink.run(job);
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        loop {
            tokio::select! {
                ended = &mut running => {
                    assert_eq!(ended, Ended::stopped());
                    break;
                }
                _ = tick.tick() => {
                    // Attached, and only then more: else the next key frame may come too early.
                    if OutputStats::get(&stats.connections) > 0 {
                        feeder.push(&rig.writer);
                    }
                    if server.state.look(|state| state.sessions.first().is_some_and(|s| s.key_frames > 0)) {
                        stopper.stop();
                    }
                }
            }
        }
        let video = |tag: &&outflow_testkit::flv::Tag| tag.kind == 9 && tag.is_frame();
        let wanted = fed.iter().filter(video).nth(first).unwrap();
        assert_eq!(server.session(0).tags().iter().find(video).unwrap().body, wanted.body, "start={start}");
    }

    let server = Ingest::start(Behaviour::Good).await;
    let mut rig = Rig::new(&server.url("live/key"), &[("delay", "400ms")]);
    assert_eq!(run_with_media(&mut rig, async || server.wait_for_media(0, 5).await).await, Ended::stopped());
    let session = server.session(0);
    let waited = session.arrivals[0].at.duration_since(session.accepted);
    assert!(waited >= Duration::from_millis(400), "{waited:?}");
}
