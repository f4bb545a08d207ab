//! One connection: translates russh's callbacks, and no more. They run in the session's loop, so none waits.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use metrics::counter;
use russh::keys::{Certificate, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Error, Pty};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

use super::channel::{self, Start};
use super::invocation::{Backend, Request};
use super::startups::Startup;
use super::{auth, command};
use crate::domain::metric;
use crate::keys::Identity;

/// The longest `GIT_PROTOCOL` that is passed on.
const MAX_PROTOCOL: usize = 256;

/// What a connection needs from the server.
pub struct Connection<B> {
    /// Who serves commands.
    pub backend: Arc<B>,
    /// The client's address.
    pub remote: SocketAddr,
    /// The place among the unauthenticated, until it is given up.
    pub startup: Option<Startup>,
    /// One permit for each channel that may be open at once.
    pub slots: Arc<Semaphore>,
    /// The server's tasks; a command may outlive its connection.
    pub tasks: TaskTracker,
    /// This connection's running commands.
    pub commands: TaskTracker,
    /// Cancelled when no command may begin any more.
    pub shutdown: CancellationToken,
    /// Where the connection's logs belong.
    pub span: Span,
}

/// The handler of one connection.
pub struct SessionHandler<B> {
    connection: Connection<B>,
    /// The key that signed.
    key: Option<PublicKey>,
    /// Channels that wait for a command.
    waiting: HashMap<ChannelId, Waiting>,
}

struct Waiting {
    protocol: Option<String>,
    start: oneshot::Sender<Start>,
}

impl<B: Backend> SessionHandler<B> {
    /// The handler of a connection that was just accepted.
    pub fn new(connection: Connection<B>) -> Self {
        Self { connection, key: None, waiting: HashMap::new() }
    }

    /// Who the connection belongs to now: keys can be removed while it is open.
    fn identity(&self) -> Option<Identity> {
        self.connection.backend.identify(self.key.as_ref()?)
    }

    /// Starts the one command of a channel.
    fn start(&mut self, channel: ChannelId, request: Request, session: &mut Session) -> Result<(), Error> {
        let Some(waiting) = self.waiting.remove(&channel) else { return session.channel_failure(channel) };
        let Some(identity) = self.identity() else {
            return session.disconnect(Disconnect::ByApplication, "this key is not registered any more", "");
        };
        if self.connection.shutdown.is_cancelled() {
            return session.channel_failure(channel);
        }
        let Connection { remote, ref commands, .. } = self.connection;
        let Waiting { protocol, start } = waiting;
        session.channel_success(channel)?;
        // The channel's task is gone if the client has closed the channel already.
        let _ = start.send(Start { identity, remote, request, protocol, running: commands.token() });
        Ok(())
    }

    /// Serves a new channel in a task of its own, unless there are too many.
    fn open(&mut self, channel: Channel<Msg>) -> Result<(), ChannelOpenFailure> {
        let Connection { backend, slots, tasks, shutdown, span, .. } = &self.connection;
        if shutdown.is_cancelled() {
            return Err(ChannelOpenFailure::AdministrativelyProhibited);
        }
        let slot = slots.clone().try_acquire_owned().map_err(|_| ChannelOpenFailure::ResourceShortage)?;
        let (start, started) = oneshot::channel();
        self.waiting.insert(channel.id(), Waiting { protocol: None, start });
        let serving = channel::serve(channel, started, Arc::clone(backend));
        tasks.spawn(
            async move {
                serving.await;
                drop(slot);
            }
            .instrument(span.clone()),
        );
        Ok(())
    }
}

impl<B: Backend> Handler for SessionHandler<B> {
    type Error = Error;

    async fn auth_publickey_offered(&mut self, _user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        Ok(auth::judge(&*self.connection.backend, offer.public_key, offer.algorithm))
    }

    /// Called after russh has verified the signature: the only place where a key becomes an identity.
    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        let auth = auth::judge(&*self.connection.backend, key.public_key, key.algorithm);
        let result = if auth == Auth::Accept { "accepted" } else { "refused" };
        counter!(metric::SSH_AUTHENTICATIONS_TOTAL, "result" => result).increment(1);
        self.key = (auth == Auth::Accept).then(|| key.public_key.clone());
        Ok(auth)
    }

    async fn auth_openssh_certificate(&mut self, _user: &str, _certificate: &Certificate) -> Result<Auth, Error> {
        Ok(Auth::reject())
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), Error> {
        self.connection.startup = None;
        if let Some(Identity { user, fingerprint, .. }) = self.identity() {
            self.connection.span.record("user", user.as_str());
            tracing::info!(parent: &self.connection.span, %fingerprint, "authenticated");
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        match self.open(channel) {
            Ok(()) => reply.accept().await,
            Err(reason) => reply.reject(reason).await,
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Error> {
        self.waiting.remove(&channel);
        Ok(())
    }

    async fn exec_request(&mut self, channel: ChannelId, line: &[u8], session: &mut Session) -> Result<(), Error> {
        self.start(channel, Request::Exec(command::parse(line)), session)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        self.start(channel, Request::Shell, session)
    }

    /// Only `GIT_PROTOCOL` has a meaning here; no variable reaches a process by its own name.
    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        match self.waiting.get_mut(&channel) {
            Some(waiting) if name == "GIT_PROTOCOL" && value.len() <= MAX_PROTOCOL => {
                waiting.protocol = Some(value.to_owned());
                session.channel_success(channel)
            }
            _ => session.channel_failure(channel),
        }
    }

    /// There is no terminal: ssh says so and goes on without.
    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(channel)
    }

    async fn subsystem_request(&mut self, channel: ChannelId, _name: &str, session: &mut Session) -> Result<(), Error> {
        session.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(channel)
    }
}
