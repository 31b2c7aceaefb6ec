//! Putting a server together: what `serve`, `demo` and the tests start.

use crate::{
    App, Mounted, admin_socket,
    config::{Config, ConfigError},
    data_dir::{Age, DataDir, DataDirError},
    documentation::Documentation,
    limits, listen,
    mail::{Courier, Outgoing},
    openapi::{Spec, SpecAt},
    outer::Outer,
    tasks::{self, EndSignals, Stop, StopHandle},
    webhooks::{Messenger, Names, Outbound, SystemNames},
};
use keywright_core::{Core, Settings, StartError};
use keywright_protocol::Clock;
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

/// Why a server does not start, or stopped; one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Configuration, address or TLS.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Folder, lock or key file.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Database or settings.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The administration socket.
    #[error("the administration socket {path} cannot be opened: {error}", path = .path.display())]
    Socket {
        /// Where.
        path: std::path::PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// A server that has its address, its folder and its core, and answers nothing yet.
pub struct Prepared {
    /// The configuration it was made of.
    pub config: Config,
    /// The address it listens on.
    pub address: SocketAddr,
    /// The folder it holds.
    pub data_dir: DataDir,
    /// The service.
    pub core: Arc<Core>,
    /// Routes' state, with the verifier for whatever is mounted.
    pub app: Arc<App>,
    /// Whoever sends mail. Without one it waits in the outbox.
    pub courier: Option<Courier>,
    /// Whoever delivers to webhooks. Without one it waits.
    pub messenger: Option<Messenger>,
    listener: TcpListener,
}

/// Takes the address and the folder and starts the core.
///
/// # Errors
/// [`RunError`].
pub async fn prepare(config: Config, data_dir: DataDir, clock: Clock) -> Result<Prepared, RunError> {
    prepare_with(config, data_dir, clock, Arc::new(SystemNames)).await
}

/// The same with another way to find the hosts of webhooks.
///
/// # Errors
/// [`RunError`].
pub async fn prepare_with(config: Config, data_dir: DataDir, clock: Clock, names: Arc<dyn Names>) -> Result<Prepared, RunError> {
    config.check_transport(config.listen.ip())?;
    let (listener, address) = listen::bind(config.listen).await?;
    let location = config.database.identity(&data_dir);
    let known = if config.database.is_shared() { Core::issuer_of(&location).await? } else { None };
    let is_new = known.is_none();
    // Who joins others and was told no name has theirs.
    let issuer = known.filter(|_| config.public_url.is_none()).map_or_else(|| config.issuer(address), Ok)?;
    let outgoing = Outgoing::new(config.mail.route(&issuer, data_dir.mail_folder())?)?;
    let outbound = Arc::new(Outbound::new(&config.webhooks, names)?);
    let replica_at = config.database.is_shared().then(|| address.to_string());
    let settings = Settings { replica_at, ..config.settings(issuer)? };
    let key_file = match config.database.is_shared() {
        true if is_new => data_dir.key_file_of(Age::New)?,
        true => data_dir.key_file_of(Age::Started)?,
        false => data_dir.key_file()?,
    };
    let core = Core::start(&location, key_file, settings, clock).await?;
    let app = App::new(Arc::clone(&core), &config, Arc::clone(&outbound))?;
    let courier = Some(Courier::new(Arc::clone(&core), Arc::clone(&app.metrics), outgoing));
    let messenger = Some(Messenger::new(Arc::clone(&core), Arc::clone(&app.metrics), outbound));
    Ok(Prepared { config, address, data_dir, core, app, courier, messenger, listener })
}

/// A server that answers.
pub struct Running {
    stop: StopHandle,
    http: tokio::task::JoinHandle<Result<(), ConfigError>>,
    socket: Option<tokio::task::JoinHandle<()>>,
    /// Ends after all others: what is in flight is still answered.
    lease: (StopHandle, tokio::task::JoinHandle<()>),
    access_log: tokio::task::JoinHandle<()>,
    courier: Option<tokio::task::JoinHandle<()>>,
    messenger: Option<tokio::task::JoinHandle<()>>,
    core: Arc<Core>,
    _data_dir: DataDir,
}

impl Prepared {
    /// Starts answering, also on the administration socket.
    ///
    /// # Errors
    /// [`RunError::Socket`].
    pub fn start(self, mounted: Vec<Mounted>) -> Result<Running, RunError> {
        let path = self.data_dir.socket();
        // Where several share a folder, the first one answers there.
        let is_taken = self.config.database.is_shared() && admin_socket::is_answered(&path);
        let socket = if is_taken { None } else { Some(admin_socket::open(&path).map_err(|error| RunError::Socket { path: path.clone(), error })?) };
        let outer = Arc::new(Outer {
            lease: Some(Arc::clone(&self.core)),
            brings_files: mounted.iter().map(|resource| resource.brings_files).collect(),
            router: self.app.router(mounted, remote_specs(&self.config)),
            metrics: Arc::clone(&self.app.metrics),
            trusted_proxies: self.config.trusted_proxies.clone(),
            cors_origins: self.config.cors.origins.clone(),
            documentation: Documentation::Guide { issuer: self.core.issuer().to_owned() },
        });
        let (stop, sign) = Stop::new();
        let socket = socket.map(|socket| tasks::spawn(admin_socket::serve(socket, path, Arc::clone(&self.core), sign.clone())));
        let (lease_ends, lease_kept) = Stop::new();
        let lease = tasks::spawn(tasks::keep_lease(Arc::clone(&self.core), Arc::clone(&self.app.metrics), lease_kept));
        // They end by the sign; nobody waits for them.
        drop(tasks::spawn(limits::forget_full_buckets(Arc::clone(&self.core), sign.clone())));
        drop(tasks::spawn(tasks::prune(Arc::clone(&self.core), sign.clone())));
        drop(tasks::spawn(tasks::beat(Arc::clone(&self.core), sign.clone())));
        drop(tasks::spawn(tasks::advance_signing_keys(Arc::clone(&self.core), sign.clone())));
        let access_log = tasks::spawn(tasks::flush_access_log(Arc::clone(&self.core), sign.clone()));
        let courier = self.courier.map(|courier| tasks::spawn(courier.run(sign.clone())));
        let messenger = self.messenger.map(|messenger| tasks::spawn(messenger.run(sign.clone())));
        let (listener, config) = (self.listener, self.config);
        let http = tasks::spawn(async move { listen::serve(listener, &config, outer, sign).await });
        Ok(Running { stop, lease: (lease_ends, lease), http, socket, access_log, courier, messenger, core: self.core, _data_dir: self.data_dir })
    }
}

/// Specs of other servers that the API page lists.
#[must_use]
pub fn remote_specs(config: &Config) -> Vec<Spec> {
    let remote = |spec: &crate::config::RemoteSpec| Spec { name: spec.name.clone(), at: SpecAt::Url(spec.url.clone()) };
    config.openapi.specs.iter().map(remote).collect()
}

impl Running {
    /// Answers until the process is asked to end, then finishes what is in flight.
    ///
    /// # Errors
    /// [`RunError::Config`] if serving broke off by itself.
    pub async fn until_asked_to_end(mut self, mut signals: EndSignals) -> Result<(), RunError> {
        tokio::select! {
            () = signals.wait() => {}
            ended = &mut self.http => {
                if let Ok(ended) = ended {
                    ended?;
                }
                return Ok(());
            }
        }
        self.end().await
    }

    /// Stops: what is in flight is finished, the database is closed.
    ///
    /// # Errors
    /// [`RunError::Config`] if serving had broken off.
    pub async fn end(self) -> Result<(), RunError> {
        self.stop.stop();
        // Streams would never end by themselves.
        self.core.end_status_streams();
        if let Some(socket) = self.socket {
            let _ = socket.await;
        }
        let served = self.http.await;
        let _ = self.access_log.await;
        for task in [self.courier, self.messenger].into_iter().flatten() {
            let _ = task.await;
        }
        let (lease_ends, lease) = self.lease;
        lease_ends.stop();
        let _ = lease.await;
        // It writes the last events of access, of which there are no more now.
        self.core.close().await;
        if let Ok(served) = served {
            served?;
        }
        Ok(())
    }
}
