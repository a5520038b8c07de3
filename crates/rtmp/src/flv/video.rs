//! The header of a video tag or message: legacy (Adobe FLV 10.1 §E.4.3) and Enhanced (Enhanced RTMP v2
//! "ExVideoTagHeader"), in one form.
use super::enhanced::{Fields, MultitrackType};
use super::fourcc::FourCc;
use crate::error::Result;
use std::fmt;

/// Packet type 6 of an enhanced header.
pub(super) const MULTITRACK: u8 = 6;

/// The frame type, as its sender set it (Adobe FLV 10.1 §E.4.3.1; Enhanced RTMP v2 `VideoFrameType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameType {
    /// 1: key frame; also on sequence headers and ends.
    Key,
    /// 2: inter frame.
    Inter,
    /// 3: inter frame that no other frame needs.
    Disposable,
    /// 4: key frame made by a server.
    GeneratedKey,
    /// 5: a command to the player, no frame.
    Command,
    /// Any other; some encoders send 0 with metadata.
    Other(u8),
}

/// The codec: an id of Adobe FLV 10.1 §E.4.3.1, or a FourCC of Enhanced RTMP v2 `VideoFourCc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// 2: Sorenson H.263.
    H263,
    /// 3: Screen Video.
    ScreenVideo,
    /// 4: VP6.
    Vp6,
    /// 5: VP6 with alpha.
    Vp6Alpha,
    /// 6: Screen Video version 2.
    ScreenVideo2,
    /// 7: H.264.
    Avc,
    /// 12: H.265 in the form of legacy H.264, in no specification but in use.
    HevcLegacy12,
    /// An enhanced header with its FourCC; `avc1` is H.264 too.
    FourCc(FourCc),
    /// Any other legacy id; 0 on an enhanced command, which has no codec.
    Unknown(u8),
}

impl FrameType {
    /// The number of three bits.
    pub fn number(self) -> u8 {
        match self {
            Self::Key => 1,
            Self::Inter => 2,
            Self::Disposable => 3,
            Self::GeneratedKey => 4,
            Self::Command => 5,
            Self::Other(number) => number & 0x07,
        }
    }
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H263 => "H.263",
            Self::ScreenVideo => "Screen Video",
            Self::Vp6 => "VP6",
            Self::Vp6Alpha => "VP6 with alpha",
            Self::ScreenVideo2 => "Screen Video 2",
            Self::Avc | Self::FourCc(FourCc::AVC1) => "H.264",
            Self::HevcLegacy12 | Self::FourCc(FourCc::HVC1) => "H.265",
            Self::FourCc(FourCc::VVC1) => "H.266",
            Self::FourCc(FourCc::AV01) => "AV1",
            Self::FourCc(FourCc::VP08) => "VP8",
            Self::FourCc(FourCc::VP09) => "VP9",
            Self::FourCc(four_cc) => return four_cc.fmt(f),
            Self::Unknown(id) => return write!(f, "video codec {id}"),
        })
    }
}

/// What the body is (Enhanced RTMP v2 `VideoPacketType`, or Adobe FLV 10.1 `AVCPacketType`). ModEx and Multitrack are
/// resolved: this is the type behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// A sequence header: the decoder configuration.
    SequenceStart,
    /// A coded frame; every body of a legacy codec without packet types.
    CodedFrames,
    /// The end of the sequence.
    SequenceEnd,
    /// A coded frame whose composition time is 0 and not sent.
    CodedFramesX,
    /// AMF pairs about the picture: `colorInfo`.
    Metadata,
    /// Configuration of AV1 in an MPEG-TS descriptor (`AV1VideoDescriptor`).
    Mpeg2TsSequenceStart,
    /// A command frame: one byte that says start or end of a seek.
    Command,
    /// Any other.
    Other(u8),
}

impl PacketType {
    /// The number in an enhanced header; `None` for a command, which has none.
    pub fn number(self) -> Option<u8> {
        Some(match self {
            Self::SequenceStart => 0,
            Self::CodedFrames => 1,
            Self::SequenceEnd => 2,
            Self::CodedFramesX => 3,
            Self::Metadata => 4,
            Self::Mpeg2TsSequenceStart => 5,
            Self::Command => return None,
            Self::Other(number) => number,
        })
    }
}

/// The header of a video body, without its payload (Adobe FLV 10.1 `VideoTagHeader`, Enhanced RTMP v2
/// `ExVideoTagHeader`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoHeader {
    /// The frame type.
    pub frame_type: FrameType,
    /// The codec; of the first track, if there are several codecs.
    pub codec: VideoCodec,
    /// What the body is.
    pub packet_type: PacketType,
    /// CTS = PTS - DTS in milliseconds, may be negative; of the first track, if there are several.
    pub composition_time: i32,
    /// Nanoseconds to add to the timestamp, below 10^6 (ModEx `TimestampOffsetNano`).
    pub nanoseconds: u32,
    /// The layout of a multitrack body, `None` for an ordinary one.
    pub multitrack: Option<MultitrackType>,
    /// Where the payload begins: the codec's data, or the first track's fields in a multitrack body.
    pub payload_offset: usize,
    first_track: u8,
    common_codec: Option<FourCc>,
}

/// One track of a body (Enhanced RTMP v2 `ExVideoTagBody`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoTrack<'a> {
    /// The track id; 0 is the default track.
    pub id: u8,
    /// Its codec.
    pub codec: VideoCodec,
    /// Its CTS in milliseconds.
    pub composition_time: i32,
    /// The codec's data.
    pub payload: &'a [u8],
}

impl VideoHeader {
    /// Reads the header of a video body. An error means that the body cannot be understood, not that it may not be
    /// relayed.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let mut fields = Fields::new("video", body);
        let first = fields.byte()?;
        let frame_type = match first >> 4 & 0x07 {
            1 => FrameType::Key,
            2 => FrameType::Inter,
            3 => FrameType::Disposable,
            4 => FrameType::GeneratedKey,
            5 => FrameType::Command,
            other => FrameType::Other(other),
        };
        if first & 0x80 == 0 {
            legacy(fields, frame_type, first & 0x0F)
        } else {
            enhanced(fields, frame_type, first & 0x0F)
        }
    }

    /// A key frame with its data: not a sequence header or end, which have the key frame type too.
    pub fn is_keyframe(&self) -> bool {
        self.frame_type == FrameType::Key && self.is_coded_frame()
    }

    /// A frame with its data, of any type.
    pub fn is_coded_frame(&self) -> bool {
        matches!(self.packet_type, PacketType::CodedFrames | PacketType::CodedFramesX)
    }

    /// The decoder configuration.
    pub fn is_sequence_header(&self) -> bool {
        matches!(self.packet_type, PacketType::SequenceStart | PacketType::Mpeg2TsSequenceStart)
    }

    /// Colour information and the like.
    pub fn is_metadata(&self) -> bool {
        self.packet_type == PacketType::Metadata
    }

    /// A frame that no other frame needs.
    pub fn is_disposable(&self) -> bool {
        self.frame_type == FrameType::Disposable && self.is_coded_frame()
    }

    /// The track id of the (first) track; 0 without multitrack.
    pub fn track(&self) -> u8 {
        self.first_track
    }

    /// The tracks of the body that this header was read from: one, with id 0, without multitrack.
    pub fn tracks<'a>(&self, body: &'a [u8]) -> VideoTracks<'a> {
        let mut fields = Fields::new("video", body);
        let done = fields.take(self.payload_offset).is_err();
        VideoTracks { header: *self, fields, body, done }
    }
}

fn legacy(mut fields: Fields<'_>, frame_type: FrameType, codec: u8) -> Result<VideoHeader> {
    let codec = match codec {
        2 => VideoCodec::H263,
        3 => VideoCodec::ScreenVideo,
        4 => VideoCodec::Vp6,
        5 => VideoCodec::Vp6Alpha,
        6 => VideoCodec::ScreenVideo2,
        7 => VideoCodec::Avc,
        12 => VideoCodec::HevcLegacy12,
        other => VideoCodec::Unknown(other),
    };
    let mut packet_type = PacketType::CodedFrames;
    let mut composition_time = 0;
    if frame_type == FrameType::Command {
        packet_type = PacketType::Command;
    } else if matches!(codec, VideoCodec::Avc | VideoCodec::HevcLegacy12) {
        // §E.4.3.1: AVCPacketType, CompositionTime.
        packet_type = match fields.byte()? {
            0 => PacketType::SequenceStart,
            1 => PacketType::CodedFrames,
            2 => PacketType::SequenceEnd,
            other => PacketType::Other(other),
        };
        match fields.signed_24() {
            Ok(time) if packet_type == PacketType::CodedFrames => composition_time = time,
            Ok(_) => {}
            // An end without its three zeros is clear enough.
            Err(error) if packet_type != PacketType::SequenceEnd => return Err(error),
            Err(_) => {}
        }
    }
    Ok(VideoHeader {
        frame_type,
        codec,
        packet_type,
        composition_time,
        nanoseconds: 0,
        multitrack: None,
        payload_offset: fields.position(),
        first_track: 0,
        common_codec: None,
    })
}

fn enhanced(mut fields: Fields<'_>, frame_type: FrameType, packet_type: u8) -> Result<VideoHeader> {
    let (mut number, nanoseconds) = fields.mod_ex(packet_type)?;
    let mut header = VideoHeader {
        frame_type,
        codec: VideoCodec::Unknown(0),
        packet_type: PacketType::Command,
        composition_time: 0,
        nanoseconds,
        multitrack: None,
        payload_offset: fields.position(),
        first_track: 0,
        common_codec: None,
    };
    // The frame type of metadata is to be ignored; a command has a command byte and nothing else, not even a FourCC.
    if frame_type == FrameType::Command && number != 4 {
        return Ok(header);
    }
    if number == MULTITRACK {
        let (layout, inner, common) = fields.multitrack(MULTITRACK)?;
        number = inner;
        header.multitrack = Some(layout);
        header.common_codec = common;
        header.packet_type = enhanced_type(number);
        header.payload_offset = fields.position();
        if let Some(track) = fields.track(layout, common)? {
            header.first_track = track.id;
            header.codec = VideoCodec::FourCc(track.four_cc);
            header.composition_time = composition_time(header.packet_type, track.four_cc, track.body)?.0;
        } else {
            return fields.error("it is multitrack and has no track");
        }
        return Ok(header);
    }
    let four_cc = fields.four_cc()?;
    header.codec = VideoCodec::FourCc(four_cc);
    header.packet_type = enhanced_type(number);
    if has_composition_time(header.packet_type, four_cc) {
        header.composition_time = fields.signed_24()?;
    }
    header.payload_offset = fields.position();
    Ok(header)
}

fn enhanced_type(number: u8) -> PacketType {
    match number {
        0 => PacketType::SequenceStart,
        1 => PacketType::CodedFrames,
        2 => PacketType::SequenceEnd,
        3 => PacketType::CodedFramesX,
        4 => PacketType::Metadata,
        5 => PacketType::Mpeg2TsSequenceStart,
        other => PacketType::Other(other),
    }
}

fn has_composition_time(packet_type: PacketType, four_cc: FourCc) -> bool {
    packet_type == PacketType::CodedFrames && four_cc.has_composition_time()
}

/// The composition time at the start of a track's body, and how many bytes it takes.
fn composition_time(packet_type: PacketType, four_cc: FourCc, body: &[u8]) -> Result<(i32, usize)> {
    if !has_composition_time(packet_type, four_cc) {
        return Ok((0, 0));
    }
    Ok((Fields::new("video", body).signed_24()?, 3))
}

/// The tracks of a video body (Enhanced RTMP v2 `ExVideoTagBody`); ends after the first error.
#[derive(Debug)]
pub struct VideoTracks<'a> {
    header: VideoHeader,
    fields: Fields<'a>,
    body: &'a [u8],
    done: bool,
}

impl<'a> Iterator for VideoTracks<'a> {
    type Item = Result<VideoTrack<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let Some(layout) = self.header.multitrack else {
            self.done = true;
            let payload = self.body.get(self.header.payload_offset..).unwrap_or_default();
            let VideoHeader { codec, composition_time, .. } = self.header;
            return Some(Ok(VideoTrack { id: 0, codec, composition_time, payload }));
        };
        let track = self.fields.track(layout, self.header.common_codec).and_then(|track| {
            let Some(track) = track else { return Ok(None) };
            let (composition_time, skip) = composition_time(self.header.packet_type, track.four_cc, track.body)?;
            let payload = track.body.get(skip..).unwrap_or_default();
            Ok(Some(VideoTrack { id: track.id, codec: VideoCodec::FourCc(track.four_cc), composition_time, payload }))
        });
        self.done = !matches!(track, Ok(Some(_)));
        track.transpose()
    }
}

#[cfg(test)]
#[path = "video_tests.rs"]
mod tests;
