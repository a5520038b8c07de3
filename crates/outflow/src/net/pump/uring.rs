//! Many writes with one system call, through io_uring. The only place with `unsafe` in it (docs/decisions/0031).
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use bytes::Bytes;
use io_uring::{IoUring, opcode, types};

/// Writes in one call, at most.
pub(super) const BATCH: usize = 256;

/// Never waits, never goes on behind our back, never raises a signal.
const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// A ring of the kernel, empty whenever nobody is in [`Ring::send`].
pub(super) struct Ring {
    /// `None` from an error on: an entry that the kernel had not taken must not be taken later.
    ring: Option<IoUring>,
}

impl Ring {
    pub(super) fn new() -> io::Result<Self> {
        let ring = IoUring::new(u32::try_from(BATCH).unwrap_or(u32::MAX))?;
        // Linux 5.17. Before, what completes at once and what does not was another matter.
        if !ring.params().is_feature_linked_file() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the kernel is older than Linux 5.17"));
        }
        Ok(Self { ring: Some(ring) })
    }

    /// False from an error on.
    pub(super) fn works(&self) -> bool {
        self.ring.is_some()
    }

    /// Writes to each of these sockets, [`BATCH`] at most, and puts what came of it at its place in `results`: bytes
    /// written, or an error's number below zero. Where there is `-EAGAIN` nothing was written.
    pub(super) fn send<'a>(
        &mut self,
        writes: impl Iterator<Item = Option<(BorrowedFd<'a>, &'a Bytes)>> + Clone,
        results: &mut Vec<i32>,
    ) {
        results.clear();
        let mut ring = self.ring.take();
        let mut pushed = 0;
        for (at, write) in writes.clone().enumerate() {
            results.push(-libc::EAGAIN);
            let (Some((socket, bytes)), Some(ring)) = (write, ring.as_mut()) else { continue };
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let entry = opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), length).flags(FLAGS);
            let entry = entry.build().user_data(at as u64);
            // SAFETY: the socket and the bytes are borrowed for the length of this call, and nothing of this entry is left when it
            // returns: the kernel has answered it (below), or the ring is dropped before the kernel took it. Should the kernel
            // ever have taken one and not answered, its bytes are leaked, so that they stay what they are.
            // One too many is refused.
            pushed += usize::from(unsafe { ring.submission().push(&entry) }.is_ok());
        }
        let Some(mut ring) = ring else { return };
        let (mut taken, mut answered) = (0, 0);
        let mut failed = false;
        while answered < pushed && !failed {
            // What does not wait is done within the call; asking for the answers makes that certain.
            match ring.submit_and_wait(pushed - answered) {
                Ok(more) => taken += more,
                Err(error) => failed = error.raw_os_error() != Some(libc::EINTR),
            }
            for answer in ring.completion() {
                answered += 1;
                if let Some(result) = usize::try_from(answer.user_data()).ok().and_then(|at| results.get_mut(at)) {
                    *result = if answer.result() == -libc::EINTR { -libc::EAGAIN } else { answer.result() };
                }
            }
        }
        if failed && taken > answered {
            // Nobody can say what these connections were sent.
            for (write, result) in writes.zip(results.iter_mut()) {
                mem::forget(write.map(|(_, bytes)| bytes.clone()));
                if *result == -libc::EAGAIN {
                    *result = -libc::EIO;
                }
            }
        }
        if !failed {
            self.ring = Some(ring);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn each_write_has_its_own_answer() {
        let Ok(mut ring) = Ring::new() else {
            println!("the kernel refuses io_uring: nothing to test");
            return;
        };
        let pairs: Vec<_> = (0..4).map(|_| UnixStream::pair().unwrap()).collect();
        // The second is full, the third is gone, the fourth takes a part.
        let mut results = Vec::new();
        let large = Bytes::from(vec![7; 4 << 20]);
        loop {
            ring.send([Some((pairs[1].0.as_fd(), &large))].into_iter(), &mut results);
            if results == [-libc::EAGAIN] {
                break;
            }
            assert!(results[0] > 0, "{results:?}");
        }
        let mut pairs = pairs.into_iter();
        let (first, mut reader) = pairs.next().unwrap();
        let full = pairs.next().unwrap();
        let gone = pairs.next().unwrap().0;
        let part = pairs.next().unwrap();
        let words = Bytes::from_static(b"words");
        for _ in 0..3 {
            let writes = [(&first, &words), (&full.0, &words), (&gone, &words), (&part.0, &large)];
            let writes = writes.iter().map(|(socket, bytes)| Some((socket.as_fd(), *bytes)));
            ring.send(writes.chain([None]), &mut results);
            assert_eq!(results[..3], [5, -libc::EAGAIN, -libc::EPIPE]);
            assert_eq!((results[4], results.len()), (-libc::EAGAIN, 5));
        }
        let mut read = [0; 15];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"wordswordswords");
        drop(first);
        assert_eq!(reader.read(&mut read).unwrap(), 0);
    }

    #[test]
    fn as_many_as_fit_and_no_more() {
        let Ok(mut ring) = Ring::new() else { return };
        let (writer, mut reader) = UnixStream::pair().unwrap();
        let word = Bytes::from_static(b"w");
        let mut results = Vec::new();
        ring.send((0..BATCH + 9).map(|_| Some((writer.as_fd(), &word))), &mut results);
        assert!(results[..BATCH].iter().all(|result| *result == 1));
        assert!(results[BATCH..].iter().all(|result| *result == -libc::EAGAIN) && results.len() == BATCH + 9);
        drop(writer);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read.len(), BATCH);
    }
}
