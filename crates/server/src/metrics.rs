//! Metrics in the OpenMetrics text format. Labels are fixed words: no organization, no key, no address.

use keywright_core::Core;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Exchange {
    endpoint: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Mail {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Delivery {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Renewal {
    outcome: &'static str,
}

/// The metrics of one server; no globals, so that several live in one process.
pub struct Metrics {
    registry: Registry,
    exchanges: Family<Exchange, Counter>,
    answers: Family<Answer, Counter>,
    mail: Family<Mail, Counter>,
    deliveries: Family<Delivery, Counter>,
    decisions: Family<Decision, Counter>,
    lease: Gauge,
    replicas: Gauge,
    renewals: Family<Renewal, Counter>,
    duration: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let (exchanges, answers, mail) = (Family::default(), Family::default(), Family::default());
        let (deliveries, decisions) = (Family::default(), Family::default());
        let (lease, replicas, renewals) = (Gauge::default(), Gauge::default(), Family::default());
        let duration = Histogram::new([0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]);
        let mut registry = Registry::with_prefix("keywright");
        registry.register("exchanges", "Exchanges of keys by endpoint and outcome (`issued`, or the error code)", exchanges.clone());
        registry.register("http_answers", "Answers by status", answers.clone());
        registry.register("mail", "Attempts to send mail by its kind and outcome (`sent`, `deferred`, `given_up`)", mail.clone());
        registry.register("webhook_deliveries", "Attempts to deliver to webhooks by outcome (`delivered`, `deferred`, `given_up`)", deliveries.clone());
        registry.register("lease", "Whether this replica may answer: 1, or 0; always 1 where it has its database alone", lease.clone());
        registry.register("replicas", "Replicas that this one knows of, itself among them", replicas.clone());
        registry.register("lease_renewals", "Renewals of the lease by outcome (`renewed`, `failed`)", renewals.clone());
        let verdicts = "Decisions for gateways (`allowed`, `unauthenticated`, `forbidden`), and what was none (`limited`, `undecided`)";
        registry.register("gateway_decisions", verdicts, decisions.clone());
        registry.register("http_request_duration_seconds", "From the end of the request's headers to the answer's headers", duration.clone());
        Self { registry, exchanges, answers, mail, deliveries, decisions, lease, replicas, renewals, duration }
    }
}

impl Metrics {
    pub(crate) fn exchanged(&self, endpoint: &'static str, outcome: &'static str) {
        self.exchanges.get_or_create(&Exchange { endpoint, outcome }).inc();
    }

    pub(crate) fn answered(&self, status: u16, duration: Duration) {
        self.answers.get_or_create(&Answer { status }).inc();
        self.duration.observe(duration.as_secs_f64());
    }

    pub(crate) fn mailed(&self, kind: &'static str, outcome: &'static str) {
        self.mail.get_or_create(&Mail { kind, outcome }).inc();
    }

    pub(crate) fn sent_to_webhook(&self, outcome: &'static str) {
        self.deliveries.get_or_create(&Delivery { outcome }).inc();
    }

    pub(crate) fn decided(&self, verdict: &'static str) {
        self.decisions.get_or_create(&Decision { verdict }).inc();
    }

    pub(crate) fn renewed(&self, outcome: &'static str) {
        self.renewals.get_or_create(&Renewal { outcome }).inc();
    }

    /// What is so at the moment at which it is asked for.
    pub(crate) fn stands(&self, core: &Core) {
        self.lease.set(i64::from(core.has_lease()));
        self.replicas.set(i64::from(core.sharers()));
    }

    pub(crate) fn text(&self) -> Option<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry).ok().map(|()| text)
    }
}
