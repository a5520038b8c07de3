//! Who is here now: the players of an offer, and the one publisher's way into a feed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::media::{Feed, Intake, Packet, StreamInfo};
use crate::monitor::PeerStats;
use crate::stop::{Stop, Stopper, stopper};

/// Numbers of players and publishers, unique in the program.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number that no player and no publisher had before.
pub fn next_id() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// One player, for whoever shows it or lets it go.
#[derive(Debug, Clone)]
pub struct Player {
    /// Its number.
    pub id: u64,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Since when.
    pub since: Instant,
    /// How its connection does; nothing before it is served.
    pub figures: Arc<PeerStats>,
    stopper: Arc<Stopper>,
}

impl Player {
    /// Lets it go: it is told the end, and its connection closed.
    pub fn dismiss(&self) {
        self.stopper.stop();
    }
}

/// The players of now.
#[derive(Debug, Default)]
pub struct Roster(Mutex<Vec<Player>>);

impl Roster {
    /// Adds a player; gives its number, and the stop by which it is let go.
    pub fn join(&self, peer: SocketAddr) -> (u64, Stop) {
        let (stopper, stop) = stopper();
        let id = next_id();
        self.0.lock().push(Player {
            id,
            peer,
            since: Instant::now(),
            figures: Arc::default(),
            stopper: Arc::new(stopper),
        });
        (id, stop)
    }

    /// Says where a player's figures are.
    pub fn served(&self, id: u64, figures: &Arc<PeerStats>) {
        if let Some(player) = self.0.lock().iter_mut().find(|player| player.id == id) {
            player.figures = figures.clone();
        }
    }

    /// Removes a player.
    pub fn leave(&self, id: u64) {
        self.0.lock().retain(|player| player.id != id);
    }

    /// Everybody.
    pub fn list(&self) -> Vec<Player> {
        self.0.lock().clone()
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }
}

/// A publisher's way into a feed, which whoever takes its place closes: what the old one still had on its way must not
/// come between the packets of the new one, whichever threads they run on.
pub struct Taken {
    feed: Feed,
    /// Held while something goes through.
    open: Mutex<bool>,
}

impl Taken {
    /// Open.
    pub fn new(feed: Feed) -> Arc<Self> {
        Arc::new(Self { feed, open: Mutex::new(true) })
    }

    /// Ends its part in the feed, without a clean end; nothing more goes through. Not to be called by the feed itself.
    pub fn close(&self) {
        if std::mem::take(&mut *self.open.lock()) {
            self.feed.end(false);
        }
    }

    fn pass(&self, through: impl FnOnce(&dyn Intake)) {
        let open = self.open.lock();
        if *open {
            through(&*self.feed);
        }
    }
}

impl Intake for Taken {
    fn start(&self, info: StreamInfo) {
        self.pass(|feed| feed.start(info));
    }

    fn push(&self, packet: Packet) {
        self.pass(|feed| feed.push(packet));
    }

    fn end(&self, clean: bool) {
        self.pass(|feed| feed.end(clean));
    }

    fn came_by(&self, hops: &[String]) {
        self.pass(|feed| feed.came_by(hops));
    }

    fn runs_on(&self, thread: usize) {
        self.pass(|feed| feed.runs_on(thread));
    }

    fn marks(&self) -> Vec<String> {
        self.feed.marks()
    }
}
