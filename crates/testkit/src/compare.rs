//! Compares what arrived with what was sent: the same packets from the first key frame on, in the same steps of time.

use bytes::Bytes;

use crate::flv::Tag;
use crate::wire::kind;

/// What a successful comparison saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Video frames compared.
    pub video: usize,
    /// Audio frames compared.
    pub audio: usize,
    /// Where the first key frame that arrived stands in the source.
    pub begins_at: usize,
    /// Frames that the source has from there to its end.
    pub rest: usize,
    /// Arrived time minus source time, in milliseconds, the same for every packet.
    pub offset: i64,
}

/// Checks that `arrived` is `source` from `arrived`'s first key frame on: every body the same, every DTS moved by one
/// common offset, composition times with it (they are part of the body), and nothing missing up to where `arrived`
/// stops, in each track by itself; further tracks of video begin at a key frame of their own. Sequence headers and metadata must have come first but are not counted. Audio before
/// the key frame is ignored; a source without video is compared from the first audio packet that arrived.
pub fn compare(source: &[Tag], arrived: &[Tag]) -> Result<Match, String> {
    compare_with(source, arrived, 0)
}

/// [`compare`] with `tolerance` milliseconds of rounding, for a peer that rewrites time through another clock.
pub fn compare_with(source: &[Tag], arrived: &[Tag], tolerance: i64) -> Result<Match, String> {
    let first = entry(source, arrived)?;
    for header in
        arrived[first..].iter().filter(|tag| tag.is_frame()).map(lane).collect::<std::collections::BTreeSet<_>>()
    {
        let is_header = |tag: &&Tag| tag.is_sequence_header() && lane(tag) == header;
        // Some codecs have none. One that the source sent has to be there before the first frame that needs it.
        let frame = arrived.iter().position(|tag| tag.is_frame() && lane(tag) == header).unwrap_or(first);
        if source.iter().any(|tag| is_header(&tag)) && !arrived[..frame.max(first)].iter().any(|tag| is_header(&tag)) {
            let (kind, track) = header;
            let what = if kind == kind::VIDEO { "key frame" } else { "audio" };
            return Err(format!("the first {what} of track {track} came before its sequence header"));
        }
    }
    let starts: Vec<usize> = (0..source.len()).filter(|&i| same_body(&source[i], &arrived[first])).collect();
    if starts.is_empty() {
        return Err(format!("the source never had the first key frame that arrived: {:?}", arrived[first]));
    }
    // A looped source has the same frame several times: the place that fits longest is the one.
    let mut best: Option<(usize, String)> = None;
    for begins_at in starts {
        match from(source, &arrived[first..], begins_at, tolerance) {
            Ok(found) => return Ok(found),
            Err((matched, why)) if best.as_ref().is_none_or(|(most, _)| matched > *most) => best = Some((matched, why)),
            Err(_) => {}
        }
    }
    Err(best.expect("at least one start").1)
}

/// What Outflow is to make of a source's packets, to compare with: the same, but of two frames of a track with one time (GStreamer
/// stamps live sound so now and then) the second is a millisecond later.
#[must_use]
pub fn ahead(mut source: Vec<Tag>) -> Vec<Tag> {
    let mut last = std::collections::BTreeMap::new();
    for tag in source.iter_mut().filter(|tag| tag.is_frame()) {
        let came = tag.time;
        if let Some((before, out)) = last.get(&lane(tag)).copied()
            && came == before
        {
            tag.time = out + 1;
        }
        last.insert(lane(tag), (came, tag.time));
    }
    source
}

/// Where a comparison begins in `arrived`.
fn entry(source: &[Tag], arrived: &[Tag]) -> Result<usize, String> {
    let has_video = source.iter().any(Tag::is_key_frame);
    let begins = |tag: &Tag| if has_video { tag.is_key_frame() } else { tag.is_frame() };
    arrived.iter().position(begins).ok_or_else(|| {
        let what = if has_video { "key frame" } else { "audio" };
        format!("no {what} among the {} packets that arrived: {:?}", arrived.len(), &arrived[..arrived.len().min(8)])
    })
}

/// The frames from one on with their places. Nothing can be made of video before a key frame of its track.
fn frames_from(source: &[Tag], begins_at: usize) -> Vec<(usize, &Tag)> {
    let mut begun = std::collections::BTreeSet::new();
    let frames = source.iter().enumerate().skip(begins_at).filter(|(_, tag)| tag.is_frame());
    frames
        .filter(|(_, tag)| {
            if tag.is_key_frame() {
                begun.insert(tag.track());
            }
            tag.kind != kind::VIDEO || begun.contains(&tag.track())
        })
        .collect()
}

/// The kind and the track of a tag.
fn lane(tag: &Tag) -> (u8, u8) {
    (tag.kind, tag.track())
}

/// For peers that hand on what they get: checks beside [`compare`] that what precedes the frames (sequence headers, colours,
/// channels) is there before the first frame of its track, as it was last sent before the key frame.
pub fn headers(source: &[Tag], arrived: &[Tag]) -> Result<(), String> {
    let first = entry(source, arrived)?;
    let Some(begins_at) = source.iter().position(|tag| same_body(tag, &arrived[first])) else {
        return Err("the source never had the first key frame that arrived".into());
    };
    let last = |tags: &[Tag]| -> std::collections::BTreeMap<(u8, u8, u8), Bytes> {
        tags.iter().filter_map(|tag| Some((tag.header_key()?, tag.body.clone()))).collect()
    };
    for (key, sent) in last(&source[..begins_at]) {
        let (kind, track, packet) = key;
        let of_track = |tag: &Tag| tag.is_frame() && lane(tag) == (kind, track);
        // The servers between may send a header of sound with the first sound, behind a key frame.
        let until = arrived[first..].iter().position(of_track).map_or(arrived.len(), |at| first + at);
        if last(&arrived[..until]).get(&key) != Some(&sent) {
            return Err(format!(
                "no header of kind {kind}, track {track}, packet type {packet} as it was sent: {sent:02x?}"
            ));
        }
    }
    Ok(())
}

/// For peers that hand on what they get: checks beside [`compare`] that audio and video also arrived in the order in which
/// they were sent, from the first key frame on.
pub fn in_order(source: &[Tag], arrived: &[Tag]) -> Result<(), String> {
    let first = entry(source, arrived)?;
    let got: Vec<&Tag> = arrived[first..].iter().filter(|tag| tag.is_frame()).collect();
    let mut best = 0;
    for start in (0..source.len()).filter(|&at| same_body(&source[at], &arrived[first])) {
        let sent = frames_from(source, start);
        let same = sent.iter().zip(&got).take_while(|((_, sent), got)| same_body(sent, got)).count();
        if same == got.len() {
            return Ok(());
        }
        best = best.max(same);
    }
    Err(format!("packet {best} from the first key frame on came out of order: {:?}", got.get(best)))
}

fn same_body(a: &Tag, b: &Tag) -> bool {
    a.kind == b.kind && a.body == b.body
}

fn from(source: &[Tag], arrived: &[Tag], begins_at: usize, tolerance: i64) -> Result<Match, (usize, String)> {
    let offset = i64::from(arrived[0].time) - i64::from(source[begins_at].time);
    let all = frames_from(source, begins_at);
    let mut found = Match { video: 0, audio: 0, begins_at, rest: all.len(), offset };
    let mut lanes: Vec<_> = arrived.iter().filter(|tag| tag.is_frame()).map(lane).collect();
    lanes.sort_by_key(|&(kind, track)| (std::cmp::Reverse(kind), track));
    lanes.dedup();
    for of in lanes {
        let kind = of.0;
        let sent: Vec<(usize, &Tag)> = all.iter().filter(|(_, tag)| lane(tag) == of).copied().collect();
        let got: Vec<&Tag> = arrived.iter().filter(|tag| lane(tag) == of && tag.is_frame()).collect();
        // Audio of the key frame's own time may stand before it in one list and after it in the other. By time first, as
        // silence is the same bytes again and again.
        let skip = match got.first() {
            Some(first) if kind == kind::AUDIO => {
                let on_time = |tag: &Tag| (i64::from(first.time) - i64::from(tag.time) - offset).abs() <= tolerance;
                let at = sent.iter().position(|(_, tag)| tag.body == first.body && on_time(tag));
                at.or_else(|| sent.iter().position(|(_, tag)| tag.body == first.body)).unwrap_or(0)
            }
            _ => 0,
        };
        for (n, got) in got.iter().enumerate() {
            let context = || found.video + found.audio;
            let Some((index, sent)) = sent.get(skip + n) else {
                return Err((
                    context(),
                    format!("{} more packets arrived than were sent, from {got:?}", arrived.len() - n),
                ));
            };
            if sent.body != got.body {
                let later = source[*index..].iter().position(|tag| same_body(tag, got));
                let hint = match later {
                    Some(ahead) => format!("it is packet {} of the source: {ahead} packets are missing", index + ahead),
                    None => "the source has no such packet after that".into(),
                };
                let why = format!("packet {n} of its kind should be {sent:?} (source {index}) but is {got:?}; {hint}");
                return Err((context(), why));
            }
            let moved = i64::from(got.time) - i64::from(sent.time);
            if (moved - offset).abs() > tolerance {
                let why = format!(
                    "packet {n} of its kind, {got:?}, is moved by {moved} ms, the first key frame by {offset} ms"
                );
                return Err((context(), why));
            }
            if kind == kind::VIDEO {
                found.video += 1;
            } else {
                found.audio += 1;
            }
        }
    }
    Ok(found)
}

/// Checks that DTS never goes back within audio and within video.
pub fn monotonic(tags: &[Tag]) -> Result<(), String> {
    for kind in [kind::VIDEO, kind::AUDIO] {
        let mut last: Option<&Tag> = None;
        for tag in tags.iter().filter(|tag| tag.kind == kind) {
            if let Some(before) = last
                && tag.time < before.time
            {
                return Err(format!("time went back from {before:?} to {tag:?}"));
            }
            last = Some(tag);
        }
    }
    Ok(())
}

/// Checks a stream that may have skips: after each hole it goes on at a key frame. `source` tells which frames there were.
/// Gives the number of holes.
pub fn holes_end_at_key_frames(source: &[Tag], arrived: &[Tag]) -> Result<usize, String> {
    let sent: Vec<&Tag> = source.iter().filter(|tag| tag.kind == kind::VIDEO && tag.is_frame()).collect();
    let got: Vec<&Tag> = arrived.iter().filter(|tag| tag.kind == kind::VIDEO && tag.is_frame()).collect();
    let mut holes = 0;
    let mut expected: Option<usize> = None;
    for (n, got) in got.iter().enumerate() {
        if let Some(at) = expected
            && sent.get(at % sent.len()).is_some_and(|sent| sent.body == got.body)
        {
            expected = Some(at + 1);
            continue;
        }
        if !got.is_key_frame() {
            return Err(format!("frame {n} is neither the next one nor a key frame: {got:?}"));
        }
        let found = sent.iter().position(|sent| sent.body == got.body);
        holes += usize::from(expected.is_some());
        expected = Some(found.ok_or_else(|| format!("frame {n} was never sent: {got:?}"))? + 1);
    }
    Ok(holes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(time: u32, key: bool, id: u8) -> Tag {
        Tag { kind: 9, time, body: Bytes::from(vec![if key { 0x17 } else { 0x27 }, 1, 0, 0, 0, id]) }
    }

    fn audio(time: u32, id: u8) -> Tag {
        Tag { kind: 8, time, body: Bytes::from(vec![0xaf, 1, id]) }
    }

    fn stream(base: u32) -> Vec<Tag> {
        let mut tags = vec![Tag { kind: 9, time: base, body: Bytes::from_static(&[0x17, 0, 0, 0, 0, 9]) }];
        for i in 0..20u8 {
            tags.push(video(base + u32::from(i) * 40, i % 5 == 0, i));
            tags.push(audio(base + u32::from(i) * 40 + 3, i));
        }
        tags
    }

    #[test]
    fn of_two_frames_with_one_time_the_second_is_to_come_a_millisecond_later() {
        let source = [video(0, true, 0), audio(0, 0), audio(23, 1), audio(23, 2), audio(23, 3), audio(70, 4)];
        let times: Vec<u32> = ahead(source.to_vec()).iter().map(|tag| tag.time).collect();
        assert_eq!(times, [0, 0, 23, 24, 25, 70]);
        assert!(compare(&ahead(source.to_vec()), &source).unwrap_err().contains("is moved by"));
    }

    #[test]
    fn the_same_packets_later_in_time_match() {
        let (source, mut arrived) = (stream(0), stream(7000));
        arrived.drain(1..11);
        arrived.truncate(25);
        let found = compare(&source, &arrived).unwrap();
        assert_eq!((found.offset, found.begins_at), (7000, 11));
        assert_eq!(found.video + found.audio, 24);
    }

    #[test]
    fn a_missing_packet_a_changed_byte_and_a_changed_step_are_told() {
        let source = stream(0);
        let mut missing = stream(0);
        missing.remove(9);
        assert!(compare(&source, &missing).unwrap_err().contains("packets are missing"));
        let mut changed = stream(0);
        changed[9].body = Bytes::from_static(&[0x27, 1, 0, 0, 0, 99]);
        assert!(compare(&source, &changed).unwrap_err().contains("no such packet"));
        let mut moved = stream(0);
        moved[9].time += 1;
        assert!(compare(&source, &moved).unwrap_err().contains("is moved by 1 ms"));
        assert!(compare_with(&source, &moved, 1).is_ok());
        assert!(compare(&source, &source[2..]).unwrap_err().contains("sequence header"));
    }

    #[test]
    fn audio_alone_is_compared_from_what_arrived_first() {
        let source: Vec<Tag> = (0..20).map(|i| audio(u32::from(i) * 20, i)).collect();
        let found = compare(&source, &source[5..15]).unwrap();
        assert_eq!((found.begins_at, found.audio), (5, 10));
        let mut missing = source.clone();
        missing.remove(9);
        assert!(compare(&source, &missing).unwrap_err().contains("packets are missing"));
    }

    #[test]
    fn a_lost_packet_of_one_track_of_two_and_a_lost_header_are_told() {
        let second = |time: u32, key: bool, packet: u8, id: u8| {
            let first = if key { 0x96 } else { 0xa6 };
            Tag { kind: 9, time, body: Bytes::from([&[first, packet], &b"avc1\x01"[..], &[id]].concat()) }
        };
        let mut source = stream(0);
        source.insert(1, second(0, true, 0, 99));
        for i in 0..20u8 {
            let at = source.iter().position(|tag| tag.body.ends_with(&[i]) && tag.kind == 9 && tag.is_frame()).unwrap();
            source.insert(at + 1, second(u32::from(i) * 40, i % 5 == 0, 1, i));
        }
        let found = compare(&source, &source).unwrap();
        assert_eq!((found.video, found.audio), (40, 20));
        headers(&source, &source).unwrap();
        let mut missing = source.clone();
        let lost = missing.iter().rposition(|tag| tag.track() == 1 && tag.time == 200).unwrap();
        missing.remove(lost);
        assert!(compare(&source, &missing).unwrap_err().contains("packets are missing"));
        let mut bare = source.clone();
        bare.remove(1);
        assert!(compare(&source, &bare).unwrap_err().contains("track 1 came before its sequence header"));
        assert!(headers(&source, &bare).unwrap_err().contains("track 1"));
    }

    #[test]
    fn a_second_track_begins_at_its_own_key_frame() {
        let second = |time: u32, key: bool, id: u8| {
            let first = if key { 0x96 } else { 0xa6 };
            Tag { kind: 9, time, body: Bytes::from([&[first, 1], &b"avc1\x01"[..], &[id]].concat()) }
        };
        let mut source = vec![Tag { kind: 9, time: 0, body: Bytes::from_static(&[0x17, 0, 0, 0, 0, 9]) }];
        for i in 0..20u8 {
            source.push(video(u32::from(i) * 40, i % 5 == 0, i));
            source.push(second(u32::from(i) * 40, i % 7 == 0, i));
        }
        // From the frame 5 on; the second track has its key frame with frame 7.
        let early: Vec<Tag> = [&source[..1], &source[11..]].concat();
        assert!(compare(&source, &early).is_err());
        let mut late = early.clone();
        late.retain(|tag| tag.track() == 0 || tag.time >= 280);
        let found = compare(&source, &late).unwrap();
        assert_eq!((found.video, found.rest), (28, 28));
        in_order(&source, &late).unwrap();
    }

    #[test]
    fn sound_before_its_picture_instead_of_behind_it_is_told() {
        let source = stream(0);
        let mut swapped = stream(0);
        swapped.swap(5, 6);
        assert!(compare(&source, &swapped).is_ok());
        assert!(in_order(&source, &swapped).unwrap_err().contains("out of order"));
        assert_eq!(in_order(&source, &source), Ok(()));
    }

    #[test]
    fn a_hole_must_end_at_a_key_frame() {
        let source = stream(0);
        let mut skipped = stream(0);
        skipped.retain(|tag| !(120..200).contains(&tag.time));
        assert_eq!(holes_end_at_key_frames(&source, &skipped), Ok(1));
        skipped.retain(|tag| !(200..240).contains(&tag.time));
        assert!(holes_end_at_key_frames(&source, &skipped).is_err());
    }

    #[test]
    fn time_that_goes_back_is_told() {
        let mut tags = stream(0);
        assert_eq!(monotonic(&tags), Ok(()));
        tags[5].time = 0;
        assert!(monotonic(&tags).is_err());
    }
}
