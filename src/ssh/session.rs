//! The handler of one connection: translates russh's callbacks. They run in the session's event loop and must not block.

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

use super::channel::{self, ExecRequest};
use super::handler::{ChannelRequest, CommandHandler};
use super::unauthenticated::UnauthenticatedSlot;
use super::{auth, exec_command};
use crate::auth::Identity;
use crate::domain::metric_names;

/// In bytes.
const MAX_GIT_PROTOCOL_LEN: usize = 256;

/// The state of a connection, and its access to the server.
pub(super) struct ConnectionContext<H> {
    pub(super) handler: Arc<H>,
    pub(super) remote: SocketAddr,
    /// `None` once the client has authenticated.
    pub(super) unauthenticated_slot: Option<UnauthenticatedSlot>,
    /// One permit for each channel that may be open at once.
    pub(super) channel_permits: Arc<Semaphore>,
    /// The server's tasks. A command may outlive its connection.
    pub(super) tasks: TaskTracker,
    /// The running commands of this connection.
    pub(super) commands: TaskTracker,
    /// No command may start once it is cancelled.
    pub(super) shutdown: CancellationToken,
    /// The span of the connection's logs.
    pub(super) span: Span,
    pub(super) rejected_keys: RejectedKeys,
}

/// Counts the rejected keys of a connection.
pub(super) struct RejectedKeys {
    pub(super) count: usize,
    pub(super) limit: usize,
    /// Cancelled at the limit: the connection then ends with a message.
    pub(super) limit_reached: CancellationToken,
}

impl RejectedKeys {
    /// Counts a rejected key. At the limit, every further key is rejected.
    fn check(&mut self, auth: Auth) -> Auth {
        if self.count >= self.limit {
            return Auth::reject();
        }
        if auth != Auth::Accept {
            self.count += 1;
        }
        if self.count >= self.limit {
            self.limit_reached.cancel();
        }
        auth
    }
}

pub(super) struct SessionHandler<H> {
    context: ConnectionContext<H>,
    /// The key that signed.
    key: Option<PublicKey>,
    /// Channels that have not received an exec or shell request.
    pending_channels: HashMap<ChannelId, PendingChannel>,
}

struct PendingChannel {
    protocol: Option<String>,
    has_terminal: bool,
    exec_request: oneshot::Sender<ExecRequest>,
}

impl<H: CommandHandler> SessionHandler<H> {
    pub(super) fn new(context: ConnectionContext<H>) -> Self {
        Self { context, key: None, pending_channels: HashMap::new() }
    }

    /// Looks the key up again each time: it may have been removed since the client authenticated.
    fn identity(&self) -> Option<Identity> {
        self.context.handler.identify(self.key.as_ref()?)
    }

    /// Starts the only command of a channel.
    fn start_command(
        &mut self,
        channel: ChannelId,
        request: ChannelRequest,
        session: &mut Session,
    ) -> Result<(), Error> {
        let Some(pending) = self.pending_channels.remove(&channel) else { return session.channel_failure(channel) };
        let Some((identity, key)) = self.identity().zip(self.key.clone()) else {
            return session.disconnect(Disconnect::ByApplication, "this key is no longer registered", "");
        };
        if self.context.shutdown.is_cancelled() {
            return session.channel_failure(channel);
        }
        let ConnectionContext { remote, ref commands, .. } = self.context;
        let PendingChannel { protocol, has_terminal, exec_request } = pending;
        session.channel_success(channel)?;
        // Sending fails if the client has closed the channel, which ends its task.
        let running = commands.token();
        let _ = exec_request.send(ExecRequest { identity, key, remote, request, protocol, has_terminal, running });
        Ok(())
    }

    /// Serves a new channel in a task, unless too many are open.
    fn open_channel(&mut self, channel: Channel<Msg>) -> Result<(), ChannelOpenFailure> {
        let ConnectionContext { handler, channel_permits, tasks, shutdown, span, .. } = &self.context;
        if shutdown.is_cancelled() {
            return Err(ChannelOpenFailure::AdministrativelyProhibited);
        }
        let permit = channel_permits.clone().try_acquire_owned().map_err(|_| ChannelOpenFailure::ResourceShortage)?;
        let (sender, receiver) = oneshot::channel();
        self.pending_channels
            .insert(channel.id(), PendingChannel { protocol: None, has_terminal: false, exec_request: sender });
        let serve = channel::serve(channel, receiver, Arc::clone(handler));
        tasks.spawn(
            async move {
                serve.await;
                drop(permit);
            }
            .instrument(span.clone()),
        );
        Ok(())
    }
}

impl<H: CommandHandler> Handler for SessionHandler<H> {
    type Error = Error;

    async fn auth_publickey_offered(&mut self, _user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        let auth = auth::check_key(&*self.context.handler, offer.public_key, offer.algorithm);
        Ok(self.context.rejected_keys.check(auth))
    }

    /// russh calls this after it has verified the signature. Nothing else sets the identity.
    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        let auth = auth::check_key(&*self.context.handler, key.public_key, key.algorithm);
        let auth = self.context.rejected_keys.check(auth);
        let result = if auth == Auth::Accept { "accepted" } else { "refused" };
        counter!(metric_names::SSH_AUTHENTICATIONS_TOTAL, "result" => result).increment(1);
        self.key = (auth == Auth::Accept).then(|| key.public_key.clone());
        Ok(auth)
    }

    async fn auth_openssh_certificate(&mut self, _user: &str, _certificate: &Certificate) -> Result<Auth, Error> {
        Ok(Auth::reject())
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), Error> {
        self.context.unauthenticated_slot = None;
        if let Some(Identity { user, fingerprint, .. }) = self.identity() {
            self.context.span.record("user", user.as_str());
            tracing::info!(parent: &self.context.span, %fingerprint, "authenticated");
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        match self.open_channel(channel) {
            Ok(()) => reply.accept().await,
            Err(reason) => reply.reject(reason).await,
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Error> {
        self.pending_channels.remove(&channel);
        Ok(())
    }

    async fn exec_request(&mut self, channel: ChannelId, line: &[u8], session: &mut Session) -> Result<(), Error> {
        self.start_command(channel, ChannelRequest::Exec(exec_command::parse(line)), session)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        self.start_command(channel, ChannelRequest::Shell, session)
    }

    /// Accepts only `GIT_PROTOCOL`. No other variable reaches a process.
    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        match self.pending_channels.get_mut(&channel) {
            Some(pending) if name == "GIT_PROTOCOL" && value.len() <= MAX_GIT_PROTOCOL_LEN => {
                pending.protocol = Some(value.to_owned());
                session.channel_success(channel)
            }
            _ => session.channel_failure(channel),
        }
    }

    /// Accepted although slipway has no terminals: OpenSSH gives up if it is refused one.
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
        match self.pending_channels.get_mut(&channel) {
            Some(pending) => {
                pending.has_terminal = true;
                session.channel_success(channel)
            }
            None => session.channel_failure(channel),
        }
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
