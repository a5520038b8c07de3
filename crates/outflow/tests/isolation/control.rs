//! A small program beside the one that is looked at: it shares the machine and nothing else, so its gaps are the machine's.

use std::time::Duration;

use outflow_testkit::aside::Aside;
use outflow_testkit::flv;
use outflow_testkit::ingest::{Behaviour, Ingest, Setup};
use outflow_testkit::media::made_up;
use outflow_testkit::proc::{Child, Command};

use crate::show::in_memory;

/// A program with one output, and its receiver.
pub(crate) struct Control {
    receiver: Ingest,
    _child: Child,
    _folder: tempfile::TempDir,
    _aside: Aside,
}

impl Control {
    /// Starts it, for so long.
    pub(crate) async fn start(seconds: u32) -> Self {
        let (folder, file) = in_memory("control.flv", &flv::write(&made_up(seconds * 25, 50, 2000)));
        let aside = Aside::start();
        let receiver = aside.run(Setup::new([Behaviour::Good]).without_bodies().start()).await;
        let child =
            Command::new(env!("CARGO_BIN_EXE_outflow")).arg("-i").arg(&file).arg("-o").arg(receiver.url("live/k"));
        Self { receiver, _child: child.start(), _folder: folder, _aside: aside }
    }

    /// The longest time between two packets.
    pub(crate) fn gap(&self) -> Duration {
        self.receiver
            .state
            .look(|state| state.sessions.iter().map(|session| session.longest_gap).max().unwrap_or_default())
    }
}
