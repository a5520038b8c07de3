//! Bodies of audio and video messages: headers, tracks taken apart and put together, and bodies of our own writing, read
//! as they were meant.
use bytes::{Bytes, BytesMut};
use outflow_rtmp::flv::aac::AacConfig;
use outflow_rtmp::flv::audio::{self, AudioHeader};
use outflow_rtmp::flv::avc::{AvcConfig, picture_size};
use outflow_rtmp::flv::compose::{self, Layout, ModEx};
use outflow_rtmp::flv::multichannel::MultichannelConfig;
use outflow_rtmp::flv::tracks::{legacy, reduce, single, split};
use outflow_rtmp::flv::video::{self, FrameType, VideoHeader};
use outflow_rtmp::flv::{FourCc, TagKind};

use crate::dice::Dice;
use crate::meter::within;

pub(super) fn run(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(bytes);
    match mode % 4 {
        0 => any(TagKind::Video, &bytes),
        1 => any(TagKind::Audio, &bytes),
        2 => composed(&mut Dice::new(&bytes)),
        _ => records(&bytes),
    }
}

/// Id, codec and data of each track, and whether the last could be read.
fn tracks(kind: TagKind, body: &[u8]) -> Option<(Vec<(u8, String, Vec<u8>)>, bool)> {
    let mut good = true;
    let mut tracks = Vec::new();
    if kind == TagKind::Video {
        for track in VideoHeader::parse(body).ok()?.tracks(body) {
            match track {
                Ok(track) => tracks.push((track.id, format!("{:?}", track.codec), track.payload.to_vec())),
                Err(_) => good = false,
            }
        }
    } else {
        let header = AudioHeader::parse(body).ok()?;
        let _ = header.codec().to_string();
        for track in header.tracks(body) {
            match track {
                Ok(track) => tracks.push((track.id, format!("{:?}", track.four_cc), track.payload.to_vec())),
                Err(_) => good = false,
            }
        }
    }
    Some((tracks, good))
}

fn any(kind: TagKind, body: &Bytes) {
    // Prefixes are repeated for each track, up to a kilobyte for 256 of them; a part costs its own buffer.
    let parts = within(16 * 1024 + 1200 * 256.min(body.len()) + 8 * body.len(), "tracks", || split(kind, body));
    let read = tracks(kind, body);
    if let Some((read, _)) = &read {
        let payload: usize = read.iter().map(|track| track.2.len()).sum();
        assert!(payload <= body.len(), "tracks are not longer than their body");
    }
    let _ = legacy(kind, body);
    let Ok(parts) = parts else { return };
    assert!(parts.len() <= 256 && parts.iter().all(|part| part.body.len() <= body.len() + 8));
    // All of them are the body itself; some of them are the same some, and no others.
    if !parts.is_empty() {
        assert_eq!(reduce(kind, body, |_| true).as_ref(), Ok(&Some(body.clone())), "{body:?}");
        let some: Vec<_> = parts.iter().filter(|part| part.id % 2 == 1).cloned().collect();
        match reduce(kind, body, |id| id % 2 == 1).unwrap() {
            Some(reduced) => assert_eq!(split(kind, &reduced), Ok(some), "{body:?}"),
            None => assert!(some.is_empty(), "{body:?}"),
        }
    }
    for part in &parts {
        // Split once more, a part is what it was.
        assert_eq!(split(kind, &part.body).as_deref(), Ok(std::slice::from_ref(part)), "{body:?}");
        if let (Some((read, true)), Some((alone, good))) = (&read, tracks(kind, &part.body)) {
            assert!(good && alone.len() == 1, "a part has one track: {alone:?} of {body:?}");
            assert!(read.contains(&alone[0]), "{alone:?} is not among {read:?}");
        }
        let plain = single(kind, &part.body, part.id).unwrap().unwrap();
        assert_eq!(single(kind, &plain, 0).as_ref(), Ok(&Some(plain.clone())), "single once more, of {body:?}");
        if let Some(old) = legacy(kind, &plain) {
            assert_eq!(legacy(kind, &old).as_ref(), Some(&old), "the old form of the old form, of {body:?}");
        }
    }
    for id in [0, 1, 7, 255] {
        if let Ok(Some(found)) = single(kind, body, id) {
            let first = parts.iter().find(|part| part.id == id).unwrap();
            assert_eq!(single(kind, &first.body, id), Ok(Some(found)));
        }
    }
}

/// A body of our own writing, from a plan; read, it has to be what was planned.
fn composed(dice: &mut Dice<'_>) {
    let is_video = dice.one_in(2);
    let codecs = if is_video { FourCc::VIDEO } else { FourCc::AUDIO };
    let data: Vec<(FourCc, u8, Vec<u8>)> =
        (0..1 + dice.below(4)).map(|_| (dice.pick(&codecs), dice.byte(), dice.bytes())).collect();
    let other = dice.bytes();
    let mod_ex: Vec<ModEx<'_>> = (0..dice.below(4))
        .map(
            |_| if dice.one_in(2) { ModEx::Nanoseconds(dice.number()) } else { ModEx::Other(dice.byte() % 17, &other) },
        )
        .collect();
    let (first, id, bytes) = &data[0];
    let same: Vec<(u8, &[u8])> = data.iter().map(|(_, id, data)| (*id, &data[..])).collect();
    let many: Vec<(FourCc, u8, &[u8])> = data.iter().map(|(codec, id, data)| (*codec, *id, &data[..])).collect();
    let layout = match dice.below(4) {
        0 => Layout::Plain(*first, bytes),
        1 => Layout::OneTrack(*first, *id, bytes),
        2 => Layout::ManyTracks(*first, &same),
        _ => Layout::ManyTracksManyCodecs(&many),
    };
    let number = dice.byte() % 17;
    let body = if is_video {
        let kind = match number {
            0 => video::PacketType::SequenceStart,
            1 => video::PacketType::CodedFrames,
            2 => video::PacketType::SequenceEnd,
            3 => video::PacketType::CodedFramesX,
            4 => video::PacketType::Metadata,
            5 => video::PacketType::Mpeg2TsSequenceStart,
            other => video::PacketType::Other(other),
        };
        let frame = dice.pick(&[FrameType::Key, FrameType::Inter, FrameType::Disposable, FrameType::GeneratedKey]);
        compose::video(frame, kind, &mod_ex, layout)
    } else {
        let kind = match number {
            0 => audio::PacketType::SequenceStart,
            1 => audio::PacketType::CodedFrames,
            2 => audio::PacketType::SequenceEnd,
            4 => audio::PacketType::MultichannelConfig,
            other => audio::PacketType::Other(other),
        };
        compose::audio(kind, &mod_ex, layout)
    };
    let Ok(body) = body else { return };
    let kind = if is_video { TagKind::Video } else { TagKind::Audio };
    any(kind, &body);
    // Of video the composition time is taken off the data, so only the ids and the number are compared.
    let whole = !is_video || data.iter().all(|track| track.2.len() >= 3);
    let Some((read, true)) = tracks(kind, &body) else {
        assert!(!whole, "what was written cannot be read: {body:?}");
        return;
    };
    let ids: Vec<u8> = read.iter().map(|track| track.0).collect();
    let planned: Vec<u8> = match layout {
        Layout::Plain(..) => vec![0],
        Layout::OneTrack(_, id, _) => vec![id],
        Layout::ManyTracks(..) | Layout::ManyTracksManyCodecs(..) => data.iter().map(|track| track.1).collect(),
    };
    assert_eq!(ids, planned);
    if !is_video {
        let ends: Vec<&[u8]> = read.iter().map(|track| &track.2[..]).collect();
        let planned: Vec<&[u8]> = data.iter().take(ends.len()).map(|track| &track.2[..]).collect();
        assert_eq!(ends, planned, "sound is given back as it was");
    }
}

/// The codecs' own records.
fn records(bytes: &[u8]) {
    within(4096 + 4 * bytes.len(), "records", || {
        let _ = AacConfig::parse(bytes);
        let _ = AvcConfig::parse(bytes).map(|config| config.profile_name());
        let _ = picture_size(bytes);
        if let Ok(config) = MultichannelConfig::parse(bytes) {
            let mut out = BytesMut::new();
            config.write(&mut out);
            assert_eq!(MultichannelConfig::parse(&out).as_ref(), Ok(&config), "written and read");
        }
    });
}
