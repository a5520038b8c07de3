//! From an MP4 sample entry to FLV and Enhanced RTMP bodies: which codec it is, its sequence header, and the bytes in
//! front of each frame.

use bytes::Bytes;

use super::boxes::{Mp4Box, be16, be32, find, name};
use crate::media::Kind;
use crate::source::file::demux::ReadError;
use shiguredo_mp4::boxes::EsdsBox;

/// How the bodies of a codec look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// FLV 10.1 AVCVIDEOPACKET.
    Avc,
    /// E-RTMP "ExVideoTagBody" with a composition time (hvc1, vvc1).
    ExVideoCts([u8; 4]),
    /// E-RTMP video without a composition time.
    ExVideo([u8; 4]),
    /// FLV 10.1 AACAUDIODATA.
    Aac,
    /// FLV 10.1 audio with only its first byte.
    Plain(u8),
    /// E-RTMP "ExAudioTagBody".
    ExAudio([u8; 4]),
}

/// What is known of a track's media from one of its sample entries.
#[derive(Debug, Clone)]
pub(super) struct Codec {
    form: Form,
    /// The sequence header's body, where the codec has one.
    pub(super) header: Option<Bytes>,
    /// `videocodecid` or `audiocodecid` of `onMetaData`.
    pub(super) id: f64,
    /// Pixels; 0 for audio.
    pub(super) width: u16,
    /// Pixels; 0 for audio.
    pub(super) height: u16,
    /// Samples per second; 0 for video.
    pub(super) rate: u32,
    /// Channels; 0 for video.
    pub(super) channels: u16,
    /// Bits per sample; 0 for video.
    pub(super) sample_size: u16,
}

impl Codec {
    /// What stands in front of a frame's bytes; `cts` in milliseconds.
    pub(super) fn prefix(&self, key: bool, cts: i32, out: &mut Vec<u8>) {
        let frame = if key { 0x10 } else { 0x20 };
        let [_, a, b, c] = cts.to_be_bytes();
        match self.form {
            Form::Avc => out.extend([frame | 7, 1, a, b, c]),
            Form::ExVideoCts(fourcc) if cts == 0 => {
                out.push(0x80 | frame | 3);
                out.extend(fourcc);
            }
            Form::ExVideoCts(fourcc) => {
                out.push(0x80 | frame | 1);
                out.extend(fourcc);
                out.extend([a, b, c]);
            }
            Form::ExVideo(fourcc) => {
                out.push(0x80 | frame | 1);
                out.extend(fourcc);
            }
            Form::Aac => out.extend([0xaf, 1]),
            Form::Plain(first) => out.push(first),
            Form::ExAudio(fourcc) => {
                out.push(0x91);
                out.extend(fourcc);
            }
        }
    }

    fn sequence_start(form: Form, config: &[u8]) -> Bytes {
        let mut body = Vec::with_capacity(config.len() + 5);
        match form {
            Form::Avc => body.extend([0x17, 0, 0, 0, 0]),
            Form::Aac => body.extend([0xaf, 0]),
            Form::ExVideo(fourcc) | Form::ExVideoCts(fourcc) => {
                body.push(0x90);
                body.extend(fourcc);
            }
            Form::ExAudio(fourcc) => {
                body.push(0x90);
                body.extend(fourcc);
            }
            Form::Plain(_) => {}
        }
        body.extend_from_slice(config);
        Bytes::from(body)
    }
}

/// Why a sample entry gives no codec: broken, or not one that FLV can carry.
#[derive(Debug, Clone)]
pub(super) enum NoCodec {
    /// FLV has no place for it; its name.
    NotInFlv(String),
    /// It can't be read.
    Broken(ReadError),
}

impl From<ReadError> for NoCodec {
    fn from(error: ReadError) -> Self {
        NoCodec::Broken(error)
    }
}

/// Reads one sample entry; `quicktime` tells the file's brand, which decides where an audio entry's boxes begin.
pub(super) fn read(entry: &Mp4Box, kind: Kind, quicktime: bool) -> Result<Codec, NoCodec> {
    match kind {
        Kind::Video => video(entry),
        _ => audio(entry, quicktime),
    }
}

fn video(entry: &Mp4Box) -> Result<Codec, NoCodec> {
    // 8 bytes of SampleEntry, 70 of VisualSampleEntry (ISO/IEC 14496-12 §12.1.3).
    let (Some(width), Some(height)) = (be16(&entry.body, 24), be16(&entry.body, 26)) else {
        return Err(entry.short().into());
    };
    let (form, config) = match &entry.kind {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => (Form::Avc, b"avcC"),
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => (Form::ExVideoCts(*b"hvc1"), b"hvcC"),
        b"vvc1" | b"vvi1" => (Form::ExVideoCts(*b"vvc1"), b"vvcC"),
        b"av01" => (Form::ExVideo(*b"av01"), b"av1C"),
        b"vp09" => (Form::ExVideo(*b"vp09"), b"vpcC"),
        b"vp08" => (Form::ExVideo(*b"vp08"), b"vpcC"),
        b"encv" => return Err(NoCodec::NotInFlv("encrypted video".into())),
        other => return Err(NoCodec::NotInFlv(format!("`{}`", name(*other)))),
    };
    let children = entry.children_after(78)?;
    let Some(config) = find(&children, config) else {
        let text = format!("the `{}` entry has no `{}` box", name(entry.kind), name(*config));
        return Err(ReadError::at(entry.at, text).into());
    };
    if config.body.len() < 4 {
        return Err(config.short().into());
    }
    // A FullBox in front of the VVC record, which E-RTMP wants without; the VP8/VP9 record is taken with it.
    let record = if form == Form::ExVideoCts(*b"vvc1") { config.body.slice(4..) } else { config.body.clone() };
    let id = match form {
        Form::ExVideoCts(fourcc) | Form::ExVideo(fourcc) => f64::from(u32::from_be_bytes(fourcc)),
        _ => 7.0,
    };
    let header = Some(Codec::sequence_start(form, &record));
    Ok(Codec { form, header, id, width, height, rate: 0, channels: 0, sample_size: 0 })
}

fn audio(entry: &Mp4Box, quicktime: bool) -> Result<Codec, NoCodec> {
    let body = &entry.body;
    let (Some(version), Some(channels), Some(sample_size), Some(rate)) =
        (be16(body, 8), be16(body, 16), be16(body, 18), be32(body, 24))
    else {
        return Err(entry.short().into());
    };
    // QuickTime's versions 1 and 2 of the sound description have more fields in front of their boxes.
    let skip = match (quicktime, version) {
        (true, 1) => 44,
        (true, 2) => 64,
        _ => 28,
    };
    let mut children = entry.children_after(skip)?;
    if let Some(wave) = find(&children, b"wave") {
        children = wave.children()?;
    }
    let rate = rate >> 16;
    let codec = |form, config: Option<Vec<u8>>, id: f64| Codec {
        form,
        header: config.map(|config| Codec::sequence_start(form, &config)),
        id,
        width: 0,
        height: 0,
        rate,
        channels,
        sample_size,
    };
    let enhanced =
        |fourcc: &[u8; 4], config| codec(Form::ExAudio(*fourcc), config, f64::from(u32::from_be_bytes(*fourcc)));
    // AC-3, E-AC-3 and MP3 have no configuration: their sequence header, as FFmpeg sends it too, only names the codec.
    let need = |kind: &[u8; 4]| {
        find(&children, kind).ok_or_else(|| {
            ReadError::at(entry.at, format!("the `{}` entry has no `{}` box", name(entry.kind), name(*kind)))
        })
    };
    match &entry.kind {
        b"mp4a" => {
            let esds: EsdsBox = need(b"esds")?.decode()?;
            let config = esds.es.dec_config_descr;
            match config.object_type_indication {
                0x40 | 0x66..=0x68 => {
                    let Some(record) = config.dec_specific_info.filter(|info| info.payload.len() >= 2) else {
                        return Err(ReadError::at(entry.at, "the AAC track has no decoder configuration").into());
                    };
                    let mut codec = codec(Form::Aac, Some(record.payload.clone()), 10.0);
                    if let Some(rate) = aac_rate(&record.payload) {
                        codec.rate = rate;
                    }
                    Ok(codec)
                }
                0x69 | 0x6b => Ok(mp3(&codec, rate, channels)),
                0xa5 => Ok(enhanced(b"ac-3", Some(Vec::new()))),
                0xa6 => Ok(enhanced(b"ec-3", Some(Vec::new()))),
                other => Err(NoCodec::NotInFlv(format!("`mp4a` with object type {other:#04x}"))),
            }
        }
        b".mp3" | b"ms\0\x55" => Ok(mp3(&codec, rate, channels)),
        b"ac-3" => Ok(enhanced(b"ac-3", Some(Vec::new()))),
        b"ec-3" => Ok(enhanced(b"ec-3", Some(Vec::new()))),
        b"Opus" => Ok(enhanced(b"Opus", Some(opus_head(need(b"dOps")?)?))),
        b"fLaC" => Ok(enhanced(b"fLaC", Some(flac_header(need(b"dfLa")?)?))),
        b"enca" => Err(NoCodec::NotInFlv("encrypted audio".into())),
        other => Err(NoCodec::NotInFlv(format!("`{}`", name(*other)))),
    }
}

/// MP3 as FLV has it where the rate is one of FLV's (FLV 10.1 SoundRate), else as Enhanced RTMP has it.
fn mp3(codec: &dyn Fn(Form, Option<Vec<u8>>, f64) -> Codec, rate: u32, channels: u16) -> Codec {
    let stereo = u8::from(channels > 1);
    match rate {
        44_100 => codec(Form::Plain(0x2e | stereo), None, 2.0),
        22_050 => codec(Form::Plain(0x2a | stereo), None, 2.0),
        11_025 => codec(Form::Plain(0x26 | stereo), None, 2.0),
        8_000 => codec(Form::Plain(0xee | stereo), None, 14.0),
        _ => codec(Form::ExAudio(*b".mp3"), Some(Vec::new()), f64::from(u32::from_be_bytes(*b".mp3"))),
    }
}

/// The sample rate of an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) with a rate from the table.
fn aac_rate(config: &[u8]) -> Option<u32> {
    const RATES: [u32; 13] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
    let index = (be16(config, 0)? >> 7) & 15;
    RATES.get(usize::from(index)).copied()
}

/// The Ogg identification header (RFC 7845 §5.1) from the MP4 one, which has the other byte order and no magic.
fn opus_head(dops: &Mp4Box) -> Result<Vec<u8>, ReadError> {
    let body = &dops.body;
    let [_version, channels, skip_high, skip_low, r3, r2, r1, r0, gain_high, gain_low, family, mapping @ ..] =
        &body[..]
    else {
        return Err(dops.short());
    };
    let mut head = b"OpusHead\x01".to_vec();
    head.extend([*channels, *skip_low, *skip_high, *r0, *r1, *r2, *r3, *gain_low, *gain_high, *family]);
    if *family != 0 {
        head.extend_from_slice(mapping);
    }
    Ok(head)
}

/// The FLAC marker and its stream information block, the only one a decoder needs.
fn flac_header(dfla: &Mp4Box) -> Result<Vec<u8>, ReadError> {
    // Four bytes of FullBox, then metadata blocks of which the first is STREAMINFO: 4 bytes of header and 34.
    let Some(block) = dfla.body.get(4..42).filter(|block| block.first().is_some_and(|kind| kind & 0x7f == 0)) else {
        return Err(dfla.short());
    };
    let mut header = b"fLaC".to_vec();
    header.extend_from_slice(block);
    // The last block, now that the others are left out.
    if let Some(kind) = header.get_mut(4) {
        *kind |= 0x80;
    }
    Ok(header)
}
