//! The ports of a configuration: whether they are free, and what an encoder may send to in the place of one.

use std::net::IpAddr;

use super::finding::{Finding, Verdict};
use crate::config::{Address, Config, Pattern};
use crate::net::bind;

/// One line for each port; each is given back at once.
pub(super) fn of_config(config: &Config) -> Vec<Finding> {
    let listen = &config.listen;
    let ports = [("rtmp", listen.rtmp), ("rtmps", listen.rtmps), ("http", listen.http)];
    let mut lines: Vec<Finding> =
        ports.into_iter().filter_map(|(name, address)| Some(port(name, address.filter(|it| it.port != 0)?))).collect();
    if config.outputs.is_empty() {
        let text = "there is no output in this file: nothing of where it is to go was looked at";
        lines.push(Finding::new("outputs", "there", Verdict::NotTested, text));
    }
    lines
}

fn port(name: &str, address: Address) -> Finding {
    let who = format!("listen.{name}");
    match bind::first(&address.candidates()) {
        Ok((_, address)) => Finding::new(&who, "port", Verdict::Pass, format!("{address} is free, and was given back")),
        Err(ended) => {
            let mend =
                "end the program that has it (`ss -ltnp` names it; is it outflow itself?), or choose another one";
            Finding::new(&who, "port", Verdict::Fail, ended.text).mend(mend)
        }
    }
}

/// The word of an input on the port of the configuration, for streams of this name.
pub(super) fn instead(config: &Config, name: &Pattern) -> String {
    let path: Vec<&str> = name.words().iter().map(String::as_str).take_while(|word| !word.contains('*')).collect();
    let (host, port) = match config.listen.rtmp {
        Some(Address { ip: Some(IpAddr::V6(ip)), port }) => (format!("[{ip}]"), port),
        Some(Address { ip: Some(ip), port }) => (ip.to_string(), port),
        Some(Address { ip: None, port }) => (String::new(), port),
        None => ("127.0.0.1".to_owned(), 1935),
    };
    // Words ask for a key where others can reach the port.
    let key = match config.listen.rtmp.is_none_or(|address| address.is_loopback()) {
        true => "",
        false => ":publish_key=env@KEY",
    };
    format!("rtmp://{host}:{port}/{}:gpac:rtmp_listen=1{key}", path.join("/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::SocketAddr;

    use super::*;
    use crate::config::Listen;

    #[test]
    fn what_has_the_port_is_told_and_what_to_send_to_instead() {
        let taken = bind::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = |port| Some(Address { ip: Some([127, 0, 0, 1].into()), port });
        let port = taken.local_addr().unwrap().port();
        let mut config = Config { listen: Listen { rtmp: address(port), ..Listen::default() }, ..Config::default() };
        let lines = of_config(&config);
        assert_eq!(lines.iter().map(|line| line.verdict).collect::<Vec<_>>(), [Verdict::Fail, Verdict::NotTested]);
        assert!(lines[0].found.contains("another program has this port"), "{lines:?}");
        drop(taken);
        assert_eq!(of_config(&config)[0].verdict, Verdict::Pass);
        let any = Pattern::parse("live/*").unwrap();
        assert_eq!(instead(&config, &any), format!("rtmp://127.0.0.1:{port}/live:gpac:rtmp_listen=1"));
        config.listen.rtmp = Some(Address { ip: None, port: 1935 });
        let show = Pattern::parse("live/show").unwrap();
        assert_eq!(instead(&config, &show), "rtmp://:1935/live/show:gpac:rtmp_listen=1:publish_key=env@KEY");
    }
}
