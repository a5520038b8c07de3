//! The stream that must not suffer: numbered frames, and players that hold every one of them against its number.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::media::AVC_HEADER;
use crate::player;
use crate::publisher::Publisher;
use crate::wait::Watched;
use crate::wire::{Message, kind};

/// Frames a second.
const RATE: u32 = 25;
const STEP: u32 = 1000 / RATE;

/// Video frame `number` of so many bytes; each second begins with a key frame.
fn video(number: u32, size: usize) -> Bytes {
    let key = number.is_multiple_of(RATE);
    let mut body = vec![if key { 0x17 } else { 0x27 }, 1, 0, 0, 0];
    body.extend((size as u32 - 9).to_be_bytes());
    body.push(if key { 0x65 } else { 0x41 });
    body.extend(number.to_be_bytes());
    body.resize(size, number as u8);
    body.into()
}

/// The sound of the same time.
fn audio(number: u32) -> Bytes {
    [&[0xAF, 1][..], &number.to_be_bytes(), &[number as u8; 100]].concat().into()
}

/// Publishes numbered frames in real time until it is dropped.
#[derive(Debug)]
pub struct Show {
    /// How many frames were sent.
    pub sent: Arc<AtomicU32>,
    /// The longest time between two frames, in milliseconds: of whoever is silent for a second others may take the name.
    pub gap: Arc<AtomicU32>,
    /// How it ended, if it has: it is not to.
    pub end: Watched<Option<String>>,
    task: JoinHandle<()>,
}

impl Show {
    /// Begins, with so many bits a second.
    pub async fn publish(url: &str, bits: u32) -> io::Result<Self> {
        let size = (bits / 8 / RATE) as usize;
        let mut publisher = Publisher::connect(url).await?;
        let (sent, end) = (Arc::<AtomicU32>::default(), Watched::new(None));
        let gap = Arc::<AtomicU32>::default();
        let (count, ended, longest) = (sent.clone(), end.clone(), gap.clone());
        let task = tokio::spawn(async move {
            let begin = Instant::now();
            let mut last = begin;
            let run = async {
                publisher.send(9, 0, AVC_HEADER).await?;
                publisher.send(8, 0, &b"\xaf\x00\x12\x10"[..]).await?;
                for number in 0.. {
                    tokio::time::sleep_until(begin + Duration::from_millis(u64::from(STEP)) * number).await;
                    publisher.send(9, number * STEP, video(number, size)).await?;
                    publisher.send(8, number * STEP, audio(number)).await?;
                    count.store(number + 1, Ordering::Relaxed);
                    longest.fetch_max(last.elapsed().as_millis() as u32, Ordering::Relaxed);
                    last = Instant::now();
                }
                io::Result::Ok(())
            };
            let why = run.await.err().map_or_else(|| "it came to its end".into(), |error| error.to_string());
            ended.update(|end| *end = Some(why));
        });
        Ok(Self { sent, gap, end, task })
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a player has seen.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Video frames, each the next one and unchanged.
    pub frames: u64,
    /// The number of the frame that is to come next.
    pub next: u32,
    /// The first thing that was not as it should be.
    pub wrong: Option<String>,
    first: Option<(u32, u32)>,
    next_audio: Option<u32>,
}

impl Seen {
    /// Looks at a message of the stream; the error is what is not as it should be.
    pub fn take(&mut self, message: &Message) -> Result<(), String> {
        let body = &message.body;
        let number =
            |at: usize| body.get(at..at + 4).map_or(0, |four| u32::from_be_bytes(four.try_into().expect("four")));
        let told = |what: &str, wanted: u32, got: u32| Err(format!("{what} {got} came, not {wanted}"));
        match (message.kind, body.get(1)) {
            (kind::VIDEO, Some(1)) => {
                let got = number(10);
                let (first, time) = *self.first.get_or_insert((got, message.time));
                if self.frames == 0 {
                    self.next = got;
                }
                if got != self.next {
                    return told("frame", self.next, got);
                }
                if *body != video(got, body.len()) {
                    return Err(format!("frame {got} is not as it was sent"));
                }
                if message.time.wrapping_sub(time) != (got - first) * STEP {
                    return Err(format!(
                        "frame {got} came with the time {}, the first, {first}, with {time}",
                        message.time
                    ));
                }
                self.frames += 1;
                self.next += 1;
            }
            (kind::AUDIO, Some(1)) => {
                let got = number(2);
                if self.next_audio.is_some_and(|next| next != got) {
                    return told("sound", self.next_audio.unwrap_or_default(), got);
                }
                if *body != audio(got) {
                    return Err(format!("sound {got} is not as it was sent"));
                }
                self.next_audio = Some(got + 1);
            }
            (kind::VIDEO, _) if body[..] != AVC_HEADER[..] => {
                return Err(format!("{body:?} is no header of this stream"));
            }
            _ => {}
        }
        Ok(())
    }
}

/// A player that looks at every frame, until it is dropped.
#[derive(Debug)]
pub struct Viewer {
    /// What it has seen.
    pub seen: Watched<Seen>,
    task: JoinHandle<()>,
}

impl Viewer {
    /// Plays a URL.
    pub async fn connect(url: &str) -> io::Result<Self> {
        let (mut reader, writer) = player::begin(url, None).await?;
        let seen = Watched::new(Seen::default());
        let into = seen.clone();
        let task = tokio::spawn(async move {
            let _writer = writer;
            loop {
                let wrong = match reader.next().await {
                    Ok(Some(message)) => into.update(|seen| seen.take(&message)).err(),
                    Ok(None) => Some("the server left".into()),
                    Err(error) => Some(error.to_string()),
                };
                if wrong.is_some() {
                    return into.update(|seen| seen.wrong = wrong);
                }
            }
        });
        Ok(Self { seen, task })
    }

    /// Waits until it has seen the frame before `next`; the error is what was wrong.
    pub async fn has_seen(&self, next: u32) -> Result<Seen, String> {
        let what = format!("frame {next} at a player");
        let seen =
            self.seen.wait_for(&what, |seen| (seen.next >= next || seen.wrong.is_some()).then(|| seen.clone())).await;
        match &seen.wrong {
            Some(wrong) => Err(format!("{wrong} (after {} frames)", seen.frames)),
            None => Ok(seen),
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, time: u32, body: Bytes) -> Message {
        Message { kind, time, stream: 1, body }
    }

    #[test]
    fn a_frame_that_is_missing_changed_or_late_is_told() {
        let begun = || {
            let mut seen = Seen::default();
            seen.take(&message(9, 0, Bytes::from_static(AVC_HEADER))).unwrap();
            for number in 50..60 {
                seen.take(&message(9, (number - 50) * STEP, video(number, 500))).unwrap();
                seen.take(&message(8, (number - 50) * STEP, audio(number))).unwrap();
            }
            assert_eq!((seen.frames, seen.next), (10, 60));
            seen
        };
        assert!(begun().take(&message(9, 10 * STEP, video(60, 500))).is_ok());
        assert!(begun().take(&message(9, 10 * STEP, video(61, 500))).unwrap_err().contains("61 came, not 60"));
        assert!(begun().take(&message(9, 10 * STEP + 1, video(60, 500))).unwrap_err().contains("with the time"));
        let mut changed = video(60, 500).to_vec();
        changed[400] ^= 1;
        assert!(begun().take(&message(9, 10 * STEP, changed.into())).unwrap_err().contains("not as it was sent"));
        assert!(begun().take(&message(8, 10 * STEP, audio(61))).is_err());
        assert!(begun().take(&message(9, 10 * STEP, b"\x17\x00\x00".to_vec().into())).is_err());
    }
}
