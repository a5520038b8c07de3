//! Tells the formats that are read here apart by their first bytes, whatever a file is called.

/// How many bytes are enough for the tests below.
pub(crate) const ENOUGH: usize = 400;

/// What a file or stream begins like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looks {
    /// MP4, M4V, MOV: an ISO base media or QuickTime file.
    Mp4,
    /// An MPEG transport stream.
    MpegTs,
    /// FLV, or something that the FLV reader names in its error.
    FlvOrOther,
}

/// What these first bytes look like; up to [`ENOUGH`] of them are looked at.
pub(crate) fn identify(head: &[u8]) -> Looks {
    let box_kind = head.get(4..8).unwrap_or_default();
    if [b"ftyp", b"moov", b"mdat", b"styp", b"wide", b"skip", b"free", b"moof"].iter().any(|kind| box_kind == *kind) {
        return Looks::Mp4;
    }
    // Packets of 188 bytes, or of 192 with a time stamp in front, each beginning with 0x47.
    let packets = |first: usize, step: usize| (0..2).all(|n| head.get(first + n * step) == Some(&0x47));
    if packets(0, 188) || packets(4, 192) { Looks::MpegTs } else { Looks::FlvOrOther }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart_by_their_first_bytes() {
        let mut ts = vec![0u8; ENOUGH];
        ts[0] = 0x47;
        ts[188] = 0x47;
        assert_eq!(identify(&ts), Looks::MpegTs);
        assert_eq!(identify(b"FLV\x01"), Looks::FlvOrOther);
        assert_eq!(identify(b"\0\0\0\x20ftypisom"), Looks::Mp4);
        assert_eq!(identify(b""), Looks::FlvOrOther);
    }
}
