//! Silence in step with pictures, its end, and what the metadata says of it.
#![allow(clippy::unwrap_used)]
use std::time::Instant;

use super::*;
use crate::media::classify;

fn video(dts: i64, body: &'static [u8]) -> Packet {
    classify::packet(Kind::Video, dts, Bytes::from_static(body), Instant::now())
}

fn key(dts: i64) -> Packet {
    video(dts, b"\x17\x01\0\0\0k")
}

fn inter(dts: i64) -> Packet {
    video(dts, b"\x27\x01\0\0\0i")
}

fn audio(dts: i64, body: &'static [u8]) -> Packet {
    classify::packet(Kind::Audio, dts, Bytes::from_static(body), Instant::now())
}

fn metadata(fields: Vec<(String, Value)>) -> Packet {
    let mut body = BytesMut::new();
    amf0::encode_all(&[Value::String(ON_META_DATA.into()), Value::EcmaArray(fields)], &mut body);
    classify::packet(Kind::Data, 0, body.freeze(), Instant::now())
}

fn taken(silence: &mut Silence, packet: Packet) -> (Vec<Packet>, bool) {
    let mut out = Vec::new();
    let over = silence.take(packet, &mut out);
    (out, over)
}

/// `v40` for a picture, `h0` for the header of sound, `a0` for sound, `m` for metadata.
fn short(packets: &[Packet]) -> String {
    let name = |packet: &Packet| match (packet.kind, packet.flags.header) {
        (Kind::Video, _) => format!("v{}", packet.dts),
        (Kind::Audio, true) => format!("h{}", packet.dts),
        (Kind::Audio, false) => format!("a{}", packet.dts),
        (Kind::Data, _) => "m".to_owned(),
    };
    packets.iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn frames_of_1024_samples_keep_behind_the_picture() {
    let mut silence = Silence::default();
    silence.start(None);
    let mut out = taken(&mut silence, video(0, b"\x17\0\0\0\0conf")).0;
    out.extend(taken(&mut silence, inter(0)).0);
    assert_eq!(short(&out), "v0 v0", "nothing before a key frame");
    let mut out = taken(&mut silence, key(1000)).0;
    for dts in [1040, 1080] {
        out.extend(taken(&mut silence, inter(dts)).0);
    }
    assert_eq!(short(&out), "h1000 v1000 a1000 a1023 v1040 a1046 a1069 v1080");
    assert_eq!(&out[0].body[..], HEADER);
    assert_eq!(time(0, 44_100), 1_024_000, "no rounding adds up");
    for dts in (1120..400_000).step_by(40) {
        let (out, over) = taken(&mut silence, inter(dts));
        assert!(!over && out.iter().all(|packet| packet.dts <= dts && packet.dts > dts - 64), "{}", short(&out));
    }
    // Nothing fills a gap of minutes.
    let (out, _) = taken(&mut silence, key(9_000_000));
    assert_eq!(short(&out), "v9000000");
    assert_eq!(short(&taken(&mut silence, inter(9_000_040)).0), "a9000000 a9000023 v9000040");
}

#[test]
fn it_stops_when_sound_comes_and_begins_anew_with_a_source_without() {
    let mut silence = Silence::default();
    silence.start(None);
    taken(&mut silence, metadata(vec![("width".into(), 320.0.into())]));
    taken(&mut silence, key(0));
    taken(&mut silence, inter(40));
    let (out, over) = taken(&mut silence, audio(40, b"\xaf\0\x11\x90"));
    assert!(!over && out.is_empty(), "its header alone is no sound");
    let (out, over) = taken(&mut silence, audio(41, b"\xaf\x01x"));
    assert!(over);
    assert_eq!(short(&out), "m h46", "as it came, and not before the silence has ended");
    assert_eq!(properties(&out[0].body).unwrap().len(), 1);
    assert_eq!(&out[1].body[..], b"\xaf\0\x11\x90");
    // Sound from the time of silence has no place.
    assert_eq!(short(&taken(&mut silence, audio(41, b"\xaf\x01x")).0), "");
    assert_eq!(short(&taken(&mut silence, audio(64, b"\xaf\x01x")).0), "a64");
    assert_eq!(short(&taken(&mut silence, inter(80)).0), "v80");
    silence.start(Some(true));
    assert_eq!(short(&taken(&mut silence, key(120)).0), "v120");
    silence.start(Some(false));
    assert_eq!(short(&taken(&mut silence, key(160)).0), "h160 v160");
    assert_eq!(short(&taken(&mut silence, inter(200)).0), "a160 a183 v200");
}

#[test]
fn sound_that_is_announced_is_waited_for() {
    let mut silence = Silence::default();
    silence.start(None);
    let told = taken(&mut silence, metadata(vec![("audiocodecid".into(), 10.0.into())])).0;
    let out = taken(&mut silence, key(0)).0;
    assert_eq!(short(&[told, out].concat()), "m v0");
    for dts in (40..1000).step_by(40) {
        assert_eq!(taken(&mut silence, inter(dts)).0.len(), 1);
    }
    assert_eq!(short(&taken(&mut silence, inter(1000)).0), "m h1000 v1000");
    // Some say 0 who have none.
    silence.start(None);
    taken(&mut silence, metadata(vec![("audiocodecid".into(), 0.0.into())]));
    assert_eq!(short(&taken(&mut silence, key(2000)).0), "m h2000 v2000");
}

#[test]
fn metadata_says_what_is_true_and_what_is_not_understood_stays() {
    let given = metadata(vec![
        ("width".into(), 320.0.into()),
        ("audiodatarate".into(), 128.0.into()),
        ("audiocodecid".into(), Value::Null),
    ]);
    let mut silence = Silence::default();
    silence.start(None);
    taken(&mut silence, given.clone());
    let out = taken(&mut silence, key(0)).0;
    let fields = properties(&out[0].body).unwrap();
    let of =
        |wanted: &str| fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value).collect::<Vec<_>>();
    assert_eq!((of("width"), of("audiocodecid")), (vec![&320.0.into()], vec![&10.0.into()]));
    assert_eq!((of("audiodatarate"), of("stereo")), (vec![], vec![&Value::Boolean(true)]));
    let later = taken(&mut silence, given).0;
    assert_eq!(properties(&later[0].body).unwrap(), fields);
    let odd = classify::packet(Kind::Data, 0, Bytes::from_static(b"\x02\x00\x0aonMetaData\x08\xff"), Instant::now());
    assert!(odd.flags.header);
    assert_eq!(taken(&mut silence, odd.clone()).0[0].body, odd.body);
}

/// A header that no frame follows, and messages with nothing in them: the silence is there and stays.
#[test]
fn a_header_without_frames_and_empty_messages_are_no_sound() {
    let mut silence = Silence::default();
    silence.start(None);
    assert!(taken(&mut silence, audio(0, b"\xaf\0\x11\x90")).0.is_empty());
    taken(&mut silence, metadata(vec![("width".into(), 320.0.into())]));
    let mut out = taken(&mut silence, key(0)).0;
    assert_eq!(short(&out), "v0", "its sound is waited for");
    let nothing = [&b""[..], b"\xaf", b"\xaf\x01", b"\x2f", b"\x91mp4a", b"\x92mp4a", b"\x95\x01mp4a\x00"];
    for dts in (40..4000).step_by(40) {
        for body in nothing {
            let (empty, over) = taken(&mut silence, audio(dts, body));
            assert!(empty.is_empty() && !over, "{body:?}");
        }
        // Again and again, as some do, and another one at last.
        let header: &[u8] = if dts < 3000 { b"\xaf\0\x11\x90" } else { b"\xaf\0\x11\x88" };
        assert!(taken(&mut silence, audio(dts, header)).0.is_empty());
        out.extend(taken(&mut silence, inter(dts)).0);
    }
    let sound: Vec<_> = out.iter().filter(|packet| packet.kind == Kind::Audio).collect();
    assert_eq!((&sound[0].body[..], sound[0].dts), (HEADER, 1000));
    assert!(sound.len() > 120 && sound[1..].iter().all(|packet| &packet.body[..] == FRAME), "{}", sound.len());
    let (out, over) = taken(&mut silence, audio(4000, b"\xaf\x01x"));
    assert!(over);
    assert_eq!(short(&out), "m h4000 a4000", "the real header first, once");
    assert_eq!(&out[1].body[..], b"\xaf\0\x11\x88", "the latest");
    assert_eq!(short(&taken(&mut silence, audio(4023, b"")).0), "a4023", "from then on it is as it came");
    assert_eq!(short(&taken(&mut silence, audio(4046, b"\xaf\0\x11\x90")).0), "h4046");
    // Once there has been sound, a pause of it stays one.
    assert_eq!(short(&taken(&mut silence, inter(9000)).0), "v9000");
    // Headers without end take no memory without end: they go out.
    silence.start(None);
    for track in 0..=255u8 {
        let body = [&[0x95, 0x00][..], b"mp4a", &[track], &[0; 64 * 1024]].concat();
        silence.take(classify::packet(Kind::Audio, 9000, body.into(), Instant::now()), &mut Vec::new());
    }
    assert!(silence.held.is_empty());
}
