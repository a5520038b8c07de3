//! Recorded sessions of real clients, replayed at any fragmentation into the sessions of this crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use outflow_rtmp::chunk::ChunkReader;
use outflow_rtmp::flv::audio::AudioHeader;
use outflow_rtmp::flv::compose::{self, Layout};
use outflow_rtmp::flv::video::{VideoCodec, VideoHeader};
use outflow_rtmp::flv::{TagKind, tracks};
use outflow_rtmp::session::*;
use outflow_rtmp::{Error, Limits, Message};
use proptest::prelude::*;

const HANDSHAKE: usize = 3073;

/// All bytes from client to server and from server to client.
fn recording(name: &str) -> [Vec<u8>; 2] {
    let path = format!("{}/tests/data/{name}.rec", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read(path).unwrap();
    let mut directions = [Vec::new(), Vec::new()];
    let mut rest = &file[..];
    while let [direction, _, _, _, _, a, b, c, d, tail @ ..] = rest {
        let (bytes, tail) = tail.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        directions[*direction as usize].extend_from_slice(bytes);
        rest = tail;
    }
    directions
}

/// Lengths that look random, the same in every run: an xorshift.
fn cuts(bytes: &[u8], seed: u64, longest: usize) -> impl Iterator<Item = &[u8]> {
    let (mut state, mut rest) = (seed | 1, bytes);
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let (now, later) = rest.split_at((1 + state as usize % longest).min(rest.len()));
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}

/// The same for single bytes, small pieces, and pieces of a socket's size.
const FRAGMENTATIONS: [(u64, usize); 4] = [(1, 1), (2, 40), (3, 2000), (4, 70_000)];

fn messages(bytes: &[u8], seed: u64, longest: usize) -> Vec<Message> {
    let mut reader = ChunkReader::new(Limits::default());
    let mut messages = Vec::new();
    for mut piece in cuts(bytes, seed, longest) {
        while let Some(message) = reader.read(&mut piece).unwrap() {
            messages.push(message);
        }
    }
    messages
}

/// What a server that says yes to everything makes of `bytes`, up to the first error.
fn serve(bytes: &[u8], seed: u64, longest: usize) -> (Vec<ServerEvent>, Option<Error>) {
    serve_cut(&mut cuts(bytes, seed, longest))
}

fn serve_cut(pieces: &mut dyn Iterator<Item = &[u8]>) -> (Vec<ServerEvent>, Option<Error>) {
    let mut session = ServerSession::new(ServerConfig::new([7; 1528]));
    let (mut events, mut error) = (Vec::new(), None);
    for piece in pieces {
        error = session.receive(piece).err();
        while let Some(event) = session.next_event() {
            match &event {
                ServerEvent::Connect(_) => error = session.accept_connect().err().or(error),
                ServerEvent::Publish(publish) => drop(session.accept_publish(publish.stream_id)),
                ServerEvent::Play(play) => drop(session.accept_play(play.stream_id)),
                _ => {}
            }
            events.push(event);
        }
        if error.is_some() {
            break;
        }
        session.take_output();
    }
    session.close();
    events.extend(std::iter::from_fn(|| session.next_event()));
    (events, error)
}

fn client(role: Role, bytes: &[u8], seed: u64, longest: usize) -> (Vec<ClientEvent>, Option<Error>) {
    client_cut(role, &mut cuts(bytes, seed, longest))
}

fn client_cut(role: Role, pieces: &mut dyn Iterator<Item = &[u8]>) -> (Vec<ClientEvent>, Option<Error>) {
    let mut session = ClientSession::new(ClientConfig::new(role, "live", "name", "rtmp://127.0.0.1/live", [9; 1528]));
    let (mut events, mut error) = (Vec::new(), None);
    for piece in pieces {
        error = session.receive(piece).err();
        events.extend(std::iter::from_fn(|| session.next_event()));
        if error.is_some() {
            break;
        }
        session.take_output();
    }
    (events, error)
}

/// Checks that nothing depends on fragmentation, and gives what there was: the server's events and the client's.
fn replay(name: &str, role: Role) -> (Vec<ServerEvent>, Vec<ClientEvent>) {
    let [up, down] = recording(name);
    let (served, received) = (serve(&up, 5, 1 << 20), client(role, &down, 5, 1 << 20));
    for (seed, longest) in FRAGMENTATIONS {
        assert!(serve(&up, seed, longest) == served, "{name}: pieces of at most {longest} bytes");
        assert!(client(role, &down, seed, longest) == received, "{name}: pieces of at most {longest} bytes");
    }
    for direction in [&up, &down] {
        let chunks = &direction[HANDSHAKE..];
        let whole = messages(chunks, 5, 1 << 20);
        for (seed, longest) in FRAGMENTATIONS {
            assert!(messages(chunks, seed, longest) == whole, "{name}: pieces of at most {longest} bytes");
        }
    }
    assert_eq!((served.1, received.1), (None, None), "{name}");
    (served.0, received.0)
}

/// Number of audio, video and data messages, and the time of the last audio and video message.
type Summary = (usize, usize, usize, u32, u32);

fn summary<'a>(media: impl Iterator<Item = &'a Message> + Clone) -> Summary {
    let of = |wanted| media.clone().filter(move |message| message.kind == wanted);
    let last = |wanted| of(wanted).last().map_or(0, |message| message.timestamp);
    (of(8).count(), of(9).count(), of(18).count(), last(8), last(9))
}

#[test]
fn publishers() {
    // File, stream name, whether the answers fit to our client's calls, media. The numbers are those of an independent parser.
    let expected: [(&str, &str, bool, Summary); 14] = [
        ("ffmpeg5.1_publish_h264_aac", "r1", true, (175, 42, 1, 4194, 3900)),
        ("ffmpeg9_publish_h264_aac", "r2", true, (175, 42, 1, 4194, 3900)),
        ("ffmpeg9_publish_hevc_opus_fourcclist", "r3", true, (153, 32, 1, 3194, 2900)),
        ("ffmpeg9_publish_multitrack", "r4", true, (378, 84, 1, 4194, 3900)),
        ("ffmpeg9_publish_vp9_flac", "key", true, (141, 17, 1, 3000, 2800)),
        ("ffmpeg9_publish_av1_ac3", "key", true, (89, 17, 1, 2996, 2806)),
        ("ffmpeg9_publish_audio_only", "key", true, (132, 0, 1, 3018, 0)),
        // nginx-rtmp answers createStream with the number it came with: GStreamer's is not ours.
        ("gst1.22_rtmp2sink_publish", "r5", false, (182, 42, 25, 4180, 4180)),
        ("gst1.22_rtmpsink_publish", "key", true, (132, 17, 17, 3018, 3018)),
        ("obs29_publish", "obsk?auth=abc", true, (574, 124, 1, 12202, 12200)),
        ("node-media-server4.4_from_ffmpeg9", "key", true, (132, 17, 1, 3018, 2823)),
        ("ffmpeg5.1_listen_from_ffmpeg9", "key", true, (132, 17, 1, 3018, 2823)),
        ("ffmpeg9_listen_from_ffmpeg5.1", "key", true, (132, 17, 1, 3018, 2823)),
        ("ffmpeg9_listen_from_gst1.22_rtmp2sink", "key", false, (132, 17, 17, 3018, 3018)),
    ];
    for (file, name, starts, media) in expected {
        let (served, received) = replay(file, Role::Publish);
        assert_eq!(served[0], ServerEvent::HandshakeDone);
        let ServerEvent::Connect(connect) = &served[1] else { panic!("{file}: {:?}", served[1]) };
        assert_eq!(connect.app, "live", "{file}");
        assert!(connect.tc_url.starts_with("rtmp://127.0.0.1:") && connect.tc_url.ends_with("/live"), "{file}");
        assert_eq!(connect.is_enhanced(), file.contains("fourcclist"), "{file}");
        let mut rest = served.iter().skip_while(|event| !matches!(event, ServerEvent::Publish(_)));
        let Some(ServerEvent::Publish(publish)) = rest.next() else { panic!("{file}: {served:?}") };
        assert_eq!((publish.stream_id, publish.name.expose()), (1, name), "{file}");
        let messages = served.iter().filter_map(|event| match event {
            ServerEvent::Media(message) => Some(message),
            _ => None,
        });
        assert_eq!(summary(messages), media, "{file}");
        // OBS was recorded until it was stopped with the connection; the others said goodbye.
        let end = ServerEvent::PublishEnd { stream_id: 1, clean: !file.contains("obs") };
        assert_eq!(served.iter().filter(|event| **event == end).count(), 1, "{file}");
        assert!(served.last() == Some(&end), "{file}");
        assert_eq!(received.contains(&ClientEvent::Started), starts, "{file}");
        assert!(matches!(received[1], ClientEvent::Connected(_)), "{file}");
    }
}

#[test]
fn players() {
    // File, stream name, where it wants to begin, how often it tells its buffer, media.
    let expected: [(&str, &str, f64, usize, Summary); 8] = [
        ("ffmpeg5.1_play", "src", -2000.0, 1, (212, 42, 2, 5982, 6000)),
        ("ffmpeg9_play", "src", -2000.0, 1, (182, 15, 2, 6617, 6623)),
        ("mpv0.35_play", "src", -2000.0, 1, (139, 12, 2, 6014, 6023)),
        ("vlc3.0_play", "src", -2000.0, 1, (227, 23, 2, 8220, 8223)),
        ("gst1.22_rtmp2src_play", "src", -2.0, 2, (32, 6, 2, 11299, 11300)),
        ("rtmpdump2.4_play_live", "src", -1000.0, 2, (216, 44, 2, 10185, 10200)),
        ("node-media-server4.4_to_ffmpeg9", "src", -2000.0, 1, (203, 25, 2, 6710, 6623)),
        ("node-media-server4.4_to_rtmpdump2.4", "src", -1000.0, 2, (164, 21, 2, 5805, 5823)),
    ];
    for (file, name, start, buffers, media) in expected {
        let (served, received) = replay(file, Role::Play);
        let play = served.iter().find_map(|event| match event {
            ServerEvent::Play(play) => Some(play),
            _ => None,
        });
        let play = play.unwrap();
        assert_eq!((play.stream_id, play.name.expose(), play.start, play.reset), (1, name, start, false), "{file}");
        assert_eq!(served.last(), Some(&ServerEvent::PlayEnd { stream_id: 1 }), "{file}");
        let told = served.iter().filter(|event| matches!(event, ServerEvent::BufferLength { .. })).count();
        assert_eq!(told, buffers, "{file}");
        let started = received.iter().position(|event| *event == ClientEvent::Started).unwrap();
        assert_eq!(received[started - 1], ClientEvent::StreamCreated(1), "{file}");
        let messages = received.iter().filter_map(|event| match event {
            ClientEvent::Media(message) => Some(message),
            _ => None,
        });
        assert_eq!(summary(messages), media, "{file}");
    }
}

/// Two tracks of each kind from FFmpeg 9, the second ones as `OneTrack`: each track taken out is a stream of its own, and
/// put together as `ManyTracks` both come back.
#[test]
fn tracks_of_a_real_publisher_are_taken_apart_and_put_together() {
    let [up, _] = recording("ffmpeg9_publish_multitrack");
    let (served, _) = serve(&up, 5, 1 << 20);
    let mut counts = [[0; 2]; 2];
    for event in &served {
        let ServerEvent::Media(Message { kind: kind @ (8 | 9), payload, .. }) = event else { continue };
        let tag = TagKind::from_number(*kind);
        let parts = tracks::split(tag, payload).unwrap();
        assert_eq!((parts.len(), &parts[0].body), (1, payload), "FFmpeg sends one track a message");
        let id = parts[0].id;
        counts[usize::from(*kind - 8)][usize::from(id)] += 1;
        let alone = tracks::single(tag, payload, id).unwrap().unwrap();
        assert_eq!(tracks::single(tag, payload, 1 - id).unwrap(), None);
        if tag == TagKind::Video {
            let (was, is) = (VideoHeader::parse(payload).unwrap(), VideoHeader::parse(&alone).unwrap());
            assert_eq!((is.multitrack, is.track()), (None, 0));
            assert_eq!((was.frame_type, was.codec, was.packet_type), (is.frame_type, is.codec, is.packet_type));
            assert_eq!(was.composition_time, is.composition_time);
            let VideoCodec::FourCc(codec) = is.codec else { continue };
            if is.is_metadata() {
                continue;
            }
            // With the composition time, as it stands behind a track's size.
            let data = &alone[5..];
            let both = [(0, data), (id, data)];
            let many = compose::video(is.frame_type, is.packet_type, &[], Layout::ManyTracks(codec, &both)).unwrap();
            assert_eq!(tracks::split(tag, &many).unwrap()[1].body, payload);
            assert_eq!(tracks::single(tag, &many, id).unwrap(), Some(alone));
        } else {
            let (was, is) = (AudioHeader::parse(payload).unwrap(), AudioHeader::parse(&alone).unwrap());
            assert_eq!((was.format, was.four_cc, was.packet_type), (is.format, is.four_cc, is.packet_type));
        }
    }
    assert!(counts.iter().flatten().all(|count| *count > 30), "{counts:?}");
}

/// The names of all recordings.
fn names() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let names = std::fs::read_dir(folder).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".rec").map(str::to_owned)
    });
    names.collect()
}

/// Both sides of every recording in two pieces, cut at every place of the handshake and of the 4 KiB behind it.
#[test]
fn every_split_of_the_beginning() {
    let names = names();
    assert!(names.len() >= 22, "{names:?}");
    let check = |name: &String| {
        let [mut up, mut down] = recording(name);
        // What comes later has been checked with the whole of it.
        up.truncate(HANDSHAKE + 5000);
        down.truncate(HANDSHAKE + 5000);
        let role = if name.contains("play") || name.contains("_to_") { Role::Play } else { Role::Publish };
        let (served, received) =
            (serve_cut(&mut [&up[..]].into_iter()), client_cut(role, &mut [&down[..]].into_iter()));
        assert!(!served.0.is_empty() && !received.0.is_empty());
        for place in 1..HANDSHAKE + 4096 {
            let pieces = |bytes: &[u8]| bytes.len().min(place);
            let (before, after) = up.split_at(pieces(&up));
            assert!(serve_cut(&mut [before, after].into_iter()) == served, "{name}: client's bytes cut at {place}");
            let (before, after) = down.split_at(pieces(&down));
            let split = client_cut(role, &mut [before, after].into_iter());
            assert!(split == received, "{name}: server's bytes cut at {place}");
        }
    };
    std::thread::scope(|scope| {
        let (one, other) = names.split_at(names.len() / 2);
        scope.spawn(|| one.iter().for_each(check));
        other.iter().for_each(check);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Any recording in pieces of any size: the same events.
    #[test]
    fn random_cuts(file in prop::sample::select(names()), seed in any::<u64>(), longest in 1usize..5000) {
        let [up, down] = recording(&file);
        prop_assert!(serve(&up, seed, longest) == serve(&up, 5, 1 << 20));
        for role in [Role::Publish, Role::Play] {
            prop_assert!(client(role, &down, seed, longest) == client(role, &down, 5, 1 << 20));
        }
    }

    /// A recording with some bytes changed is an error or other events, never a panic, and the same for every cut.
    #[test]
    fn damaged(
        file in prop::sample::select(vec!["ffmpeg9_publish_multitrack", "gst1.22_rtmp2src_play", "obs29_publish"]),
        // Most of them in the dialogue at the beginning, where a byte means more.
        damage in prop::collection::vec((prop_oneof![3073usize..4500, 0usize..60_000], any::<u8>()), 1..6),
        longest in 1usize..3000,
    ) {
        let [mut up, mut down] = recording(file);
        for direction in [&mut up, &mut down] {
            direction.truncate(60_000);
            for (place, value) in &damage {
                if let Some(byte) = direction.get_mut(*place) {
                    *byte = *value;
                }
            }
        }
        prop_assert!(serve(&up, 7, longest) == serve(&up, 5, 1 << 20));
        for role in [Role::Publish, Role::Play] {
            prop_assert!(client(role, &down, 7, longest) == client(role, &down, 5, 1 << 20));
        }
    }
}
