//! What tells a stream apart from every other in the world, and the way on which its source came: a stream that comes
//! back to where it was is a loop.

use std::sync::{Arc, OnceLock};

use outflow_rtmp::session::hops::MOST;

use super::Stream;

/// A stream's mark, `INSTANCE:STREAM`: random for each run of the program, and the same for a name within it.
pub(super) fn mark(name: &str) -> String {
    static INSTANCE: OnceLock<u64> = OnceLock::new();
    let instance = *INSTANCE.get_or_init(|| {
        let mut bytes = [0u8; 8];
        if getrandom::fill(&mut bytes).is_err() {
            // Not to be told apart from another program in the same trouble is better than no mark at all.
            bytes = u64::from(std::process::id()).to_be_bytes();
        }
        u64::from_be_bytes(bytes)
    });
    // A peer learns nothing of the name: it does not know the random part of what is hashed.
    let text = instance.to_be_bytes().into_iter().chain(name.bytes());
    // FNV-1a: the same in every version of the compiler.
    let hash =
        text.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{instance:016x}:{hash:016x}")
}

/// The streams before and behind a stream, as far as the peers said so.
#[derive(Default)]
pub(super) struct Way {
    /// Those that its sources came through.
    from: Vec<String>,
    /// Those that its players feed, one entry a player.
    to: Vec<(u64, Vec<String>)>,
    next: u64,
}

impl Way {
    /// A source came on this way; where a stream has two they count both. The latest are kept.
    pub(super) fn came_by(&mut self, hops: &[String]) {
        for hop in hops {
            if !self.from.contains(hop) {
                self.from.push(hop.clone());
            }
        }
        let over = self.from.len().saturating_sub(2 * MOST);
        self.from.drain(..over);
    }

    /// Its source is gone.
    pub(super) fn forget_source(&mut self) {
        self.from.clear();
    }

    /// The marks before this one, and it.
    pub(super) fn up_to(&self, mark: &str) -> Vec<String> {
        self.from.iter().map(String::as_str).chain([mark]).map(str::to_owned).collect()
    }

    /// The marks behind this one, and it: last, since the last are the ones that are sent.
    pub(super) fn and_beyond(&self, mark: &str) -> Vec<String> {
        let to = self.to.iter().flat_map(|(_, marks)| marks).map(String::as_str);
        to.chain([mark]).map(str::to_owned).collect()
    }
}

/// Keeps in mind where a player takes the stream, until dropped.
pub struct GoesTo {
    stream: Arc<Stream>,
    player: u64,
}

impl GoesTo {
    pub(super) fn new(stream: &Arc<Stream>, marks: &[String]) -> Option<Self> {
        if marks.is_empty() {
            return None;
        }
        let mut way = stream.way.lock();
        way.next += 1;
        let player = way.next;
        way.to.push((player, marks.to_vec()));
        Some(Self { stream: stream.clone(), player })
    }
}

impl Drop for GoesTo {
    fn drop(&mut self) {
        self.stream.way.lock().to.retain(|(player, _)| *player != self.player);
    }
}

#[cfg(test)]
mod tests {
    use outflow_rtmp::session::hops::is_mark;

    use super::*;
    use crate::media::{Intake, StreamInfo};
    use crate::stream::StreamConfig;

    #[test]
    fn a_mark_says_which_stream_and_nothing_else() {
        let (one, two) = (mark("live/one"), mark("live/two"));
        assert!(is_mark(&one) && one == mark("live/one") && one != two, "{one} {two}");
        assert_eq!(one.split(':').next(), two.split(':').next(), "the same program");
        assert!(!one.contains("one"));
    }

    #[test]
    fn a_way_is_bounded_and_ends_with_the_stream_itself() {
        let mut way = Way::default();
        way.came_by(&["a".into(), "b".into()]);
        way.came_by(&["b".into(), "c".into()]);
        assert_eq!(way.up_to("me"), ["a", "b", "c", "me"]);
        let many: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        way.came_by(&many);
        assert_eq!(way.up_to("me").len(), 2 * MOST + 1);
        way.forget_source();
        assert_eq!(way.up_to("me"), ["me"]);
    }

    #[test]
    fn players_count_while_they_are_there() {
        let (writer, stream) = Stream::new("s", StreamConfig::default(), Arc::default());
        assert!(GoesTo::new(&stream, &[]).is_none(), "a player that says nothing leads nowhere");
        let players = [stream.goes_to(&["a".into()]), stream.goes_to(&["b".into(), "c".into()])];
        assert_eq!(writer.marks(), ["a", "b", "c", stream.mark()]);
        let [first, second] = players;
        drop(first);
        assert_eq!(writer.marks(), ["b", "c", stream.mark()]);
        drop(second);
        assert_eq!(writer.marks(), [stream.mark()]);
    }

    #[test]
    fn the_way_of_a_source_is_forgotten_with_it() {
        let (writer, stream) = Stream::new("s", StreamConfig::default(), Arc::default());
        writer.start(StreamInfo::default());
        writer.came_by(&["a:1".into()]);
        assert_eq!(stream.hops(), ["a:1", stream.mark()]);
        writer.end(false);
        assert_eq!(stream.hops(), [stream.mark()]);
    }
}
