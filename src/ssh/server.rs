//! Accepts connections. Limits their number, the time until authentication and the time without a keepalive reply.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use russh::keys::PrivateKey;
use russh::server::{Config, RunningSession, run_stream};
use russh::{Disconnect, MethodKind, MethodSet, SshId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, field};

use super::algorithms;
use super::cancellable_stream::CancellableStream;
use super::handler::CommandHandler;
use super::quickack::QuickAck;
use super::session::{ConnectionContext, RejectedKeys, SessionHandler};
use super::unauthenticated::{UnauthenticatedLimit, UnauthenticatedSlot};
use crate::domain::metric_names;

/// The pause after a failed accept, such as when the process has no file descriptors left.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// How long a client may take to disconnect by itself at a shutdown, and then again after the server's disconnect message.
/// OpenSSH discards a command's last output if that message follows the end of the command too soon.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Every rejected key takes this long, many times the duration of a lookup, so that rejections cannot be told apart. A
/// longer time would hide nothing more, since SSH lets anyone test whether a public key is accepted, and would delay
/// clients whose agent offers several keys.
const AUTH_REJECTION_TIME: Duration = Duration::from_millis(1);
const MAX_UNANSWERED_KEEPALIVES: u32 = 3;

#[derive(Clone)]
pub struct SshSettings {
    pub host_key: PrivateKey,
    /// How long a client may take to authenticate.
    pub login_grace: Duration,
    /// How many connections may be unauthenticated at once.
    pub max_startups: usize,
    pub max_connections: usize,
    /// How many channels a connection may have open at once.
    pub max_sessions: usize,
    /// How many keys a client may try.
    pub max_auth_tries: usize,
    /// The interval between keepalive requests to a silent client. The third unanswered request ends the connection.
    pub keepalive: Duration,
}

impl SshSettings {
    fn russh_config(&self) -> Config {
        Config {
            server_id: SshId::Standard("SSH-2.0-slipway".into()),
            methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
            auth_rejection_time: AUTH_REJECTION_TIME,
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: vec![self.host_key.clone()],
            preferred: algorithms::preferred(),
            // russh ends the connection without a hint. It counts the initial request for the list of methods as an
            // attempt, and the client may send one more key before it reads slipway's own message.
            max_auth_attempts: self.max_auth_tries.saturating_add(3),
            // Longer than the keepalives take, so it ends only connections that they do not detect: the client stopped
            // reading in the middle of a write, or does not close the connection after a disconnect message.
            inactivity_timeout: Some(self.keepalive.saturating_mul(MAX_UNANSWERED_KEEPALIVES + 2)),
            keepalive_interval: Some(self.keepalive),
            keepalive_max: MAX_UNANSWERED_KEEPALIVES as usize,
            // Throughput is the window divided by the round trip time: 16 MiB allow 100 MiB/s at 150 ms.
            window_size: 16 << 20,
            nodelay: true,
            ..Config::default()
        }
    }
}

struct Server<H> {
    config: Arc<Config>,
    settings: SshSettings,
    handler: Arc<H>,
    unauthenticated: Arc<UnauthenticatedLimit>,
    connections: Arc<Semaphore>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// Accepts connections until `shutdown` is cancelled. Connections and commands run in `tasks`. A shutdown closes idle
/// connections at once and the others when their commands have ended.
pub async fn serve<H: CommandHandler>(
    listener: TcpListener,
    settings: SshSettings,
    handler: Arc<H>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
) {
    let server = Arc::new(Server {
        config: Arc::new(settings.russh_config()),
        unauthenticated: UnauthenticatedLimit::new(settings.max_startups),
        connections: Arc::new(Semaphore::new(settings.max_connections)),
        settings,
        handler,
        shutdown,
        tasks,
    });
    let _ = server.shutdown.run_until_cancelled(accept_connections(&listener, &server)).await;
}

async fn accept_connections<H: CommandHandler>(listener: &TcpListener, server: &Arc<Server<H>>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => spawn_connection(server, stream, remote),
            Err(error) => {
                tracing::warn!(%error, "cannot accept an SSH connection");
                sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

fn spawn_connection<H: CommandHandler>(server: &Arc<Server<H>>, stream: TcpStream, remote: SocketAddr) {
    let Ok(permit) = Arc::clone(&server.connections).try_acquire_owned() else {
        tracing::warn!(%remote, "refused an SSH connection: the maximum number of connections is open");
        counter!(metric_names::SSH_CONNECTIONS_TOTAL, "result" => "refused").increment(1);
        return;
    };
    let slot = server.unauthenticated.acquire(remote.ip());
    counter!(metric_names::SSH_CONNECTIONS_TOTAL, "result" => "accepted").increment(1);
    let span = tracing::info_span!("ssh", %remote, user = field::Empty);
    let server = Arc::clone(server);
    let tasks = server.tasks.clone();
    let connection = async move {
        gauge!(metric_names::SSH_CONNECTIONS).increment(1);
        let result = serve_connection(&server, stream, remote, slot).await;
        gauge!(metric_names::SSH_CONNECTIONS).decrement(1);
        match result {
            Ok(()) => tracing::debug!("connection closed"),
            Err(error) => tracing::debug!(%error, "connection failed"),
        }
        drop(permit);
    };
    tasks.spawn(connection.instrument(span));
}

async fn serve_connection<H: CommandHandler>(
    server: &Server<H>,
    stream: TcpStream,
    remote: SocketAddr,
    slot: UnauthenticatedSlot,
) -> Result<(), russh::Error> {
    stream.set_nodelay(true)?;
    let cancellation = CancellationToken::new();
    let stream = CancellableStream::new(QuickAck::new(stream), &cancellation);
    let commands = TaskTracker::new();
    let too_many_keys = CancellationToken::new();
    let unauthenticated_too_long = evicted_or_timed_out(slot.evicted(), slot.released(), server.settings.login_grace);
    let handler = SessionHandler::new(ConnectionContext {
        handler: Arc::clone(&server.handler),
        remote,
        unauthenticated_slot: Some(slot),
        channel_permits: Arc::new(Semaphore::new(server.settings.max_sessions)),
        tasks: server.tasks.clone(),
        commands: commands.clone(),
        shutdown: server.shutdown.clone(),
        span: tracing::Span::current(),
        rejected_keys: RejectedKeys {
            count: 0,
            limit: server.settings.max_auth_tries,
            limit_reached: too_many_keys.clone(),
        },
    });
    let session = async {
        let mut session = tokio::select! {
            started = run_stream(Arc::clone(&server.config), stream, handler) => started?,
            () = server.shutdown.cancelled() => return Ok(()),
        };
        tokio::select! {
            result = &mut session => result,
            () = too_many_keys.cancelled() => refuse_more_keys(session, server.settings.max_auth_tries).await,
            () = commands_ended(&server.shutdown, &commands) => disconnect(session, &cancellation).await,
        }
    };
    tokio::pin!(session);
    tokio::select! {
        result = &mut session => return result,
        () = unauthenticated_too_long => cancellation.cancel(),
    }
    session.await
}

/// Resolves when a connection has lost its slot or has not authenticated in time; never once it has authenticated.
async fn evicted_or_timed_out(evicted: CancellationToken, released: CancellationToken, login_grace: Duration) {
    tokio::select! {
        () = released.cancelled() => std::future::pending().await,
        () = evicted.cancelled() => tracing::debug!("evicted by a newer unauthenticated connection"),
        () = sleep(login_grace) => tracing::debug!("not authenticated in time"),
    }
}

/// Resolves after the shutdown has begun, once the connection has no running command.
async fn commands_ended(shutdown: &CancellationToken, commands: &TaskTracker) {
    shutdown.cancelled().await;
    commands.close();
    commands.wait().await;
}

/// Ends a connection whose client has offered too many keys. A client without a further key has given up by itself.
async fn refuse_more_keys<H: CommandHandler>(
    mut session: RunningSession<SessionHandler<H>>,
    tried: usize,
) -> Result<(), russh::Error> {
    let reason = format!(
        "none of the first {tried} keys is registered, and slipway tries no more: choose one with \
         `ssh -o IdentitiesOnly=yes -i KEY`, or with IdentityFile and IdentitiesOnly in ~/.ssh/config"
    );
    // This fails only if the session has ended by itself.
    let _ = session.handle().disconnect(Disconnect::NoMoreAuthMethodsAvailable, reason, String::new()).await;
    (&mut session).await
}

/// Waits for the client to disconnect, then sends a disconnect message, then closes the connection.
async fn disconnect<H: CommandHandler>(
    mut session: RunningSession<SessionHandler<H>>,
    cancellation: &CancellationToken,
) -> Result<(), russh::Error> {
    if let Ok(result) = timeout(DISCONNECT_TIMEOUT, &mut session).await {
        return result;
    }
    let handle = session.handle();
    let send_and_wait = async {
        let reason = "slipway is shutting down".to_owned();
        // This fails only if the session has ended by itself.
        let _ = handle.disconnect(Disconnect::ByApplication, reason, String::new()).await;
        (&mut session).await
    };
    if let Ok(result) = timeout(DISCONNECT_TIMEOUT, send_and_wait).await {
        return result;
    }
    cancellation.cancel();
    session.await
}
