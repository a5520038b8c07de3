//! What of a stream an output sends: which tracks, and silence where there is no sound.

use crate::media::{Kind, Packet};
use crate::options::Options;
use crate::options::suggest::did_you_mean;
use crate::options::track;

/// What an output sends of a stream. Outputs with the same share all that is made for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Which tracks.
    pub tracks: Tracks,
    /// Silence is put in where the stream has no sound (`silence=on`).
    pub silence: bool,
}

/// Which tracks go out. Data always does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tracks {
    /// All, as they came.
    #[default]
    All,
    /// These, by kind and number, sorted.
    Only(Vec<(Kind, u8)>),
}

impl Selection {
    /// Reads the options `tracks` and `silence`. The error is about `tracks`.
    ///
    /// # Errors
    /// A name that is no track.
    pub fn of(options: &Options) -> Result<Self, String> {
        let tracks = match options.list("tracks") {
            Some(names) => Tracks::parse(&names)?,
            None => Tracks::All,
        };
        Ok(Self { tracks, silence: options.bool("silence") })
    }

    /// True where it is the stream as it is, whatever that holds.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

impl Tracks {
    /// Reads `tracks=`: `video`, `audio`, `video:1` ...; a kind without a number is its track 0.
    ///
    /// # Errors
    /// Which of them is no track, or there twice.
    pub fn parse(names: &[String]) -> Result<Self, String> {
        let track = |name: &String| {
            let (is_video, number) = track::parse(name).map_err(|problem| {
                let kind = name.split(':').next().unwrap_or(name);
                let near = did_you_mean(kind, ["video", "audio"]).filter(|_| !matches!(kind, "video" | "audio"));
                format!("{problem}; {}{}", track::LOOKS, near.map_or(String::new(), |near| format!("; {near}")))
            })?;
            Ok((if is_video { Kind::Video } else { Kind::Audio }, number))
        };
        let mut tracks = names.iter().map(track).collect::<Result<Vec<_>, String>>()?;
        if let Some(problem) = track::repeated(names) {
            return Err(format!("{problem}: name each track once"));
        }
        if tracks.is_empty() {
            return Ok(Tracks::All);
        }
        // The same tracks are the same selection, in whatever order they are named.
        tracks.sort_unstable();
        Ok(Tracks::Only(tracks))
    }

    /// The numbers of the tracks of a kind that go out; `None` if all do.
    pub fn of(&self, kind: Kind) -> Option<Vec<u8>> {
        match self {
            Tracks::All => None,
            Tracks::Only(tracks) => {
                Some(tracks.iter().filter(|(of, _)| *of == kind).map(|(_, number)| *number).collect())
            }
        }
    }

    /// True if this packet goes out that is not looked into: by the (first) track that it names.
    pub fn take(&self, packet: &Packet) -> bool {
        match self {
            Tracks::All => true,
            Tracks::Only(tracks) => packet.kind == Kind::Data || tracks.contains(&(packet.kind, packet.track)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(names: &[&str]) -> Result<Tracks, String> {
        Tracks::parse(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_order_of_names_makes_no_difference() {
        let tracks = parse(&["audio:2", "video", "audio"]);
        assert_eq!(tracks, parse(&["video:0", "audio:0", "audio:2"]));
        let Ok(tracks) = tracks else { panic!("no tracks") };
        assert_eq!((tracks.of(Kind::Audio), tracks.of(Kind::Video)), (Some(vec![0, 2]), Some(vec![0])));
        assert_eq!(Tracks::All.of(Kind::Audio), None);
        assert!(parse(&["audio:256"]).is_err());
        assert!(parse(&["vidio"]).is_err_and(|text| text.contains("did you mean `video`?")));
        assert!(parse(&["video", "audio:1x"]).is_err_and(|text| text.starts_with("`audio:1x` is no track: ")));
        assert!(parse(&["video", "video:0"]).is_err_and(|text| text.starts_with("`video:0` is named twice")));
    }
}
