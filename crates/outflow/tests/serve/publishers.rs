//! Real publishers into one `serve`, which pushes on to nginx-rtmp, node-media-server, and another `serve` through RTMP
//! and RTMPS: every one of them has the publisher's packets from its first key frame on.

use std::path::Path;
use std::time::Duration;

use outflow_testkit::compare::{Match, ahead, compare, compare_with};
use outflow_testkit::flv::Tag;
use outflow_testkit::peers::{self, Found, GstSink, Nginx, Peer};
use outflow_testkit::player::Player;
use outflow_testkit::proc::Child;
use outflow_testkit::tls::Authority;
use outflow_testkit::wait::until;

use crate::rig::{Serve, Setup, output, read};
use crate::secrets;

/// The relay and where it pushes to.
struct Rig {
    setup: Setup,
    relay: Serve,
    /// The second `serve`, and the URLs at which its two streams are played.
    second: Serve,
    plain: String,
    secure: String,
    authority: Authority,
    nginx: Nginx,
    node: Option<(Child, String)>,
    key: String,
    _folder: tempfile::TempDir,
}

impl Rig {
    async fn start(nginx: &Found) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let (chain, key) = authority.pem(&["localhost"]);
        let (cert, cert_key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, chain).unwrap();
        std::fs::write(&cert_key, key).unwrap();

        let mut second = Setup::new();
        let secure_port = outflow_testkit::free_port();
        second.flags(&format!("--rtmps 127.0.0.1:{secure_port}"));
        second.flags(&format!("--tls-cert {} --tls-key {}", cert.display(), cert_key.display()));
        let (plain_key, secure_key, token) =
            (second.secret("PLAIN_KEY"), second.secret("SECURE_KEY"), second.secret("PLAY_TOKEN"));
        let stream = |name: &str, key: &str| {
            format!(
                "[[stream]]\nname = \"{name}\"\npublish_key = {{ env = \"{key}\" }}\nmissing = \"wait\"\n\
                 play_token = {{ env = \"PLAY_TOKEN\" }}\n"
            )
        };
        second.write(&(stream("live/plain", "PLAIN_KEY") + &stream("live/secure", "SECURE_KEY")));

        let nginx = Nginx::start(nginx).await;
        let node = match peers::find(Peer::NodeMediaServer) {
            Some(found) => Some(peers::node_media_server(&found).await),
            None => None,
        };
        let mut setup = Setup::new();
        let key = setup.secret("INGEST_KEY");
        // The same keys, under other names: what one relay must not tell, the other must not either.
        setup.environment("TO_PLAIN", &plain_key).environment("TO_SECURE", &secure_key);
        setup.secrets.extend(second.secrets.iter().cloned());
        let mut text = "[[stream]]\nname = \"live/show\"\npublish_key = { env = \"INGEST_KEY\" }\n".to_owned();
        text += &output("nginx", "live/show", &nginx.url("${name}"), "");
        if let Some((_, url)) = &node {
            text += &output("node", "live/show", &format!("{url}/${{name}}"), "");
        }
        text += &output("plain", "live/show", &second.url("live"), "key = { env = \"TO_PLAIN\" }");
        let more = format!("key = {{ env = \"TO_SECURE\" }}\nca = \"{}\"", authority.path().display());
        text += &output("secure", "live/show", &format!("rtmps://localhost:{secure_port}/live"), &more);
        setup.write(&text);
        let plain = second.url(&format!("live/plain?token={token}"));
        let secure = format!("rtmps://localhost:{secure_port}/live/secure?token={token}");
        let (second, relay) = (second.start().await, setup.start().await);
        Self { setup, relay, second, plain, secure, authority, nginx, node, key, _folder: folder }
    }

    fn outputs(&self) -> Vec<&'static str> {
        let all = ["nginx", "node", "plain", "secure"];
        all.into_iter().filter(|name| *name != "node" || self.node.is_some()).collect()
    }

    /// The publisher's URL: the key as the stream's name, as OBS has it, or behind the name.
    fn url(&self, in_query: bool) -> String {
        let key = &self.key;
        self.setup.url(&if in_query { format!("live/show?key={key}") } else { format!("live/{key}") })
    }

    /// Players at the second `serve`, which are there before the publisher.
    async fn players(&self) -> (Player, Player) {
        let plain = Player::connect(&self.plain).await.unwrap();
        let secure = Player::connect_trusting(&self.secure, Some(&self.authority)).await.unwrap();
        (plain, secure)
    }

    /// A player at node-media-server, once it has the stream.
    async fn node_player(&self) -> Option<Player> {
        let (_, url) = self.node.as_ref()?;
        self.relay.until_state("node", "live").await;
        Some(Player::connect(&format!("{url}/show")).await.unwrap())
    }

    async fn end(self) {
        assert_eq!(self.relay.about("warning", "relay"), Vec::<serde_json::Value>::new());
        secrets::none_said(&self.nginx.child);
        self.relay.end().await;
        self.second.end().await;
    }
}

/// node-media-server counts on from the end of the last broadcast, with audio and video each by itself.
const NODE_TOLERANCE: i64 = 100;

/// Waits until `arrived` is the source to its very end.
async fn whole(name: &str, source: &[Tag], arrived: impl Fn() -> Vec<Tag>) -> Match {
    let tolerance = if name == "node" { NODE_TOLERANCE } else { 0 };
    let frames = source.iter().filter(|tag| tag.is_frame()).count();
    let mut last = Err("nothing came".to_owned());
    let reaches = |found: &Match| found.begins_at + found.video + found.audio + 4 >= frames;
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(15) {
        last = compare_with(source, &arrived(), tolerance);
        match &last {
            Ok(found) if reaches(found) => return found.clone(),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    let arrived = arrived();
    let begin = |tags: &[Tag]| tags.iter().take(12).map(|tag| format!("\n  {tag:?}")).collect::<String>();
    panic!(
        "{name} has not all of the {frames} frames: {last:?}; the source begins {}\nand this came {}",
        begin(source),
        begin(&arrived)
    );
}

/// One publisher after the other; `seconds` of each.
async fn one_after_the_other(seconds: u32) {
    let Some(nginx) = peers::find(Peer::NginxRtmp) else { return };
    let rig = Rig::start(&nginx).await;
    let folder = tempfile::tempdir().unwrap();
    type Publish = fn(&Found, u32, &str, &Path) -> Child;
    let publishers: [(Peer, Publish); 4] = [
        (Peer::Ffmpeg, |found, seconds, url, file| peers::ffmpeg_encode(found, seconds, "320x180", url, file)),
        (Peer::Ffmpeg9, |found, seconds, url, file| peers::ffmpeg_encode(found, seconds, "320x180", url, file)),
        (Peer::GstRtmp2Sink, |found, seconds, url, file| peers::gst_publish(found, GstSink::Rtmp2, seconds, url, file)),
        (Peer::GstRtmpSink, |found, seconds, url, file| peers::gst_publish(found, GstSink::Rtmp, seconds, url, file)),
    ];
    let mut dials = 0;
    for (number, (peer, publish)) in publishers.into_iter().enumerate() {
        let Some(found) = peers::find(peer) else { continue };
        let name = peer.name();
        let (plain, secure) = rig.players().await;
        let reference = folder.path().join(format!("{name}.flv"));
        // Both ways to give the key, and each once with FFmpeg and once with GStreamer.
        let mut publishing = publish(&found, seconds, &rig.url(number % 2 == 1), &reference);
        let node = rig.node_player().await;
        let code = publishing.wait_exit_within(Duration::from_secs(u64::from(seconds) + 40)).await;
        assert_eq!(code, 0, "{}", publishing.text());
        let source = ahead(read(&reference));
        dials += 1;
        for output in rig.outputs() {
            rig.relay.until_state(output, "waiting_input").await;
            assert_eq!(rig.relay.about("output", output).iter().filter(|said| said["state"] == "live").count(), dials);
            assert!(rig.relay.about("output", output).iter().all(|said| said["state"] != "backoff"), "{output}");
        }
        let recording = rig.nginx.recordings("show").pop().expect("nginx recorded it");
        let began = [
            ("nginx", whole("nginx", &source, || read(&recording)).await),
            ("plain", whole("plain", &source, || plain.tags()).await),
            ("secure", whole("secure", &source, || secure.tags()).await),
        ];
        let frames = source.iter().filter(|tag| tag.kind == 9 && tag.is_frame()).count();
        for (output, found) in began {
            assert!(found.video * 3 > frames, "{output} began late with {name}: {found:?} of {frames} frames");
        }
        if let Some(node) = node {
            whole("node", &source, || node.tags()).await;
            Peer::NodeMediaServer.ran();
        }
        peer.ran();
        // nginx tells recordings apart by the second in which they began.
        let second = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let began = second(std::fs::metadata(&recording).unwrap().modified().unwrap());
        until("the next second", || second(std::time::SystemTime::now()) > began).await;
    }
    Peer::NginxRtmp.ran();
    rig.end().await;
}

#[tokio::test]
async fn every_publisher_arrives_unchanged_at_every_server() {
    one_after_the_other(5).await;
}

#[tokio::test]
#[ignore = "five minutes: scripts/test-long"]
async fn every_publisher_arrives_unchanged_at_every_server_for_a_minute() {
    one_after_the_other(60).await;
}

#[tokio::test]
#[ignore = "needs OBS: scripts/test-long"]
async fn obs_arrives_alike_at_every_server() {
    let (Some(obs), Some(nginx)) = (peers::find(Peer::Obs), peers::find(Peer::NginxRtmp)) else { return };
    let (rig, home) = (Rig::start(&nginx).await, tempfile::tempdir().unwrap());
    let (plain, secure) = rig.players().await;
    let mut publishing = peers::obs_publish(&obs, &rig.setup.url("live"), &rig.key, home.path());
    let node = rig.node_player().await;
    let enough = Duration::from_secs(120);
    // A minute of 10 frames and 43 audio packets a second, by the clock of the media.
    plain.received.wait_within(enough, "a minute of media", |seen| (seen.media_messages > 60 * 50).then_some(())).await;
    let mut outputs = vec![("secure", secure.tags())];
    outputs.extend(node.map(|node| ("node", node.tags())));
    outputs.push(("nginx", read(&rig.nginx.recordings("show").pop().expect("nginx records"))));
    // The one that all are compared with is looked at last, so that it has all that the others have.
    let seen = plain.received.look(|seen| seen.media_messages);
    plain.wait_for_media(seen + 100).await;
    publishing.kill().await;
    for (name, mut tags) in outputs {
        // nginx writes in pieces: the last tag may be half of one.
        tags.pop();
        let found = compare(&plain.tags(), &tags).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(found.video > 400, "{name}: {found:?}");
    }
    Peer::Obs.ran();
    rig.end().await;
}
