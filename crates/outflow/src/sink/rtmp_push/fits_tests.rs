//! What servers announce, against what they are sent.
#![allow(clippy::unwrap_used)]
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use outflow_rtmp::session::{CapsEx, Codec, FourCcInfo, ServerConfig, ServerEvent, ServerSession};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::media::classify;
use crate::media::{Intake, StreamInfo};
use crate::monitor::Event;
use crate::sink::rtmp_push::tests::Rig;
use crate::wire::Message;

fn header(kind: Kind, body: &'static [u8]) -> Shared {
    Message::new(classify::packet(kind, 0, Bytes::from_static(body), Instant::now()), None)
}

fn list(codecs: &[FourCc]) -> Capabilities {
    Capabilities { four_cc_list: codecs.iter().map(|codec| Codec::FourCc(*codec)).collect(), ..Capabilities::default() }
}

#[test]
fn only_what_a_peer_has_said_counts() {
    let hevc = header(Kind::Video, b"\x90hvc1conf");
    let opus = header(Kind::Audio, b"\x90OpusOpusHead");
    let old = [header(Kind::Video, b"\x17\0\0\0\0conf"), header(Kind::Audio, b"\xaf\0\x12\x10")];
    let both = [hevc.clone(), opus.clone()];
    assert!(misfits(&Capabilities::default(), &both).is_empty(), "it announced nothing");
    assert!(misfits(&Capabilities::relay(), &both).is_empty());
    assert!(misfits(&list(&[FourCc::AV01]), &old).is_empty(), "the older forms need no announcement");
    let told = misfits(&list(&[FourCc::AV01, FourCc::OPUS]), &both);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("(av01, Opus), and H.265 is none") && told[0].contains("H.264"), "{told:?}");
    let map =
        Capabilities { audio: vec![(Codec::FourCc(FourCc::FLAC), FourCcInfo::CAN_DECODE)], ..Capabilities::default() };
    let told = misfits(&map, &both);
    assert!(told.len() == 1 && told[0].contains("Opus is none") && told[0].contains("tracks=video"), "{told:?}");
}

#[test]
fn several_tracks_need_an_announcement_of_their_own() {
    let codecs = [FourCc::MP4A, FourCc::AVC1];
    let second = header(Kind::Audio, b"\x95\x00mp4a\x01\x12\x10");
    let told = misfits(&list(&codecs), std::slice::from_ref(&second));
    assert!(told.len() == 1 && told[0].contains("tracks=video,audio"), "{told:?}");
    let able = Capabilities { caps_ex: CapsEx::MULTITRACK, ..list(&codecs) };
    assert!(misfits(&able, std::slice::from_ref(&second)).is_empty());
    let other = Capabilities { caps_ex: CapsEx::MULTITRACK, ..list(&[FourCc::HVC1]) };
    assert!(misfits(&other, &[second])[0].contains("older form"));
}

#[test]
fn a_track_that_is_not_there_is_told() {
    let headers =
        [header(Kind::Video, b"\x17\0\0\0\0conf"), header(Kind::Audio, b"\x95\x10mp4a\x00\0\0\x01a\x02\0\0\x01b")];
    let of = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        missing(&headers, &Selection { tracks: Tracks::parse(&names).unwrap(), silence: false })
    };
    assert!(of(&[]).is_empty() && of(&["video", "audio", "audio:2"]).is_empty());
    assert_eq!(of(&["video", "audio:1"]), ["the stream has no audio:1, it has audio:0, audio:2"]);
    let sound = std::slice::from_ref(&headers[1]);
    let video = Selection { tracks: Tracks::parse(&["video:3".to_owned()]).unwrap(), silence: false };
    assert!(missing(sound, &video).is_empty(), "no codec of video has had a header");
}

/// A server that announces AV1 alone and hangs up at H.265: told once, and with the end of the connection.
#[tokio::test]
async fn a_push_is_warned_once_and_its_end_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let config = ServerConfig { capabilities: list(&[FourCc::AV01]), ..ServerConfig::new([7; 1528]) };
        let mut session = ServerSession::new(config);
        let mut buffer = [0; 4096];
        let mut frames = 0;
        while frames < 5
            && let Ok(length @ 1..) = tcp.read(&mut buffer).await
        {
            session.receive(&buffer[..length]).unwrap();
            while let Some(event) = session.next_event() {
                match event {
                    ServerEvent::Connect(_) => session.accept_connect().unwrap(),
                    ServerEvent::Publish(request) => assert!(session.accept_publish(request.stream_id)),
                    ServerEvent::Media(message) if message.kind == 9 => frames += 1,
                    _ => {}
                }
            }
            tcp.write_all(&session.take_output()).await.unwrap();
        }
    });
    let mut rig = Rig::new(&format!("rtmp://{address}/live/key"), &[]);
    rig.writer.start(StreamInfo { video: Some(true), audio: Some(false), realtime: false });
    let push = |dts: i64, body: &'static [u8]| {
        rig.writer.push(classify::packet(Kind::Video, dts, Bytes::from_static(body), Instant::now()));
    };
    push(0, b"\x90hvc1conf");
    let (mut job, _stopper) = rig.job();
    let told = Arc::<Mutex<Vec<String>>>::default();
    let warnings = told.clone();
    job.events = Arc::new(move |event| {
        if let Event::Warning { text, .. } = event {
            warnings.lock().push(text);
        }
    });
    let mut running = rig.sink.run(job);
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    let mut dts = 0;
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            _ = tick.tick() => {
                rig.writer.push(classify::packet(Kind::Video, dts, Bytes::from_static(b"\x91hvc1\0\0\0k"), Instant::now()));
                dts += 40;
            }
        }
    };
    let told = told.lock();
    assert!(told.len() == 1 && told[0].contains("H.265"), "{told:?}");
    assert!(ended.text.contains("H.265"), "{ended}");
}
