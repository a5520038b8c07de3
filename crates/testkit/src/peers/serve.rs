//! Real destinations: nginx-rtmp, `ffmpeg -listen 1`, node-media-server, each on ports of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpStream;

use super::{Found, peers_dir};
use crate::free_port;
use crate::proc::{Child, Command};
use crate::wait::DEADLINE;

/// Where Debian puts the module.
pub(super) const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// nginx with nginx-rtmp: it takes streams in the app `live` and records each publication as a file. The app `keyless` gives
/// players what comes without waiting for a key frame, which it does not see in Enhanced video.
#[derive(Debug)]
pub struct Nginx {
    /// The process.
    pub child: Child,
    /// The port of its RTMP server.
    pub port: u16,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts it and waits until it listens.
    pub async fn start(nginx: &Found) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        open_to_all(folder.path());
        let path = folder.path().display();
        let port = free_port();
        // One process in the foreground; a message may be as large as a 20 Mb/s key frame.
        let conf = format!(
            "load_module {NGINX_MODULE};\ndaemon off;\nmaster_process off;\npid {path}/pid;\nerror_log stderr warn;\n\
             events {{ worker_connections 256; }}\nrtmp {{ access_log off; server {{ listen 127.0.0.1:{port}; chunk_size 4096; max_message 10M;\n\
             application live {{ live on; record all; record_path {path}; record_unique on; record_suffix .flv; }}\n\
             application keyless {{ live on; wait_key off; }} }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, conf).expect("writes");
        let child = Command::new(&nginx.path).arg("-e").arg("stderr").arg("-c").arg(file).start();
        let mut this = Self { child, port, folder };
        wait_listening(port, &mut this.child).await;
        this
    }

    /// `rtmp://127.0.0.1:PORT/live/NAME`.
    pub fn url(&self, name: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{name}", self.port)
    }

    /// The same in the app `keyless`.
    pub fn keyless_url(&self, name: &str) -> String {
        format!("rtmp://127.0.0.1:{}/keyless/{name}", self.port)
    }

    /// The recordings of a stream name, oldest first.
    pub fn recordings(&self, name: &str) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("the folder is there")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}-"))))
            .filter(|path| path.extension().is_some_and(|end| end == "flv"))
            .collect();
        files.sort();
        files
    }
}

/// Lets any user write into a folder: nginx and VLC give up root.
pub fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).expect("our own folder");
}

/// `ffmpeg -listen 1` takes one publisher at the URL it gives and copies it to an FLV file.
pub async fn ffmpeg_listen(ffmpeg: &Found, out: &Path) -> (Child, String) {
    let port = free_port();
    let url = format!("rtmp://127.0.0.1:{port}/live/key");
    let mut child = Command::new(&ffmpeg.path)
        .line("-nostdin -y -v warning -listen 1 -i")
        .arg(&url)
        .line("-map 0:v? -map 0:a? -c copy -f flv")
        .arg(out)
        .start();
    wait_in_listen_table(port, &mut child).await;
    (child, url)
}

/// node-media-server on a port of its own; the URL takes any stream name below it.
pub async fn node_media_server(node: &Found) -> (Child, String) {
    let port = free_port();
    let script = format!(
        "const Nms = require('node-media-server'); new Nms({{ bind: '127.0.0.1', rtmp: {{ port: {port} }} }}).run();"
    );
    let folder = peers_dir().join("node");
    let mut child = Command::new(&node.path).args(["-e", &script]).dir(&folder).start();
    wait_listening(port, &mut child).await;
    (child, format!("rtmp://127.0.0.1:{port}/live"))
}

/// Waits until a connection to the port is taken. Not for servers that take only one.
pub async fn wait_listening(port: u16, child: &mut Child) {
    let trying = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(child.is_running(), "ended before it listened: {}", child.text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(DEADLINE, trying).await.is_err() {
        panic!("nothing listens on {port}: {}", child.text());
    }
}

/// Waits until the kernel's table has a listener on the port, without connecting to it.
pub(super) async fn wait_in_listen_table(port: u16, child: &mut Child) {
    let trying = async {
        while !listens(port) {
            assert!(child.is_running(), "ended before it listened: {}", child.text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(DEADLINE, trying).await.is_err() {
        panic!("nothing listens on {port}: {}", child.text());
    }
}

/// Whether something listens on this TCP port.
pub fn listens(port: u16) -> bool {
    const LISTEN: &str = "0A";
    let local = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        std::fs::read_to_string(table).unwrap_or_default().lines().any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            fields.next().is_some_and(|address| address.ends_with(&local)) && fields.nth(1) == Some(LISTEN)
        })
    })
}
