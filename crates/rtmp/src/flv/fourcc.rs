//! Four-character codes: which codec an enhanced header speaks of (Enhanced RTMP v2 "Enhanced Audio", "Enhanced Video").
use std::fmt;

/// A codec's four-character code (Enhanced RTMP v2 `AudioFourCc`, `VideoFourCc`); any four bytes, also those of codecs that came later.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    /// H.264.
    pub const AVC1: Self = Self(*b"avc1");
    /// H.265.
    pub const HVC1: Self = Self(*b"hvc1");
    /// H.266.
    pub const VVC1: Self = Self(*b"vvc1");
    /// AV1.
    pub const AV01: Self = Self(*b"av01");
    /// VP8.
    pub const VP08: Self = Self(*b"vp08");
    /// VP9.
    pub const VP09: Self = Self(*b"vp09");
    /// AAC.
    pub const MP4A: Self = Self(*b"mp4a");
    /// MP3.
    pub const MP3: Self = Self(*b".mp3");
    /// Opus.
    pub const OPUS: Self = Self(*b"Opus");
    /// FLAC.
    pub const FLAC: Self = Self(*b"fLaC");
    /// AC-3.
    pub const AC3: Self = Self(*b"ac-3");
    /// E-AC-3.
    pub const EAC3: Self = Self(*b"ec-3");

    /// All of `VideoFourCc`.
    pub const VIDEO: [Self; 6] = [Self::VP08, Self::VP09, Self::AV01, Self::AVC1, Self::HVC1, Self::VVC1];
    /// All of `AudioFourCc`.
    pub const AUDIO: [Self; 6] = [Self::AC3, Self::EAC3, Self::OPUS, Self::MP3, Self::FLAC, Self::MP4A];

    /// The code of a text of four bytes, as it stands in `fourCcList` and in the info maps.
    pub fn from_text(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    /// The number that stands for it in the `videocodecid` and `audiocodecid` of metadata ("Enhancing onMetaData"):
    /// big-endian, `av01` being 0x61763031.
    pub fn number(self) -> u32 {
        u32::from_be_bytes(self.0)
    }

    /// The code of such a number.
    pub fn from_number(number: u32) -> Self {
        Self(number.to_be_bytes())
    }

    /// Whether coded frames of this codec carry a composition time ("ExVideoTagBody").
    pub fn has_composition_time(self) -> bool {
        matches!(self, Self::AVC1 | Self::HVC1 | Self::VVC1)
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FourCc({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two examples of "Enhancing onMetaData", and every code as text.
    #[test]
    fn codes_as_text_and_as_number() {
        assert_eq!(f64::from(FourCc::OPUS.number()), 1_332_770_163.0);
        assert_eq!(f64::from(FourCc::AV01.number()), 1_635_135_537.0);
        for code in FourCc::VIDEO.into_iter().chain(FourCc::AUDIO) {
            assert_eq!(FourCc::from_text(&code.to_string()), Some(code));
            assert_eq!(FourCc::from_number(code.number()), code);
        }
        assert_eq!([FourCc::from_text("*"), FourCc::from_text("hevc1"), FourCc::from_text("")], [None; 3]);
        assert_eq!(format!("{:?}", FourCc(*b"a\0\xFFb")), "FourCc(a\\x00\\xffb)");
    }
}
