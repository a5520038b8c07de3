//! A link of the kernel's own with a cap: a veth pair whose far end is in a network namespace, and a token bucket (TBF) on
//! what goes there. It is what people use to see what a line of so many Mb/s does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::proc;

/// A link that is there. Namespace and devices go when this is dropped.
#[derive(Debug)]
pub struct ShapedLink {
    name: String,
    network: [u8; 3],
}

impl ShapedLink {
    /// Makes it: `rate` as `tc` takes it (`10mbit`). `None`, and a line on standard error that says why, where this machine
    /// does not allow it: it takes root, `ip`, `tc`, and a kernel with veth, namespaces and `sch_tbf`.
    pub fn start(rate: &str) -> Option<Self> {
        let name = format!("of{}", std::process::id());
        // Dropped where it stops half way: what was made goes again.
        let mut link = Self { name, network: [10, 198, 0] };
        match link.make(rate) {
            Ok(()) => Some(link),
            Err(why) => {
                eprintln!("skipped: no shaped link on this machine: {why}");
                None
            }
        }
    }

    fn make(&mut self, rate: &str) -> Result<(), String> {
        let taken = run("ip", "-o address show")?;
        let start = (std::process::id() % 250) as u8;
        let third =
            (0..250).map(|step| (start + step) % 250).find(|third| !taken.contains(&format!(" 10.198.{third}.")));
        self.network[2] = third.ok_or("all of 10.198.0.0/16 is taken")?;
        let (ns, near, far) = (&self.name, self.device(0), self.device(1));
        run("ip", &format!("netns add {ns}"))?;
        run("ip", &format!("link add {near} type veth peer name {far} netns {ns}"))?;
        run("ip", &format!("address add {}/24 dev {near}", self.address(1)))?;
        run("ip", &format!("link set {near} up"))?;
        run("ip", &format!("-n {ns} address add {}/24 dev {far}", self.address(2)))?;
        run("ip", &format!("-n {ns} link set {far} up"))?;
        run("tc", &format!("qdisc add dev {near} root tbf rate {rate} burst 32kbit latency 400ms")).map(drop)
    }

    fn device(&self, end: u8) -> String {
        format!("{}v{end}", self.name)
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(self.network[0], self.network[1], self.network[2], last)
    }

    /// Where a server of the far end is, with this port.
    pub fn far(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.address(2)), port)
    }

    /// A program at the far end.
    pub fn program(&self, program: impl AsRef<Path>) -> proc::Command {
        proc::Command::new("ip").line(&format!("netns exec {}", self.name)).arg(program.as_ref())
    }
}

impl Drop for ShapedLink {
    fn drop(&mut self) {
        // With one end goes the other.
        let _ = run("ip", &format!("link del {}", self.device(0)));
        let _ = run("ip", &format!("netns del {}", self.name));
    }
}

fn run(program: &str, words: &str) -> Result<String, String> {
    let output =
        Command::new(program).args(words.split(' ')).output().map_err(|error| format!("{program}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{program} {words}: {}", text(&output.stderr).trim())),
    }
}
