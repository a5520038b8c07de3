//! Acknowledgement windows in both directions, and the answers that a peer's control messages ask for.
use crate::limits::Limits;
use crate::message::{Control, UserControl};

/// By so much may a peer count more than we: it may count what is no RTMP, as a proxy's greeting.
const COUNTED_BESIDE: u64 = 64 * 1024;

/// Counts bytes and remembers what is owed to the peer. Of acknowledgements and ping answers only the latest is owed,
/// so that a peer that floods us or does not read costs nothing.
#[derive(Debug, Default)]
pub(super) struct Flow {
    received: u64,
    acknowledged: u64,
    /// How often the peer wants to hear from us; 0 is never (Adobe RTMP 1.0 §5.4.4).
    window: u64,
    window_min: u32,
    sent: u64,
    /// What the peer said last that it has received, in its own 32 bits, and all in all; `None` if it never did.
    heard: Option<(u32, u64)>,
    /// The Window Acknowledgement Size last sent.
    sent_window: Option<u32>,
    bandwidth: Option<u32>,
    ack_due: bool,
    pong_due: Option<u32>,
    window_due: Option<u32>,
}

impl Flow {
    pub(super) fn new(limits: &Limits) -> Self {
        Flow { window_min: limits.window_ack_min, ..Flow::default() }
    }

    /// Takes the number of bytes received so far, once per call of the session.
    pub(super) fn on_received(&mut self, total: u64) {
        self.received = total;
        // Half a window early, as other clients do: a sender that counts strictly never has to wait.
        if self.window > 0 && total - self.acknowledged >= self.window / 2 {
            self.ack_due = true;
            self.acknowledged = total;
        }
    }

    /// Obeys a control message of the peer.
    pub(super) fn on_control(&mut self, control: &Control) {
        match *control {
            Control::WindowAckSize(0) => self.window = 0,
            Control::WindowAckSize(size) => self.window = u64::from(size.max(self.window_min)),
            // §5.4.5: answered with the window size unless that is what the peer was told last.
            Control::SetPeerBandwidth { size, .. } if size > 0 => {
                self.bandwidth = Some(size);
                self.window_due = (self.sent_window != Some(size)).then_some(size);
            }
            Control::User(UserControl::PingRequest(number)) => self.pong_due = Some(number),
            Control::Ack(number) => self.on_acknowledged(number),
            _ => {}
        }
    }

    /// What is owed, to be sent now.
    pub(super) fn take_due(&mut self) -> impl Iterator<Item = Control> + use<> {
        let window = self.window_due.take();
        self.sent_window = window.or(self.sent_window);
        let ack = std::mem::take(&mut self.ack_due).then_some(self.received as u32);
        let pong = self.pong_due.take();
        [
            window.map(Control::WindowAckSize),
            ack.map(Control::Ack),
            pong.map(|number| Control::User(UserControl::PingResponse(number))),
        ]
        .into_iter()
        .flatten()
    }

    pub(super) fn is_due(&self) -> bool {
        self.ack_due || self.pong_due.is_some() || self.window_due.is_some()
    }

    /// Notes a Window Acknowledgement Size that the session sent by itself.
    pub(super) fn note_window_sent(&mut self, size: u32) {
        self.sent_window = Some(size);
    }

    pub(super) fn note_sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// Acknowledgements count modulo 2^32 (Adobe RTMP 1.0 §5.4.3). Some peers begin again before that (nginx-rtmp does at
    /// 0xf0000000): nobody can have received what was not sent, so a step that would lead there is a count begun anew.
    fn on_acknowledged(&mut self, number: u32) {
        let (last, total) = self.heard.unwrap_or_default();
        let onward = total + u64::from(number.wrapping_sub(last));
        let total = match onward <= self.sent + COUNTED_BESIDE {
            true => onward,
            // What it received between its last word and its new beginning is not known, and less than a window.
            false => total + u64::from(number),
        };
        self.heard = Some((number, total.min(self.sent)));
    }

    /// Bytes that the peer says it has received; `None` if it never said so.
    pub(super) fn acknowledged(&self) -> Option<u64> {
        self.heard.map(|(_, total)| total)
    }

    /// Bytes sent so far; a peer's acknowledgements count modulo 2^32.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The limit that the peer asked for with Set Peer Bandwidth.
    pub(super) fn peer_bandwidth(&self) -> Option<u32> {
        self.bandwidth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        Flow::new(&Limits::default())
    }

    fn due(flow: &mut Flow) -> Vec<Control> {
        flow.take_due().collect()
    }

    #[test]
    fn acknowledges_once_per_call_and_wraps() {
        let mut flow = flow();
        flow.on_received(1_000_000);
        assert!(!flow.is_due(), "no window was asked for");
        flow.on_control(&Control::WindowAckSize(10_000));
        flow.on_received(1_020_000);
        assert_eq!(due(&mut flow), [Control::Ack(1_020_000)]);
        flow.on_received(1_024_999);
        assert!(due(&mut flow).is_empty());
        flow.on_received(1_025_000);
        flow.on_received((1 << 32) + 5);
        assert_eq!(due(&mut flow), [Control::Ack(5)], "only the latest, modulo 2^32");
    }

    fn acknowledged(flow: &mut Flow, number: u32) -> Option<u64> {
        flow.on_control(&Control::Ack(number));
        flow.acknowledged()
    }

    #[test]
    fn what_the_peer_has_is_counted_over_the_wrap() {
        let mut flow = flow();
        flow.note_sent(5_000_000);
        assert_eq!(flow.acknowledged(), None, "absent where the peer says nothing");
        assert_eq!(acknowledged(&mut flow, 0), Some(0));
        assert_eq!(acknowledged(&mut flow, 2_500_000), Some(2_500_000));
        assert_eq!(acknowledged(&mut flow, 2_500_000), Some(2_500_000), "said twice, received once");
        for _ in 0..4 {
            flow.note_sent(1 << 30);
            let number = flow.sent() as u32;
            assert_eq!(acknowledged(&mut flow, number), Some(flow.sent()));
        }
        assert!(flow.sent() > 1 << 32);
    }

    #[test]
    fn a_peer_that_counts_anew_is_behind_by_what_it_left_out() {
        let mut flow = flow();
        flow.note_sent(0xf000_0000);
        assert_eq!(acknowledged(&mut flow, 0xefff_0000), Some(0xefff_0000));
        flow.note_sent(2_000_000);
        assert_eq!(acknowledged(&mut flow, 1_500_000), Some(0xefff_0000 + 1_500_000));
        flow.note_sent(2_000_000);
        assert_eq!(acknowledged(&mut flow, 3_500_000), Some(0xefff_0000 + 3_500_000));
    }

    #[test]
    fn nobody_has_more_than_was_sent() {
        let mut flow = flow();
        flow.note_sent(1000);
        assert_eq!(acknowledged(&mut flow, 4073), Some(1000), "it counts something beside");
        flow.note_sent(1000);
        assert_eq!(acknowledged(&mut flow, 4573), Some(1500));
        assert_eq!(acknowledged(&mut flow, u32::MAX), Some(2000));
    }

    #[test]
    fn tiny_and_absent_windows() {
        let mut flow = flow();
        flow.on_control(&Control::WindowAckSize(1));
        flow.on_received(2047);
        assert!(!flow.is_due(), "4 KiB is the smallest window");
        flow.on_received(2048);
        assert!(flow.is_due());
        due(&mut flow);
        flow.on_control(&Control::WindowAckSize(0));
        flow.on_received(1 << 40);
        assert!(!flow.is_due(), "0 is never");
        flow.on_control(&Control::WindowAckSize(u32::MAX));
        flow.on_received((1 << 40) + 100);
        assert_eq!(flow.take_due().count(), 1);
    }

    #[test]
    fn bandwidth_is_answered_when_it_is_news() {
        let mut flow = flow();
        flow.note_window_sent(5_000_000);
        flow.on_control(&Control::SetPeerBandwidth { size: 5_000_000, limit: 2 });
        flow.on_control(&Control::SetPeerBandwidth { size: 0, limit: 0 });
        assert!(due(&mut flow).is_empty());
        flow.on_control(&Control::SetPeerBandwidth { size: 1, limit: 77 });
        assert_eq!((due(&mut flow), flow.peer_bandwidth()), (vec![Control::WindowAckSize(1)], Some(1)));
        flow.on_control(&Control::SetPeerBandwidth { size: 1, limit: 0 });
        assert!(due(&mut flow).is_empty());
    }

    #[test]
    fn a_ping_flood_is_one_answer() {
        let mut flow = flow();
        for number in 0..1000 {
            flow.on_control(&Control::User(UserControl::PingRequest(number)));
        }
        assert_eq!(due(&mut flow), [Control::User(UserControl::PingResponse(999))]);
        assert!(due(&mut flow).is_empty());
    }
}
