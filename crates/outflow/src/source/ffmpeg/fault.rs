//! What `ffmpeg` said before it ended without any media: whether another attempt can mend that, and what can.

/// A fault that another attempt would meet again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// FLV has no place for a codec that was to be copied; the text is for people and holds the mend.
    Codec(String),
    /// Anything else: ffmpeg's own words tell it, and this what to do.
    Lasting(&'static str),
}

/// How many lines are quoted, and characters of them.
const LINES: usize = 3;
const QUOTED: usize = 600;

const PROTOCOLS: &str = "; `ffmpeg -protocols` lists what it can open";
const ENCODERS: &str = "; `ffmpeg -encoders` lists what vcodec= and acodec= may name";
const FORMATS: &str = "; `ffmpeg -formats` lists what format= may name";

/// Words of ffmpeg about its options and about what it was built with: they never change by themselves.
const LASTING: &[(&str, &str)] = &[
    ("Protocol not found", PROTOCOLS),
    ("Unknown encoder", ENCODERS),
    ("Encoder not found", ENCODERS),
    ("Invalid encoder type", ENCODERS),
    ("Unknown input format", FORMATS),
    ("Demuxer not found", FORMATS),
    ("Decoder not found", ""),
    ("Unrecognized option", ""),
];

/// How FLV's muxer begins to refuse a codec: `Video codec vp8 not compatible with flv` ...
const REFUSED: &str = " not compatible with flv";
/// ... or `Codec mpeg4 is not supported in the official FLV specification`.
const UNOFFICIAL: &str = " is not supported in the official flv specification";

/// Finds a lasting fault in what was said before it ended with this code. `here`: the input is a file of this machine,
/// or made by ffmpeg itself; what it can't do with that at once it can never do.
pub(super) fn find(said: &str, code: Option<i32>, here: bool) -> Option<Fault> {
    // Killed from outside: that tells nothing of the input.
    let code = code?;
    if let Some(fault) = said.lines().find_map(refused_codec) {
        return Some(fault);
    }
    if let Some((_, mend)) = LASTING.iter().find(|(words, _)| said.contains(words)) {
        return Some(Fault::Lasting(mend));
    }
    // It was found, but can't be run, as our guard or a script in its place says.
    let not_started = matches!(code, 126 | 127);
    (here || not_started).then_some(Fault::Lasting(""))
}

/// The last lines, on one line, without what only ffmpeg's authors can use.
pub(super) fn last_words(said: &str) -> String {
    let clean = |line: &str| -> String {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        let own = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).filter(|(by, _)| by.contains(" @ 0x"));
        own.map_or(line.as_str(), |(_, rest)| rest).trim().to_owned()
    };
    // FFmpeg 7 and later repeat in such lines what they have said before.
    const EMPTY: [&str; 3] = ["Error opening input file", "Error opening output file", "Did you mean file:"];
    let says_more = |line: &String| !line.is_empty() && !EMPTY.iter().any(|begin| line.starts_with(begin));
    let mut lines: Vec<String> = said.lines().rev().map(clean).filter(says_more).take(LINES).collect();
    lines.reverse();
    let words = lines.join(" | ");
    let skip = words.chars().count().saturating_sub(QUOTED);
    words.chars().skip(skip).collect()
}

/// The codec that a line says FLV can't carry.
fn refused_codec(line: &str) -> Option<Fault> {
    let lower = line.to_ascii_lowercase();
    let end = lower.find(REFUSED).or_else(|| lower.find(UNOFFICIAL))?;
    let before = lower.get(..end)?;
    let (rest, codec) = before.rsplit_once("codec ")?;
    let codec = codec.trim_matches(['\'', '"', ' ']);
    if codec.is_empty() || !codec.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return None;
    }
    let rest = rest.trim_end();
    let (what, mend) = match (rest.ends_with("video"), rest.ends_with("audio")) {
        (true, _) => ("video ", "vcodec=libx264 (and acodec=aac, where the sound can't be copied either)"),
        (_, true) => ("audio ", "acodec=aac"),
        _ => ("", "vcodec=libx264 for pictures, acodec=aac for sound"),
    };
    Some(Fault::Codec(format!("FLV can't carry the {what}codec {codec}; let ffmpeg encode it: {mend}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(said: &str) -> String {
        match find(said, Some(1), false) {
            Some(Fault::Codec(text)) => text,
            other => panic!("{said}: {other:?}"),
        }
    }

    #[test]
    fn a_codec_without_a_place_in_flv_is_named_with_its_mend() {
        let said = "[flv @ 0x560e] Video codec vp8 not compatible with flv\nCould not write header for output file #0";
        let text = codec(said);
        assert!(text.contains("video codec vp8") && text.contains("vcodec=libx264") && text.contains("acodec=aac"));
        let said = "[flv @ 0x1] FLV does not support sample rate 48000, choose from (44100, 22050, 11025)\n\
                    [flv @ 0x1] Audio codec opus not compatible with flv\n";
        let text = codec(said);
        assert!(text.contains("audio codec opus") && text.contains("acodec=aac") && !text.contains("vcodec"), "{text}");
        assert!(codec("[flv @ 0x5] Audio codec 'vorbis' not compatible with FLV").contains("codec vorbis;"));
        let text = codec("[flv @ 0x5] Codec mpeg4 is not supported in the official FLV specification,\n");
        assert!(text.contains("codec mpeg4;") && text.contains("vcodec=libx264"), "{text}");
    }

    #[test]
    fn what_may_mend_itself_is_no_lasting_fault() {
        for said in [
            "srt://127.0.0.1:9: Input/output error",
            "http://127.0.0.1:9/x: Connection refused",
            "[in#0 @ 0x1] Error opening input: Server returned 404 Not Found",
            "rtsp://h/x: Invalid data found when processing input",
            "/dev/video0: Device or resource busy",
            "",
        ] {
            assert_eq!(find(said, Some(1), false), None, "{said}");
        }
        for (said, mend) in [
            ("nope://x: Protocol not found\nDid you mean file:nope://x?", PROTOCOLS),
            ("Unknown encoder 'libx999'", ENCODERS),
        ] {
            assert_eq!(find(said, Some(1), false), Some(Fault::Lasting(mend)), "{said}");
        }
        assert_eq!(find("x.mkv: Invalid data found", Some(1), true), Some(Fault::Lasting("")));
        assert_eq!(find("", Some(127), false), Some(Fault::Lasting("")));
        assert_eq!(find("x.mkv: Invalid data found", None, true), None, "a signal");
    }

    #[test]
    fn the_last_words_are_for_people() {
        let said = "Truncating packet of size 10611 to 16\n[in#0 @ 0x55c19e7981c0] EBML header parsing failed\n\
                    [in#0 @ 0x55c19e797e80] Error opening input: Invalid data found\nError opening input file bad.mkv.\n\
                    Error opening input files: Invalid data found\n\n";
        let words = "Truncating packet of size 10611 to 16 | EBML header parsing failed | \
                     Error opening input: Invalid data found";
        assert_eq!(last_words(said), words);
        assert_eq!(last_words("a\x1b[31m\tb\n"), "a[31mb");
    }
}
