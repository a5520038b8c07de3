//! Whether a server takes what it is sent, as far as it has announced that (Enhanced RTMP v2 `fourCcList`, the FourCC info
//! maps, `capsEx`): told before it refuses, or shows nothing.

use std::fmt::Write;

use outflow_rtmp::flv::FourCc;
use outflow_rtmp::flv::audio::AudioHeader;
use outflow_rtmp::flv::video::{VideoCodec, VideoHeader};
use outflow_rtmp::session::{Capabilities, Takes};

use crate::media::Kind;
use crate::stream::{Selection, Tracks};
use crate::wire::Shared;

/// What these headers need that the peer has announced itself without, each with its mend. Nothing where the peer
/// announced nothing, as nearly all do.
pub(super) fn misfits(peer: &Capabilities, headers: &[Shared]) -> Vec<String> {
    if peer.is_empty() {
        return Vec::new();
    }
    let mut many = false;
    let mut codecs: Vec<(FourCc, String, Kind)> = Vec::new();
    for header in headers {
        let body = &header.packet.body;
        let mut add = |codec: FourCc, name: String, kind: Kind| {
            if codecs.iter().all(|(known, ..)| *known != codec) {
                codecs.push((codec, name, kind));
            }
        };
        match header.packet.kind {
            Kind::Video => {
                let Ok(parsed) = VideoHeader::parse(body) else { continue };
                many |= parsed.multitrack.is_some();
                for track in parsed.tracks(body).filter_map(Result::ok) {
                    if let VideoCodec::FourCc(codec) = track.codec {
                        add(codec, track.codec.to_string(), Kind::Video);
                    }
                }
            }
            Kind::Audio => {
                let Ok(parsed) = AudioHeader::parse(body) else { continue };
                many |= parsed.multitrack.is_some();
                for codec in parsed.tracks(body).filter_map(|track| track.ok()?.four_cc) {
                    add(codec, codec.to_string(), Kind::Audio);
                }
            }
            Kind::Data => {}
        }
    }
    let mut found = Vec::new();
    for (codec, name, kind) in codecs.iter().filter(|(codec, ..)| peer.takes(*codec) == Takes::No) {
        let mend = match (kind, *codec) {
            // In its older form, which needs no announcement.
            (Kind::Video, FourCc::AVC1) => "`tracks=` with one video sends it in the older form, which all know",
            (Kind::Audio, FourCc::MP4A | FourCc::MP3) => {
                "`tracks=` with one sound sends it in the older form, which all know"
            }
            (Kind::Video, _) => "send H.264 there, or another track: `tracks=`",
            _ => "send AAC there, another track, or `tracks=video` without sound",
        };
        let list = announced(peer, *kind);
        found.push(format!("the server has said which codecs it takes ({list}), and {name} is none of them: {mend}"));
    }
    if many && peer.takes_multitrack() == Takes::No {
        found.push(
            "the server has said what it can do, and several tracks are not among it: name one of each, as \
             `tracks=video,audio`; the others go to other outputs"
                .to_owned(),
        );
    }
    found
}

/// The tracks that are asked for and that the stream, with these headers, does not have. Nothing is said where it may well
/// have them: of a kind that has no headers at all.
pub(super) fn missing(whole: &[Shared], selection: &Selection) -> Vec<String> {
    let mut there: Vec<(Kind, u8)> = Vec::new();
    for header in whole {
        let body = &header.packet.body;
        match header.packet.kind {
            Kind::Video => {
                let Ok(parsed) = VideoHeader::parse(body) else { continue };
                there.extend(parsed.tracks(body).filter_map(Result::ok).map(|track| (Kind::Video, track.id)));
            }
            Kind::Audio => {
                let Ok(parsed) = AudioHeader::parse(body) else { continue };
                there.extend(parsed.tracks(body).filter_map(Result::ok).map(|track| (Kind::Audio, track.id)));
            }
            Kind::Data => {}
        }
    }
    there.sort_unstable();
    there.dedup();
    let Tracks::Only(wanted) = &selection.tracks else { return Vec::new() };
    let lacks = |(kind, id): &&(Kind, u8)| there.iter().any(|(of, _)| of == kind) && !there.contains(&(*kind, *id));
    let name = |(kind, id): &(Kind, u8)| format!("{}:{id}", if *kind == Kind::Video { "video" } else { "audio" });
    let told = |track: &(Kind, u8)| {
        let alike = there.iter().filter(|(of, _)| *of == track.0);
        format!("the stream has no {}, it has {}", name(track), alike.map(name).collect::<Vec<_>>().join(", "))
    };
    wanted.iter().filter(lacks).map(told).collect()
}

/// The codecs that the peer named, a few of them.
fn announced(peer: &Capabilities, kind: Kind) -> String {
    const SHOWN: usize = 12;
    let map = if kind == Kind::Video { &peer.video } else { &peer.audio };
    let mut names: Vec<String> = Vec::new();
    for codec in peer.four_cc_list.iter().chain(map.iter().map(|(codec, _)| codec)) {
        let name = codec.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut list = String::new();
    for (index, name) in names.iter().take(SHOWN).enumerate() {
        // A peer's text, which may hold anything.
        let _ = write!(list, "{}{}", if index > 0 { ", " } else { "" }, name.escape_debug());
    }
    if names.len() > SHOWN {
        list.push_str(", ...");
    }
    list
}

#[cfg(test)]
#[path = "fits_tests.rs"]
mod tests;
