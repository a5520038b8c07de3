//! What peers may cost: sizes, numbers and times in one value. It is said in `[limits]` of the file of `serve` or by
//! `-limits=` of a graph, reaches every session that the program makes, and may be replaced while it runs: connections that
//! come later obey the new one.

mod table;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use crate::error::SpecError;
use crate::options::suggest::did_you_mean;
use crate::options::value::{self, list};
pub use table::{OURS, RTMP, Spec, Unit};

/// What a peer may cost. The defaults are far from what real encoders, players and servers were seen to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// What a peer may ask of the protocol, on every connection of both directions.
    pub rtmp: outflow_rtmp::Limits,
    /// Connections to our ports in all.
    pub connections: usize,
    /// Connections to our ports from one address.
    pub connections_per_address: usize,
    /// Connections that have not yet asked to publish or to play, in all.
    pub half_open: usize,
    /// The same from one address.
    pub half_open_per_address: usize,
    /// From the accepted connection to the end of the handshake, TLS included; the same of servers that we dial, `connect`
    /// included.
    pub handshake: Duration,
    /// From the end of the handshake to the wish to publish or to play.
    pub request: Duration,
    /// How long a publisher may send no byte, not even the answer to a ping.
    pub idle: Duration,
    /// How long a message that was begun may take.
    pub message: Duration,
    /// How long a player may take no byte of what waits for it.
    pub player_stall: Duration,
    /// How long a server that we dial may take to answer publish or play.
    pub answer: Duration,
    /// How long a server that we play from may send no byte, or no media where there was some.
    pub pull_idle: Duration,
    /// Bits per second of one publisher, over ten seconds; 0 is no limit.
    pub ingest_bitrate: u64,
    /// Bytes of media that one stream keeps at most.
    pub stream_bytes: usize,
    /// Bytes of media that all streams together keep at most.
    pub process_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            rtmp: outflow_rtmp::Limits::default(),
            connections: 8192,
            connections_per_address: 8192,
            half_open: 4096,
            half_open_per_address: 4096,
            handshake: seconds(10),
            request: seconds(10),
            idle: seconds(75),
            message: seconds(60),
            player_stall: seconds(60),
            answer: seconds(15),
            pull_idle: seconds(30),
            ingest_bitrate: 0,
            stream_bytes: 192 << 20,
            process_bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// Sets limits as `-limits=` has them: `media_message=20m,handshake=5s`. The names are those of `[limits]` and
    /// `[limits.rtmp]`.
    pub fn set_all(&mut self, text: &str) -> Result<(), SpecError> {
        let mut said = Vec::new();
        for part in list(text) {
            let Some((name, text)) = part.split_once('=') else {
                let error = SpecError::new(format!("`{part}` is no limit with its value"));
                return Err(error.hint("write -limits=NAME=VALUE,NAME=VALUE; `outflow help limits` lists them"));
            };
            let name = name.trim();
            if said.iter().any(|said| said == name) {
                return Err(SpecError::new(format!("the limit `{name}` is given twice")).hint("say it once"));
            }
            self.set(name, text.trim())?;
            said.push(name.to_owned());
        }
        Ok(())
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), SpecError> {
        let Some(spec) = all().find(|spec| spec.name == name) else {
            let near = did_you_mean(name, all().map(|spec| spec.name));
            let error = SpecError::new(format!("there is no limit `{name}`"));
            return Err(error.hint(near.unwrap_or_else(|| "`outflow help limits` lists them".into())));
        };
        let value = match spec.unit {
            Unit::Count => value::number(text).map_err(|error| error.field(name))?,
            Unit::Duration => millis(value::duration(text).map_err(|error| error.field(name))?),
        };
        spec.check(value).map_err(|(problem, hint)| SpecError::new(problem).hint(hint).field(name))?;
        (spec.set)(self, value);
        Ok(())
    }
}

/// Every limit that a graph knows: our own, then those of the protocol.
pub fn all() -> impl Iterator<Item = &'static Spec> {
    OURS.iter().chain(RTMP.iter())
}

/// Whole milliseconds.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How a time is told to people: `10s`, `250ms`.
pub fn shown(time: Duration) -> String {
    match (time.as_secs(), time.subsec_millis()) {
        (seconds, 0) => format!("{seconds}s"),
        _ => format!("{}ms", time.as_millis()),
    }
}

/// The limits that are in force. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct InForce(Arc<RwLock<Arc<Limits>>>);

impl InForce {
    /// These.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(limits))))
    }

    /// What holds for a connection that begins now.
    pub fn get(&self) -> Arc<Limits> {
        self.0.read().clone()
    }

    /// Others from now on; connections that are there keep theirs.
    pub fn put(&self, limits: Limits) {
        *self.0.write() = Arc::new(limits);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_set_limits_of_every_sort() {
        let mut limits = Limits::default();
        limits.set_all("media_message=20m,amf_depth=16,handshake=500ms, ingest_bitrate = 50m").unwrap();
        assert_eq!((limits.rtmp.media_message, limits.rtmp.amf_depth), (20_000_000, 16));
        assert_eq!((limits.handshake, limits.ingest_bitrate), (Duration::from_millis(500), 50_000_000));
        // Said once more, the rest stays.
        limits.set_all("amf_depth=8").unwrap();
        assert_eq!((limits.rtmp.media_message, limits.rtmp.amf_depth), (20_000_000, 8));
    }

    #[test]
    fn mistakes_have_a_mend() {
        for (text, problem, hint) in [
            ("amf_dept=3", "no limit `amf_dept`", "`amf_depth`"),
            ("zebra=3", "no limit `zebra`", "outflow help limits"),
            ("amf_depth", "no limit with its value", "NAME=VALUE"),
            ("", "no limit with its value", "NAME=VALUE"),
            ("amf_depth=4,idle=5s,amf_depth=4", "`amf_depth` is given twice", "say it once"),
            ("amf_depth=0", "0 is too little", "write 2 or more"),
            ("chunk_size=16777216", "too much", "write 16777215 or less"),
            ("handshake=1", "", ""),
            ("handshake=0", "0s is too short", "write 100ms or more"),
            ("handshake=3days", "unknown unit", "4s"),
            ("idle=48h", "too long", "write 86400s or less"),
        ] {
            match Limits::default().set_all(text) {
                Ok(()) => assert!(problem.is_empty(), "{text}"),
                Err(error) => {
                    assert!(error.problem.contains(problem) && !problem.is_empty(), "{text}: {error}");
                    assert!(error.hint.unwrap().contains(hint), "{text}");
                }
            }
        }
    }

    /// What the tables say is what holds, each name is there once, and each entry reaches the field that it gives back.
    #[test]
    fn the_tables_say_what_holds() {
        let defaults = Limits::default();
        let mut names: Vec<&str> = all().map(|spec| spec.name).collect();
        for spec in all() {
            let said = match spec.unit {
                Unit::Count => value::number(spec.default).unwrap(),
                Unit::Duration => millis(value::duration(spec.default).unwrap()),
            };
            assert_eq!((spec.get)(&defaults), said, "{}", spec.name);
            assert!(spec.check(said).is_ok() && spec.check(spec.most).is_ok(), "{}", spec.name);
            let mut changed = defaults.clone();
            (spec.set)(&mut changed, said + 1);
            assert_eq!((spec.get)(&changed), said + 1, "{}", spec.name);
            assert_ne!(changed, defaults, "{}", spec.name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), OURS.len() + RTMP.len());
        // A field of the protocol's limits that is in no table could not be configured.
        let fields = format!("{:?}", defaults.rtmp).matches(": ").count();
        assert_eq!(fields, RTMP.len());
    }

    #[test]
    fn what_is_in_force_is_what_was_put_last() {
        let (force, held) = (InForce::default(), InForce::default().get());
        let same = force.clone();
        same.put(Limits { half_open: 7, ..Limits::default() });
        assert_eq!((force.get().half_open, held.half_open), (7, 4096));
    }

    #[test]
    fn times_are_told_as_they_are_written() {
        assert_eq!(shown(Duration::from_secs(10)), "10s");
        assert_eq!(shown(Duration::from_millis(1500)), "1500ms");
    }
}
