//! Reads MP4, M4V and MOV, regular and fragmented, and gives FLV and Enhanced RTMP bodies. Of the file only its index
//! and a small window per track are in memory.

mod boxes;
mod codec;
mod fragment;
mod input;
mod metadata;
mod table;
#[cfg(test)]
mod tests;
mod track;

use std::collections::VecDeque;
use std::io::{Read, Seek};
use std::time::Instant;

use bytes::Bytes;

use self::boxes::{Mp4Box, find};
use self::codec::NoCodec;
use self::input::{File, Window};
use self::table::Sample;
use self::track::Track;
use super::demux::{Demuxer, ReadError};
use crate::media::{Kind, Packet, classify};

/// The largest index (`moov` box) that is read: some 100 hours of video.
const MAX_INDEX: u64 = 512 << 20;
/// The largest index of one fragment.
const MAX_FRAGMENT: u64 = 16 << 20;
/// Video and audio tracks that are looked at.
const MAX_TRACKS: usize = 64;
/// Samples of one track that may wait for the other track's next fragment.
const MAX_WAITING: usize = 100_000;
/// The largest body an FLV tag and an RTMP message can have, less the bytes in front of the frame.
const MAX_SAMPLE: u32 = (1 << 24) - 16;

/// Which tracks to send, from 0 within their kind; `None` = none of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) video: Option<usize>,
    pub(crate) audio: Option<usize>,
    /// True where the user named them: then a missing track is an error.
    pub(crate) named: bool,
}

impl Default for Pick {
    fn default() -> Self {
        Self { video: Some(0), audio: Some(0), named: false }
    }
}

/// A reader of one MP4.
pub(crate) struct Mp4Demuxer<R> {
    file: File<R>,
    tracks: Vec<Track>,
    windows: Vec<Window>,
    fragments: Option<Fragments>,
    ready: VecDeque<Packet>,
    /// Subtracted from every time, so that the first one is 0.
    base: Option<i64>,
    /// Said once, for the log.
    pub(crate) notes: Vec<String>,
}

/// Where the next fragment is looked for.
struct Fragments {
    defaults: fragment::Defaults,
    position: u64,
}

impl<R: Read + Seek + Send> Mp4Demuxer<R> {
    /// Reads the index of a file that is `length` bytes long.
    pub(crate) fn open(reader: R, length: u64, pick: Pick) -> Result<Self, ReadError> {
        let mut file = File::new(reader, length);
        let Index { moov, after, quicktime } = find_index(&mut file)?;
        let children = moov.children()?;
        if let Some(found) = find(&children, b"cmov") {
            return Err(ReadError::at(found.at, "the index is compressed (`cmov`), which is not read here"));
        }
        let movie_timescale = find(&children, b"mvhd").and_then(track::movie_timescale).unwrap_or(1000);
        let mut all = Vec::new();
        for trak in children.iter().filter(|child| child.kind == *b"trak").take(MAX_TRACKS) {
            all.extend(Track::read(trak, movie_timescale, quicktime)?);
        }
        let mut notes = Vec::new();
        let tracks = choose(all, pick, &mut notes)?;
        let fragments = match find(&children, b"mvex") {
            Some(mvex) => Some(Fragments { defaults: fragment::Defaults::new(mvex)?, position: after }),
            None => None,
        };
        let windows = tracks.iter().map(|_| Window::default()).collect();
        Ok(Self { file, tracks, windows, fragments, ready: VecDeque::new(), base: None, notes })
    }

    /// The next sample of all tracks in decoding order, and whose it is.
    fn next_sample(&mut self) -> Result<Option<(usize, Sample)>, ReadError> {
        while self.fragments.is_some()
            && self.tracks.iter().any(Track::is_empty)
            && self.tracks.iter().all(|track| track.waiting() < MAX_WAITING)
        {
            self.read_fragment()?;
        }
        let mut next: Option<(usize, Sample, i64)> = None;
        for (index, track) in self.tracks.iter_mut().enumerate() {
            let Some(sample) = track.peek()? else { continue };
            let (dts, _) = track.millis(&sample);
            if next.is_none_or(|(_, _, earliest)| dts < earliest) {
                next = Some((index, sample, dts));
            }
        }
        if next.is_none() && self.fragments.is_some() {
            // A table has just come to its end: its fragments follow.
            self.read_fragment()?;
            return self.next_sample_after_fragment();
        }
        Ok(next.map(|(index, sample, _)| (index, sample)))
    }

    fn next_sample_after_fragment(&mut self) -> Result<Option<(usize, Sample)>, ReadError> {
        loop {
            for index in 0..self.tracks.len() {
                if let Some(track) = self.tracks.get_mut(index)
                    && let Some(sample) = track.peek()?
                {
                    return Ok(Some((index, sample)));
                }
            }
            if self.fragments.is_none() {
                return Ok(None);
            }
            self.read_fragment()?;
        }
    }

    /// Reads boxes up to and with the next `moof`; at the end of the file there are no more fragments.
    fn read_fragment(&mut self) -> Result<(), ReadError> {
        let Some(fragments) = &mut self.fragments else { return Ok(()) };
        while let Some(found) = self.file.box_at(fragments.position)? {
            let at = fragments.position;
            fragments.position = found.end;
            if found.kind != *b"moof" {
                continue;
            }
            let moof = self.file.load(at, &found, MAX_FRAGMENT)?;
            let tracks = &self.tracks;
            let samples =
                fragment::samples(&moof, &fragments.defaults, |id| tracks.iter().any(|track| track.id == id))?;
            for sample in samples {
                if let Some(track) = self.tracks.iter_mut().find(|track| track.id == sample.track) {
                    track.add(sample);
                }
            }
            return Ok(());
        }
        self.fragments = None;
        Ok(())
    }

    /// Makes the packet of a sample, its header in front where it is new.
    fn packet(&mut self, index: usize, sample: Sample) -> Result<(), ReadError> {
        let (Some(track), Some(window)) = (self.tracks.get_mut(index), self.windows.get_mut(index)) else {
            return Ok(());
        };
        let (dts, pts) = track.millis(&sample);
        let base = *self.base.get_or_insert(dts);
        let dts = dts.saturating_sub(base);
        let cts = pts.saturating_sub(base).saturating_sub(dts).clamp(-(1 << 23), (1 << 23) - 1) as i32;
        let codec = track.codec(sample.entry).map_err(|error| unusable(track, &error))?;
        let now = Instant::now();
        if track.sent_entry != sample.entry
            && let Some(header) = codec.header.clone()
        {
            self.ready.push_back(classify::packet(track.kind, dts, header, now));
        }
        if sample.size == 0 {
            track.sent_entry = sample.entry;
            return Ok(());
        }
        if sample.size > MAX_SAMPLE {
            let text = format!("a frame of {} bytes is more than an FLV tag can hold", sample.size);
            return Err(ReadError::at(sample.offset, text));
        }
        let mut body = Vec::with_capacity(16 + (sample.size as usize).min(input::WINDOW));
        codec.prefix(sample.sync, cts, &mut body);
        window.read(&mut self.file, sample.offset, sample.size as usize, &mut body)?;
        track.sent_entry = sample.entry;
        self.ready.push_back(classify::packet(track.kind, dts, Bytes::from(body), now));
        Ok(())
    }

    /// `onMetaData` and every header, in front of the first frame.
    fn begin(&mut self) -> Result<(), ReadError> {
        let mut base = i64::MAX;
        for track in &mut self.tracks {
            if let Some(sample) = track.peek()? {
                base = base.min(track.millis(&sample).0);
            }
        }
        self.base = Some(if base == i64::MAX { 0 } else { base });
        let now = Instant::now();
        self.ready.push_back(classify::packet(Kind::Data, 0, metadata::on_metadata(&self.tracks), now));
        for track in &mut self.tracks {
            let entry = track.peek()?.map_or(1, |sample| sample.entry);
            let codec = track.codec(entry).map_err(|error| unusable(track, &error))?;
            if let Some(header) = codec.header.clone() {
                self.ready.push_back(classify::packet(track.kind, 0, header, now));
            }
            track.sent_entry = entry;
        }
        Ok(())
    }
}

impl<R: Read + Seek + Send> Demuxer for Mp4Demuxer<R> {
    fn tracks(&self) -> (Option<bool>, Option<bool>) {
        let has = |kind| Some(self.tracks.iter().any(|track| track.kind == kind));
        (has(Kind::Video), has(Kind::Audio))
    }

    fn next(&mut self) -> Result<Option<Packet>, ReadError> {
        loop {
            if let Some(packet) = self.ready.pop_front() {
                return Ok(Some(packet));
            }
            let Some((index, sample)) = self.next_sample()? else { return Ok(None) };
            if self.base.is_none() {
                self.begin()?;
            }
            self.packet(index, sample)?;
            if let Some(track) = self.tracks.get_mut(index) {
                track.take();
            }
        }
    }
}

struct Index {
    moov: Mp4Box,
    after: u64,
    quicktime: bool,
}

/// Finds the `moov` box among the top-level boxes.
fn find_index<R: Read + Seek>(file: &mut File<R>) -> Result<Index, ReadError> {
    let (mut position, mut quicktime, mut media, mut any) = (0u64, true, false, false);
    while let Some(found) = file.box_at(position)? {
        any = true;
        match &found.kind {
            b"ftyp" => quicktime = file.load(position, &found, 1 << 16)?.body.starts_with(b"qt  "),
            b"moov" => {
                let moov = file.load(position, &found, MAX_INDEX)?;
                return Ok(Index { moov, after: found.end, quicktime });
            }
            b"mdat" => media = true,
            b"moof" => return Err(ReadError::at(position, "a fragment without an index (`moov`) before it")),
            _ => {}
        }
        position = found.end;
    }
    let text = match (any, media) {
        (_, true) => {
            "the file has no index (`moov`): its recording was probably cut off; `untrunc` can mend such files"
        }
        (true, false) => "the file has no index (`moov`) and no media",
        (false, false) => "the file is empty or too short for an MP4",
    };
    Err(ReadError::at(file.length, text))
}

/// Picks the tracks to send, video first.
fn choose(all: Vec<Track>, pick: Pick, notes: &mut Vec<String>) -> Result<Vec<Track>, ReadError> {
    let mut chosen = Vec::new();
    let mut all: Vec<Option<Track>> = all.into_iter().map(Some).collect();
    for (kind, word, wanted) in [(Kind::Video, "video", pick.video), (Kind::Audio, "audio", pick.audio)] {
        let of_kind: Vec<usize> = (0..all.len())
            .filter(|index| all.get(*index).and_then(Option::as_ref).is_some_and(|track| track.kind == kind))
            .collect();
        let Some(wanted) = wanted else { continue };
        let found = of_kind.get(wanted).and_then(|index| all.get_mut(*index)).and_then(Option::take);
        let Some(track) = found else {
            if pick.named {
                let text = format!("there is no track {word}:{wanted}; the file has {} {word} track(s)", of_kind.len());
                return Err(ReadError::media(text));
            }
            continue;
        };
        if let Err(error) = track.codec(1) {
            let mut error = unusable(&track, &error);
            let usable = of_kind
                .iter()
                .position(|index| all.get(*index).and_then(Option::as_ref).is_some_and(|other| other.codec(1).is_ok()));
            if let Some(other) = usable {
                error.text.push_str(&format!(" (or send another track: tracks={word}:{other})"));
            }
            return Err(error);
        }
        if of_kind.len() > 1 && !pick.named {
            let text = format!(
                "the file has {} {word} tracks, the first is sent; tracks={word}:N picks another",
                of_kind.len()
            );
            notes.push(text);
        }
        chosen.push(track);
    }
    if chosen.is_empty() {
        return Err(ReadError::media("the file has no video and no audio track that is asked for"));
    }
    Ok(chosen)
}

/// The error of a track that can't be sent.
fn unusable(track: &Track, error: &NoCodec) -> ReadError {
    let (word, other) =
        if track.kind == Kind::Video { ("video", "-c:v libx264 -c:a copy") } else { ("audio", "-c:v copy -c:a aac") };
    match error {
        NoCodec::Broken(error) => error.clone(),
        NoCodec::NotInFlv(codec) => ReadError::media(format!(
            "track {} ({word}, {codec}) can't be carried by FLV and RTMP; your own ffmpeg can convert it on the way: \
             ffmpeg -i FILE {other} -f flv - | outflow -i - ...",
            track.id
        )),
    }
}
