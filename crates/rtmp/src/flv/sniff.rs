//! A guess at what a file is that is not FLV, for the error message.

/// Words that complete "this is ..., not FLV".
pub(super) fn what_is(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start();
    let begins =
        |prefix: &str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
    match bytes {
        [] => "nothing, an empty file",
        [0x47, ..] if bytes.get(188).is_none_or(|byte| *byte == 0x47) => "MPEG-TS",
        [_, _, _, _, b'f', b't', b'y', b'p', ..]
        | [_, _, _, _, b'm', b'o', b'o', b'v', ..]
        | [_, _, _, _, b'm', b'o', b'o', b'f', ..]
        | [_, _, _, _, b's', b't', b'y', b'p', ..]
        | [_, _, _, _, b'm', b'd', b'a', b't', ..] => "MP4",
        [0x1A, 0x45, 0xDF, 0xA3, ..] => "Matroska or WebM",
        [b'R', b'I', b'F', b'F', ..] => "AVI or WAV",
        [b'O', b'g', b'g', b'S', ..] => "Ogg",
        [b'f', b'L', b'a', b'C', ..] => "FLAC",
        [b'I', b'D', b'3', ..] => "MP3 or AAC",
        [0, 0, 1, 0xBA, ..] => "an MPEG program stream",
        [0, 0, 1, ..] | [0, 0, 0, 1, ..] => "a bare video stream",
        [0xFF, second, ..] if second & 0xE0 == 0xE0 => "MP3 or AAC",
        [0x1F, 0x8B, ..] => "a gzip file",
        [b'F', b'W' | b'C' | b'Z', b'S', ..] => "SWF",
        _ if begins("<!doctype") || begins("<html") => "HTML",
        _ if begins("HTTP/") => "an HTTP answer",
        _ if begins("#EXTM3U") => "an HLS playlist",
        _ if begins("<") => "XML",
        _ if (begins("{") || begins("[")) && is_text(text) => "JSON",
        _ if is_text(text) => "text",
        _ => "something unknown",
    }
}

/// True if it reads as text; its last character may be cut off.
fn is_text(bytes: &[u8]) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|whole| std::str::from_utf8(whole).ok()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.chars().any(|letter| letter.is_control() && !letter.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::what_is;

    #[test]
    fn common_mistakes_are_named() {
        for (bytes, name) in [
            (&b""[..], "nothing, an empty file"),
            (b"\x47\x40\x00\x10", "MPEG-TS"),
            (b"\0\0\0\x20ftypisom", "MP4"),
            (b"\n<!DOCTYPE html>", "HTML"),
            (b"<HTML>", "HTML"),
            (b"#EXTM3U\n", "an HLS playlist"),
            (b"HTTP/1.1 404", "an HTTP answer"),
            (b"\x1A\x45\xDF\xA3", "Matroska or WebM"),
            (b"\0\0\0\x01\x67", "a bare video stream"),
            (b"{}", "JSON"),
            (b"[1, \"\xC3", "JSON"),
            (b"[\x9C\x01\xFF\0\x80", "something unknown"),
            (b"{\0\x01\x02", "something unknown"),
            (b"ffmpeg version 5", "text"),
            (b"\x01\xFF\0\0", "something unknown"),
        ] {
            assert_eq!(what_is(bytes), name);
        }
    }
}
