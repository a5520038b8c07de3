//! One RTMP server, stage by stage: name, addresses, TLS, handshake, connect. Nothing of the stream is told to it.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use outflow_rtmp::auth::Login;
use outflow_rtmp::session::Role;
use serde_json::json;

use super::finding::{Finding, Verdict};
use crate::client::greet::{Greeting, greet};
use crate::client::settings::{self, Destination, Settings};
use crate::client::verdict::LOGIN_FAILED;
use crate::env::Env;
use crate::error::{Ended, Reason};
use crate::net::connection::Connection;
use crate::net::dial::{Lookup, Resolver};
use crate::net::survey::{Reached, survey};
use crate::net::tls::{self, Certificate, Seen, watching_config};
use crate::node::Node;

/// How long the look-up may take, each address, TLS, and each of handshake and connect.
const NAME: Duration = Duration::from_secs(5);
const TCP: Duration = Duration::from_secs(5);
const TLS: Duration = Duration::from_secs(5);
const RTMP: Duration = Duration::from_secs(5);
/// A certificate that expires this soon is worth a word.
const SOON: i64 = 14;
/// Redirects that are followed.
const REDIRECTS: usize = 3;
/// Connections that a login takes before the one that is accepted.
const LOGINS: usize = 2;
/// Addresses that are tried.
const ADDRESSES: usize = 12;

/// The stages of the connection that the word asks for, in order, onto `findings`. What comes after a failure is not
/// tested, and says so. True if the server has accepted the connect.
pub(super) async fn connect(node: &Node, role: Role, who: &str, env: &Env, findings: &mut Vec<Finding>) -> bool {
    let mut settings = match settings::read(node, role) {
        Ok(settings) => settings,
        Err(error) => {
            let mut finding = Finding::new(who, "word", Verdict::Fail, error.problem);
            finding.mend = error.hint;
            findings.push(finding);
            return false;
        }
    };
    settings.limits.clone_from(&env.limits.get().rtmp);
    let login = settings.login();
    let mut line = Line { node, settings, login, who, resolver: &*env.resolver, findings };
    let mut destination = line.settings.destination.clone();
    for _ in 0..=REDIRECTS + LOGINS {
        match line.one(&destination).await {
            Step::Accepted => return true,
            Step::Failed => return false,
            Step::Redirected(there) => {
                let text = format!("{} sends us on to {}", destination.shown(), there.shown());
                line.add("redirect", Verdict::Pass, text);
                // As when publishing: who we are is for the server that the URL names.
                line.login = line.login.filter(|_| there.host == destination.host);
                destination = there;
            }
            Step::Login => {
                line.add(
                    "login",
                    Verdict::NotTested,
                    "the server asks for user and password: once more with those of the URL",
                );
            }
        }
    }
    line.add("redirect", Verdict::Fail, "the server sends us on again and again")
        .mend("ask the platform for the URL to publish to".into());
    false
}

enum Step {
    Accepted,
    Failed,
    Redirected(Destination),
    Login,
}

struct Line<'a> {
    node: &'a Node,
    settings: Settings,
    login: Option<Login>,
    who: &'a str,
    resolver: &'a dyn Resolver,
    findings: &'a mut Vec<Finding>,
}

/// The last finding, to be given its mend.
struct Added<'a>(&'a mut Finding);

impl Added<'_> {
    fn mend(self, mend: String) -> Self {
        self.0.mend = Some(mend);
        self
    }

    fn details(self, details: serde_json::Value) {
        self.0.details = details;
    }
}

impl Line<'_> {
    fn add(&mut self, what: &'static str, verdict: Verdict, found: impl Into<String>) -> Added<'_> {
        self.findings.push(Finding::new(self.who, what, verdict, found));
        let place = self.findings.len() - 1;
        Added(&mut self.findings[place])
    }

    fn not_tested(&mut self, what: &'static str, after: &str) {
        self.add(what, Verdict::NotTested, format!("not reached: {after}"));
    }

    async fn one(&mut self, destination: &Destination) -> Step {
        let Some(addresses) = self.name(destination).await else {
            self.skip(destination, &["tcp", "tls", "rtmp"], "the name is not known");
            return Step::Failed;
        };
        let Some(mut connection) = self.tcp(destination, &addresses).await else {
            self.skip(destination, &["tls", "rtmp"], "no address answers");
            return Step::Failed;
        };
        if destination.tls {
            connection = match self.tls(destination, connection).await {
                Some(connection) => connection,
                None => {
                    self.skip(destination, &["rtmp"], "there is no TLS session");
                    return Step::Failed;
                }
            };
        }
        self.rtmp(destination, &mut connection).await
    }

    fn skip(&mut self, destination: &Destination, stages: &[&'static str], after: &str) {
        for stage in stages.iter().filter(|stage| destination.tls || **stage != "tls") {
            self.not_tested(stage, after);
        }
    }

    async fn name(&mut self, destination: &Destination) -> Option<Vec<SocketAddr>> {
        let begin = Instant::now();
        let mut lookup = Lookup::default();
        let looking = lookup.resolve(self.resolver, &destination.host, destination.port);
        let found = tokio::time::timeout(NAME, looking).await;
        let host = &destination.host;
        match found {
            Ok(Ok(mut addresses)) => {
                addresses.dedup();
                addresses.truncate(ADDRESSES);
                let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
                let literal = shown.len() == 1 && shown.first().is_some_and(|ip| ip == host.trim_matches(['[', ']']));
                let took = begin.elapsed().as_millis();
                let text = match literal {
                    true => format!("{host} is an address"),
                    false => format!("{host}: {} ({took} ms)", shown.join(", ")),
                };
                self.add("name", Verdict::Pass, text).details(json!({ "addresses": shown, "ms": took as u64 }));
                Some(addresses)
            }
            Ok(Err(error)) => {
                let mend = "is the host spelt as the platform shows it? does this machine have a name server \
                            (`getent hosts` with another name tells)?";
                self.add("name", Verdict::Fail, format!("{host}: {}", error.text)).mend(mend.into());
                None
            }
            Err(_) => {
                let text = format!("{host}: the look-up has not come back within {} s", NAME.as_secs());
                let mend = "this machine's name server does not answer: look at /etc/resolv.conf and at the network";
                self.add("name", Verdict::Fail, text).mend(mend.into());
                None
            }
        }
    }

    /// Every address is tried; the first that answers, in their order, is gone on with.
    async fn tcp(&mut self, destination: &Destination, addresses: &[SocketAddr]) -> Option<Connection> {
        let reached = survey(addresses, &self.settings.dial, TCP).await;
        let works = reached.iter().any(|one| one.outcome.is_ok());
        let mut first = None;
        for Reached { address, outcome } in reached {
            match outcome {
                Ok((connection, took)) => {
                    let ms = took.as_secs_f64() * 1000.0;
                    self.add("tcp", Verdict::Pass, format!("{address} answers in {}", millis(took)))
                        .details(json!({ "address": address.to_string(), "ms": (ms * 10.0).round() / 10.0 }));
                    first.get_or_insert(connection);
                }
                Err(text) => {
                    // Others answer: an output takes those.
                    let verdict = if works { Verdict::Warn } else { Verdict::Fail };
                    let mend = tcp_mend(&text, destination, address, works);
                    self.add("tcp", verdict, format!("{address}: {text}"))
                        .mend(mend)
                        .details(json!({ "address": address.to_string() }));
                }
            }
        }
        first
    }

    async fn tls(&mut self, destination: &Destination, connection: Connection) -> Option<Connection> {
        let ca = self.node.options.text("ca").map(std::path::PathBuf::from);
        // The roots are read from files.
        let made = tokio::task::spawn_blocking(move || watching_config(ca.as_deref())).await;
        let (config, seen) = match made.unwrap_or_else(|_| Err("the system's certificates could not be read".into())) {
            Ok(made) => made,
            Err(text) => {
                self.add("tls", Verdict::Fail, text).mend("mend `ca`, or leave it out".into());
                return None;
            }
        };
        let Connection::Plain(tcp) = connection else { return Some(connection) };
        let begin = Instant::now();
        let peer = destination.shown();
        let made = tokio::time::timeout(TLS, tls::connect(tcp, config, &destination.host, &peer)).await;
        let shown = Shown::of(&seen);
        match made {
            Ok(Ok(connection)) => {
                let version = connection.tls_version().unwrap_or("TLS");
                let took = millis(begin.elapsed());
                let days = shown.days.unwrap_or(i64::MAX);
                let verdict = if days <= SOON { Verdict::Warn } else { Verdict::Pass };
                let text = format!("{version} in {took}; {}", shown.text());
                let added = self.add("tls", verdict, text);
                let added = match verdict {
                    Verdict::Warn => added.mend(format!(
                        "whoever runs {peer} has to renew it within {days} {}, or outputs will fail then",
                        if days == 1 { "day" } else { "days" }
                    )),
                    _ => added,
                };
                added.details(shown.details(Some(version)));
                Some(connection)
            }
            Ok(Err(error)) => {
                let mend = tls_mend(&error.text, &shown, destination);
                let about = shown.certificate.as_ref().map_or(String::new(), |_| format!(" ({})", shown.text()));
                self.add("tls", Verdict::Fail, format!("{}{about}", error.text))
                    .mend(mend)
                    .details(shown.details(None));
                None
            }
            Err(_) => {
                let text = format!("no TLS session within {} s", TLS.as_secs());
                let mend = format!("does {peer} speak TLS? a plain RTMP port wants rtmp:// (mostly port 1935)");
                self.add("tls", Verdict::Fail, text).mend(mend);
                None
            }
        }
    }

    async fn rtmp(&mut self, destination: &Destination, connection: &mut Connection) -> Step {
        let mut greeting = Greeting::default();
        let greeted = greet(connection, &self.settings, destination, &mut self.login, &mut greeting);
        let greeted = tokio::time::timeout(RTMP, greeted).await;
        if let Some(there) = greeting.redirect.take() {
            return Step::Redirected(there);
        }
        if greeting.login {
            return Step::Login;
        }
        let said: Vec<String> = greeting.says.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let details = json!({
            "handshake_ms": greeting.handshake.map(|took| took.as_millis() as u64),
            "connect_ms": greeting.connect.map(|took| took.as_millis() as u64),
            "server": greeting.says.iter().map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect::<serde_json::Map<_, _>>(),
        });
        match greeted {
            Ok(Ok(())) => {
                let took = |took: Option<Duration>| took.map_or_else(|| "?".to_owned(), millis);
                let says = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
                let text = format!(
                    "handshake in {}, connect in {}; the server says of itself: {says}",
                    took(greeting.handshake),
                    took(greeting.connect)
                );
                self.add("rtmp", Verdict::Pass, text).details(details);
                Step::Accepted
            }
            Ok(Err(ended)) => {
                let mend = rtmp_mend(&ended, destination);
                self.add("rtmp", Verdict::Fail, ended.text.clone()).mend(mend).details(details);
                Step::Failed
            }
            Err(_) => {
                let stage = if greeting.handshake.is_some() { "`connect`" } else { "the handshake" };
                let text = format!("the server has not answered {stage} within {} s", RTMP.as_secs());
                let mend = format!("is {} an RTMP port? compare the URL with the platform's", destination.shown());
                self.add("rtmp", Verdict::Fail, text).mend(mend).details(details);
                Step::Failed
            }
        }
    }
}

/// The certificate that was shown, and how long it holds.
struct Shown {
    certificate: Option<Certificate>,
    days: Option<i64>,
}

impl Shown {
    fn of(seen: &Seen) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let certificate = seen.certificate();
        let days = certificate.as_ref().map(|it| it.days_left(i64::try_from(now).unwrap_or(i64::MAX)));
        Self { certificate, days }
    }

    fn text(&self) -> String {
        let (Some(certificate), Some(days)) = (&self.certificate, self.days) else {
            return "its certificate can't be read".into();
        };
        let mut names = certificate.names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        if certificate.names.len() > 4 {
            names.push_str(&format!(" and {} more", certificate.names.len() - 4));
        }
        let names = if names.is_empty() { "no host".to_owned() } else { names };
        match days {
            ..0 => format!("certificate for {names}, expired {} days ago", -days),
            _ => format!("certificate for {names}, expires in {days} days"),
        }
    }

    fn details(&self, version: Option<&str>) -> serde_json::Value {
        let names = self.certificate.as_ref().map(|certificate| certificate.names.clone());
        json!({ "version": version, "names": names, "expires_in_days": self.days })
    }
}

/// `12 ms`, `0.4 ms`
pub(super) fn millis(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

fn tcp_mend(text: &str, destination: &Destination, address: SocketAddr, works: bool) -> String {
    if works {
        return "another address answers, and outputs go there; whoever runs the host should mend this one".into();
    }
    let port = destination.port;
    if text.contains("refused") {
        let usual = if destination.tls { "443 for rtmps://" } else { "1935 for rtmp://" };
        return format!(
            "nothing listens on port {port} there: is the port right (mostly {usual}), and does the server run?"
        );
    }
    if text.contains("unreachable") && address.is_ipv6() {
        return "this machine has no way out by IPv6: use a name with an IPv4 address too".into();
    }
    format!("is the address right? a firewall on the way must let TCP to port {port} out")
}

fn tls_mend(text: &str, shown: &Shown, destination: &Destination) -> String {
    let host = &destination.host;
    match shown.days {
        Some(..0) => {
            format!(
                "whoever runs {host} has to renew its certificate; if that is wrong, set this machine's clock right"
            )
        }
        _ if text.contains("not valid yet") => "set this machine's clock right".into(),
        _ if text.contains("not signed by anybody") => {
            "if the server is your own, add ca=FILE with the certificate of its issuer; else don't send your key there"
                .into()
        }
        _ if text.contains("certificate is for") || text.contains("not for") => {
            "write one of the certificate's names in the URL".into()
        }
        _ if text.contains("rtmp:// port") => {
            format!(
                "write rtmp:// instead of rtmps://, or the port of TLS (mostly 443) instead of {}",
                destination.port
            )
        }
        _ => format!("compare the URL with the platform's; {} must speak TLS 1.2 or 1.3", destination.shown()),
    }
}

fn rtmp_mend(ended: &Ended, destination: &Destination) -> String {
    match ended.reason {
        Reason::Refused if ended.text.starts_with(LOGIN_FAILED) => {
            "user and password stand before the host: rtmp://USER:PASSWORD@HOST/APP, with %2F for a `/`, %3A for a `:` and \
             %40 for an `@` in them; compare both with what the platform gave you"
                .into()
        }
        Reason::Refused => {
            "copy the URL from the platform again: what stands between host and key (the app) is not right, or this \
             server is not for you"
                .into()
        }
        Reason::Loop => "take the output out that leads back to here".into(),
        _ => format!("is {} an RTMP port, and its app right? compare the URL with the platform's", destination.shown()),
    }
}
