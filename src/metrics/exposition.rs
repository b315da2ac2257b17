//! The text that Prometheus reads (`OpenMetrics` 1.0).

use super::cells::{CountCell, Histogram};
use super::labelled::{Family, Label};
use super::process::Process;
use super::threads::{ThreadCells, together};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

/// What the text is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A level that somebody else knows at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    /// What it is called.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// How much it is.
    pub value: i64,
}

/// Everything, as text; `gauges` are levels that only the caller knows.
///
/// # Errors
/// Never, as far as the library says.
pub fn exposition(gauges: Vec<Gauge>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Shown { gauges, process: Process::now() }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// What is shown, once.
#[derive(Debug)]
struct Shown {
    /// Levels that somebody else knows.
    gauges: Vec<Gauge>,
    /// What the system says of the process.
    process: Process,
}

impl Collector for Shown {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (mut out, all) = (MetricWriter(encoder), together());
        out.build()?;
        out.counters(&all)?;
        out.received(&all)?;
        out.levels(&all)?;
        for Gauge { name, help, value } in &self.gauges {
            out.gauge(name, help, value)?;
        }
        out.histograms(&all)?;
        for family in Family::ALL {
            out.family(&all, family)?;
        }
        out.http_times(&all)?;
        out.process(&self.process)
    }
}

/// Writes one metric after the other.
struct MetricWriter<'a>(DescriptorEncoder<'a>);

impl MetricWriter<'_> {
    /// Which build this is.
    fn build(&mut self) -> fmt::Result {
        let help = "Which build this is";
        let mut metric =
            self.0.encode_descriptor("warren_build_info", help, None, MetricType::Gauge)?;
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        metric.encode_family(&labels)?.encode_gauge(&1_i64)
    }

    /// The counters without labels.
    fn counters(&mut self, all: &ThreadCells) -> fmt::Result {
        let all = &all.tallies;
        let counters: [(&str, &str, &CountCell); 19] = [
            ("warren_connections_opened", "Sockets that were opened", &all.connections_opened),
            ("warren_sessions_begun", "Sessions that began", &all.sessions_begun),
            ("warren_channels_begun", "Channels that came into use", &all.channels_begun),
            ("warren_deliveries", "Events handed to connections", &all.deliveries),
            ("warren_socket_writes", "Writes to sockets", &all.socket_writes),
            ("warren_sent_bytes", "Bytes that sockets took", &all.bytes_sent),
            ("warren_received_bytes", "Bytes of sockets' frames", &all.bytes_received),
            ("warren_slow_consumers", "Readers closed as too slow", &all.slow_consumers),
            ("warren_missed_messages", "Messages that clients were told they missed", &all.missed),
            (
                "warren_idempotency_replays",
                "Answers given again to calls under a key that was used",
                &all.idempotency_replays,
            ),
            ("warren_history_appends", "Messages that were kept", &all.history_appends),
            ("warren_history_prunes", "Writes that deleted kept messages", &all.history_prunes),
            ("warren_store_reads", "Reads of the store", &all.store_reads),
            ("warren_bus_connections", "Connections to the bus", &all.bus_connections),
            ("warren_bus_entries", "Entries that came over lines of the bus", &all.bus_entries),
            (
                "warren_bus_reads",
                "Times that a line was read for what may have been missed",
                &all.bus_reads,
            ),
            (
                "warren_bus_reopenings",
                "Lines that were opened anew, with a gap that is told",
                &all.bus_reopenings,
            ),
            ("warren_spans_sent", "Spans that a collector of traces took", &all.spans_sent),
            (
                "warren_spans_lost",
                "Spans for want of a place, or that nobody took",
                &all.spans_lost,
            ),
        ];
        for (name, help, value) in counters {
            self.counter(name, help, value.get())?;
        }
        Ok(())
    }

    /// What was taken in, by where it came from and what it is.
    fn received(&mut self, all: &ThreadCells) -> fmt::Result {
        let all = &all.tallies;
        let help = "Messages, direct messages and state changes that were taken in";
        let (name, kind) = ("warren_messages_received", MetricType::Counter);
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        for (source, kind, taken) in [
            ("api", "message", &all.messages_from_api),
            ("socket", "message", &all.messages_from_sockets),
            ("api", "state", &all.states_from_api),
            ("socket", "state", &all.states_from_sockets),
            ("api", "direct", &all.direct_messages),
        ] {
            let labels = [("source", source), ("kind", kind)];
            ConstCounter::new(taken.get()).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// How much there is of what begins and ends.
    fn levels(&mut self, all: &ThreadCells) -> fmt::Result {
        let counted = &all.tallies;
        let lives = [
            (
                "warren_connections",
                "Sockets that are open",
                [&counted.connections_opened, &counted.connections_closed],
            ),
            (
                "warren_event_streams",
                "Event streams among the sockets that are open",
                [&counted.streams_opened, &counted.streams_closed],
            ),
            (
                "warren_sessions",
                "Sessions, those without a connection at the moment too",
                [&counted.sessions_begun, &counted.sessions_ended],
            ),
            (
                "warren_channels",
                "Channels in use",
                [&counted.channels_begun, &counted.channels_ended],
            ),
            (
                "warren_subscriptions",
                "Channels that connections hear",
                [&counted.subscriptions_begun, &counted.subscriptions_ended],
            ),
            (
                "warren_bus_lines",
                "Lines of the bus that are heard",
                [&counted.bus_lines_begun, &counted.bus_lines_ended],
            ),
        ];
        for (name, help, [begun, ended]) in lives {
            // A thread that is read before another may show an end whose beginning was not read.
            self.gauge(name, help, &signed(begun.get().saturating_sub(ended.get())))?;
        }
        let help = "Bytes that wait for sockets which take no more";
        self.gauge("warren_send_queue_bytes", help, &signed(all.send_queue_bytes.get()))
    }

    /// The histograms without labels.
    fn histograms(&mut self, all: &ThreadCells) -> fmt::Result {
        let seconds = Some(&Unit::Seconds);
        let help = "From an event's order until a worker's connections have been written to, of a \
                    sample of events";
        self.histogram("warren_delivery_duration", help, seconds, &all.delivery_time)?;
        let help = "How long commits take";
        self.histogram("warren_commit_duration", help, seconds, &all.commit_time)?;
        let help = "Writes in one commit";
        self.histogram("warren_commit_writes", help, None, &all.commit_writes)?;
        let help = "How long calls of webhooks take";
        self.histogram("warren_webhook_duration", help, seconds, &all.webhook_time)?;
        let help = "How long the bus takes to put something in order";
        self.histogram("warren_bus_append_duration", help, seconds, &all.bus_append_time)?;
        let help = "From a word's being said to the bus until it is heard, of a probe every 2 s";
        self.histogram("warren_bus_way_duration", help, seconds, &all.bus_way_time)
    }

    /// How long requests take.
    fn http_times(&mut self, all: &ThreadCells) -> fmt::Result {
        let help = "From a request's head until its answer is there";
        let (name, kind) = ("warren_http_request_duration", MetricType::Histogram);
        let labelled = all.labelled();
        let mut metric = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?;
        for (method, route, times) in labelled.http_times() {
            let labels = [("method", method.to_string()), ("route", route.to_string())];
            spread(&mut metric.encode_family(&labels)?, times)?;
        }
        Ok(())
    }

    /// What was counted under labels.
    fn family(&mut self, all: &ThreadCells, family: Family) -> fmt::Result {
        let (name, help, names) = family.described();
        let counted = all.labelled().of(family);
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in counted {
            let labels = labels.iter().flatten().map(Label::to_string);
            let labels: Vec<_> = names.iter().copied().zip(labels).collect();
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// What the system says of the process, under the names that every exporter has for it.
    fn process(&mut self, process: &Process) -> fmt::Result {
        let (name, help) = ("process_cpu", "CPU time that the process has used");
        let seconds = ConstCounter::new(process.cpu_seconds);
        seconds.encode(self.0.encode_descriptor(
            name,
            help,
            Some(&Unit::Seconds),
            MetricType::Counter,
        )?)?;
        let gauges = [
            ("process_resident_memory_bytes", "Memory that is resident", process.resident_bytes),
            ("process_open_fds", "File descriptors that are open", process.open_files),
            ("process_max_fds", "File descriptors that may be open", process.most_files),
            ("process_threads", "Threads", process.threads),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                self.gauge(name, help, &signed(value))?;
            }
        }
        self.gauge(
            "process_start_time_seconds",
            "When the process began, since 1970",
            &process.began_seconds,
        )
    }

    /// One counter.
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(metric)
    }

    /// One level.
    fn gauge(&mut self, name: &str, help: &str, value: &impl EncodeGaugeValue) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(value)
    }

    /// One histogram.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        noted: &Histogram,
    ) -> fmt::Result {
        spread(&mut self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?, noted)
    }
}

/// What a histogram noted.
fn spread(metric: &mut MetricEncoder<'_>, noted: &Histogram) -> fmt::Result {
    let (sum, count, buckets) = noted.shown();
    metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

/// A level as the library takes it.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{add, count};
    use std::time::Duration;

    #[test]
    fn the_text_has_what_was_counted_under_its_names_and_labels_and_an_end() {
        add(Family::HttpRequests, [Label::Word("GET"), Label::Word("/t"), Label::Number(418)]);
        count(|cells| {
            let (method, route) = (Label::Word("GET"), Label::Word("/t"));
            cells.labelled().note_http(method, route, Duration::from_millis(3));
            cells.commit_time.note_time(Duration::from_millis(1));
            cells.tallies.deliveries.add(3);
        });
        let gauges = vec![Gauge { name: "warren_somewhere", help: "A level", value: 7 }];
        let text = exposition(gauges).unwrap();
        for line in [
            "# TYPE warren_http_requests counter\n",
            "warren_http_requests_total{method=\"GET\",route=\"/t\",status=\"418\"} 1\n",
            "# UNIT warren_http_request_duration_seconds seconds\n",
            "warren_http_request_duration_seconds_bucket{le=\"0.005\",method=\"GET\",route=\"/t\"} 1\n",
            "warren_http_request_duration_seconds_bucket{le=\"0.0025\",method=\"GET\",route=\"/t\"} 0\n",
            "warren_commit_duration_seconds_bucket{le=\"+Inf\"} ",
            "warren_somewhere 7\n",
            "warren_build_info{version=\"",
            "process_cpu_seconds_total ",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
