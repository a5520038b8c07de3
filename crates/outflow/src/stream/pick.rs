//! Which bodies go out where only some tracks do: multitrack bodies are taken apart, and a track that is alone of its kind
//! becomes an ordinary one, for destinations that know no other.

use bytes::Bytes;
use outflow_rtmp::flv::audio::AudioHeader;
use outflow_rtmp::flv::video::{PacketType, VideoCodec, VideoHeader};
use outflow_rtmp::flv::{FourCc, TagKind, tracks};

use super::selection::Tracks;
use crate::media::{Kind, Packet, classify};

/// Makes the packets of one selection.
pub(super) struct Picker {
    /// The numbers of the tracks that go out, of each kind; `None` where all do as they are.
    video: Option<Vec<u8>>,
    audio: Option<Vec<u8>>,
    /// The video goes out as H.264 in its form of before Enhanced RTMP, whose commands name a codec.
    old_video: bool,
}

impl Picker {
    pub(super) fn new(tracks: &Tracks) -> Self {
        Self { video: tracks.of(Kind::Video), audio: tracks.of(Kind::Audio), old_video: false }
    }

    /// True if some of this kind goes out.
    pub(super) fn takes(&self, kind: Kind) -> bool {
        match kind {
            Kind::Video => self.video.as_ref().is_none_or(|ids| !ids.is_empty()),
            Kind::Audio => self.audio.as_ref().is_none_or(|ids| !ids.is_empty()),
            Kind::Data => true,
        }
    }

    /// True if the ordinary track of video, which every stream with video has, goes out.
    pub(super) fn takes_first_video(&self) -> bool {
        self.video.as_ref().is_none_or(|ids| ids.contains(&0))
    }

    /// What goes out of a packet; `None` if nothing does.
    pub(super) fn pick(&mut self, packet: &Packet) -> Option<Packet> {
        let (kind, ids) = match packet.kind {
            Kind::Data => return Some(packet.clone()),
            Kind::Video => (TagKind::Video, self.video.as_deref()),
            Kind::Audio => (TagKind::Audio, self.audio.as_deref()),
        };
        let (body, only) = match ids {
            None => return Some(packet.clone()),
            Some([]) => return None,
            Some([one]) => (tracks::single(kind, &packet.body, *one), true),
            Some(many) => (tracks::reduce(kind, &packet.body, |id| many.contains(&id)), false),
        };
        // Nobody can tell what is broken: it goes where it would have gone unread.
        let Ok(body) = body else {
            return ids.is_some_and(|ids| ids.contains(&packet.track)).then(|| packet.clone());
        };
        let body = if only { self.plain(kind, body?)? } else { body? };
        if is_same(&body, &packet.body) {
            return Some(packet.clone());
        }
        Some(classify::packet(packet.kind, packet.dts, body, packet.arrival))
    }

    /// A body of the only track, in the oldest form that its codec has. What has no such form while its codec has (colours,
    /// channels) is left out: to a destination of that age it would be another codec.
    fn plain(&mut self, kind: TagKind, body: Bytes) -> Option<Bytes> {
        let header = (kind == TagKind::Video).then(|| VideoHeader::parse(&body).ok()).flatten();
        // A command names no codec: it has the form of the frames around it.
        if header.is_some_and(|header| header.packet_type == PacketType::Command) && !self.old_video {
            return Some(body);
        }
        let old = tracks::legacy(kind, &body);
        if header.is_some_and(|header| header.is_sequence_header() || header.is_coded_frame()) {
            self.old_video = old.as_ref().is_some_and(|old| old.first().is_some_and(|first| first & 0x8F == AVC));
        }
        match old {
            Some(old) => Some(old),
            None if has_old_form(kind, &body) => None,
            None => Some(body),
        }
    }
}

/// The codec id of H.264, in the lower half of a body's first byte (FLV 10.1 §E.4.3).
const AVC: u8 = 7;

fn has_old_form(kind: TagKind, body: &[u8]) -> bool {
    match kind {
        TagKind::Video => VideoHeader::parse(body).is_ok_and(|it| it.codec == VideoCodec::FourCc(FourCc::AVC1)),
        _ => AudioHeader::parse(body).is_ok_and(|it| matches!(it.four_cc, Some(FourCc::MP4A | FourCc::MP3))),
    }
}

/// True for bytes that were not copied.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    one.as_ptr() == other.as_ptr() && one.len() == other.len()
}

#[cfg(test)]
#[path = "pick_tests.rs"]
mod tests;
