//! A publisher whose link goes down: no FIN, no RST. It comes back over another one and has its name again in seconds,
//! while the outputs stay connected.
//!
//! Everything happens in network namespaces of the test's own: relay and destination in one, the publisher in another.

use std::time::{Duration, Instant};

use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Peer};
use outflow_testkit::proc::{Child, Command};

use crate::rig::{OUTFLOW, Serve, Setup, output};

/// A network namespace, held by a process: it is gone with it, however the test ends.
struct Namespace(Child);

impl Namespace {
    /// `None` where this may not be made.
    async fn new() -> Option<Self> {
        let holder = Command::new("unshare").args(["-n", "sh", "-c", "echo up; exec sleep 600"]).start();
        let up = holder.output.wait_for("the namespace", |said| {
            let up = said.stdout.front().is_some_and(|line| line == "up");
            (up || !said.stderr.is_empty()).then_some(up)
        });
        if !up.await {
            eprintln!("skipped: no network namespace can be made here: {}", holder.text());
            return None;
        }
        let this = Self(holder);
        this.run("ip link set lo up").await.then_some(this)
    }

    /// A command in it.
    fn command(&self, program: &str) -> Command {
        Command::new("nsenter").args(["-t", &self.0.id().to_string(), "-n", "--", program])
    }

    /// Runs this in it to the end; false, and a line that says why, if it fails.
    async fn run(&self, line: &str) -> bool {
        let (program, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut child = self.command(program).line(rest).start();
        let code = child.wait_exit().await;
        if code != 0 {
            eprintln!("skipped: `{line}` failed: {}", child.text());
        }
        code == 0
    }

    /// Links it to another: `10.77.N.1` here, `10.77.N.2` there.
    async fn link(&self, other: &Namespace, number: u8) -> bool {
        let there = other.0.id();
        self.run(&format!("ip link add v{number} type veth peer name v{number} netns {there}")).await
            && self.run(&format!("ip addr add 10.77.{number}.1/24 dev v{number}")).await
            && self.run(&format!("ip link set v{number} up")).await
            && other.run(&format!("ip addr add 10.77.{number}.2/24 dev v{number}")).await
            && other.run(&format!("ip link set v{number} up")).await
    }
}

/// The relay on every address of its namespace, with one output to another `serve` beside it.
async fn relay(namespace: &Namespace, rule: &str) -> (Serve, Serve, String, u16) {
    let (mut setup, mut second) = (Setup::new(), Setup::new());
    let (key, to_key) = (setup.secret("INGEST_KEY"), second.secret("TO_KEY"));
    setup.environment("TO_KEY", &to_key).secrets.push(to_key);
    second.write("[[stream]]\nname = \"live/far\"\npublish_key = { env = \"TO_KEY\" }\n");
    let stream = format!("[[stream]]\nname = \"live/show\"\npublish_key = {{ env = \"INGEST_KEY\" }}\n{rule}\n");
    setup.write(&(stream + &output("far", "live/show", &second.url("live"), "key = { env = \"TO_KEY\" }")));
    let far = second.start_as(namespace.command(OUTFLOW)).await;
    // The last flag counts: here it listens for others than itself.
    setup.flags(&format!("--rtmp :{}", setup.rtmp));
    let relay = setup.start_as(namespace.command(OUTFLOW)).await;
    (relay, far, key, setup.rtmp)
}

async fn ghost(rule: &str, within: Duration) {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let (Some(near), Some(away)) = (Namespace::new().await, Namespace::new().await) else { return };
    if !near.link(&away, 1).await || !near.link(&away, 2).await {
        return;
    }
    let (relay, far, key, port) = relay(&near, rule).await;
    let clip = Clip::small(20).file().await;
    let publish = |address: &str| {
        away.command(&ffmpeg.path.to_string_lossy())
            .line("-nostdin -v warning -re -stream_loop -1 -i")
            .arg(&clip)
            .line("-c copy -f flv -flvflags no_duration_filesize")
            .arg(format!("rtmp://{address}:{port}/live/show?key={key}"))
            .start()
    };
    let mut first = publish("10.77.1.1");
    relay.until_state("far", "live").await;
    far.until_said("input_started", "live/far", 1).await;

    let dropped = Instant::now();
    assert!(away.run("ip link set v1 down").await);
    // It is a ghost: its program does not know, and the relay has heard nothing of an end.
    assert!(first.is_running() && relay.about("input_ended", "live/show").is_empty());
    // An encoder that reconnects tries until it is let in.
    let mut second = publish("10.77.2.1");
    while relay.about("input_started", "live/show").len() < 2 {
        assert!(dropped.elapsed() < within, "the name is still taken: {}", relay.program.text());
        if !second.is_running() {
            second = publish("10.77.2.1");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let frames = |serve: &Serve| {
        let stats = serve.events().into_iter().rfind(|said| said["event"] == "stats");
        stats.and_then(|stats| stats["inputs"][0]["frames"].as_u64()).unwrap_or_default()
    };
    let before = frames(&far);
    outflow_testkit::wait::until("media of the second connection at the destination", || frames(&far) > before + 50)
        .await;
    assert!(second.is_running(), "{}", second.text());
    // The destination has not noticed.
    assert_eq!(far.about("input_started", "live/far").len(), 1);
    assert!(far.about("input_ended", "live/far").is_empty(), "{}", far.program.text());
    assert_eq!(relay.attempts("far"), 1);
    first.kill().await;
    second.kill().await;
    relay.end().await;
    far.end().await;
}

#[tokio::test]
async fn a_ghost_makes_way_for_its_own_reconnect() {
    ghost("", Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_ghost_makes_way_even_where_a_second_publisher_is_refused() {
    // The old connection has to be silent for 3 s first, and an encoder takes a while to try again.
    ghost("publish_conflict = \"refuse\"", Duration::from_secs(15)).await;
}
