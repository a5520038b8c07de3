//! The items of `tracks=`: how one is written, and what is wrong with one that is none.

/// What a track looks like.
pub const LOOKS: &str = "a track is `video`, `audio`, `video:1`, `audio:2` ...";
/// A longer item is not repeated in an error.
const LONGEST: usize = 32;

/// Reads one item: true for video, and its number; a kind without a number is its track 0.
///
/// # Errors
/// What is wrong with it.
pub fn parse(name: &str) -> Result<(bool, u8), String> {
    let (kind, number) = name.split_once(':').map_or((name, None), |(kind, number)| (kind, Some(number)));
    let is_video = match kind {
        _ if name.is_empty() => return Err("an item is empty".into()),
        "video" => true,
        "audio" => false,
        _ => return Err(format!("{} is no track", shown(name))),
    };
    let Some(number) = number else { return Ok((is_video, 0)) };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{} is no track: behind the colon stands its number", shown(name)));
    }
    let number = number.parse().map_err(|_| format!("{} is no track: numbers end at 255", shown(name)))?;
    Ok((is_video, number))
}

/// The first item that is the track of one before it.
pub fn repeated(names: &[String]) -> Option<String> {
    let mut seen = Vec::new();
    let repeats = |name: &&String| {
        let track = parse(name).ok();
        let is_known = track.is_some() && seen.contains(&track);
        seen.push(track);
        is_known
    };
    names.iter().find(repeats).map(|name| format!("{} is named twice", shown(name)))
}

/// An item as an error may repeat it.
fn shown(name: &str) -> String {
    let fits = name.len() <= LONGEST && name.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { format!("`{name}`") } else { "one of them".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_item_that_is_wrong_is_named() {
        assert_eq!((parse("video"), parse("audio:255")), (Ok((true, 0)), Ok((false, 255))));
        for (name, problem) in [
            ("", "an item is empty"),
            ("audio:1x", "`audio:1x` is no track: behind the colon stands its number"),
            ("audio:-1", "`audio:-1` is no track: behind the colon stands its number"),
            ("audio:+1", "`audio:+1` is no track: behind the colon stands its number"),
            ("audio:", "`audio:` is no track: behind the colon stands its number"),
            ("audio:300", "`audio:300` is no track: numbers end at 255"),
            ("subtitles", "`subtitles` is no track"),
            ("au\u{7}dio", "one of them is no track"),
        ] {
            assert_eq!(parse(name), Err(problem.to_owned()));
        }
        assert_eq!(parse(&"x".repeat(1000)), Err("one of them is no track".to_owned()));
    }

    #[test]
    fn the_item_that_is_there_already_is_named() {
        let of = |names: &[&str]| repeated(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["video", "audio", "video:1", "audio:2", "x", "x"]), None);
        assert_eq!(of(&["video", "video"]), Some("`video` is named twice".to_owned()));
        assert_eq!(of(&["video", "audio", "video:0"]), Some("`video:0` is named twice".to_owned()));
    }
}
