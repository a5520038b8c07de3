//! The dialogue of a client: what it asks, in which order, and what it makes of the answers.
use super::{ClientEvent, ClientSession, Connected, Redirect, Refusal, Role, Stage, transaction};
use crate::amf0::Value;
use crate::auth::{Demand, secure_token};
use crate::command::Command;
use crate::message::{Control, UserControl};
use crate::secret::Secret;
use crate::session::hops;
use crate::session::names::clean;

/// Status codes that mean no, whatever level they come with.
const REFUSALS: [&str; 10] = [
    "NetConnection.Connect.Rejected",
    "NetConnection.Connect.Failed",
    "NetConnection.Connect.InvalidApp",
    "NetConnection.Call.Failed",
    "NetStream.Failed",
    "NetStream.Publish.BadName",
    "NetStream.Publish.Denied",
    "NetStream.Publish.Rejected",
    "NetStream.Play.Failed",
    "NetStream.Play.StreamNotFound",
];

/// Status codes after which nothing more comes.
const ENDS: [&str; 6] = [
    "NetConnection.Connect.Closed",
    "NetConnection.Connect.AppShutdown",
    "NetStream.Play.Complete",
    "NetStream.Play.Stop",
    "NetStream.Play.UnpublishNotify",
    "NetStream.Unpublish.Success",
];

impl ClientSession {
    pub(super) fn send_connect(&mut self) {
        let config = &self.config;
        // A login stands behind what the URL says, even behind a query there.
        let login = config.auth.as_ref().map(Secret::expose).unwrap_or_default();
        let with_login = |text: &Secret| format!("{}{login}", text.expose());
        let (app, tc_url) = (with_login(&config.app), with_login(&config.tc_url));
        let mut object = vec![("app", Value::from(app))];
        object.extend(config.capabilities.write());
        if config.role == Role::Publish {
            object.push(("type", "nonprivate".into()));
        }
        let texts = [
            ("flashVer", config.flash_ver.as_str()),
            ("swfUrl", config.swf_url.as_str()),
            ("tcUrl", tc_url.as_str()),
            ("pageUrl", config.page_url.as_str()),
        ];
        object.extend(texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, text.into())));
        let hops = hops::write(&config.hops);
        if !hops.is_empty() {
            object.push((hops::PROPERTY, hops.into()));
        }
        if config.role == Role::Play {
            // What Flash Player says of itself; some servers pick codecs by it.
            object.push(("fpad", Value::Boolean(false)));
            object.push(("capabilities", Value::Number(15.0)));
            object.push(("audioCodecs", Value::Number(4071.0)));
            object.push(("videoCodecs", Value::Number(252.0)));
            object.push(("videoFunction", Value::Number(1.0)));
        }
        let mut connect = Command::new("connect", transaction::CONNECT, config.conn.clone());
        connect.object = Value::object(object);
        self.link.command(0, &connect);
    }

    fn send_create_stream(&mut self) {
        self.stage = Stage::CreateStream;
        if self.config.window_ack_size > 0 {
            self.link.control(Control::WindowAckSize(self.config.window_ack_size));
        }
        let name = Value::from(self.config.name.expose());
        match self.config.role {
            Role::Publish => {
                self.link.set_chunk_size(self.config.chunk_size);
                let arguments = vec![name];
                self.link.command(0, &Command::new("releaseStream", transaction::RELEASE_STREAM, arguments.clone()));
                self.link.command(0, &Command::new("FCPublish", transaction::FC_PUBLISH, arguments));
                self.link.command(0, &Command::new("createStream", transaction::CREATE_TO_PUBLISH, Vec::new()));
            }
            Role::Play => {
                self.link.command(0, &Command::new("createStream", transaction::CREATE_TO_PLAY, Vec::new()));
                if let Some(name) = &self.config.subscribe {
                    let arguments = vec![name.expose().into()];
                    self.link.command(0, &Command::new("FCSubscribe", transaction::FC_SUBSCRIBE, arguments));
                }
            }
        }
    }

    fn send_request(&mut self, stream_id: u32) {
        let name = Value::from(self.config.name.expose());
        match self.config.role {
            Role::Publish => {
                self.stage = Stage::Publish;
                self.link.command(stream_id, &Command::new("publish", transaction::PUBLISH, vec![name, "live".into()]));
            }
            Role::Play => {
                self.stage = Stage::Play;
                let arguments = vec![name, Value::Number(self.config.start)];
                self.link.command(stream_id, &Command::new("play", transaction::PLAY, arguments));
                let milliseconds = self.config.buffer_ms;
                self.link.control(Control::User(UserControl::SetBufferLength { stream_id, milliseconds }));
            }
        }
    }

    pub(super) fn send_goodbye(&mut self) {
        let Some(stream_id) = self.stream_id else { return };
        if self.config.role == Role::Publish {
            let arguments = vec![self.config.name.expose().into()];
            self.link.command(0, &Command::new("FCUnpublish", transaction::FC_UNPUBLISH, arguments));
        }
        let arguments = vec![Value::Number(f64::from(stream_id))];
        self.link.command(0, &Command::new("deleteStream", transaction::DELETE_STREAM, arguments));
    }

    pub(super) fn on_command(&mut self, command: &Command) {
        if self.stage == Stage::Over {
            return;
        }
        match command.name.as_str() {
            "_result" => self.on_result(command),
            "_error" => self.on_error(command),
            "onStatus" => self.on_status(command),
            "close" => self.end("NetConnection.Connect.Closed", ""),
            // librtmp's clients answer this call, and some servers wait for it.
            "ping" => self.link.command(0, &Command::new("pong", 0.0, Vec::new())),
            // onBWDone, onFCPublish, onFCSubscribe, calls of scripts: nothing depends on them.
            _ => {}
        }
    }

    fn create_transaction(&self) -> f64 {
        match self.config.role {
            Role::Publish => transaction::CREATE_TO_PUBLISH,
            Role::Play => transaction::CREATE_TO_PLAY,
        }
    }

    fn on_result(&mut self, command: &Command) {
        let answered = command.transaction_id;
        if self.stage == Stage::Connect && answered == transaction::CONNECT {
            let info = command.info();
            // A refusal in the wrong wrapping.
            if info.get_str("level") == Some("error") {
                return self.refuse(info);
            }
            let connected = Connected { properties: command.object.clone(), info: info.clone() };
            self.server = connected.capabilities();
            if let (Some(secret), Some(challenge)) = (&self.config.token, connected.secure_token())
                && let Some(text) = secure_token::answer(secret, challenge)
            {
                let arguments = vec![text.expose().into()];
                self.link.command(0, &Command::new(secure_token::CALL, 0.0, arguments));
            }
            self.events.push_back(ClientEvent::Connected(connected));
            self.send_create_stream();
        } else if self.stage == Stage::CreateStream && answered == self.create_transaction() {
            let id = command.argument(0).as_f64().filter(|id| (0.0..4_294_967_296.0).contains(id));
            let Some(id) = id.map(|id| id as u32) else { return self.refuse(&Value::Null) };
            self.stream_id = Some(id);
            self.events.push_back(ClientEvent::StreamCreated(id));
            self.send_request(id);
        }
    }

    fn on_error(&mut self, command: &Command) {
        let matters = match self.stage {
            Stage::Connect => command.transaction_id == transaction::CONNECT,
            Stage::CreateStream => command.transaction_id == self.create_transaction(),
            Stage::Publish => command.transaction_id == transaction::PUBLISH,
            Stage::Play => command.transaction_id == transaction::PLAY,
            _ => false,
        };
        if matters {
            self.refuse(command.info());
        }
    }

    fn on_status(&mut self, command: &Command) {
        let info = command.info();
        let code = info.get_str("code").unwrap_or_default();
        let is_error = info.get_str("level") == Some("error") || REFUSALS.contains(&code);
        match code {
            "NetConnection.Connect.ReconnectRequest" => {
                let tc_url = info.get_str("tcUrl").map(Secret::from);
                let description = self.clean(info.get_str("description").unwrap_or_default());
                self.events.push_back(ClientEvent::ReconnectRequest { tc_url, description });
            }
            _ if is_error && self.stage == Stage::Started => {
                self.end(code, info.get_str("description").unwrap_or_default());
            }
            _ if is_error => self.refuse(info),
            "NetStream.Publish.Start" if self.stage == Stage::Publish => self.started(),
            "NetStream.Play.Start" | "NetStream.Play.PublishNotify" if self.stage == Stage::Play => self.started(),
            _ if ENDS.contains(&code) => self.end(code, info.get_str("description").unwrap_or_default()),
            _ => {}
        }
    }

    fn refuse(&mut self, info: &Value) {
        let text = |name| self.clean(info.get_str(name).unwrap_or_default());
        let ex = info.get("ex");
        let url = |name| ex?.get_str(name).filter(|url| !url.is_empty()).map(Secret::from);
        let auth = info.get_str("description").and_then(Demand::read);
        let refusal = Refusal {
            auth,
            stage: self.stage,
            level: text("level"),
            code: text("code"),
            description: text("description"),
            redirect: url("redirect").map(|tc_url| Redirect { tc_url, url: url("redirect2") }),
        };
        self.stage = Stage::Over;
        self.events.push_back(ClientEvent::Refused(refusal));
    }

    fn end(&mut self, code: &str, description: &str) {
        let (code, description) = (self.clean(code), self.clean(description));
        self.stage = Stage::Over;
        self.events.push_back(ClientEvent::Ended { code, description });
    }

    fn clean(&self, text: &str) -> String {
        let login = self.config.auth.as_ref().map(Secret::expose).unwrap_or_default();
        clean(text, &[self.config.name.expose(), login])
    }
}
