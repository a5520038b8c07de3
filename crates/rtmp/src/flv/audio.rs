//! The header of an audio tag or message: legacy (Adobe FLV 10.1 §E.4.2) and Enhanced (Enhanced RTMP v2
//! "ExAudioTagHeader"), in one form.
use super::enhanced::{Fields, MultitrackType};
use super::fourcc::FourCc;
use crate::error::Result;
use std::fmt;

/// Packet type 5 of an enhanced header.
pub(super) const MULTITRACK: u8 = 5;

/// The sound format (Adobe FLV 10.1 §E.4.2.1; Enhanced RTMP v2 `SoundFormat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SoundFormat {
    /// 0: PCM in the byte order of the sender.
    Pcm,
    /// 1: ADPCM.
    Adpcm,
    /// 2: MP3.
    Mp3,
    /// 3: PCM, little-endian.
    PcmLe,
    /// 4: Nellymoser, 16 kHz mono.
    Nellymoser16k,
    /// 5: Nellymoser, 8 kHz mono.
    Nellymoser8k,
    /// 6: Nellymoser.
    Nellymoser,
    /// 7: G.711 A-law.
    G711A,
    /// 8: G.711 mu-law.
    G711Mu,
    /// 9: an enhanced header; the codec is its FourCC.
    ExHeader,
    /// 10: AAC.
    Aac,
    /// 11: Speex.
    Speex,
    /// 14: MP3 at 8 kHz.
    Mp3At8k,
    /// 15: device specific.
    Device,
    /// 12 and 13.
    Unknown(u8),
}

/// What the body is (Enhanced RTMP v2 `AudioPacketType`, or Adobe FLV 10.1 `AACPacketType`). ModEx and Multitrack are
/// resolved: this is the type behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// A sequence header: the decoder configuration. AAC's type 0.
    SequenceStart,
    /// Sound; every body of a legacy codec without packet types.
    CodedFrames,
    /// The end of the sequence.
    SequenceEnd,
    /// How many channels there are, and which is where.
    MultichannelConfig,
    /// Any other.
    Other(u8),
}

impl PacketType {
    /// The number in an enhanced header.
    pub fn number(self) -> u8 {
        match self {
            Self::SequenceStart => 0,
            Self::CodedFrames => 1,
            Self::SequenceEnd => 2,
            Self::MultichannelConfig => 4,
            Self::Other(number) => number,
        }
    }
}

/// The header of an audio body, without its payload (Adobe FLV 10.1 `AudioTagHeader`, Enhanced RTMP v2
/// `ExAudioTagHeader`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioHeader {
    /// The sound format.
    pub format: SoundFormat,
    /// The codec of an enhanced header; of the first track, if there are several codecs.
    pub four_cc: Option<FourCc>,
    /// What the body is.
    pub packet_type: PacketType,
    /// Sample rate in Hz as the legacy header says it: right for few codecs, 44100 for AAC of any rate. 0 if enhanced.
    pub sample_rate: u32,
    /// Bits of a sample as the legacy header says it, 8 or 16. 0 if enhanced.
    pub sample_bits: u8,
    /// Channels as the legacy header says it: always 2 for AAC. 0 if enhanced.
    pub channels: u8,
    /// Nanoseconds to add to the timestamp, below 10^6 (ModEx `TimestampOffsetNano`).
    pub nanoseconds: u32,
    /// The layout of a multitrack body, `None` for an ordinary one.
    pub multitrack: Option<MultitrackType>,
    /// Where the payload begins: the codec's data, or the first track's fields in a multitrack body.
    pub payload_offset: usize,
    first_track: u8,
    common_codec: Option<FourCc>,
}

/// One track of a body (Enhanced RTMP v2 `ExAudioTagBody`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioTrack<'a> {
    /// The track id; 0 is the default track.
    pub id: u8,
    /// Its codec, if the header is enhanced.
    pub four_cc: Option<FourCc>,
    /// The codec's data.
    pub payload: &'a [u8],
}

impl AudioHeader {
    /// Reads the header of an audio body. An error means that the body cannot be understood, not that it may not be
    /// relayed; an empty body is an error and is legal.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let mut fields = Fields::new("audio", body);
        let (format, low) = fields.nibbles()?;
        let format = match format {
            0 => SoundFormat::Pcm,
            1 => SoundFormat::Adpcm,
            2 => SoundFormat::Mp3,
            3 => SoundFormat::PcmLe,
            4 => SoundFormat::Nellymoser16k,
            5 => SoundFormat::Nellymoser8k,
            6 => SoundFormat::Nellymoser,
            7 => SoundFormat::G711A,
            8 => SoundFormat::G711Mu,
            9 => return enhanced(fields, low),
            10 => SoundFormat::Aac,
            11 => SoundFormat::Speex,
            14 => SoundFormat::Mp3At8k,
            15 => SoundFormat::Device,
            other => SoundFormat::Unknown(other),
        };
        let packet_type = match format {
            // §E.4.2.1: AACPacketType.
            SoundFormat::Aac => match fields.byte()? {
                0 => PacketType::SequenceStart,
                1 => PacketType::CodedFrames,
                other => PacketType::Other(other),
            },
            _ => PacketType::CodedFrames,
        };
        let sample_rate = match (format, low >> 2) {
            (SoundFormat::Nellymoser16k | SoundFormat::Speex, _) => 16_000,
            (SoundFormat::Nellymoser8k | SoundFormat::G711A | SoundFormat::G711Mu | SoundFormat::Mp3At8k, _) => 8_000,
            (_, 0) => 5_512,
            (_, 1) => 11_025,
            (_, 2) => 22_050,
            (_, _) => 44_100,
        };
        Ok(Self {
            format,
            four_cc: None,
            packet_type,
            sample_rate,
            sample_bits: if low & 2 == 0 { 8 } else { 16 },
            channels: 1 + (low & 1),
            nanoseconds: 0,
            multitrack: None,
            payload_offset: fields.position(),
            first_track: 0,
            common_codec: None,
        })
    }

    /// Sound: not a configuration or an end.
    pub fn is_coded_frame(&self) -> bool {
        self.packet_type == PacketType::CodedFrames
    }

    /// The decoder configuration.
    pub fn is_sequence_header(&self) -> bool {
        self.packet_type == PacketType::SequenceStart
    }

    /// The channel configuration.
    pub fn is_multichannel_config(&self) -> bool {
        self.packet_type == PacketType::MultichannelConfig
    }

    /// AAC, in its legacy or its enhanced form.
    pub fn is_aac(&self) -> bool {
        self.format == SoundFormat::Aac || self.four_cc == Some(FourCc::MP4A)
    }

    /// The track id of the (first) track; 0 without multitrack.
    pub fn track(&self) -> u8 {
        self.first_track
    }

    /// The codec's name.
    pub fn codec(&self) -> impl fmt::Display + use<> {
        CodecName(self.format, self.four_cc)
    }

    /// The tracks of the body that this header was read from: one, with id 0, without multitrack.
    pub fn tracks<'a>(&self, body: &'a [u8]) -> AudioTracks<'a> {
        let mut fields = Fields::new("audio", body);
        let done = fields.take(self.payload_offset).is_err();
        AudioTracks { header: *self, fields, body, done }
    }
}

fn enhanced(mut fields: Fields<'_>, packet_type: u8) -> Result<AudioHeader> {
    let (mut number, nanoseconds) = fields.mod_ex(packet_type)?;
    let mut header = AudioHeader {
        format: SoundFormat::ExHeader,
        four_cc: None,
        packet_type: PacketType::Other(number),
        sample_rate: 0,
        sample_bits: 0,
        channels: 0,
        nanoseconds,
        multitrack: None,
        payload_offset: fields.position(),
        first_track: 0,
        common_codec: None,
    };
    if number == MULTITRACK {
        let (layout, inner, common) = fields.multitrack(MULTITRACK)?;
        number = inner;
        header.multitrack = Some(layout);
        header.common_codec = common;
        header.payload_offset = fields.position();
        let Some(track) = fields.track(layout, common)? else {
            return fields.error("it is multitrack and has no track");
        };
        header.first_track = track.id;
        header.four_cc = Some(track.four_cc);
    } else {
        header.four_cc = Some(fields.four_cc()?);
        header.payload_offset = fields.position();
    }
    header.packet_type = match number {
        0 => PacketType::SequenceStart,
        1 => PacketType::CodedFrames,
        2 => PacketType::SequenceEnd,
        4 => PacketType::MultichannelConfig,
        other => PacketType::Other(other),
    };
    Ok(header)
}

/// The tracks of an audio body (Enhanced RTMP v2 `ExAudioTagBody`); ends after the first error.
#[derive(Debug)]
pub struct AudioTracks<'a> {
    header: AudioHeader,
    fields: Fields<'a>,
    body: &'a [u8],
    done: bool,
}

impl<'a> Iterator for AudioTracks<'a> {
    type Item = Result<AudioTrack<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let Some(layout) = self.header.multitrack else {
            self.done = true;
            let payload = self.body.get(self.header.payload_offset..).unwrap_or_default();
            return Some(Ok(AudioTrack { id: 0, four_cc: self.header.four_cc, payload }));
        };
        let track = self.fields.track(layout, self.header.common_codec).map(|track| {
            track.map(|track| AudioTrack { id: track.id, four_cc: Some(track.four_cc), payload: track.body })
        });
        self.done = !matches!(track, Ok(Some(_)));
        track.transpose()
    }
}

#[derive(Debug)]
struct CodecName(SoundFormat, Option<FourCc>);

impl fmt::Display for CodecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.0, self.1) {
            (_, Some(FourCc::MP4A)) | (SoundFormat::Aac, _) => "AAC",
            (_, Some(FourCc::MP3)) | (SoundFormat::Mp3 | SoundFormat::Mp3At8k, _) => "MP3",
            (_, Some(FourCc::OPUS)) => "Opus",
            (_, Some(FourCc::FLAC)) => "FLAC",
            (_, Some(FourCc::AC3)) => "AC-3",
            (_, Some(FourCc::EAC3)) => "E-AC-3",
            (_, Some(four_cc)) => return four_cc.fmt(f),
            (SoundFormat::Pcm | SoundFormat::PcmLe, _) => "PCM",
            (SoundFormat::Adpcm, _) => "ADPCM",
            (SoundFormat::Nellymoser16k | SoundFormat::Nellymoser8k | SoundFormat::Nellymoser, _) => "Nellymoser",
            (SoundFormat::G711A, _) => "G.711 A-law",
            (SoundFormat::G711Mu, _) => "G.711 mu-law",
            (SoundFormat::Speex, _) => "Speex",
            (SoundFormat::Device, _) => "device specific sound",
            (SoundFormat::ExHeader, None) => "unknown sound",
            (SoundFormat::Unknown(id), _) => return write!(f, "sound format {id}"),
        })
    }
}

#[cfg(test)]
#[path = "audio_tests.rs"]
mod tests;
