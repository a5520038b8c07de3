//! What `inspect` says of a track: from its sequence header, from `onMetaData`, and what it has counted.

use bytes::Bytes;
use outflow_rtmp::Limits;
use outflow_rtmp::amf0;
use outflow_rtmp::flv::FourCc;
use outflow_rtmp::flv::aac::AacConfig;
use outflow_rtmp::flv::audio::AudioHeader;
use outflow_rtmp::flv::avc::AvcConfig;
use outflow_rtmp::flv::video::{VideoCodec, VideoHeader};

use crate::media::{Kind, Packet};

/// The properties of `onMetaData` that are printed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Metadata {
    width: Option<f64>,
    height: Option<f64>,
    framerate: Option<f64>,
    videodatarate: Option<f64>,
    audiodatarate: Option<f64>,
}

impl Metadata {
    /// From the body of the message; `None` where it can't be read.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let values = amf0::decode_all(body, &Limits::default()).ok()?;
        let object = values.get(1)?;
        let number = |name: &str| object.get_f64(name).filter(|number| number.is_finite() && *number > 0.0);
        Some(Self {
            width: number("width"),
            height: number("height"),
            framerate: number("framerate"),
            videodatarate: number("videodatarate"),
            audiodatarate: number("audiodatarate"),
        })
    }
}

/// One track.
pub(super) struct Track {
    kind: Kind,
    id: u8,
    header: Option<Bytes>,
    announced: Option<String>,
    /// Packets so far.
    pub(super) packets: u64,
    bytes: u64,
    saps: u64,
    first: i64,
    last: i64,
    told: u64,
}

impl Track {
    /// The track of a packet.
    pub(super) fn new(packet: &Packet) -> Self {
        Self {
            kind: packet.kind,
            id: packet.track,
            header: None,
            announced: None,
            packets: 0,
            bytes: 0,
            saps: 0,
            first: packet.dts,
            last: packet.dts,
            told: 0,
        }
    }

    /// Whether a packet belongs to it.
    pub(super) fn is(&self, packet: &Packet) -> bool {
        (self.kind, self.id) == (packet.kind, packet.track)
    }

    /// Keeps a sequence header; others (colour, channels) say nothing that is printed.
    pub(super) fn header(&mut self, packet: &Packet) {
        let is_config = match self.kind {
            Kind::Video => VideoHeader::parse(&packet.body).is_ok_and(|header| header.is_sequence_header()),
            Kind::Audio => AudioHeader::parse(&packet.body).is_ok_and(|header| header.is_sequence_header()),
            Kind::Data => false,
        };
        if is_config {
            self.header = Some(packet.body.clone());
        }
    }

    /// The track's line, where it is new or has changed.
    pub(super) fn announce(&mut self, packet: &Packet, metadata: Option<&Metadata>) -> Option<String> {
        let line = match self.kind {
            Kind::Video => video(self.header.as_ref().unwrap_or(&packet.body), self.header.is_some(), metadata),
            Kind::Audio => audio(self.header.as_ref().unwrap_or(&packet.body), self.header.is_some(), metadata),
            Kind::Data => "data timescale 1000 codec amf0".to_owned(),
        };
        let changed = self.announced.as_ref() != Some(&line);
        changed.then(|| self.announced.insert(line).clone())
    }

    /// Counts a packet.
    pub(super) fn count(&mut self, packet: &Packet) {
        self.packets += 1;
        self.bytes += packet.body.len() as u64;
        self.saps += u64::from(packet.kind != Kind::Video || packet.flags.keyframe);
        self.last = packet.dts;
    }

    /// The totals, where anything was counted since they were told.
    pub(super) fn totals(&mut self) -> Option<String> {
        if self.packets == self.told {
            return None;
        }
        self.told = self.packets;
        let (packets, bytes, saps, first, last) = (self.packets, self.bytes, self.saps, self.first, self.last);
        let millis = u64::try_from(last - first).unwrap_or(0);
        let rate = (bytes * 8).checked_div(millis).unwrap_or(0);
        Some(format!("STATS {packets} packets {bytes} bytes {saps} saps first dts {first} last dts {last} {rate} kbps"))
    }
}

fn video(body: &[u8], is_config: bool, metadata: Option<&Metadata>) -> String {
    let mut line = String::from("video timescale 1000");
    let header = VideoHeader::parse(body).ok();
    let payload = header.as_ref().and_then(|header| header.tracks(body).next()?.ok()).map(|track| track.payload);
    let avc = matches!(header.map(|header| header.codec), Some(VideoCodec::Avc | VideoCodec::FourCc(FourCc::AVC1)));
    let config = payload.filter(|_| avc && is_config).and_then(|payload| AvcConfig::parse(payload).ok());
    let told = metadata.and_then(|data| Some((data.width? as u32, data.height? as u32)));
    if let Some((width, height)) = config.and_then(|config| config.size).or(told) {
        line.push_str(&format!(" {width}x{height}"));
    }
    if let Some(rate) = metadata.and_then(|data| data.framerate) {
        line.push_str(&format!(" fps {}", (rate * 1000.0).round() / 1000.0));
    }
    if let Some(rate) = metadata.and_then(|data| data.videodatarate) {
        line.push_str(&format!(" {} kbps", rate.round()));
    }
    match (config, header) {
        (Some(config), _) => {
            let AvcConfig { profile, constraints, level, .. } = config;
            line.push_str(&format!(" codec avc1.{profile:02X}{constraints:02X}{level:02X} AVC|H264"));
            let (units, tenths) = (level / 10, level % 10);
            let name = config.profile_name().unwrap_or("profile");
            line.push_str(&format!(
                " PL {name}@{units}{}",
                if tenths == 0 { String::new() } else { format!(".{tenths}") }
            ));
        }
        (None, Some(header)) => line.push_str(&format!(" codec {}", header.codec)),
        (None, None) => line.push_str(" codec unknown"),
    }
    line
}

fn audio(body: &[u8], is_config: bool, metadata: Option<&Metadata>) -> String {
    let mut line = String::from("audio timescale 1000");
    let header = AudioHeader::parse(body).ok();
    let payload = header.as_ref().and_then(|header| header.tracks(body).next()?.ok()).map(|track| track.payload);
    let aac = header.is_some_and(|header| header.is_aac());
    let config = payload.filter(|_| aac && is_config).and_then(|payload| AacConfig::parse(payload).ok());
    let (rate, channels) = match (&config, &header) {
        (Some(config), _) => (config.sample_rate, config.channels),
        (None, Some(header)) if !aac => (header.sample_rate, header.channels),
        _ => (0, 0),
    };
    if rate > 0 {
        line.push_str(&format!(" {rate} Hz {channels} ch"));
    }
    if let Some(rate) = metadata.and_then(|data| data.audiodatarate) {
        line.push_str(&format!(" {} kbps", rate.round()));
    }
    match (config, header) {
        (Some(config), _) => line.push_str(&format!(" codec mp4a.40.{} AAC", config.object_type)),
        (None, Some(header)) => line.push_str(&format!(" codec {}", header.codec())),
        (None, None) => line.push_str(" codec unknown"),
    }
    line
}
