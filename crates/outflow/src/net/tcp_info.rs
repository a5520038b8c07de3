//! What the kernel knows of a TCP connection: how much waits, how much the other host has, and how far away it is.
//!
//! No crate offers `TCP_INFO` ready-made. `nix` has a macro that makes a typed option of any number that the kernel
//! knows; the one `unsafe` call is its, and checks the length that the kernel gave (docs/decisions/0022).

use std::time::Duration;

use tokio::net::TcpStream;

/// A connection as the kernel sees it. All bytes are those on the wire, with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpInfo {
    /// The smoothed round-trip time.
    pub rtt: Duration,
    /// Bytes that were written and have not been sent yet.
    pub unsent: u64,
    /// Bytes that were sent and are not acknowledged.
    pub unacked: u64,
    /// Segments sent again, since the connection began.
    pub retransmits: u64,
    /// Bytes written since the connection began.
    pub written: u64,
    /// Bytes acknowledged since the connection began; one more than there were where we connected.
    pub acked: u64,
    /// How long ago the last acknowledgement came.
    pub last_ack: Duration,
    /// The other host takes nothing more: its program does not read.
    pub closed: bool,
}

/// What the kernel knows of this connection; `None` where it can't say (Linux before 5.4, other systems).
pub fn of(tcp: &TcpStream) -> Option<TcpInfo> {
    system::of(tcp)
}

#[cfg(target_os = "linux")]
mod system {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::OnceLock;
    use std::time::Duration;

    use nix::sys::socket::getsockopt;
    use tokio::net::TcpStream;

    use super::TcpInfo;

    /// `struct tcp_info` of the kernel up to `tcpi_snd_wnd`: any bytes are a valid value of it.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Raw {
        /// State, flags, window scales.
        _bytes: [u8; 8],
        /// Timeouts and segment sizes: `rto`, `ato`, `snd_mss`, `rcv_mss`.
        sizes: [u32; 4],
        /// `unacked`, in segments, and four more counts of segments.
        segments: [u32; 5],
        /// Milliseconds since the last data sent, acknowledgement sent, data received, acknowledgement received.
        last: [u32; 4],
        _pmtu: [u32; 2],
        /// Microseconds.
        rtt: u32,
        _path: [u32; 7],
        total_retrans: u32,
        _pacing: [u64; 2],
        bytes_acked: u64,
        _bytes_received: u64,
        _segs: [u32; 2],
        notsent_bytes: u32,
        _counts: [u32; 3],
        _rates: [u64; 4],
        _delivered: [u32; 2],
        bytes_sent: u64,
        bytes_retrans: u64,
        _order: [u32; 3],
        snd_wnd: u32,
    }

    #[derive(Clone, Copy)]
    struct State;

    nix::getsockopt_impl!(State, libc::IPPROTO_TCP, libc::TCP_INFO, Raw, nix::sys::socket::sockopt::GetStruct<Raw>);

    pub(super) fn of(tcp: &TcpStream) -> Option<TcpInfo> {
        // An older kernel gives less, for which `nix` panics: that is found out once, and not asked again.
        static KNOWN: OnceLock<bool> = OnceLock::new();
        let known = KNOWN.get_or_init(|| {
            is_new_enough() && catch_unwind(AssertUnwindSafe(|| getsockopt(tcp, State).is_ok())).unwrap_or(false)
        });
        if !known {
            return None;
        }
        getsockopt(tcp, State).ok().map(|raw| read(&raw))
    }

    fn is_new_enough() -> bool {
        let name = rustix::system::uname();
        let release = name.release().to_string_lossy();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
        (numbers.next(), numbers.next()) >= (Some(5), Some(4))
    }

    fn read(raw: &Raw) -> TcpInfo {
        let sent = raw.bytes_sent.saturating_sub(raw.bytes_retrans);
        let unsent = u64::from(raw.notsent_bytes);
        let [in_flight, ..] = raw.segments;
        let [_, _, segment, _] = raw.sizes;
        let [_, _, _, last_ack] = raw.last;
        TcpInfo {
            rtt: Duration::from_micros(u64::from(raw.rtt)),
            unsent,
            unacked: if in_flight == 0 { 0 } else { sent.saturating_sub(raw.bytes_acked) },
            retransmits: u64::from(raw.total_retrans),
            written: sent + unsent,
            acked: raw.bytes_acked,
            last_ack: Duration::from_millis(u64::from(last_ack)),
            // What is sent has arrived, the rest waits, and not even one segment may go.
            closed: unsent > 0 && raw.snd_wnd < segment.max(1),
        }
    }

    #[cfg(test)]
    #[test]
    fn the_layout_is_that_of_the_kernel() {
        assert_eq!(std::mem::size_of::<Raw>(), 232);
        assert_eq!(std::mem::offset_of!(Raw, total_retrans), 100);
        assert_eq!(std::mem::offset_of!(Raw, bytes_acked), 120);
        assert_eq!(std::mem::offset_of!(Raw, notsent_bytes), 144);
        assert_eq!(std::mem::offset_of!(Raw, bytes_sent), 200);
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn of(_: &tokio::net::TcpStream) -> Option<super::TcpInfo> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn until(tcp: &TcpStream, what: impl Fn(&TcpInfo) -> bool) -> TcpInfo {
        for _ in 0..500 {
            let info = of(tcp).unwrap();
            if what(&info) {
                return info;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let info = of(tcp).unwrap();
        assert!(what(&info), "{info:?}");
        info
    }

    #[tokio::test]
    async fn what_is_read_is_acknowledged_and_what_is_not_closes_the_window() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut theirs = listener.accept().await.unwrap().0;
        ours.write_all(&[0; 1000]).await.unwrap();
        let info = until(&ours, |info| info.unacked == 0 && info.unsent == 0).await;
        assert_eq!((info.written, info.acked, info.closed), (1000, 1001, false));
        assert!(info.rtt > Duration::ZERO && info.rtt < Duration::from_secs(1), "{info:?}");
        // Until the kernel takes nothing more.
        let mut written = 1000;
        while let Ok(more) = ours.try_write(&[0; 65536]) {
            written += more as u64;
        }
        let info = until(&ours, |info| info.closed).await;
        assert_eq!(info.written, written);
        assert!(info.unsent > 0 && info.unacked == 0, "{info:?}");
        let mut taken = vec![0; 65536];
        let mut left = written;
        while left > 0 {
            left -= theirs.read(&mut taken).await.unwrap() as u64;
        }
        let info = until(&ours, |info| info.unsent == 0 && info.unacked == 0).await;
        assert_eq!((info.closed, info.acked), (false, written + 1));
    }
}
