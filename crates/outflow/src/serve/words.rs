//! The HTTP port of a graph (`-http`): what `serve` has, as far as it only shows.

use std::sync::Arc;

use crate::config::{Address, Api};
use crate::error::Ended;
use crate::http::{self, Feed, GraphParts};
use crate::monitor::board::Board;
use crate::monitor::{self, Event};
use crate::secret::Secret;
use crate::stop::{Stopper, stopper};

/// The port at work.
#[derive(Debug)]
pub struct Page {
    handle: http::Handle,
    end: Stopper,
}

/// Binds the port and answers on it, until [`Page::end`]. Events are to go through the sink that it gives.
pub fn open(
    address: Address,
    token: Option<Secret>,
    board: &Arc<Board>,
    events: monitor::Sink,
) -> Result<(monitor::Sink, Page), Ended> {
    let api = Api { token, hosts: Vec::new() };
    let bound = http::bind(address, &api)?;
    let feed = Arc::<Feed>::default();
    let events = feed.sink(events);
    let (end, stop) = stopper();
    let handle = bound.start_graph(GraphParts { board: board.clone(), feed, api }, stop)?;
    let listening = Event::Listening { address: handle.address, serves: "API".into() };
    board.on(&listening);
    events(listening);
    Ok((events, Page { handle, end }))
}

impl Page {
    /// Ends it; waits for answers that are on their way, a second at most.
    pub fn end(mut self) {
        self.end.stop();
        self.handle.join();
    }
}
