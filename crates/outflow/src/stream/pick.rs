//! Which bodies go out where only some tracks do: multitrack bodies are taken apart, and a track that is alone of its kind
//! becomes an ordinary one, for destinations that know no other.

use bytes::Bytes;
use outflow_rtmp::flv::audio::{self, AudioHeader};
use outflow_rtmp::flv::video::{self, VideoCodec, VideoHeader};
use outflow_rtmp::flv::{FourCc, TagKind, tracks};

use super::selection::Tracks;
use crate::media::{Kind, Packet, classify};

/// Makes the packets of one selection.
pub(super) struct Picker {
    /// The numbers of the tracks that go out, of each kind; `None` where all do as they are.
    video: Option<Vec<u8>>,
    audio: Option<Vec<u8>>,
    /// The first byte of the last frame or header that went out as the only track of its kind: its form, and its codec.
    form_of_video: u8,
    form_of_audio: u8,
}

impl Picker {
    pub(super) fn new(tracks: &Tracks) -> Self {
        Self {
            video: tracks.of(Kind::Video),
            audio: tracks.of(Kind::Audio),
            form_of_video: EX_VIDEO,
            form_of_audio: EX_AUDIO,
        }
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

    /// A body of the only track, in the oldest form that its codec has. Colours and channels have none, nor has the header of
    /// MP3: beside frames in that form they are left out, as a destination of that age would take them for another codec.
    fn plain(&mut self, kind: TagKind, body: Bytes) -> Option<Bytes> {
        let old = tracks::legacy(kind, &body);
        let sort = sort(kind, &body);
        let form = if kind == TagKind::Video { &mut self.form_of_video } else { &mut self.form_of_audio };
        let goes_old = has_old_form(kind, &body);
        let is_old = |form: u8| if kind == TagKind::Video { form & EX_VIDEO == 0 } else { form & 0xF0 != EX_AUDIO };
        match sort {
            Sort::Media => {
                let body = old.unwrap_or(body);
                *form = body.first().copied().unwrap_or(*form);
                Some(body)
            }
            // In the form of the frames around it, if they are H.264: it names that codec then.
            Sort::Command => old.filter(|_| is_old(*form) && *form & 0x0F == AVC).or(Some(body)),
            Sort::Bare if goes_old => None,
            Sort::Bare => Some(body),
            // Before its first frame too: that will have the old form.
            Sort::Beside => (!goes_old && !is_old(*form)).then_some(body),
            Sort::End => old.or((!goes_old && !is_old(*form)).then_some(body)),
            Sort::Unknown => Some(body),
        }
    }
}

/// Bits of a body's first byte: the enhanced form of video, the sound format that says so of audio (Enhanced RTMP v2
/// `ExVideoTagHeader`, `ExAudioTagHeader`), and the codec id of H.264 (FLV 10.1 §E.4.3).
const EX_VIDEO: u8 = 0x80;
const EX_AUDIO: u8 = 0x90;
const AVC: u8 = 7;

/// What a body is, as far as its form depends on it.
enum Sort {
    /// Frames, and the header of their codec.
    Media,
    /// A header that says nothing: that of MP3, which the old form has none of, and an empty one.
    Bare,
    /// Colours and channels.
    Beside,
    /// To the player.
    Command,
    /// The end of a sequence.
    End,
    /// Nobody knows.
    Unknown,
}

fn sort(kind: TagKind, body: &[u8]) -> Sort {
    if kind == TagKind::Video {
        let Ok(header) = VideoHeader::parse(body) else { return Sort::Unknown };
        return match header.packet_type {
            video::PacketType::Command => Sort::Command,
            video::PacketType::Metadata => Sort::Beside,
            video::PacketType::SequenceEnd => Sort::End,
            video::PacketType::Other(_) => Sort::Unknown,
            _ => Sort::Media,
        };
    }
    let Ok(header) = AudioHeader::parse(body) else { return Sort::Unknown };
    match header.packet_type {
        audio::PacketType::SequenceStart if header.four_cc == Some(FourCc::MP3) => Sort::Bare,
        audio::PacketType::SequenceStart if header.four_cc.is_some() && header.payload_offset >= body.len() => {
            Sort::Bare
        }
        audio::PacketType::SequenceStart | audio::PacketType::CodedFrames => Sort::Media,
        audio::PacketType::MultichannelConfig => Sort::Beside,
        audio::PacketType::SequenceEnd => Sort::End,
        _ => Sort::Unknown,
    }
}

/// True for an enhanced body of a codec whose frames go out in the old form.
fn has_old_form(kind: TagKind, body: &[u8]) -> bool {
    if kind == TagKind::Video {
        return VideoHeader::parse(body).is_ok_and(|header| header.codec == VideoCodec::FourCc(FourCc::AVC1));
    }
    AudioHeader::parse(body).is_ok_and(|header| matches!(header.four_cc, Some(FourCc::MP4A | FourCc::MP3)))
}

/// True for bytes that were not copied.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    one.as_ptr() == other.as_ptr() && one.len() == other.len()
}

#[cfg(test)]
#[path = "pick_tests.rs"]
mod tests;
