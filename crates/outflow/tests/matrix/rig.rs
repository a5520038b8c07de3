//! Two relays, real destinations, and early players, around one publication; a tap in front of the first relay.

use std::path::Path;

use outflow_testkit::free_port;
use outflow_testkit::peers::{self, Nginx, Peer};
use outflow_testkit::player::Player;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::proxy::Proxy;
use outflow_testkit::samples::Sample;

use crate::cells::knows;

/// A running `outflow serve`, in whose streams players may wait before there is a publisher.
pub(crate) struct Relay {
    pub(crate) program: Child,
    port: u16,
}

impl Relay {
    async fn start(folder: &Path, name: &str, outputs: &[(&str, String)]) -> Self {
        let (port, http) = (free_port(), free_port());
        let mut text = "[[stream]]\nname = \"live/*\"\nmissing = \"wait\"\n".to_owned();
        for (name, url) in outputs {
            text +=
                &format!("[[output]]\nname = \"{name}\"\nstream = \"live/show\"\nurl = \"{url}\"\nretry = \"200ms\"\n");
        }
        let file = folder.join(format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        let program = Command::new(env!("CARGO_BIN_EXE_outflow"))
            .line("serve --json --config")
            .arg(&file)
            .line(&format!("--rtmp 127.0.0.1:{port} --http 127.0.0.1:{http}"))
            .start();
        program.wait_for_line("\"event\":\"listening\"").await;
        Self { program, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("rtmp://127.0.0.1:{}/live/show", self.port)
    }
}

/// A destination that writes a file.
pub(crate) struct Listening {
    pub(crate) peer: Peer,
    pub(crate) child: Child,
    pub(crate) file: std::path::PathBuf,
}

/// Everything around one publication. Absent peers are `None`.
pub(crate) struct Rig {
    /// Where the publisher goes: the first relay, tapped.
    pub(crate) tap: Proxy,
    pub(crate) first: Relay,
    /// The second relay, which the first one pushes to.
    pub(crate) second: Relay,
    pub(crate) nginx: Option<Nginx>,
    pub(crate) nginx_url: String,
    /// node-media-server.
    _node: Option<Child>,
    pub(crate) listening: Vec<Listening>,
    /// There before the publisher.
    pub(crate) at_first: Player,
    pub(crate) at_second: Player,
    pub(crate) at_nginx: Option<Player>,
    pub(crate) at_node: Option<Player>,
}

impl Rig {
    pub(crate) async fn start(folder: &Path, sample: &Sample) -> Self {
        let second = Relay::start(folder, "second", &[]).await;
        let mut outputs = vec![("second", second.url())];
        let nginx = match peers::find(Peer::NginxRtmp) {
            Some(found) => Some(Nginx::start(&found).await),
            None => None,
        };
        let at = |nginx: &Nginx| if sample.enhanced { nginx.keyless_url("show") } else { nginx.url("show") };
        outputs.extend(nginx.iter().map(|nginx| ("nginx", at(nginx))));
        let node = match peers::find(Peer::NodeMediaServer) {
            Some(found) => Some(peers::node_media_server(&found).await),
            None => None,
        };
        outputs.extend(node.iter().map(|(_, url)| ("node", format!("{url}/show"))));
        let mut listening = Vec::new();
        for peer in [Peer::Ffmpeg, Peer::Ffmpeg9] {
            let Some(found) = peers::find(peer).filter(|_| knows(peer, sample)) else { continue };
            let file = folder.join(format!("{}-listen.flv", peer.name()));
            let (child, url) = peers::ffmpeg_listen(&found, &file).await;
            outputs.push((peer.name(), url));
            listening.push(Listening { peer, child, file });
        }
        let first = Relay::start(folder, "first", &outputs).await;
        let at_nginx = match &nginx {
            Some(nginx) => Some(Player::connect(&at(nginx)).await.unwrap()),
            None => None,
        };
        let at_node = match &node {
            Some((_, url)) => Some(Player::connect(&format!("{url}/show")).await.unwrap()),
            None => None,
        };
        Self {
            tap: Proxy::start_tapping(([127, 0, 0, 1], first.port).into()).await,
            at_first: Player::connect(&first.url()).await.unwrap(),
            at_second: Player::connect(&second.url()).await.unwrap(),
            first,
            second,
            nginx_url: nginx.as_ref().map(at).unwrap_or_default(),
            nginx,
            _node: node.map(|(child, _)| child),
            listening,
            at_nginx,
            at_node,
        }
    }

    /// Where the publisher goes.
    pub(crate) fn server(&self) -> String {
        format!("rtmp://{}/live", self.tap.address())
    }
}
