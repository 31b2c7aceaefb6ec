//! Sending what waits for webhooks. What is due and what becomes of it is the core's to say.

mod addresses;
mod destination;
mod request;
mod signature;

use crate::{
    Metrics,
    config::{ConfigError, Webhooks},
    tasks::Stop,
};
use bytes::Bytes;
use destination::Destination;
pub use destination::{Names, SystemNames};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE, header::USER_AGENT};
use ipnet::IpNet;
use keywright_core::{
    Core, Error,
    webhooks::delivery::{Attempt, DueDelivery, Fate, UnderWay},
};
use request::{Outgoing, post};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often is looked whether something is due again. What is new is sent without waiting for it.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long the end waits for what is being sent.
const LAST_DELIVERIES: Duration = Duration::from_secs(5);
/// For one attempt: the look-up of the name, the connection, TLS, the request and the answer together.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long somebody who makes a webhook waits for the look-up of its host.
const LOOK_UP: Duration = Duration::from_secs(5);

/// The way out, and where it may lead.
pub struct Outbound {
    allowed: Vec<IpNet>,
    names: Arc<dyn Names>,
    tls: Arc<ClientConfig>,
}

impl Outbound {
    /// As configured.
    ///
    /// # Errors
    /// [`ConfigError`] if the file of certificates cannot be read.
    pub fn new(settings: &Webhooks, names: Arc<dyn Names>) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        // Without any, nobody's certificate is good, and each delivery says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for authority in settings.authorities()? {
            roots.add(authority).map_err(|error| ConfigError(format!("webhooks.ca_file: a certificate in it cannot be used: {error}")))?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError(format!("webhooks: TLS cannot be used: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { allowed: settings.allow_networks.clone(), names, tls: Arc::new(tls) })
    }

    /// A URL in its normal form, if a webhook may send there as things are now. It is asked again at each attempt.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub(crate) async fn check(&self, text: &str) -> Result<String, Error> {
        let invalid = |reason| Error::Invalid { field: "url", reason };
        let destination = Destination::parse(text).map_err(invalid)?;
        let resolved = timeout(LOOK_UP, destination.resolve(&*self.names, &self.allowed)).await;
        resolved.unwrap_or_else(|_| Err("its host could not be looked up in time; try again, or look at its DNS".to_owned())).map_err(invalid)?;
        Ok(destination.text)
    }

    async fn send(&self, url: &str, outgoing: Outgoing) -> Result<u16, String> {
        let destination = Destination::parse(url)?;
        let addresses = destination.resolve(&*self.names, &self.allowed).await?;
        post(&destination, &addresses, &self.tls, outgoing).await
    }
}

/// Whoever takes deliveries to their receivers.
pub struct Messenger {
    core: Arc<Core>,
    metrics: Arc<Metrics>,
    outbound: Arc<Outbound>,
    /// For one attempt.
    pub patience: Duration,
}

impl Messenger {
    /// On a core.
    #[must_use]
    pub fn new(core: Arc<Core>, metrics: Arc<Metrics>, outbound: Arc<Outbound>) -> Self {
        Self { core, metrics, outbound, patience: PATIENCE }
    }

    /// Delivers until the sign to stop, and what is under way then for a little longer.
    pub async fn run(self, mut stop: Stop) {
        let sign = stop.clone();
        let too_long = async {
            stop.wait().await;
            tokio::time::sleep(LAST_DELIVERIES).await;
        };
        tokio::select! {
            () = too_long => {}
            () = self.work(sign) => {}
        }
    }

    async fn work(&self, mut stop: Stop) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut under_way, mut attempts, mut failing) = (UnderWay::default(), FuturesUnordered::new(), false);
        while !stop.is_given() {
            let taken = self.core.take_due_deliveries(self.core.clock().now(), &under_way).await;
            let mut failed = taken.is_err();
            for due in taken.unwrap_or_default() {
                under_way.begin(due.webhook_id, due.root_id);
                attempts.push(self.carry_out(due));
            }
            tokio::select! {
                biased;
                () = stop.wait() => {}
                Some((due, settled)) = attempts.next() => {
                    under_way.end(due.webhook_id, due.root_id);
                    failed |= settled.is_err();
                }
                () = self.core.change_was_made(), if !failed => {}
                _ = ticks.tick() => {}
            }
            // Once, not each time.
            if failed && !failing {
                tracing::warn!("deliveries to webhooks cannot be read or noted; they wait");
            }
            failing = failed;
        }
        while attempts.next().await.is_some() {}
    }

    /// Delivers everything that is due now.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database does not say what is due, or cannot note what became of it.
    pub async fn deliver(&self) -> Result<(), Error> {
        let (mut under_way, mut attempts) = (UnderWay::default(), FuturesUnordered::new());
        loop {
            for due in self.core.take_due_deliveries(self.core.clock().now(), &under_way).await? {
                under_way.begin(due.webhook_id, due.root_id);
                attempts.push(self.carry_out(due));
            }
            let Some((due, settled)) = attempts.next().await else { return Ok(()) };
            under_way.end(due.webhook_id, due.root_id);
            settled?;
        }
    }

    async fn carry_out(&self, due: DueDelivery) -> (DueDelivery, Result<(), Error>) {
        let attempt = self.attempt(&due).await;
        let (delivery_id, webhook_id, number) = (due.id, due.webhook_id, due.attempt);
        match &attempt {
            Attempt::Delivered(status) => tracing::debug!(%delivery_id, %webhook_id, attempt = number, status, "a delivery to a webhook was taken"),
            Attempt::Failed { status, .. } => tracing::info!(%delivery_id, %webhook_id, attempt = number, status, "a delivery to a webhook failed"),
        }
        let settled = self.core.settle_delivery(&due, attempt, self.core.clock().now()).await;
        if let Ok(fate) = settled {
            self.metrics.sent_to_webhook(match fate {
                Fate::Delivered => "delivered",
                Fate::Waits(_) => "deferred",
                Fate::GivenUp | Fate::Suspended => "given_up",
            });
        }
        (due, settled.map(drop))
    }

    async fn attempt(&self, due: &DueDelivery) -> Attempt {
        let sent = match outgoing(due, self.core.clock().now().as_seconds()) {
            Ok(outgoing) => timeout(self.patience, self.outbound.send(&due.url, outgoing)).await,
            Err(reason) => Ok(Err(reason)),
        };
        match sent {
            Ok(Ok(status @ 200..=299)) => Attempt::Delivered(status),
            Ok(Ok(status @ 300..=399)) => {
                let reason = format!("the answer was {status}, a redirect, which is not followed; give the webhook the address that it leads to");
                Attempt::Failed { status: Some(status), reason }
            }
            Ok(Ok(status)) => Attempt::Failed { status: Some(status), reason: format!("the answer was {status}; only 200 to 299 say that it was taken") },
            Ok(Err(reason)) => Attempt::Failed { status: None, reason },
            Err(_) => Attempt::Failed { status: None, reason: "there was no answer in time".to_owned() },
        }
    }
}

/// The time is the attempt's, so that a receiver may refuse what is older than its clock's slack; the id is the delivery's, by which
/// it knows a repetition.
fn outgoing(due: &DueDelivery, seconds: i64) -> Result<Outgoing, String> {
    let id = due.id.to_string();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("keywright-webhooks/", env!("CARGO_PKG_VERSION"))));
    let own = [
        ("ac_signature", signature::contract(&due.secret, due.body.as_bytes())),
        ("webhook-signature", signature::standard(&due.secret, &id, seconds, &due.body)),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-id", id),
    ];
    for (name, value) in own {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).map_err(|_| "it cannot be signed".to_owned())?);
    }
    Ok(Outgoing { headers, body: Bytes::from(due.body.clone()) })
}
